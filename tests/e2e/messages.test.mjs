// The pull feeds: one notification a record with the exact summary of its flow, alerts, waiting and streaming.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startWeir, sleep, eventually, tempDir } from './support/weir.mjs';
import { get, getJson, load, post, postLines, readFeed, eventStream } from './support/client.mjs';
import { record, random, randomRecords, notifications, alertSeverity, cents, money, snakeRecord } from './support/model.mjs';

test('the message of the contract, field by field', async (t) => {
  const server = await startWeir(t);
  await load(server, [record({ value: '300.00' }), record({ type: 'negative', value: '150.00' }), record({ unit: 'SEK' }),
    record({ recordId: 'rec-001' })]);
  const last = (await readFeed(server)).at(-1);
  assert.deepEqual(last, {
    record: { id: 4, record_id: 'rec-001', time: '2025-01-01T10:00:00Z', source_id: 'source-1', destination_id: 'dest-1',
      type: 'positive', value: '100.50', unit: 'EUR', reference: 'ref-001' },
    summary: { destination_id: 'dest-1', reference: 'ref-001', unit: 'EUR', count: 2, total_value: '450.00', net_value: '150.00',
      positive_count: 1, negative_count: 1, positive_total: '300.00', negative_total: '-150.00' },
  });
});

test('every record has one notification with the exact summary of the previous ones', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'store.publish_records=700'] });
  const records = randomRecords(random(51), 4000, { large: false });
  const seqs = [];
  for (let at = 0; at < records.length; at += 500) {
    const part = records.slice(at, at + 500);
    const answer = await post(server, [...part, part[0], { ...part[1], unit: 'other' }], '?results=all');
    assert.equal(answer.json.data.created, 500);
    seqs.push(...answer.json.data.results.filter((r) => r.status === 'created').map((r) => r.id));
  }
  const messages = await readFeed(server, 'notifications', 333);
  assert.deepEqual(messages, notifications(records, seqs));
  assert.ok(seqs.every((seq, i) => i === 0 || seq > seqs[i - 1]), 'the sequence is the order of commit');
});

// What docs tell every consumer: ten lines that prove that each message came once and in order.
function assertGapless(messages) {
  const expected = new Map();
  for (const { record: r, summary } of messages) {
    const flow = JSON.stringify([r.destination_id, r.reference, r.unit]);
    assert.equal(summary.count, expected.get(flow) ?? 0, `flow ${flow} at ${r.id}`);
    expected.set(flow, summary.count + 1);
  }
}

test('counts of a flow run 0, 1, 2 … whoever writes at the same time, and across a kill', async (t) => {
  const data = tempDir(t);
  let server = await startWeir(t, { data });
  const records = randomRecords(random(52), 3000);
  const write = (list) => Promise.allSettled(Array.from({ length: 10 }, (_, i) => postLines(server, list.filter((_, at) => at % 10 === i))));
  const first = write(records);
  await sleep(30);
  await server.kill();
  await first;
  server = await startWeir(t, { data });
  await write(records);
  const messages = await readFeed(server);
  assert.equal(messages.length, records.length);
  assert.equal(new Set(messages.map((m) => m.record.record_id)).size, records.length);
  assertGapless(messages);
  const byId = new Map(records.map((r) => [r.recordId, r]));
  const order = messages.map((m) => byId.get(m.record.record_id));
  assert.deepEqual(messages, notifications(order, messages.map((m) => m.record.id)));
});

test('pages: after, limit and nextAfter', async (t) => {
  const server = await startWeir(t);
  await load(server, randomRecords(random(53), 25, { large: false }));
  const all = await readFeed(server);
  const page = await getJson(server, '/api/notifications?limit=10');
  assert.deepEqual(page.data, all.slice(0, 10));
  assert.equal(page.nextAfter, all[9].record.id);
  const next = await getJson(server, `/api/notifications?after=${page.nextAfter}&limit=10`);
  assert.deepEqual(next.data, all.slice(10, 20));
  const end = await getJson(server, '/api/notifications?after=1000000');
  assert.deepEqual(end, { data: [], nextAfter: 1000000 });
});

test('alerts: above the threshold only, by how much, how severe', async (t) => {
  const server = await startWeir(t);
  const values = ['0', '999.99', '1000.00', '1000.01', '1249.99', '1250.00', '1250.01', '1250.50', '1499.99', '1500.00', '1500.01',
    '2000', '9999999999999.99'];
  for (const value of values) {
    assert.equal((await post(server, record({ value, type: value.endsWith('1') ? 'negative' : 'positive' }))).status, 201);
  }
  const page = await get(server, '/api/alerts');
  assert.match(page.text, /"threshold": ?1000\.00,"exceeded_by": ?250\.50,"severity": ?"high"/, 'numbers keep their two places');
  const alerts = page.json.data;
  const expected = values.filter((v) => cents(v) > 100_000n);
  assert.deepEqual(alerts.map((a) => a.record.value), expected.map((v) => money(cents(v))));
  for (const alert of alerts) {
    const value = cents(alert.record.value);
    assert.deepEqual(Object.keys(alert).sort(), ['exceeded_by', 'record', 'rule', 'severity', 'threshold']);
    assert.equal(alert.rule, 'default');
    assert.equal(alert.severity, alertSeverity(value));
    if (value < 10n ** 12n) assert.equal(alert.exceeded_by, Number(value - 100_000n) / 100);
  }
  assert.match(page.text, /"exceeded_by": ?9999999998999\.99/);
  assert.deepEqual(alerts.map((a) => a.severity), [...Array(3).fill('medium'), ...Array(4).fill('high'), ...Array(3).fill('critical')]);
});

test('alerts are committed with their record and share its sequence', async (t) => {
  const server = await startWeir(t, { env: { WEIR_ALERTS_THRESHOLD: '500' } });
  const records = randomRecords(random(54), 1000, { large: false });
  await load(server, records);
  const alerts = await readFeed(server, 'alerts', 77);
  assert.deepEqual(alerts.map((a) => a.record.record_id), records.filter((r) => cents(r.value) > 50_000n).map((r) => r.recordId));
  const seqs = (await readFeed(server)).map((m) => m.record.id);
  const notified = new Map((await readFeed(server)).map((m) => [m.record.record_id, m.record]));
  for (const alert of alerts) assert.deepEqual(alert.record, notified.get(alert.record.record_id));
  assert.equal(seqs.at(-1) <= records.length + alerts.length, true, 'each has a sequence of its own, and there are no gaps');
  assert.equal(new Set(seqs).size, records.length);
  await post(server, records.find((r) => cents(r.value) > 50_000n));
  assert.equal((await readFeed(server, 'alerts')).length, alerts.length, 'a duplicate raises none');
  const sse = [];
  const stream = await eventStream(t, server, '/api/alerts?after=0');
  for (let i = 0; i < 5; i += 1) sse.push(await stream.next());
  assert.deepEqual(sse.map((e) => JSON.parse(e.data)), alerts.slice(0, 5));
  assert.ok(sse.every((e) => e.event === 'alert' && !seqs.includes(Number(e.id))));
});

test('a long poll waits for a message, and no longer than it was told', async (t) => {
  const server = await startWeir(t);
  const begun = Date.now();
  const empty = await getJson(server, '/api/notifications?wait=1');
  const waited = Date.now() - begun;
  assert.deepEqual(empty, { data: [], nextAfter: 0 });
  assert.ok(waited >= 900 && waited < 3000, `${waited} ms`);
  const waiting = Array.from({ length: 20 }, async () => {
    const page = await getJson(server, '/api/notifications?after=0&wait=20');
    return { page, at: Date.now() };
  });
  await sleep(200);
  const posted = Date.now();
  await post(server, record({ recordId: 'awaited' }));
  for (const { page, at } of await Promise.all(waiting)) {
    assert.equal(page.data[0].record.record_id, 'awaited');
    assert.ok(at - posted < 2000, `${at - posted} ms`);
  }
  const immediate = Date.now();
  await getJson(server, '/api/notifications?after=0&wait=20');
  assert.ok(Date.now() - immediate < 1000, 'what is there already is not waited for');
});

test('a long poll for alerts is not woken by records without one', async (t) => {
  const server = await startWeir(t);
  const waiting = getJson(server, '/api/alerts?wait=10');
  await sleep(100);
  await post(server, record());
  await sleep(200);
  await post(server, record({ recordId: 'loud', value: '5000' }));
  const page = await waiting;
  assert.equal(page.data.length, 1);
  assert.equal(page.data[0].record.record_id, 'loud');
});

test('an event stream sends what is there, then what comes, and resumes by Last-Event-ID', async (t) => {
  const server = await startWeir(t);
  const records = randomRecords(random(55), 60, { large: false });
  await load(server, records.slice(0, 20));
  const stream = await eventStream(t, server, '/api/notifications');
  const seen = [];
  for (let i = 0; i < 20; i += 1) seen.push(await stream.next());
  await load(server, records.slice(20, 40));
  for (let i = 0; i < 20; i += 1) seen.push(await stream.next());
  stream.close();
  await load(server, records.slice(40));
  // As a browser does it: with the address that it had at first, and the last id that it has seen.
  const resumed = await eventStream(t, server, '/api/notifications?after=0', { 'last-event-id': seen.at(-1).id });
  for (let i = 0; i < 20; i += 1) seen.push(await resumed.next());
  const all = await readFeed(server);
  assert.deepEqual(seen.map((e) => JSON.parse(e.data)), all);
  assert.deepEqual(seen.map((e) => Number(e.id)), all.map((m) => m.record.id));
  assert.ok(seen.every((e) => e.event === 'notification'));
});

test('a quiet event stream has a heartbeat every 15 seconds', async (t) => {
  const server = await startWeir(t);
  const streams = await Promise.all(['/api/notifications', '/api/alerts', '/api/records/aggregate?records=false'].map((path) => eventStream(t, server, path)));
  await eventually(() => streams.every((stream) => stream.comments > 0), 'a heartbeat on each stream', 20_000);
  await post(server, record({ value: '5000' }));
  for (const stream of streams) assert.ok(await stream.next(), 'and goes on after it');
});

test('an event stream ends in order when the server stops', async (t) => {
  const server = await startWeir(t);
  await post(server, record());
  const stream = await eventStream(t, server, '/api/notifications');
  await stream.next();
  const waiting = getJson(server, '/api/notifications?after=1&wait=30').catch((error) => error);
  await sleep(100);
  const begun = Date.now();
  await server.stop();
  assert.ok(Date.now() - begun < 8000, `stopped within ${Date.now() - begun} ms`);
  await waiting;
  await eventually(() => stream.ended, 'the stream to end');
});

test('a stream of many messages arrives whole', async (t) => {
  const server = await startWeir(t);
  const records = randomRecords(random(56), 10_000, { large: false });
  const stream = await eventStream(t, server, '/api/notifications');
  const loading = load(server, records);
  const ids = [];
  while (ids.length < records.length) ids.push(Number((await stream.next()).id));
  await loading;
  assert.deepEqual(ids, (await readFeed(server)).map((m) => m.record.id));
});

test('a record on its own tells the summary of its flow', async (t) => {
  const server = await startWeir(t);
  const records = randomRecords(random(57), 50, { large: false });
  await load(server, records);
  for (const message of (await readFeed(server)).slice(-10)) {
    const { data } = await getJson(server, `/api/records/${encodeURIComponent(message.record.record_id)}`);
    assert.equal(data.id, message.record.id);
    // The API's names are camelCase, and what is in the record already is not said again.
    const { destination_id, reference, unit, ...summary } = message.summary;
    const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
    assert.deepEqual(data.summary, Object.fromEntries(Object.entries(summary).map(([name, value]) => [camel(name), value])));
    assert.deepEqual(snakeRecord(data, data.id), message.record);
  }
});
