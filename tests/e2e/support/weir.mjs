// Starts, stops and kills the real binary, each time on a data directory of its own.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const binary = resolve(process.env.WEIR_BIN ?? join(root, 'build/weir'));

/** Ends this process, with one line that says how to build it, when a program that came with the binary is not there. */
export function needBuilt(path) {
  if (existsSync(path)) return;
  const dir = dirname(binary);
  const kept = /^build-check-(\w+)$/.exec(basename(dir))?.[1]; // by scripts/check.sh
  const how = kept ? ` with \`make ${kept === 'tsan' ? 'check-full' : 'check'} STEPS=build-${kept}\``
    : dir === join(root, 'build') ? ` with \`scripts/build.sh ${relative(dir, path)}\`` : '';
  console.error(`${path} is missing: build it${how}, or name another weir with WEIR_BIN`);
  process.exit(2);
}
needBuilt(binary);

/** Weir reads every variable that begins with WEIR_ as an option, and refuses those that are none. */
export const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WEIR_')));
// What a sanitizer finds ends the program by a signal, so that no test can take its exit code for one that it waits for.
for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS']) environment[name] = `${environment[name] ?? ''}:abort_on_error=1`;

const START_MS_MAX = 30_000;
const STOP_MS_MAX = 30_000;
const SAID_MAX = 4000;

/** How a program ends: {code, signal}, as node says it. */
export const IN_ORDER = { code: 0, signal: null };
export const KILLED = { code: null, signal: 'SIGKILL' };

const inWords = ({ code, signal }) => (signal ? `by ${signal}` : `with code ${code}`);

/** Fails, with the end of what it said, unless a program ended as it was to. A crash is no kill, whoever was about to kill. */
export function assertEnding(ending, expected, said) {
  const { code, signal } = ending;
  if (code === expected.code && signal === expected.signal) return;
  assert.fail(`it ended by itself: ${inWords(ending)}, not ${inWords(expected)}; the last that it said:\n${said.slice(-SAID_MAX)}`);
}

const endings = new WeakMap();

/** Has `fn` called when the test is over, the last one first: servers end before their directories go. */
export function atEnd(t, fn) {
  if (!endings.has(t)) {
    const list = [];
    endings.set(t, list);
    t.after(async () => {
      const failures = [];
      for (const each of list.reverse()) {
        try {
          await each();
        } catch (error) {
          failures.push(error); // the others are called nevertheless: nothing is left behind
          console.error(error.message); // of a test that has failed before, nobody tells how a server ended
        }
      }
      if (failures.length > 0) throw failures[0];
    });
  }
  endings.get(t).push(fn);
}

/** A new directory that is removed after the test. */
export function tempDir(t) {
  const dir = mkdtempSync(join(tmpdir(), 'weir-e2e-'));
  atEnd(t, () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }));
  return dir;
}

/** A running server. `exited` resolves to {code, signal} once it is gone; what ends it says how it has to end. */
class Server {
  constructor(child, data) {
    this.child = child;
    this.data = data;
    this.stdout = '';
    this.stderr = '';
    this.isLookedAt = false;
    child.stdout.setEncoding('utf8').on('data', (text) => { this.stdout += text; });
    child.stderr.setEncoding('utf8').on('data', (text) => { this.stderr += text; });
    this.exited = new Promise((done) => child.on('close', (code, signal) => done({ code, signal })));
  }

  get pid() { return this.child.pid; }

  /** SIGTERM, and the promise of it: everything is drained and the exit code is 0. */
  async stop() {
    this.child.kill('SIGTERM');
    await this.ends(IN_ORDER);
  }

  /** SIGKILL: nothing of the process gets to run again. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.ends(KILLED);
  }

  /** Waits for it to end, which it has to do like this. */
  async ends(expected) {
    this.isLookedAt = true;
    const ending = await within(this.exited, STOP_MS_MAX, () => this.child.kill('SIGKILL'), 'the server to end');
    assertEnding(ending, expected, this.stderr);
  }

  /** After the test: it is killed when it still runs, and has not ended without somebody having looked how. */
  async leave() {
    if (!this.isLookedAt) await this.kill();
    else if (this.isRunning) this.child.kill('SIGKILL');
    await this.exited;
  }

  get isRunning() { return this.child.exitCode === null && this.child.signalCode === null; }

  async listening() {
    const line = await within(firstLine(this), START_MS_MAX, () => this.child.kill('SIGKILL'), 'the server to listen');
    const match = /^listening on (http:\/\/127\.0\.0\.1:(\d+))$/.exec(line);
    assert.ok(match, `the first line is the address, but was: ${line}\n${this.stderr}`);
    this.url = match[1];
    this.port = Number(match[2]);
    return this;
  }
}

function firstLine(server) {
  return new Promise((done, fail) => {
    const look = () => {
      const end = server.stdout.indexOf('\n');
      if (end >= 0) done(server.stdout.slice(0, end));
    };
    server.child.stdout.on('data', look);
    server.exited.then(({ code, signal }) =>
      fail(new Error(`the server ended (code ${code}, signal ${signal}) before it listened:\n${server.stderr}`)));
  });
}

async function within(promise, ms, onTimeout, what) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => { onTimeout(); fail(new Error(`waited ${ms} ms for ${what}`)); }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Starts `weir serve` and waits until it listens; it is killed after the test when it still runs.
 * Options: data (default: a new directory), config (a file), args (further ones), env, port.
 */
export async function startWeir(t, { data = tempDir(t), config, args = [], env = {}, port = 0 } = {}) {
  const server = spawnWeir(t, ['serve', '--data', data, '--listen', `127.0.0.1:${port}`,
    ...(config ? ['--config', config] : []), ...args], data, env);
  return server.listening();
}

/** Starts `weir serve` where it is expected to refuse; answers {code, stdout, stderr} when it has ended. */
export async function startRefused(t, data, { args = [], env = {} } = {}) {
  const server = spawnWeir(t, ['serve', '--data', data, '--listen', '127.0.0.1:0', ...args], data, env);
  server.isLookedAt = true;
  return ended(server, START_MS_MAX, 'the server to refuse');
}

function spawnWeir(t, args, data, env) {
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...environment, ...env }, cwd: dirname(data) });
  const server = new Server(child, data);
  atEnd(t, () => server.leave());
  return server;
}

/** {code, stdout, stderr} of a program that ends with a code, whichever; one that is ended by a signal has crashed. */
async function ended(program, ms, what) {
  const ending = await within(program.exited, ms, () => program.child.kill('SIGKILL'), what);
  assertEnding(ending, { code: ending.code ?? 0, signal: null }, program.stderr);
  return { code: ending.code, stdout: program.stdout, stderr: program.stderr };
}

/** Runs one command to its end: {code, stdout, stderr}. */
export function runWeir(args, { input = '', env = {}, cwd } = {}) {
  const done = spawnSync(binary, args, {
    input, cwd, env: { ...environment, ...env }, encoding: 'utf8', timeout: 60_000, maxBuffer: 1 << 28,
  });
  assert.equal(done.error, undefined, `weir ${args.join(' ')}: ${done.error}`);
  assertEnding({ code: done.status, signal: done.signal }, { code: done.status ?? 0, signal: null }, done.stderr);
  return { code: done.status, stdout: done.stdout, stderr: done.stderr };
}

/** The same, without holding up this process: for commands that talk to a server which this test feeds meanwhile. */
export async function runWeirAsync(t, args, { input = '', env = {}, cwd } = {}) {
  const child = spawn(binary, args, { stdio: 'pipe', cwd, env: { ...environment, ...env } });
  atEnd(t, () => child.kill('SIGKILL'));
  const server = new Server(child, '');
  child.stdin.on('error', () => {}); // a command may end before it has read all of its input
  child.stdin.end(input);
  return ended(server, 60_000, `weir ${args[0]}`);
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks until `ask` answers something true, or fails after `ms`. */
export async function eventually(ask, what, ms = 10_000) {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    assert.ok(Date.now() < end, `waited ${ms} ms for ${what}`);
    await sleep(25);
  }
}
