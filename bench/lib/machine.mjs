// What the figures were measured on.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { median } from './figures.mjs';

const SYNCS = 200;
const SYNC_BYTES = 4096;

function output(command, args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

// Milliseconds of one fdatasync after rewriting a block of a file, as a write-ahead log that is reused does.
export function syncMilliseconds(dir) {
  const file = path.join(dir, 'sync-probe');
  const fd = fs.openSync(file, 'w');
  const block = Buffer.alloc(SYNC_BYTES, 'x');
  const times = [];
  fs.writeSync(fd, Buffer.alloc(SYNC_BYTES * SYNCS));
  fs.fsyncSync(fd);
  for (let i = 0; i < SYNCS; i++) {
    fs.writeSync(fd, block, 0, SYNC_BYTES, i * SYNC_BYTES);
    const began = process.hrtime.bigint();
    fs.fdatasyncSync(fd);
    times.push(Number(process.hrtime.bigint() - began) / 1e6);
  }
  fs.closeSync(fd);
  fs.unlinkSync(file);
  return median(times);
}

export function commit() {
  const short = output('git', ['rev-parse', '--short=8', 'HEAD']) || 'unknown';
  return output('git', ['status', '--porcelain', '--untracked-files=no']) ? `${short}-changed` : short;
}

export function describe(dir) {
  const system = (fs.existsSync('/etc/os-release') ? fs.readFileSync('/etc/os-release', 'utf8') : '').match(/PRETTY_NAME="(.*)"/);
  return [
    ['processor', `${os.cpus()[0].model.trim()}, ${os.cpus().length} cores`],
    ['memory', `${(os.totalmem() / 2 ** 30).toFixed(1)} GiB`],
    ['system', `${system ? system[1] : os.type()}, kernel ${os.release()}`],
    ['file system', `${output('stat', ['-f', '-c', '%T', dir])}, fdatasync of 4 KiB ${syncMilliseconds(dir).toFixed(3)} ms (median of ${SYNCS})`],
    ['load before', os.loadavg().map((load) => load.toFixed(2)).join(' ')],
    ['program', output('build/weir', ['version']).split('\n').map((line) => line.trim()).join(', ')],
  ];
}
