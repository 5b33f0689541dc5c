// The source `kafka` through the real service, on a real broker: each record of a topic is stored once, whoever is killed and whoever joins
// the group, and each message that is none is a dead letter.
//
// KAFKA_SOURCE_RECORDS=1000000 puts so many (20,000 without it).
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { countRecords, get, getJson } from './support/client.mjs';
import { startKafka } from './support/kafka.mjs';
import { assertEnding, atEnd, binary, environment, eventually, runWeirAsync, sleep, startWeir, tempDir, IN_ORDER, KILLED } from './support/weir.mjs';

const RECORDS = Number(process.env.KAFKA_SOURCE_RECORDS ?? 20_000);
const KILLS_MIN = RECORDS > 100_000 ? 20 : 4;
const PARTITIONS = 3, DESTINATIONS = 20;
const MS_MAX = 120_000 + RECORDS;
const tool = join(dirname(binary), 'tests/crash/kafka_topic_tool');

// Members that were killed are missed soon.
const broker = { brokers: 1, settings: { 'group.min.session.timeout.ms': 1000 } };
const QUICK = 'properties: [session.timeout.ms=1500, heartbeat.interval.ms=300]';

function configured(t, kafka, options = '') {
  const file = join(tempDir(t), 'weir.yaml');
  fs.writeFileSync(file, `sources:\n  orders:\n    type: kafka\n    brokers: [${kafka.bootstrap}]\n    ${QUICK}\n${options}`);
  return file;
}

/** Runs it to its end, and answers what it printed. */
async function runTool(t, args, input = '') {
  const child = spawn(tool, args, { env: environment });
  atEnd(t, () => child.kill('SIGKILL'));
  let out = '', said = '';
  child.stdout.setEncoding('utf8').on('data', (data) => { out += data; });
  child.stderr.setEncoding('utf8').on('data', (data) => { said += data; });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const code = await new Promise((done) => child.once('close', done));
  assert.equal(code, 0, `${args[0]}: ${said.slice(-1000)}`);
  return out;
}

const makeTopic = (t, kafka, name = 'records.in') => runTool(t, ['make', kafka.bootstrap, name, `${PARTITIONS}`]);
const put = (t, kafka, first, count, name = 'records.in') => runTool(t, ['put', kafka.bootstrap, name, `${first}`, `${count}`]);
const sourceOf = async (server) => (await getJson(server, '/api/sources/orders')).data;
const inState = (server, state) =>
  eventually(async () => { const source = await sourceOf(server); return source.state === state && source; }, `the source to be ${state}`, 60_000);
const counted = (server, count, ms = 60_000) => eventually(async () => await countRecords(server) === count, `${count} records`, ms);

/** The totals of the tool's records 0 … count - 1. */
function expectedGroups(count) {
  const groups = new Map();
  const money = (cents) => `${cents < 0 ? '-' : ''}${Math.trunc(Math.abs(cents) / 100)}.${String(Math.abs(cents) % 100).padStart(2, '0')}`;
  for (let i = 0; i < count; i++) {
    const name = `dest-${i % DESTINATIONS}`, group = groups.get(name) ?? { count: 0, net: 0 };
    group.count += 1;
    group.net += i % 3 ? 150 : -150;
    groups.set(name, group);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([destinationId, { count: recordCount, net }]) => {
    const sums = { recordCount, totalValue: money(150 * recordCount), netValue: money(net) };
    return { destinationId, ...sums, units: [{ unit: 'EUR', ...sums }] };
  });
}

// A member of the group that commits nothing is killed now and then, too, instead of leaving.
async function disturb(t, kafka, state) {
  while (!state.over) {
    const args = ['member', kafka.bootstrap, 'records.in', 'weir', `${500 + Math.floor(Math.random() * 2000)}`];
    if (Math.random() < 0.7) {
      const [held] = (await runTool(t, args)).split(' ').map(Number);
      state.members += held > 0;
    } else {
      const child = spawn(tool, args, { env: environment, stdio: ['ignore', 'ignore', 'inherit'] });
      setTimeout(() => child.kill('SIGKILL'), 2000);
      const ending = await new Promise((done) => child.once('close', (code, signal) => done({ code, signal })));
      assertEnding(ending, ending.code === 0 ? IN_ORDER : KILLED, ''); // it may have left before
    }
    await sleep(500 + Math.random() * 2000);
  }
}

test('each record of a topic is stored once, whoever is killed and whoever joins', { timeout: 3_600_000 }, async (t) => {
  const kafka = await startKafka(t, broker);
  if (!kafka) return;
  await makeTopic(t, kafka);
  const config = configured(t, kafka), data = tempDir(t), state = { over: false, members: 0 };
  const begun = Date.now();
  const filled = put(t, kafka, 0, RECORDS);
  const disturbed = disturb(t, kafka, state);
  let kills = 0, taken = 0;
  for (const end = Date.now() + MS_MAX; taken < RECORDS || kills < KILLS_MIN || state.members < 2; kills++) {
    assert.ok(Date.now() < end, `only ${taken} of ${RECORDS} records after ${kills} kills`);
    const server = await startWeir(t, { data, config });
    await sleep(2000 + Math.random() * 4000);
    taken = await countRecords(server);
    await server.kill();
  }
  state.over = true;
  await Promise.all([filled, disturbed]);
  const server = await startWeir(t, { data, config });
  await counted(server, RECORDS);
  const source = await eventually(async () => { const found = await sourceOf(server); return found.lag === 0 && found; }, 'no lag', 60_000);
  t.diagnostic(`${RECORDS} records, ${kills} kills, ${state.members} members, ${Date.now() - begun} ms`);
  assert.deepEqual((await getJson(server, '/api/records/aggregate?records=false')).data.groups, expectedGroups(RECORDS));
  assert.equal((await getJson(server, '/api/dead-letters')).data.length, 0);
  assert.deepEqual(source.places.map(({ part, next }) => [part, next]),
    [0, 1, 2].map((i) => [`records.in/${i}`, Math.floor((RECORDS - i + 2) / 3)]));
  await server.stop();
});

const EVENT = 'ce_specversion=1.0,ce_id=1,ce_source=/shop,ce_type=record';
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const record = (id, more = {}) => JSON.stringify({ recordId: id, time: '2025-01-01T10:00:00Z', sourceId: 's', destinationId: 'd',
  type: 'positive', value: '1.00', unit: 'EUR', reference: 'r', ...more });

/** Each message, and why it is none; those without a reason are records. */
const MESSAGES = [
  [`1 - ${record('good-1')}`],
  ['1 - {"recordId":"cut","time":', /JSON|unexpected|end/i],
  [`1 - ${record('typed', { value: ['1'] })}`, /value/],
  [`1 - ${record('bare', { unit: undefined })}`, /unit/],
  ['1 - LONG:10485760', /is 10485760 bytes long/],
  ['1 - ', /empty/],
  ['1 - NULL', /tombstone/],
  [`1 ${EVENT},ce_traceparent=${TRACE} ${record('good-2')}`],
  [`1 ce_specversion=1.0,ce_id=1,ce_type=record ${record('headless')}`, /source/],
  [`1 ce_specversion=0.3,ce_id=1,ce_source=a,ce_type=record ${record('old')}`, /specversion/],
  [`1 content-type=application/cloudevents+json {"specversion":"1.0","id":"1","source":"/shop","type":"record","data":${record('good-3')}}`],
  [`1 - ${record('good-1')}`],
  [`1 - ${record('good-1', { value: '2.00' })}`, /value/],
  [`1 - ${record('good-4')}`],
];

test('messages that are no records are dead letters, and the others arrive', { timeout: 300_000 }, async (t) => {
  const kafka = await startKafka(t, broker);
  if (!kafka) return;
  await makeTopic(t, kafka);
  await runTool(t, ['lines', kafka.bootstrap, 'records.in'], MESSAGES.map(([line]) => `${line}\n`).join(''));
  const server = await startWeir(t, { config: configured(t, kafka) });
  await counted(server, 4);
  const expected = MESSAGES.map(([, why], offset) => [`records.in/1/${offset}`, why]).filter(([, why]) => why);
  const letters = await eventually(async () => {
    const { data } = await getJson(server, '/api/dead-letters?limit=100');
    return data.length === expected.length && data.reverse();
  }, 'the dead letters', 30_000);
  letters.sort((a, b) => Number(a.place.split('/')[2]) - Number(b.place.split('/')[2]));
  assert.deepEqual(letters.map((letter) => [letter.source, letter.place]), expected.map(([place]) => ['orders', place]));
  letters.forEach((letter, i) => assert.match(letter.error, expected[i][1], letter.place));
  await eventually(async () => (await sourceOf(server)).lag === 0, 'no lag');
  assert.equal((await getJson(server, '/api/records/good-2')).data.traceparent ?? TRACE, TRACE);
  // Edited, one of them is a record; and it is not read again.
  const cut = letters.find((letter) => letter.place === 'records.in/1/1');
  const file = join(tempDir(t), 'cut.json');
  fs.writeFileSync(file, record('cut'));
  const edited = await runWeirAsync(t, ['dead-letters', 'retry', `${cut.id}`, '--raw', file, '--to', server.url]);
  assert.equal(edited.code, 0, edited.stderr);
  await counted(server, 5);
  await server.stop();
});

test('brokers that are down hold their own source, and it comes up when they do', { timeout: 300_000 }, async (t) => {
  const kafka = await startKafka(t, broker);
  if (!kafka) return;
  await makeTopic(t, kafka);
  await put(t, kafka, 0, 600);
  await kafka.brokers[0].kill();
  const server = await startWeir(t, { config: configured(t, kafka) });
  const source = await eventually(async () => { const found = await sourceOf(server); return found.lastError && found; }, 'it to say so', 30_000);
  assert.equal(source.state, 'connecting');
  assert.match(source.lastError, /no broker answers as it should .*refused/);
  const ready = await get(server, '/ready');
  assert.equal(ready.status, 200);
  assert.match(ready.text, /orders/);
  assert.match(server.stderr, /"?orders"?.*no broker answers/);
  assert.equal(await countRecords(server), 0);
  await kafka.brokers[0].start();
  await counted(server, 600);
  await inState(server, 'running');
  // Again while it runs: what was taken in stays, what comes afterwards comes.
  await kafka.brokers[0].kill();
  await inState(server, 'connecting');
  await kafka.brokers[0].start();
  await put(t, kafka, 600, 600);
  await counted(server, 1200);
  await server.stop();
});

test('a topic that was made anew is refused until its places are forgotten', { timeout: 300_000 }, async (t) => {
  const kafka = await startKafka(t, broker);
  if (!kafka) return;
  await makeTopic(t, kafka);
  const config = configured(t, kafka), data = tempDir(t);
  await put(t, kafka, 0, 300);
  const first = await startWeir(t, { data, config });
  await counted(first, 300);
  await first.stop();
  await runTool(t, ['delete', kafka.bootstrap, 'records.in']);
  await makeTopic(t, kafka);
  await put(t, kafka, 300, 900); // more than there were: our offsets are there, with other messages in front of them
  const server = await startWeir(t, { data, config });
  const source = await inState(server, 'failed');
  assert.match(source.lastError, /made anew; 'weir sources forget orders' starts over/);
  assert.equal(await countRecords(server), 300);
  for (const verb of ['forget', 'resume']) {
    const done = await runWeirAsync(t, ['sources', verb, 'orders', '--to', server.url]);
    assert.equal(done.code, 0, done.stderr);
  }
  await counted(server, 1200);
  // And while it runs.
  await runTool(t, ['delete', kafka.bootstrap, 'records.in']);
  await inState(server, 'connecting');
  await makeTopic(t, kafka);
  await put(t, kafka, 1200, 30);
  const again = await inState(server, 'failed');
  assert.match(again.lastError, /made anew/);
  assert.equal(await countRecords(server), 1200);
  await server.stop();
});
