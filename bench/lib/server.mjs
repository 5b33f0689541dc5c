// Servers that are measured: started on a free port, watched through /proc, stopped by their process id.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import readline from 'node:readline';

const TICKS_PER_SECOND = 100; // of /proc/PID/stat, on every Linux
const START_MS_MAX = 600_000;
const STOP_MS_MAX = 60_000;
const SAMPLE_MS = 250;

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const running = new Set();

// Nothing that was started outlives this process.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Server {
  // The first line that the command prints has to be "listening on http://…".
  static async start(command, args, { log, env = {} } = {}) {
    const server = new Server();
    const stderr = log ? fs.openSync(log, 'a') : 'ignore';
    server.began = performance.now();
    server.child = spawn(command, args, { stdio: ['ignore', 'pipe', stderr], env: { ...process.env, ...env } });
    if (log) fs.closeSync(stderr);
    running.add(server.child);
    server.ended = new Promise((resolve) => server.child.once('exit', (code, signal) => {
      running.delete(server.child);
      resolve(signal ?? code);
    }));
    server.url = await server.#listening(`${command} ${args.join(' ')}`);
    server.listening = performance.now();
    return server;
  }

  async #listening(what) {
    const lines = readline.createInterface({ input: this.child.stdout });
    const first = await Promise.race([
      new Promise((resolve) => lines.once('line', resolve)),
      this.ended.then((code) => `ended with ${code}`),
      pause(START_MS_MAX).then(() => 'no answer in time'),
    ]);
    const match = /^listening on (http:\S+)/.exec(first);
    if (!match) throw new Error(`${what}: ${first}`);
    this.child.stdout.resume();
    return match[1];
  }

  // Milliseconds from the start of the process until `path` answered 200.
  async readyMilliseconds(path = '/ready') {
    for (;;) {
      if ((await status(this.url + path)) === 200) return performance.now() - this.began;
      if (performance.now() - this.began > START_MS_MAX) throw new Error(`${this.url}${path} does not become ready`);
      await pause(2);
    }
  }

  get pid() {
    return this.child.pid;
  }

  cpuSeconds() {
    const stat = fs.readFileSync(`/proc/${this.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  anonymousBytes() {
    const rollup = fs.readFileSync(`/proc/${this.pid}/smaps_rollup`, 'utf8');
    return Number(/^Anonymous:\s+(\d+) kB/m.exec(rollup)[1]) * 1024;
  }

  // Runs `work` and returns what it returned, with the server's CPU time and its largest and last anonymous memory.
  async measured(work) {
    const cpu = this.cpuSeconds();
    let peak = this.anonymousBytes();
    const timer = setInterval(() => {
      peak = Math.max(peak, this.anonymousBytes());
    }, SAMPLE_MS);
    try {
      const result = await work();
      const anonymous = this.anonymousBytes();
      return { result, cpuSeconds: this.cpuSeconds() - cpu, anonymous, peak: Math.max(peak, anonymous) };
    } finally {
      clearInterval(timer);
    }
  }

  async kill(signal) {
    this.child.kill(signal);
    return this.ended;
  }

  async stop() {
    this.child.kill('SIGTERM');
    const late = pause(STOP_MS_MAX).then(() => 'late');
    if ((await Promise.race([this.ended, late])) === 'late') await this.kill('SIGKILL');
  }
}

function status(url) {
  return new Promise((resolve) => {
    const request = http.get(url, { agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
      response.on('error', () => resolve(0));
    });
    request.on('error', () => resolve(0));
  });
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

// One GET. Milliseconds to the first byte of the body and to its end, and the body; with `bytesMax` or `msMax` the rest is
// not waited for (`bytes` says how much came).
export function get(url, { headers = {}, bytesMax = Infinity, msMax = Infinity } = {}) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const request = http.get(url, { agent, headers }, (response) => {
      const chunks = [];
      let first = null;
      let bytes = 0;
      const done = (cut) => resolve({ status: response.statusCode, first, total: performance.now() - began, bytes, cut, body: Buffer.concat(chunks).toString() });
      response.on('data', (chunk) => {
        first ??= performance.now() - began;
        bytes += chunk.length;
        if (bytes <= 2 ** 24) chunks.push(chunk);
        if (bytes > bytesMax || performance.now() - began > msMax) {
          done(true);
          request.destroy();
        }
      });
      response.on('end', () => done(false));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

export { pause };
