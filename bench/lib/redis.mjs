// A Redis server of our own, on a free port.

import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { pause } from './server.mjs';

export function found(command) {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function freePort() {
  return new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

// `fsync` is Redis's appendfsync: always, everysec.
export async function startRedis(dir, fsync) {
  const port = await freePort();
  fs.mkdirSync(dir);
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--appendonly', 'yes',
    '--appendfsync', fsync, '--save', '', '--daemonize', 'no'], { stdio: 'ignore' });
  process.on('exit', () => child.kill('SIGKILL'));
  for (let tries = 0; tries < 200; tries++) {
    await pause(50);
    try {
      execFileSync('redis-cli', ['-p', String(port), 'ping'], { stdio: 'ignore' });
      return { port, child };
    } catch {
      // not up yet
    }
  }
  throw new Error('redis-server does not come up');
}
