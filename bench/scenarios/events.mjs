// How fast events are taken in: loose shapes that are found their way through, normalised, hashed, and kept with their bytes.

import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { grouped, mib, rate, seconds } from '../lib/figures.mjs';

const CLIENTS = 200;
const METRICS = 5;
const LINES_A_WRITE = 10_000;
const EPOCH = Date.UTC(2025, 0, 1);

// Each means another event, and each of the spellings is of the same ones.
const SPELLINGS = [
  (i) => `{"source":"client-${i % CLIENTS}","payload":{"metric":"metric-${i % METRICS}","amount":"${i % 9973}.50","timestamp":"${new Date(EPOCH + i * 1000).toISOString()}"}}\n`,
  (i) => `{"ts":${EPOCH / 1000 + i},"qty":${i % 9973}.5,"name":"metric-${i % METRICS}","tenant":"client-${i % CLIENTS}"}\n`,
];

// A file, since what is sent has to be made before the clock starts.
function write(file, count, spell) {
  const fd = fs.openSync(file, 'w');
  for (let at = 0; at < count;) {
    let text = '';
    for (const end = Math.min(count, at + LINES_A_WRITE); at < end; at++) text += spell(at);
    fs.writeSync(fd, text);
  }
  fs.closeSync(fd);
}

function send(url, file) {
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}/api/events?results=none`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => (text += part));
      response.on('end', () => (response.statusCode === 200 ? resolve(JSON.parse(text).data) : reject(new Error(`${response.statusCode}: ${text.slice(0, 300)}`))));
    });
    request.on('error', reject);
    fs.createReadStream(file, { highWaterMark: 1 << 20 }).on('error', reject).pipe(request);
  });
}

async function timed(server, file) {
  const began = performance.now();
  const done = await server.measured(() => send(server.url, file));
  return { ...done, seconds: (performance.now() - began) / 1000 };
}

// NDJSON over one connection, answered when the last event is on disk; then all of it again in another spelling, which counts nothing.
export async function events(run) {
  const count = run.records(3_000_000, 400_000);
  const files = SPELLINGS.map((spell, i) => {
    const file = path.join(run.dir, `events-${i}.ndjson`);
    write(file, count, spell);
    return file;
  });
  const server = await run.weir('events');
  const first = await timed(server, files[0]);
  const again = await timed(server, files[1]);
  await server.stop();
  run.clean('events');
  const bytes = files.map((file) => fs.statSync(file).size / count);
  for (const file of files) fs.rmSync(file);
  if (first.result.created !== count || again.result.duplicates !== count) {
    throw new Error(`not each was counted once: ${JSON.stringify([first.result, again.result])}`);
  }
  const perSecond = count / first.seconds;
  const cpu = (part) => `${seconds(part.cpuSeconds)}, ${((part.cpuSeconds / count) * 1e6).toFixed(2)} µs an event`;
  run.report.measures([
    [`${grouped(count)} events of ${Math.round(bytes[0])} bytes`, rate(perSecond), '≥ 100,000/s', perSecond >= 100_000],
    [`again, in another spelling of ${Math.round(bytes[1])} bytes`, rate(count / again.seconds)],
    ['anonymous memory, at most', mib(Math.max(first.peak, again.peak))],
    ['processor time, server', cpu(first)],
    ['… of the duplicates', cpu(again)],
  ]);
}
