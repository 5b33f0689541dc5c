// `http.front_door: kafka` on a real broker: what POST /records has acknowledged with 202 is in the store at the end, whoever was killed,
// and nothing is in it twice.
//
// FRONT_DOOR_SECONDS=120 keeps the load up for so long (12 without it).
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { assertInvalid, assertProblem, countRecords, get, getJson, NDJSON_TYPE, readPages, send } from './support/client.mjs';
import { contractOnKafka, startKafka } from './support/kafka.mjs';
import { atEnd, binary, environment, eventually, runWeir, sleep, startWeir, tempDir } from './support/weir.mjs';

const SECONDS = Number(process.env.FRONT_DOOR_SECONDS ?? 12);
const PARTITIONS = 3;
const tool = join(dirname(binary), 'tests/crash/kafka_topic_tool');
const broker = { brokers: 1, settings: { 'group.min.session.timeout.ms': 1000 } };

/** A member that was killed is missed soon. */
function configured(t, bootstrap, more = '', http = '') {
  const file = join(tempDir(t), 'weir.yaml');
  fs.writeFileSync(file, `http:\n  front_door: kafka\n${http}sources:\n  orders:\n    type: kafka\n    brokers: [${bootstrap}]\n`
    + `    properties: [session.timeout.ms=1500, heartbeat.interval.ms=300]\n${more}`);
  return file;
}

async function makeTopic(t, kafka) {
  const child = spawn(tool, ['make', kafka.bootstrap, 'records.in', `${PARTITIONS}`], { env: environment, stdio: 'inherit' });
  atEnd(t, () => child.kill('SIGKILL'));
  assert.equal(await new Promise((done) => child.once('close', done)), 0);
}

const record = (id, more = {}) => ({ recordId: id, time: '2025-01-01T10:00:00.25+02:00', sourceId: 's', destinationId: 'd',
  type: 'positive', value: 1.5, unit: 'EUR', reference: 'r', ...more });
const accept = (server, body, query = '', options = {}) => send(server, `/records${query}`, body, options);
const counted = (server, count, ms = 30_000) => eventually(async () => await countRecords(server) === count, `${count} records`, ms);
const sourceOf = async (server) => (await getJson(server, '/api/sources/orders')).data;
const doorOf = async (server) => (await getJson(server, '/ready')).frontDoor;
const doorIs = (server, state) => eventually(async () => (await doorOf(server)).state === state, `the front door to be ${state}`, 30_000);
const metric = async (server, name) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await get(server, '/metrics')).text)?.[1]);

test('what is handed in is in the topic of a real broker', { timeout: 300_000 }, (t) => contractOnKafka(t, 'test_front_door',
  ['test_produces', 'test_order', 'test_threads', 'test_options']));

test('what is accepted goes through Kafka into the store', { timeout: 300_000 }, async (t) => {
  const kafka = await startKafka(t, broker);
  if (!kafka) return;
  await makeTopic(t, kafka);
  const server = await startWeir(t, { config: configured(t, kafka.bootstrap) });
  await doorIs(server, 'open');

  // One record, three times: the answer does not know of the others.
  for (let i = 0; i < 3; i++) {
    const answer = await accept(server, record('one'));
    assert.equal(answer.status, 202, answer.text);
    assert.deepEqual(answer.json, { message: 'Record accepted', data: { recordId: 'one', status: 'accepted' } });
  }
  await counted(server, 1);
  await eventually(async () => (await sourceOf(server)).duplicates === 2, 'two duplicates');
  const one = (await getJson(server, '/api/records/one')).data;
  assert.equal(one.time, '2025-01-01T08:00:00.25Z');
  assert.equal(one.value, '1.50');

  // What is no record is refused before it is produced, and what is asked for the answer's sake is not produced either.
  assertInvalid(await accept(server, record('bad', { value: '-1', unit: '' })), ['value', 'unit']);
  assertInvalid(await accept(server, [record('x1')], '?mode=atomic'), ['mode']);
  const dry = await accept(server, record('one'), '?dryRun=true');
  assert.equal(dry.status, 200, dry.text);
  assert.equal(dry.json.data.isDuplicate, true);

  // Many.
  const array = await accept(server, [record('a1'), record('a2', { type: 'none' }), record('a3')]);
  assert.equal(array.status, 202, array.text);
  assert.deepEqual({ ...array.json.data, results: array.json.data.results.map(({ index, status }) => [index, status]) },
    { received: 3, accepted: 2, rejected: 1, results: [[1, 'rejected']] });
  const all = await accept(server, { records: [record('a4')] }, '?results=all');
  assert.deepEqual(all.json, { message: 'Records accepted',
    data: { received: 1, accepted: 1, rejected: 0, results: [{ index: 0, recordId: 'a4', status: 'accepted' }] } });
  const lines = Array.from({ length: 3000 }, (_, i) => `${i === 1234 ? '{"recordId":' : JSON.stringify(record(`n${i}`))}\n`).join('');
  const ndjson = await accept(server, lines, '', { type: NDJSON_TYPE });
  assert.equal(ndjson.status, 202, ndjson.text.slice(0, 500));
  const { received, accepted, rejected, results } = ndjson.json.data;
  assert.deepEqual([received, accepted, rejected, results[0].line], [3000, 2999, 1, 1235]);
  await counted(server, 4 + 2999);

  // CloudEvents, and what goes along: the trace, and fields that are none of a record's.
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const event = { specversion: '1.0', id: '1', source: '/shop', type: 'record', traceparent: trace, data: record('event') };
  assert.equal((await accept(server, event, '', { type: 'application/cloudevents+json' })).status, 202);
  const headers = { 'ce-specversion': '1.0', 'ce-id': '2', 'ce-source': '/shop', 'ce-type': 'record' };
  assert.equal((await accept(server, record('binary'), '', { headers })).status, 202);
  const unknown = await accept(server, record('unknown', { colour: 'red', reference: 'a\u0001"\\\n\u00e9\u{1f600}' }), '', { headers: { traceparent: trace } });
  assert.deepEqual([unknown.status, unknown.json.warnings], [202, ['colour']]);
  await counted(server, 4 + 2999 + 3);
  assert.equal((await getJson(server, '/api/records/event')).data.traceparent, trace);
  assert.equal((await getJson(server, '/api/records/unknown')).data.traceparent, trace);
  assert.equal((await getJson(server, '/api/records/unknown')).data.reference, 'a\u0001"\\\n\u00e9\u{1f600}');

  // The other route is as it was; a conflict between the two is found where records are stored.
  assert.equal((await send(server, '/api/records', record('direct'))).status, 201);
  assert.equal((await accept(server, record('direct', { value: '7.00' }))).status, 202);
  const letters = await eventually(async () => {
    const { data } = await getJson(server, '/api/dead-letters');
    return data.length === 1 && data;
  }, 'a dead letter');
  assert.match(letters[0].error, /value/);
  assert.equal(letters[0].source, 'orders');
  assert.equal(await metric(server, 'weir_front_door_failed_total'), 0);
  assert.equal(await metric(server, 'weir_front_door_produced_total'), 3 + 2 + 1 + 2999 + 3 + 1);
  assert.equal(await metric(server, 'weir_front_door_waiting'), 0);
  await server.stop();
});

test('records of one destination keep the order in which they were sent', { timeout: 300_000 }, async (t) => {
  const kafka = await startKafka(t, broker);
  if (!kafka) return;
  await makeTopic(t, kafka);
  const server = await startWeir(t, { config: configured(t, kafka.bootstrap) });
  const sent = new Map();
  await Promise.all(Array.from({ length: 6 }, async (_, lane) => {
    const names = [];
    sent.set(`dest-${lane}`, names);
    for (let i = 0; i < 60; i++) {
      const batch = Array.from({ length: i % 5 + 1 }, (__, j) => `r-${lane}-${i}-${j}`);
      names.push(...batch);
      const answer = await accept(server, batch.map((id) => record(id, { destinationId: `dest-${lane}` })));
      assert.equal(answer.status, 202, answer.text);
    }
  }));
  await counted(server, [...sent.values()].flat().length);
  for (const [name, ids] of sent) {
    const stored = (await readPages(server, `destinationId=${name}`)).sort((a, b) => a.id - b.id).map((r) => r.recordId);
    assert.deepEqual(stored, ids);
  }
  await server.stop();
});

test('without a broker the answer is 503, at once and within the time of a request', { timeout: 300_000 }, async (t) => {
  const kafka = await startKafka(t, broker);
  if (!kafka) return;
  await makeTopic(t, kafka);
  await kafka.brokers[0].kill();
  const config = configured(t, kafka.bootstrap, '', '  request_timeout: 5s\n'), data = tempDir(t);
  const first = await startWeir(t, { config, data });
  const begun = Date.now();
  const early = assertProblem(await accept(first, record('early')), 503); // it may be that nobody knows yet
  assert.ok(Date.now() - begun < 8000, `${Date.now() - begun} ms`);
  await doorIs(first, 'down');
  const answer = await accept(first, record('late'));
  assertProblem(answer, 503);
  assert.equal(answer.headers.get('retry-after'), '1');
  assert.match(answer.json.detail, /takes nothing just now/);
  assertProblem(await accept(first, `${JSON.stringify(record('line'))}\n`, '', { type: NDJSON_TYPE }), 503);
  assertProblem(await accept(first, [record('i1'), record('i2')]), 503);
  assert.match((await doorOf(first)).error, /no broker answers as it should/);
  assert.equal((await get(first, '/ready')).status, 200);
  assert.equal(await metric(first, 'weir_front_door_up'), 0);
  assert.ok(await metric(first, 'weir_front_door_refused_total') >= 3);
  assert.equal((await send(first, '/api/records', record('direct'))).status, 201);
  assert.match(first.stderr, /the front door is down/);
  // It opens by itself.
  await kafka.brokers[0].start();
  await doorIs(first, 'open');
  assert.equal((await accept(first, record('late'))).status, 202);
  await eventually(async () => (await get(first, '/api/records/late')).status === 200, 'the record', 60_000);
  // While the broker hangs nobody knows that it is down: what is sent waits, and is answered before its time is over.
  await freeze(kafka.brokers[0]);
  const since = Date.now();
  const hung = await accept(first, record('hung'));
  const ms = Date.now() - since;
  assertProblem(hung, 503);
  assert.match(hung.json.detail, /harmless|safe/);
  assert.ok(ms > 2000 && ms < 9000, `${ms} ms`);
  kafka.brokers[0].child.kill('SIGCONT');
  await eventually(async () => (await accept(first, record('after'))).status === 202, 'the front door to be open', 60_000);
  // A stop answers those who wait.
  await freeze(kafka.brokers[0]);
  const waiting = accept(first, record('stopped'));
  await sleep(300);
  await first.stop();
  assert.equal((await waiting).status, 503);
  kafka.brokers[0].child.kill('SIGCONT');
  assert.ok(early);
});

/** All of its threads stand still when this returns, which takes a moment. */
async function freeze(one) {
  one.child.kill('SIGSTOP');
  await sleep(200);
}

/** Sends until it is over; keeps what was acknowledged, and what was sent. */
async function client(state, number) {
  for (let i = 0; !state.over; i++) {
    const ids = Array.from({ length: i % 3 === 0 ? 1 : 20 }, (_, j) => `c${number}-${i}-${j}`);
    const records = ids.map((id) => record(id, { destinationId: `dest-${number}` }));
    const options = i % 3 === 2 ? { type: NDJSON_TYPE } : {};
    const body = i % 3 === 0 ? records[0] : i % 3 === 1 ? records : records.map((r) => `${JSON.stringify(r)}\n`).join('');
    for (const id of ids) state.sent.add(id);
    try {
      const answer = await accept(state.server, body, '', options);
      assert.ok([202, 503].includes(answer.status), `${answer.status} ${answer.text.slice(0, 300)}`);
      state.answers.set(answer.status, (state.answers.get(answer.status) ?? 0) + 1);
      if (answer.status === 202) for (const id of ids) state.acknowledged.add(id);
      else await sleep(50);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      await sleep(50); // the service was killed
    }
  }
}

/** Until the source has nothing more to read. What it says of its lag is of a moment ago: so it has to say it twice, with nothing new in between. */
async function caughtUp(server, least) {
  let before = -1;
  await eventually(async () => {
    const { state, lag } = await sourceOf(server), count = await countRecords(server);
    const still = state === 'running' && lag === 0 && count === before && count >= least;
    before = count;
    if (!still) await sleep(1000);
    return still;
  }, 'all to be read', 120_000);
}

test('what was acknowledged is stored, once, whoever is killed', { timeout: 1_200_000 + 2000 * SECONDS }, async (t) => {
  const kafka = await startKafka(t, broker);
  if (!kafka) return;
  await makeTopic(t, kafka);
  const config = configured(t, kafka.bootstrap, '', '  request_timeout: 5s\n'), data = tempDir(t);
  const state = { over: false, sent: new Set(), acknowledged: new Set(), answers: new Map(), server: await startWeir(t, { config, data }) };
  const clients = Array.from({ length: 12 }, (_, number) => client(state, number));
  let kills = 0;
  for (const end = Date.now() + 1000 * SECONDS; Date.now() < end || kills < 4; kills++) {
    await sleep(1000 + Math.random() * 2000);
    await state.server.kill();
    state.server = await startWeir(t, { config, data });
    if (kills === 1) {
      await sleep(1000);
      await kafka.brokers[0].kill();
      await sleep(3000);
      await kafka.brokers[0].start();
      await doorIs(state.server, 'open');
    }
  }
  state.over = true;
  await Promise.all(clients);
  const { server } = state;
  await caughtUp(server, state.acknowledged.size);
  const source = await sourceOf(server);
  const stored = (await readPages(server, '', 1000)).map((r) => r.recordId);
  const answers = [...state.answers].map(([status, count]) => `${count} × ${status}`).join(', ');
  t.diagnostic(`${state.sent.size} records sent, ${state.acknowledged.size} acknowledged, ${stored.length} stored; ${answers}; ${kills} kills`);
  const there = new Set(stored);
  assert.equal(there.size, stored.length, 'nothing is stored twice');
  assert.deepEqual([...state.acknowledged].filter((id) => !there.has(id)), [], 'acknowledged, and not stored');
  assert.deepEqual(stored.filter((id) => !state.sent.has(id)), []);
  assert.ok(state.acknowledged.size > 200, `${state.acknowledged.size} were acknowledged`);
  assert.equal(source.conflicts, 0);
  assert.equal((await getJson(server, '/api/dead-letters')).data.length, 0);
  await server.stop();
});

test('a configuration that would lose what is acknowledged is refused', async (t) => {
  const kafkaSource = (name, more = '') => `  ${name}:\n    type: kafka\n    brokers: 127.0.0.1:1\n${more}`;
  const check = (sources, http = '') => {
    const file = join(tempDir(t), 'weir.yaml');
    fs.writeFileSync(file, `http:\n  front_door: kafka\n${http}${sources ? `sources:\n${sources}` : ''}`);
    const { code, stderr } = runWeir(['config', 'check', '--config', file]);
    return `${code} ${stderr}`;
  };
  assert.match(check(kafkaSource('orders')), /^0 /);
  assert.match(check(kafkaSource('a') + kafkaSource('b'), '  front_door_source: b\n'), /^0 /);
  assert.match(check(kafkaSource('orders', '    properties: [compression.type=lz4, linger.ms=5]\n')), /^0 /);
  for (const [sources, http, why] of [
    ['', '', /weir\.yaml:2: http\.front_door is kafka, and there is no source of type kafka/],
    [kafkaSource('a') + kafkaSource('b'), '', /2 sources of type kafka: http\.front_door_source has to say which one/],
    [kafkaSource('a'), '  front_door_source: b\n', /front_door_source: b is no source/],
    ['  b:\n    type: files\n    dir: /tmp\n', '  front_door_source: b\n', /b is no source of type kafka/],
    [kafkaSource('a', '    enabled: false\n'), '  front_door_source: a\n', /a is not enabled/],
    [kafkaSource('a', '    topics: [x, y]\n'), '', /sources\.a\.topics names 2/],
    [kafkaSource('a', '    start: now\n'), '', /sources\.a\.start is now/],
    [kafkaSource('a', '    message_bytes_max: 4KiB\n'), '', /message_bytes_max is less than/],
    [kafkaSource('a', '    properties: acks=1\n'), '', /sources\.a.*acks cannot be set/],
    [kafkaSource('a', '    properties: linger.ms=200000\n'), '', /sources\.a.*linger/],
  ]) {
    const said = check(sources, http);
    assert.match(said, /^2 /);
    assert.match(said, why);
  }
});

// The front door's answer is a promise about the topic: a store that lacks what it had read of it reads it again.
test('an older copy of the data directory loses nothing that was accepted', { timeout: 300_000 }, async (t) => {
  const kafka = await startKafka(t, broker);
  if (!kafka) return;
  await makeTopic(t, kafka);
  const config = configured(t, kafka.bootstrap), data = tempDir(t), copy = join(tempDir(t), 'copy');
  const acceptMany = async (server, first) => {
    await doorIs(server, 'open');
    const lines = Array.from({ length: 500 }, (_, i) => JSON.stringify(record(`r-${first + i}`, { destinationId: `d-${i % 7}` }))).join('\n');
    const answer = await accept(server, `${lines}\n`, '', { type: NDJSON_TYPE });
    assert.equal(answer.status, 202, answer.text);
    await counted(server, first + 500);
  };
  const first = await startWeir(t, { data, config });
  await acceptMany(first, 0);
  await first.stop();
  fs.cpSync(data, copy, { recursive: true });
  const second = await startWeir(t, { data, config });
  await acceptMany(second, 500);
  await eventually(async () => (await sourceOf(second)).lag === 0, 'nothing to wait');
  await second.stop();

  const third = await startWeir(t, { data: copy, config });
  await counted(third, 1000);
  const { notice } = await sourceOf(third);
  assert.match(notice, /records\.in\/[0-2]: the store is an older copy of itself: it has read up to offset \d+, and had up to \d+ before/);
  assert.match(third.stderr, /the store is an older copy of itself/);
  await third.stop();
  const fourth = await startWeir(t, { data: copy, config });
  await eventually(async () => (await sourceOf(fourth)).lag === 0, 'nothing to wait');
  assert.equal((await sourceOf(fourth)).notice ?? '', '');
  assert.equal(await countRecords(fourth), 1000);
  await fourth.stop();
});
