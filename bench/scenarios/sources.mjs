// Records from a broker: what had piled up while nobody read, until the last one is stored and acknowledged.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { startKafka } from '../../tests/e2e/support/kafka.mjs';
import { command, sendAll } from '../../tests/e2e/support/redis_wire.mjs';
import { grouped, median, random, rate } from '../lib/figures.mjs';
import { found, startRedis } from '../lib/redis.mjs';
import { get, pause } from '../lib/server.mjs';

const ROUNDS = 3;
const CHUNK = 5000;
const LATE_MS_MAX = 300_000;

// One of 1,000 destinations, with an id that comes in no order.
function records(first, count, next) {
  return Array.from({ length: count }, (_, i) => JSON.stringify({ recordId: `${Math.floor(next() * 1e9)}-${first + i}`, time: '2025-01-01T10:00:00Z',
    sourceId: `source-${i % 50}`, destinationId: `dest-${Math.floor(next() * 1000)}`, type: i % 3 ? 'positive' : 'negative', value: `${i % 900}.50`,
    unit: 'EUR', reference: `ref-${i % 20}` }));
}

async function fill(port, put, count) {
  const next = random(1);
  for (let first = 0; first < count; first += CHUNK) {
    await sendAll({ socket: port }, records(first, Math.min(CHUNK, count - first), next).map(put));
  }
}

async function sourceOf(server) {
  return JSON.parse((await get(`${server.url}/api/sources`)).body).data[0];
}

async function round(run, name, options, count) {
  const file = `${run.storeDir(name)}.yaml`;
  fs.writeFileSync(file, `sources:\n  here:\n${options.map((option) => `    ${option}\n`).join('')}`);
  const server = await run.weir(name, ['--config', file]);
  try {
    const deadline = performance.now() + LATE_MS_MAX;
    let source = await sourceOf(server);
    for (; source.created < count; source = await sourceOf(server)) {
      if (performance.now() > deadline) throw new Error(`${source.created} of ${count} records: ${source.lastError}`);
      await pause(10);
    }
    return { overall: count / ((performance.now() - server.listening) / 1000), cpu: server.cpuSeconds() / count };
  } finally {
    await server.stop();
    run.clean(name);
  }
}

export async function sourceRedis(run) {
  if (!found('redis-server')) {
    run.report.note('skipped: redis-server is not installed (`scripts/deps.sh check`)');
    return;
  }
  const ways = {
    stream: { option: (key) => `streams: [${key}]`, put: (key) => (raw) => command('XADD', key, '*', 'record', raw) },
    list: { option: (key) => `lists: [${key}]`, put: (key) => (raw) => command('LPUSH', key, raw) },
  };
  const { port, child } = await startRedis(path.join(run.dir, 'redis-source'), 'everysec');
  const count = run.records(500_000, 50_000);
  const rows = [['what', 'measured', 'CPU of ours a record']];
  for (const [name, way] of Object.entries(ways)) {
    const all = [];
    for (let i = 0; i < (run.quick ? 1 : ROUNDS); i++) {
      const key = `${name}-${i}`;
      await fill(port, way.put(key), count);
      all.push(await round(run, `source-redis-${key}`, ['type: redis', `url: redis://127.0.0.1:${port}`, way.option(key)], count));
    }
    const micros = median(all.map((each) => each.cpu)) * 1e6;
    rows.push([`${grouped(count)} records from a ${name}`, rate(median(all.map((each) => each.overall))), `${micros.toFixed(1)} µs`]);
  }
  run.report.table(rows);
  child.kill('SIGTERM');
}

const tool = (...args) => {
  const done = spawnSync('build/tests/crash/kafka_topic_tool', args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`kafka_topic_tool ${args[0]}: ${done.stderr}`);
};

export async function sourceKafka(run) {
  const endings = [];
  const kafka = await startKafka({ after: (fn) => endings.push(fn), skip: (why) => run.report.note(`skipped: ${why}`) }, { brokers: 1, javaArgs: [] });
  if (!kafka) return;
  const count = run.records(1_000_000, 100_000), all = [];
  try {
    tool('make', kafka.bootstrap, 'records.in', '3');
    tool('put', kafka.bootstrap, 'records.in', '0', `${count}`);
    for (let i = 0; i < (run.quick ? 1 : ROUNDS); i++) {
      const options = ['type: kafka', `brokers: ${kafka.bootstrap}`, `group: round-${i}`];
      all.push(await round(run, `source-kafka-${i}`, options, count));
    }
  } finally {
    for (const end of endings.reverse()) await end();
  }
  const micros = median(all.map((each) => each.cpu)) * 1e6;
  run.report.table([['what', 'measured', 'CPU of ours a record'],
    [`${grouped(count)} records from three partitions`, rate(median(all.map((each) => each.overall))), `${micros.toFixed(1)} µs`]]);
}
