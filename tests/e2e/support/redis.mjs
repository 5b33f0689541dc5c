// A real redis-server of a test's own, on a Unix socket in a directory of its own.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { atEnd, sleep } from './weir.mjs';

/** Why a test that needs Redis is skipped; false when it is not. */
export const noRedis = spawnSync('redis-server', ['--version']).error ? 'skipped: there is no redis-server on this machine' : false;

class Redis {
  constructor(dir, sync, args) {
    this.dir = dir;
    this.sync = sync;
    this.args = args;
    this.socket = join(dir, 'socket');
    this.url = `unix://${this.socket}`;
  }

  /** Returns when it answers. */
  async start() {
    try { unlinkSync(this.socket); } catch { /* it is the first time */ }
    this.child = spawn('redis-server', ['--port', '0', '--unixsocket', this.socket, '--dir', this.dir, '--appendonly', 'yes', '--save', '',
      '--appendfsync', this.sync, '--auto-aof-rewrite-percentage', '0', '--daemonize', 'no', ...this.args], { stdio: 'ignore' });
    this.exited = new Promise((done) => this.child.on('close', done));
    for (const end = Date.now() + 30_000; this.run(['ping']).stdout !== 'PONG\n';) {
      assert.ok(Date.now() < end && this.child.exitCode === null, 'redis-server does not answer');
      await sleep(20);
    }
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  run(args) {
    return spawnSync('redis-cli', ['-s', this.socket, ...args], { encoding: 'utf8', maxBuffer: 1 << 29 });
  }

  /** What a command answers, a line each. */
  ask(...args) {
    const { stdout, status } = this.run(args);
    assert.equal(status, 0, `redis-cli ${args[0]}`);
    return stdout.trimEnd().split('\n');
  }

  length(key) { return Number(this.ask('XLEN', key)[0]); }

  /** The entries of a stream of ours, in order: {entry, id, type, time, key, data, …}. */
  *entries(key) {
    const lines = this.ask('XRANGE', key, '-', '+');
    for (let at = 0; at < lines.length && lines[at] !== '';) {
      const found = { entry: lines[at++] };
      for (let last = false; !last; at += 2) {
        found[lines[at]] = lines[at + 1];
        last = lines[at] === 'data';
      }
      yield found;
    }
  }
}

/** `sync` is Redis's appendfsync, `args` are further options of redis-server. */
export async function startRedis(t, sync = 'always', args = []) {
  const dir = mkdtempSync(join(tmpdir(), 'weir-redis-'));
  const redis = new Redis(dir, sync, args);
  atEnd(t, async () => {
    await redis.kill();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });
  await redis.start();
  return redis;
}
