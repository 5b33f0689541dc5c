// Messages into each kind of sink while records come in, and what a sink that is down costs.

import fs from 'node:fs';
import path from 'node:path';
import { startKafka } from '../../tests/e2e/support/kafka.mjs';
import { found, startRedis } from '../lib/redis.mjs';
import { grouped, median, rate, times } from '../lib/figures.mjs';
import { load } from '../lib/load.mjs';
import { get, pause, Server } from '../lib/server.mjs';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const LATE_MS_MAX = 300_000;

async function sinkOf(server) {
  const answer = await get(`${server.url}/api/sinks`);
  if (answer.status !== 200) throw new Error(`/api/sinks answered ${answer.status}`);
  return JSON.parse(answer.body).data[0];
}

async function caughtUp(server, records) {
  const deadline = performance.now() + LATE_MS_MAX;
  for (;;) {
    const sink = await sinkOf(server);
    if (sink.lastSeq >= records && sink.lag === 0 && sink.inFlight === 0) return sink;
    if (performance.now() > deadline) throw new Error(`the sink is ${sink.lag} messages behind: ${sink.lastError}`);
    await pause(10);
  }
}

// One round on a fresh store: messages a second while records come in as fast as they can, and from the first record to the last message.
async function round(run, name, config, flags) {
  const dir = run.storeDir(name);
  const file = `${dir}.yaml`;
  fs.writeFileSync(file, config);
  const server = await run.weir(name, ['--config', file]);
  try {
    const began = performance.now();
    const report = await load(server.url, flags);
    const meanwhile = (await sinkOf(server)).taken / ((performance.now() - began) / 1000);
    const sink = await caughtUp(server, report.records.sent);
    const took = (performance.now() - began) / 1000;
    if (sink.taken < report.records.sent) throw new Error(`${sink.taken} messages of ${report.records.sent} records`);
    return { intake: report.records.perSecond, meanwhile, overall: sink.taken / took, cpu: server.cpuSeconds() };
  } finally {
    await server.stop();
    run.clean(name);
  }
}

const ROUNDS = 3;

async function rounds(run, name, target, config, flags) {
  const all = [];
  for (let i = 0; i < (run.quick ? 1 : ROUNDS); i++) all.push(await round(run, `${name}-${i}`, await config(i), flags));
  const of = (key) => median(all.map((each) => each[key]));
  run.report.table([
    ['what', 'measured', 'target', 'reached'],
    ['records taken in meanwhile', rate(of('intake')), '', ''],
    ['messages while records come in', rate(of('meanwhile')), '', ''],
    ['messages from the first record to the last message', rate(of('overall')), `≥ ${grouped(target)}/s`, of('overall') >= target ? 'yes' : '**no**'],
  ]);
  run.report.note(`Median of ${all.length}; rounds: ${all.map((each) => grouped(each.overall)).join(', ')}.`);
}

export async function sinkRedis(run) {
  if (!found('redis-server')) {
    run.report.note('skipped: redis-server is not installed (`scripts/deps.sh check`)');
    return;
  }
  const { port, child } = await startRedis(path.join(run.dir, 'redis-sink'), 'everysec');
  const config = (i) => `sinks:\n  stream:\n    type: redis\n    url: redis://127.0.0.1:${port}\n    prefix: "round${i}."\n`;
  await rounds(run, 'sink-redis', 50_000, config, { mode: 'ndjson', records: run.records(1_000_000, 100_000) });
  child.kill('SIGTERM');
}

// What startKafka wants of a test.
function testLike(report) {
  const endings = [];
  return { after: (fn) => endings.push(fn), skip: (why) => report.note(`skipped: ${why}`), diagnostic: () => {}, endings };
}

export async function sinkKafka(run) {
  const test = testLike(run.report);
  const kafka = await startKafka(test, { brokers: 1, javaArgs: [] });
  if (!kafka) return;
  try {
    const config = (i) => `sinks:\n  topics:\n    type: kafka\n    brokers: ${kafka.bootstrap}\n    prefix: "round${i}."\n`;
    await rounds(run, 'sink-kafka', 50_000, config, { mode: 'ndjson', records: run.records(1_000_000, 100_000) });
  } finally {
    for (const end of test.endings.reverse()) await end();
  }
}

export async function sinkWebhook(run) {
  const receiver = await Server.start('node', ['bench/lib/webhook_receiver.mjs']);
  const config = () => `sinks:\n  hook:\n    type: webhook\n    url: ${receiver.url}/hook\n    secret: ${SECRET}\n    allow_private: 127.0.0.0/8\n`;
  await rounds(run, 'sink-webhook', 5_000, config, { mode: 'ndjson', records: run.records(100_000, 20_000) });
  await receiver.stop();
}

// Records a second without a sink, and with one that nobody answers; in turns.
export async function sinkDown(run) {
  const configs = { without: '{}\n', down: `sinks:\n  hook:\n    type: webhook\n    url: http://127.0.0.1:9/hook\n    secret: ${SECRET}\n    allow_private: 127.0.0.0/8\n` };
  const rates = { without: [], down: [] };
  for (let i = 0; i < (run.quick ? 1 : ROUNDS); i++) {
    for (const [name, config] of Object.entries(configs)) {
      const file = `${run.storeDir(name)}.yaml`;
      fs.writeFileSync(file, config);
      const server = await run.weir(name, ['--config', file]);
      rates[name].push((await load(server.url, { mode: 'ndjson', records: run.records(2_000_000, 200_000) })).records.perSecond);
      await server.stop();
      run.clean(name);
    }
  }
  const ratio = median(rates.down) / median(rates.without);
  run.report.table([
    ['what', 'measured'],
    ['without a sink', rate(median(rates.without))],
    ['with a sink that is down', rate(median(rates.down))],
    ['ratio', times(ratio)],
  ]);
}
