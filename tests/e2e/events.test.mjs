// POST /api/events and what is asked about events: every example of the reference and its scenarios by their names; its three failures of the database are in events_faults.test.mjs.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { eventually, runWeirAsync, startRefused, startWeir, tempDir } from './support/weir.mjs';
import { NDJSON_TYPE, assertInvalid, assertProblem, countRecords, get, getJson, post, postLines, send } from './support/client.mjs';
import { counts, event, hashOf, letters, stats, submit, verified } from './support/events.mjs';
import { record } from './support/model.mjs';
import { noRedis, startRedis } from './support/redis.mjs';
import { sha256 } from './support/spelling.mjs';

const ask = (server, query = '') => getJson(server, `/api/events${query}`);
const groups = async (server, query = '') => (await getJson(server, `/api/aggregations${query}`)).data.groups;

function withConfig(t, text, { data = tempDir(t), args = [] } = {}) {
  const config = join(data, 'weir.yaml');
  fs.writeFileSync(config, text);
  return startWeir(t, { data, config, args });
}

// ---- The reference's examples ------------------------------------------------------------------------------------------

// "How Does the System Prevent Double Counting?", completed by a metric and a time.
const first = { source: 'A', amount: '100', metric: 'revenue', timestamp: '2024/01/01' };
const hashOfFirst = hashOf('A', 'revenue', '100', '2024-01-01T00:00:00');

test('First Attempt', async (t) => {
  const server = await startWeir(t);
  const created = await submit(server, first);
  assert.equal(created.status, 201, created.text);
  assert.equal(created.json.message, 'Event processed successfully');
  assert.deepEqual(created.json.data, { hash: hashOfFirst, recordId: `sha256:${hashOfFirst}`, id: 1, client: 'A', metric: 'revenue', amount: '100.00',
    unit: 'none', timestamp: '2024-01-01T00:00:00Z', mapping: 'builtin', status: 'processed', isDuplicate: false });
  assert.equal(await countRecords(server), 1);
  const stored = await getJson(server, `/api/records/sha256:${hashOfFirst}`);
  assert.deepEqual([stored.data.sourceId, stored.data.destinationId, stored.data.reference, stored.data.type, stored.data.value], ['A', 'A', 'revenue', 'positive', '100.00']);
  await verified(server);
});

test('Retry (Duplicate)', async (t) => {
  const server = await startWeir(t);
  assert.equal((await submit(server, first)).status, 201);
  const spellings = [first, '{ "timestamp" : "2024-01-01T00:00:00Z" ,"amount":1e2, "metric":"revenue", "source":"A" }',
    { clientId: ' A ', data: { value: 100.0, event: 'revenue', ts: 1704067200 } }, { tenant: 'A', type: 'revenue', qty: '100.00', date: 'Mon, 01 Jan 2024 00:00:00 GMT' }];
  for (const spelling of spellings) {
    const again = await submit(server, spelling);
    assert.equal(again.status, 200, again.text);
    assert.equal(again.json.message, 'Event already processed (idempotent response)');
    assert.deepEqual([again.json.data.hash, again.json.data.id, again.json.data.isDuplicate], [hashOfFirst, 1, true]);
  }
  assert.equal(await countRecords(server), 1);
  assert.deepEqual(counts(await stats(server)), { received: 5, processed: 1, duplicates: 4, failed: 0 });
  await verified(server);
});

test('Modified Event', async (t) => {
  const server = await startWeir(t);
  assert.equal((await submit(server, first)).status, 201);
  const modified = await submit(server, { ...first, amount: '200' });
  assert.equal(modified.status, 201, modified.text);
  assert.equal(modified.json.data.hash, hashOf('A', 'revenue', '200', '2024-01-01T00:00:00'));
  assert.deepEqual(await groups(server), [{ client: 'A', metric: 'revenue', unit: 'none', count: 2, sum: '300.00', min: '100.00', max: '200.00', avg: '150.00' }]);
  await verified(server);
});

// "Manual Testing with UI" and "API Testing with cURL".
test('Basic Event, Duplicate Detection, Invalid Data, and the four calls', async (t) => {
  const server = await startWeir(t);
  const basic = { source: 'client_A', payload: { metric: 'revenue', amount: '1200', timestamp: '2024/01/01' } };
  assert.equal((await submit(server, basic)).status, 201);
  assert.equal((await submit(server, basic)).json.data.isDuplicate, true);
  const invalid = await submit(server, { source: 'client_A', payload: { metric: 'revenue', amount: 'invalid_number' } });
  assert.match(assertInvalid(invalid, ['payload.amount', 'time']).errors['payload.amount'][0], /^must be a number/);
  assert.equal((await submit(server, '{"source":"client_A","payload":{"metric":"test","amount":"100","timestamp":"2024/01/01"}}')).status, 201);
  const { data } = await ask(server);
  assert.deepEqual(data.map((it) => [it.client, it.metric, it.amount, it.timestamp, it.status]),
    [['client_A', 'test', '100.00', '2024-01-01T00:00:00Z', 'processed'], ['client_A', 'revenue', '1200.00', '2024-01-01T00:00:00Z', 'processed']]);
  assert.deepEqual((await groups(server)).map((it) => [it.metric, it.count, it.sum]), [['revenue', 1, '1200.00'], ['test', 1, '100.00']]);
  const { clients, unnamed, ...all } = await stats(server);
  assert.deepEqual(all, { received: 4, processed: 2, duplicates: 1, failed: 1 });
  assert.deepEqual(clients.map((it) => [it.client, counts(it)]), [['client_A', all]]);
  assert.equal(unnamed.received, 0);
  await verified(server);
});

// "Best-Effort Normalization": unknown or extra fields are warnings.
test('unknown fields are warned of, and refused where the configuration says so', async (t) => {
  const lenient = await startWeir(t);
  const warned = await submit(lenient, event({ colour: 'red', source: 'another' }));
  assert.equal(warned.status, 201);
  assert.deepEqual(warned.json.warnings.sort(), ['colour', 'source']);
  const strict = await startWeir(t, { args: ['--set', 'intake.unknown_fields=refuse'] });
  assertInvalid(await submit(strict, event({ colour: 'red' })), ['colour']);
});

// ---- Many at once, and CloudEvents -----------------------------------------------------------------------------------------

const five = () => [event(), event({ amount: '5.0' }), event({ amount: 6, more: 1 }), { client: 'c' }, 7];

test('an array, and an object with events', async (t) => {
  const server = await startWeir(t);
  const { json, status } = await submit(server, five(), '?results=all');
  assert.equal(status, 200);
  const { results, ...data } = json.data;
  assert.deepEqual(data, { received: 5, created: 2, duplicates: 1, conflicts: 0, rejected: 2 });
  assert.deepEqual(results.map((it) => it.status), ['created', 'duplicate', 'created', 'rejected', 'rejected']);
  assert.deepEqual(Object.keys(results[3].errors), ['metric', 'amount', 'time']);
  assert.deepEqual(json.warnings, ['more']);
  const again = await submit(server, { events: five() });
  assert.deepEqual([again.json.data.created, again.json.data.duplicates, again.json.data.rejected], [0, 3, 2]);
  const { clients, unnamed, ...all } = await stats(server);
  assert.deepEqual(all, { received: 10, processed: 2, duplicates: 4, failed: 4 });
  assert.deepEqual([clients.length, counts(clients[0]), unnamed.failed], [1, { received: 8, processed: 2, duplicates: 4, failed: 2 }, 2]);
  assert.deepEqual((await letters(server)).map((it) => [it.source, it.attempts, it.rawBytes]), [['events', 2, 1], ['events', 2, 14]]);
  await verified(server);
});

test('an event may have a member of the name events', async (t) => {
  const server = await startWeir(t);
  for (const events of [[], ['click'], [{ a: 1 }]]) {
    const { status, json } = await submit(server, { ...event({ amount: 1 + events.length }), events });
    assert.equal(status, events.length < 2 && json.data.isDuplicate ? 200 : 201, JSON.stringify(json));
    assert.deepEqual(json.warnings, ['events']);
  }
  assert.deepEqual(counts(await stats(server)), { received: 3, processed: 2, duplicates: 1, failed: 0 });
  assert.equal((await submit(server, { events: [] })).json.data.received, 0);
  await verified(server);
});

test('an event as long as a body may be is taken, bare, in a CloudEvent and among others', async (t) => {
  const server = await startWeir(t);
  const long = (amount) => event({ amount, notes: ['x'.repeat(15 << 20), ...Array(100_000).fill(1234)] });
  assert.equal((await submit(server, long(1))).status, 201);
  const around = { specversion: '1.0', id: '1', source: '/shop', type: 'sale', data: long(2) };
  assert.equal((await submit(server, around, '', 'application/cloudevents+json')).status, 201);
  const many = (amount) => Array.from({ length: 10_000 }, (_, i) => event({ client: `c${i}`, amount, note: 'x'.repeat(1500) }));
  assert.equal((await submit(server, many(3))).json.data.created, 10_000);
  assert.equal((await submit(server, { events: many('three') })).json.data.rejected, 10_000);
  assert.equal((await submit(server, `[${event().client.repeat(15 << 20)}]`)).status, 422);
  assert.equal((await letters(server, '?limit=1'))[0].rawBytes, (15 << 20) + 2);
  await verified(server);
});

test('dead letters that have no room hold up nobody but those that fail', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'store.dead_letter_bytes_max=1MiB'] });
  assert.equal((await submit(server, 'x'.repeat(2 << 20), '', 'application/json')).status, 422, 'the only one may be longer');
  assert.equal((await submit(server, event())).status, 201);
  assert.equal((await submit(server, 'y', '', 'application/json')).status, 503);
  assert.equal((await submit(server, [event({ amount: 6 }), event({ amount: 7 })])).json.data.created, 2);
  for (let i = 0; i < 3; i += 1) {
    const stopped = await submit(server, `${JSON.stringify(event({ amount: 8 }))}\nno event\n`, '', NDJSON_TYPE);
    assert.deepEqual([stopped.status, stopped.json.data.created], [503, 0], JSON.stringify(stopped.json));
  }
  await verified(server);
});

test('an array that is taken whole or not at all', async (t) => {
  const server = await startWeir(t);
  const refused = await submit(server, [event(), { client: 'c', metric: 'm', amount: 1 }], '?mode=atomic');
  assertInvalid(refused, ['events.1.time']);
  assert.deepEqual([await countRecords(server), (await stats(server)).received, (await letters(server)).length], [0, 0, 0]);
  const taken = await submit(server, [event(), event({ amount: 6 }), event({ amount: '5.0' })], '?mode=atomic');
  assert.deepEqual([taken.status, taken.json.data.created, taken.json.data.duplicates], [200, 2, 1], 'a duplicate is no clash');
  assertInvalid(await submit(server, `${JSON.stringify(event())}\n`, '?mode=atomic', NDJSON_TYPE), ['mode']);
  await verified(server);
});

// They are to be read in other ways: mended mappings may make events of one and not of the other.
test('the same bytes by two mappings are two dead letters', async (t) => {
  const server = await withConfig(t, SHOP);
  const body = { client: 'c', amount: '1,200' };
  const place = `bytes:${sha256(JSON.stringify(body))}`;
  for (let i = 0; i < 2; i += 1) {
    const plain = assertProblem(await submit(server, body), 422), shop = assertProblem(await submit(server, body, '?mapping=shop'), 422);
    assert.deepEqual([plain.deadLetter.place, shop.deadLetter.place], [place, `${place}?mapping=shop`]);
  }
  const kept = (await letters(server)).map((it) => [it.place, it.format, it.attempts]);
  assert.deepEqual(kept, [[`${place}?mapping=shop`, 'event:shop', 2], [place, 'event', 2]]);
  await verified(server);
});

test('what is no object, and no JSON', async (t) => {
  const server = await startWeir(t);
  for (const body of ['5', 'null', '"text"', '{"a":1', '', '{"a":1}{}']) assertInvalid(await submit(server, body), ['event']);
  assert.equal((await letters(server)).length, 6);
  assert.equal((await stats(server)).unnamed.failed, 6);
  assertProblem(await submit(server, '{}', '', 'text/plain'), 415);
  assert.equal((await letters(server)).length, 6);
  await verified(server);
});

test('NDJSON with broken lines', async (t) => {
  const server = await startWeir(t);
  const lines = [JSON.stringify(event()), '{"client":"c","metric":', '', '  {"client":"c" , "metric":"m","amount":"1,200","time":1700000000}  ', JSON.stringify(event({ amount: 6 })), 'nonsense', '{"client":"c","metric":'];
  const { json, status } = await submit(server, `${lines.join('\r\n')}\n`, '', NDJSON_TYPE);
  assert.equal(status, 200);
  const { results, ...data } = json.data;
  assert.deepEqual(data, { received: 6, created: 2, duplicates: 0, conflicts: 0, rejected: 4 });
  assert.deepEqual(results.map((it) => [it.line, Object.keys(it.errors)[0]]), [[2, 'event'], [4, 'amount'], [6, 'event'], [7, 'event']]);
  const failed = (await ask(server, '?status=failed')).data;
  assert.deepEqual(failed.map((it) => [it.errorType, it.client, it.attempts]), [['malformed', null, 1], ['validation', 'c', 1], ['malformed', null, 2]]);
  assert.match(failed[1].error, /^amount is ambiguous/);
  assert.deepEqual(failed[1].event, { client: 'c', metric: 'm', amount: '1,200', time: 1700000000 });
  await verified(server);
});

test('CloudEvents carry events, structured, as a batch and binary', async (t) => {
  const server = await startWeir(t);
  const around = (data) => ({ specversion: '1.0', id: '1', source: '/s', type: 't', data });
  const structured = await submit(server, around(event()), '', 'application/cloudevents+json');
  assert.equal(structured.status, 201, structured.text);
  assert.equal(structured.json.data.hash, hashOf('c', 'm', '5', '2024-01-01T00:00:00'));
  const batch = await submit(server, [around(event()), around(event({ amount: 6 })), around({ client: 'c' })], '', 'application/cloudevents-batch+json');
  assert.deepEqual([batch.json.data.created, batch.json.data.duplicates, batch.json.data.rejected], [1, 1, 1]);
  const headers = { 'ce-specversion': '1.0', 'ce-id': '2', 'ce-source': '/s', 'ce-type': 't' };
  const binary = await send(server, '/api/events', event({ amount: 7 }), { headers });
  assert.equal(binary.status, 201, binary.text);
  assertInvalid(await submit(server, around({ client: 'c' }), '', 'application/cloudevents+json'), ['metric', 'amount', 'time']);
  const { raw } = (await getJson(server, `/api/dead-letters/${(await letters(server))[0].id}`)).data;
  assert.equal(raw, '{"client":"c"}', 'what is around an event is no part of it');
  assert.deepEqual((await letters(server)).map((it) => it.attempts), [2]);
  const { source, ...sourceless } = around(event());
  const bad = await submit(server, [sourceless], '', 'application/cloudevents-batch+json');
  assert.equal(bad.json.data.rejected, 1);
  assert.match((await letters(server))[0].error, /source/);
  await verified(server);
});

test('a dry run leaves nothing', async (t) => {
  const server = await startWeir(t);
  const one = await submit(server, event(), '?dryRun=true');
  assert.deepEqual([one.status, one.json.data.status, one.json.data.dryRun], [200, 'processed', true]);
  const refused = await submit(server, { client: 'c' }, '?dryRun=true');
  assert.equal(refused.status, 422);
  assert.equal(refused.json.deadLetter, undefined);
  assert.equal((await submit(server, five(), '?dryRun=true')).json.data.created, 2);
  assert.equal((await submit(server, `${JSON.stringify(event())}\n{"x\n`, '?dryRun=true', NDJSON_TYPE)).json.data.rejected, 1);
  assert.deepEqual([await countRecords(server), (await stats(server)).received, (await letters(server)).length], [0, 0, 0]);
  await verified(server);
});

test('a CloudEvent is one whatever the content type says, and so is its dead letter', async (t) => {
  const server = await startWeir(t);
  const around = (data) => ({ specversion: '1.0', id: '1', source: '/s', type: 't', time: '2024-01-01T00:00:00Z', data });
  const good = { client: 'a', metric: 'm', amount: 5, time: '2024-01-01' };
  const first = await submit(server, around(good));
  assert.equal(first.status, 201, first.text);
  assert.deepEqual([first.json.data.client, first.json.data.metric], ['a', 'm']);
  assert.equal((await submit(server, good)).status, 200);
  assert.deepEqual((await submit(server, [around(good), good])).json.data.duplicates, 2);
  assert.deepEqual((await submit(server, `${JSON.stringify(around(good))}\n`, '', NDJSON_TYPE)).json.data.duplicates, 1);
  // What is wrong in it is said of its data, and tried again as that.
  assertInvalid(await submit(server, around({ ...good, time: 'soon' })), ['time']);
  assertInvalid(await submit(server, { ...around(good), id: '' }), ['id']);
  const [envelope, data] = await letters(server);
  for (const { id } of [envelope, data]) {
    const raw = id === data.id ? { ...good, client: 'b' } : around({ ...good, client: 'c' });
    assert.equal((await send(server, `/api/dead-letters/${id}/retry`, { raw: JSON.stringify(raw) })).status, 202);
  }
  for (const client of ['b', 'c']) await eventually(async () => (await ask(server, `?client=${client}`)).data.length === 1, `the event of ${client}`);
  assert.equal(await countRecords(server), 3);
  await verified(server);
});

// ---- Mappings ---------------------------------------------------------------------------------------------------------------

const SHOP = `mappings:
  shop:
    clients: [shop-de]
    metric: order.kind
    amount: [order.total, order.sum]
    time: order.placed
    id: order.number
    default_unit: EUR
    amounts: comma
    dates: day_first
  who:
    client: who
    metric: what
`;
const order = (changes = {}) => ({ client: 'shop-de', order: { kind: 'sale', total: '1.200', placed: '31.12.2024', number: 7, ...changes } });

test('mappings: by client, by name, comma amounts, dates that begin with the day, and mapped ids', async (t) => {
  const server = await withConfig(t, SHOP);
  const created = await submit(server, order());
  assert.equal(created.status, 201, created.text);
  const { hash, mapping, amount, timestamp, unit } = created.json.data;
  assert.deepEqual({ hash, mapping, amount, timestamp, unit }, { hash: sha256('["weir-event-id-1","shop-de","7"]'), mapping: 'shop', amount: '1200.00', timestamp: '2024-12-31T00:00:00Z', unit: 'EUR' });
  assert.equal((await submit(server, order({ total: '€ 1.200,00' }))).json.data.differs, undefined);
  const other = await submit(server, order({ total: '1.200,01', kind: 'gift' }));
  assert.equal(other.status, 200);
  assert.deepEqual(other.json.data.differs, ['metric', 'amount']);
  const many = await submit(server, [order({ total: 3 }), order({ number: 8 })]);
  assert.deepEqual([many.json.data.created, many.json.data.duplicates, many.json.data.conflicts], [1, 1, 0]);
  assert.deepEqual(many.json.data.results[0].differs, ['amount']);
  const { log, ...found } = (await getJson(server, `/api/events/${hash}`)).data;
  assert.deepEqual([found.amount, found.mapping, found.attempts], ['1200.00', 'shop', 4]);
  assert.deepEqual(log.map((it) => [it.attempt, it.status, it.differs]),
    [[1, 'processed', undefined], [2, 'duplicate', undefined], [3, 'duplicate', ['metric', 'amount']], [4, 'duplicate', ['amount']]]);
  assertInvalid(await submit(server, { ...order(), client: 'other' }), ['metric', 'amount', 'time']);
  assert.equal((await submit(server, { ...order(), client: 'other' }, '?mapping=shop')).json.data.client, 'other');
  assertInvalid(await submit(server, order(), '?mapping=nobody'), ['mapping']);
  assertInvalid(await submit(server, order(), '?mapping=builtin'), ['metric', 'amount', 'time']);
  await verified(server);
});

test('what failed by a mapping that was asked for is found by the client that it reads', async (t) => {
  const server = await withConfig(t, SHOP);
  assertInvalid(await submit(server, { who: 'x', what: 'm', amount: 'much', time: 1700000000 }, '?mapping=who'), ['amount']);
  const [failed] = (await ask(server, '?status=failed')).data;
  assert.equal(failed.client, 'x');
  assert.equal((await ask(server, '?status=failed&client=x')).data.length, 1);
  assert.equal((await ask(server, '?status=failed&client=y')).data.length, 0);
  assert.deepEqual((await stats(server)).clients.map((it) => [it.client, it.failed]), [['x', 1]]);
});

// ---- Questions --------------------------------------------------------------------------------------------------------------

/** All pages, and no event twice. */
async function readAll(server, query, limit) {
  const found = [];
  for (let cursor = null; ;) {
    const page = await ask(server, `?limit=${limit}${query}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    assert.ok(page.data.length <= limit);
    found.push(...page.data);
    if (!page.nextCursor) return found;
    cursor = page.nextCursor;
  }
}

async function loadSome(server) {
  const list = [];
  for (let i = 0; i < 700; i += 1) list.push(event({ client: i % 2 ? 'odd' : 'even', metric: `m${i % 3}`, amount: i - 350, unit: i % 5 ? 'EUR' : 'none', time: `2024-01-0${1 + (i % 7)} 12:00` }));
  const { json } = await submit(server, list);
  assert.equal(json.data.created, 700);
  return list;
}

test('GET /api/events by client, metric, unit and dates', async (t) => {
  const server = await startWeir(t);
  const list = await loadSome(server);
  const filters = [['', () => true], ['&client=odd', (it) => it.client === 'odd'], ['&metric=m1', (it) => it.metric === 'm1'],
    ['&client=even&metric=m2&unit=EUR', (it) => it.client === 'even' && it.metric === 'm2' && it.unit === 'EUR'],
    ['&startDate=2024-01-03', (it) => it.time >= '2024-01-03'], ['&endDate=2024-01-03', (it) => it.time < '2024-01-04'],
    ['&startDate=2024-01-02&endDate=2024-01-02T12:00:00Z&client=odd', (it) => it.client === 'odd' && it.time.startsWith('2024-01-02')],
    ['&client=nobody', () => false]];
  const amounts = (found) => found.map((it) => Number(it.amount)).sort((a, b) => a - b);
  for (const [query, matches] of filters) {
    for (const status of ['', '&status=processed']) {
      assert.deepEqual(amounts(await readAll(server, query + status, 97)), amounts(list.filter(matches)), query);
    }
  }
  assert.equal((await get(server, '/api/events?client=odd', { accept: NDJSON_TYPE })).text.trimEnd().split('\n').length, 350);
  assertInvalid(await get(server, '/api/events?status=lost'), ['status']);
  assertInvalid(await get(server, '/api/events?sourceId=odd'), ['sourceId']);
  await post(server, record());
  assert.equal((await readAll(server, '', 1000)).length, 700, 'records are no events');
});

// Records may have any id, also one like an event's: what is an event is what came as one.
test('records with ids like those of events are no events', async (t) => {
  let server = await startWeir(t);
  const { data: made } = (await submit(server, event())).json;
  const ids = [`sha256:${'a'.repeat(64)}`, `correction:${made.hash}:1`, `correction:${made.hash}:2`, `correction:${'b'.repeat(64)}:2`];
  const like = (recordId) => record({ recordId, sourceId: 'c', destinationId: 'c', reference: 'm', unit: 'none', value: '7.00', time: '2024-01-01 00:00:00' });
  assert.equal((await post(server, like(ids[0]))).status, 201);
  assert.equal((await postLines(server, ids.slice(1).map(like))).json.data.created, 3);
  const check = async () => {
    assert.deepEqual((await ask(server)).data.map((it) => it.hash), [made.hash]);
    assert.deepEqual((await ask(server, '?client=c&metric=m&unit=none')).data.map((it) => it.hash), [made.hash]);
    assert.deepEqual((await groups(server, '?client=c')).map((it) => [it.count, it.sum]), [[1, '5.00']]);
    assert.deepEqual((await groups(server, '?startDate=2024-01-01&endDate=2024-01-01&measures=max')).map((it) => it.max), ['5.00']);
    assert.deepEqual((await stats(server)).processed, 1);
    assert.equal((await get(server, `/api/events/${ids[0]}`)).status, 404);
  };
  await check();
  assert.equal(await countRecords(server), 5);
  await server.stop();
  server = await startWeir(t, { data: server.data });
  await check();
  await verified(server);
});

test('GET /api/events?status=duplicate and failed, page by page', async (t) => {
  const server = await startWeir(t);
  const list = await loadSome(server);
  await submit(server, list);
  await submit(server, list.slice(0, 100));
  const broken = Array.from({ length: 300 }, (_, i) => ({ client: i % 2 ? 'odd' : 'even', metric: 'm', amount: 'x', time: i }));
  assert.equal((await submit(server, broken)).json.data.rejected, 300);
  const duplicates = await readAll(server, '&status=duplicate', 99);
  assert.equal(duplicates.length, 800);
  assert.deepEqual(duplicates.map((it) => it.attempt), [...Array(100).fill(3), ...Array(700).fill(2)], 'the newest first');
  assert.deepEqual(new Set(duplicates.map((it) => `${it.hash} ${it.attempt}`)).size, 800);
  assert.equal((await readAll(server, '&status=duplicate&client=odd&metric=m1', 20)).length,
    [...list, ...list.slice(0, 100)].filter((it) => it.client === 'odd' && it.metric === 'm1').length);
  assert.equal((await readAll(server, '&status=duplicate&startDate=2024-01-07', 1000)).length,
    [...list, ...list.slice(0, 100)].filter((it) => it.time >= '2024-01-07').length);
  const failed = await readAll(server, '&status=failed', 37);
  assert.deepEqual(failed.map((it) => it.event), broken.toReversed());
  assert.deepEqual((await readAll(server, '&status=failed&client=even', 149)).map((it) => it.event), broken.toReversed().filter((it) => it.client === 'even'));
  assert.equal((await readAll(server, '&status=failed&endDate=2024-01-01', 100)).length, 0, 'of what failed, the date is that on which it came');
  for (const query of ['?status=failed&metric=m', '?status=failed&unit=EUR']) assert.equal((await get(server, `/api/events${query}`)).status, 422);
  assertInvalid(await get(server, '/api/events?status=duplicate&cursor=x'), ['cursor']);
  assertInvalid(await get(server, '/api/events?status=duplicate&order=asc'), ['order']);
});

test('GET /api/aggregations', async (t) => {
  const server = await startWeir(t);
  await submit(server, [event({ amount: 10 }), event({ amount: -4.5, time: '2024-01-01 23:59' }), event({ amount: 20, time: '2024-01-02' }),
    event({ amount: '€ 7' }), event({ client: 'd', amount: 1 }), event({ metric: 'n', amount: 3 })]);
  const row = (client, metric, unit, count, sum, min, max, avg) => ({ client, metric, unit, count, sum, min, max, avg });
  const c = row('c', 'm', 'none', 3, '25.50', '-4.50', '20.00', '8.50');
  assert.deepEqual(await groups(server), [row('c', 'm', 'EUR', 1, '7.00', '7.00', '7.00', '7.00'), c,
    row('c', 'n', 'none', 1, '3.00', '3.00', '3.00', '3.00'), row('d', 'm', 'none', 1, '1.00', '1.00', '1.00', '1.00')]);
  assert.deepEqual(await groups(server, '?client=c&metric=m&unit=none'), [c]);
  assert.deepEqual((await groups(server, '?client=c&metric=m&unit=none&window=day')).map((it) => [it.windowStart, it.count, it.sum]),
    [['2024-01-01T00:00:00Z', 2, '5.50'], ['2024-01-02T00:00:00Z', 1, '20.00']]);
  assert.deepEqual((await groups(server, '?client=c&unit=none&metric=m&measures=p50,p95,p99')).map((it) => [it.p50, it.p95, it.p99]), [['10.00', '20.00', '20.00']]);
  assert.deepEqual((await groups(server, '?startDate=2024-01-02')).map((it) => it.sum), ['20.00']);
  assert.deepEqual(await groups(server, '?client=nobody'), []);
});

test('GET /api/events/{hash}: as it came, and each attempt', async (t) => {
  const server = await startWeir(t);
  const raw = '{"time" : 1700000000,\n "client":"c", "metric":"m","amount": 1.50 }';
  const { hash } = (await submit(server, raw)).json.data;
  await submit(server, event({ amount: '1.5', time: '2023-11-14T22:13:20Z' }));
  for (const id of [hash, `sha256:${hash}`]) {
    const answer = await get(server, `/api/events/${id}`);
    assert.ok(answer.text.includes(raw), 'its bytes');
    const { log, attempts } = answer.json.data;
    assert.equal(attempts, 2);
    assert.deepEqual(log.map((it) => [it.attempt, it.status]), [[1, 'processed'], [2, 'duplicate']]);
    for (const entry of log) {
      const times = ['receivedAt', 'normalisedAt', 'hashedAt', 'decidedAt'].map((name) => entry[name]);
      assert.deepEqual(times.toSorted((a, b) => Date.parse(a) - Date.parse(b)), times);
    }
  }
  await post(server, record({ recordId: `sha256:${'a'.repeat(64)}` }));
  for (const id of ['x', 'f'.repeat(64), hash.toUpperCase(), 'a'.repeat(64)]) assertProblem(await get(server, `/api/events/${id}`), 404);
});

// ---- Dead letters, and sources ---------------------------------------------------------------------------------------------

const letterOf = async (server, id) => (await getJson(server, `/api/dead-letters/${id}`)).data;
const inState = (server, id, state) =>
  eventually(async () => { const letter = await letterOf(server, id); return letter.state === state && letter; }, `dead letter ${id} to be ${state}`);
const weir = async (t, server, ...args) => {
  const done = await runWeirAsync(t, [...args, '--to', server.url]);
  assert.equal(done.code, 0, done.stderr);
  return done.stdout;
};

test('a failed event is listed once, with its attempts, and taken when its mapping was mended', async (t) => {
  const data = tempDir(t);
  const body = { client: 'c', metric: 'm', amount: '1,200', time: '01/02/2024' };
  let server = await withConfig(t, '', { data });
  for (let i = 0; i < 3; i += 1) {
    const { deadLetter } = assertProblem(await submit(server, body), 422);
    assert.deepEqual(deadLetter, { source: 'events', place: `bytes:${sha256(JSON.stringify(body))}` });
  }
  const [letter, ...others] = await letters(server);
  const placed = async (place, source = 'events') => (await letters(server, `?source=${source}&place=${encodeURIComponent(place)}`)).map((it) => it.id);
  assert.deepEqual([await placed(letter.place), await placed('bytes:'), await placed(letter.place, 'shop')], [[letter.id], [], []]);
  const listed = await weir(t, server, 'dead-letters', '--source', 'events', '--place', letter.place, '--json');
  assert.deepEqual(JSON.parse(listed).data.map((it) => it.id), [letter.id]);
  assertInvalid(await get(server, '/api/dead-letters?place=x'), ['source']);
  assert.deepEqual([letter.stage, letter.state, letter.source, letter.format, letter.attempts, others.length], ['intake', 'open', 'events', 'event', 3, 0]);
  assert.match(letter.error, /^amount is ambiguous.*; time /);
  assert.equal((await send(server, `/api/dead-letters/${letter.id}/retry`, '', { type: null })).status, 202);
  await eventually(async () => (await letterOf(server, letter.id)).attempts === 4, 'it to have failed once more');
  assert.equal((await inState(server, letter.id, 'open')).raw, JSON.stringify(body));
  assert.equal((await stats(server)).failed, 4);
  await server.stop();
  server = await withConfig(t, 'mappings:\n  mended: {clients: [c], amounts: point, dates: day_first}\n', { data });
  await weir(t, server, 'dead-letters', 'retry', String(letter.id));
  await inState(server, letter.id, 'resolved');
  const { data: [made] } = await ask(server);
  assert.deepEqual([made.amount, made.timestamp], ['1200.00', '2024-02-01T00:00:00Z']);
  const found = (await getJson(server, `/api/events/${made.hash}`)).data;
  assert.deepEqual([found.mapping, found.event], ['mended', body]);
  assert.equal((await submit(server, { ...body, amount: 1200 })).status, 200);
  assert.deepEqual(counts(await stats(server)), { received: 6, processed: 1, duplicates: 1, failed: 4 });
  assert.equal((await ask(server, '?status=failed')).data.length, 0, 'what is settled is listed no more');
  await verified(server);
});

test('a failed event is taken with other bytes, or discarded, also when its mapping is gone', async (t) => {
  const data = tempDir(t);
  let server = await withConfig(t, SHOP, { data });
  const wrong = { who: 'x', what: 'm', amount: 'much', time: 1700000000 };
  for (const amount of ['much', 'more', 'most']) assertInvalid(await submit(server, { ...wrong, amount }, '?mapping=who'), ['amount']);
  const [most, more, much] = await letters(server);
  assert.equal(most.format, 'event:who');
  const file = join(data, 'mended.json');
  await weir(t, server, 'dead-letters', 'show', String(much.id), '--raw', file);
  assert.equal(fs.readFileSync(file, 'utf8'), JSON.stringify(wrong));
  fs.writeFileSync(file, JSON.stringify({ ...wrong, amount: 12 }));
  await weir(t, server, 'dead-letters', 'retry', String(much.id), '--raw', file);
  await inState(server, much.id, 'resolved');
  const { data: [made] } = await ask(server);
  assert.deepEqual([made.hash, made.client], [hashOf('x', 'm', '12', '2023-11-14T22:13:20'), 'x']);
  await weir(t, server, 'dead-letters', 'discard', String(more.id));
  assert.deepEqual((await ask(server, '?status=failed')).data.map((it) => [it.deadLetter, it.client]), [[most.id, 'x']]);
  await server.stop();
  server = await withConfig(t, '', { data });
  await weir(t, server, 'dead-letters', 'retry', String(most.id), '--raw', file);
  const again = await eventually(async () => { const it = await letterOf(server, most.id); return it.attempts === 2 && it; }, 'it to have failed');
  assert.match(again.error, /^client is missing/, 'it is read as if no mapping had been asked for');
  assert.deepEqual((await ask(server, '?status=failed')).data.map((it) => [it.deadLetter, it.client]), [[most.id, null]]);
  fs.writeFileSync(file, JSON.stringify(event({ simulateFailure: true })));
  await weir(t, server, 'dead-letters', 'retry', String(most.id), '--raw', file);
  const fault = await eventually(async () => { const it = await letterOf(server, most.id); return it.attempts === 3 && it; }, 'it to have failed again');
  assert.match(fault.error, /^simulateFailure is possible only at the top/);
  fs.writeFileSync(file, JSON.stringify(event({ client: 'by any mapping' })));
  await weir(t, server, 'dead-letters', 'retry', String(most.id), '--raw', file);
  await inState(server, most.id, 'resolved');
  const [taken] = (await ask(server, '?client=by%20any%20mapping')).data;
  assert.equal((await getJson(server, `/api/events/${taken.hash}`)).data.mapping, 'builtin');
  await verified(server);
});

test('a failed event is read for the list however long it is', async (t) => {
  const server = await startWeir(t);
  const long = event({ amount: 'much', numbers: Array(3_600_000).fill(123) });
  assertInvalid(await submit(server, long), ['amount']);
  const { data: [failed] } = await ask(server, '?status=failed&client=c');
  assert.deepEqual([failed.errorType, failed.client, failed.event], ['validation', 'c', null]);
  assert.ok(failed.rawBytes > 14_000_000);
  await verified(server);
});

const mixed = [JSON.stringify(event()), JSON.stringify(event({ amount: '5.00', when: 1 })), '{"client":"c"}', 'nonsense', JSON.stringify(event({ amount: 6 }))];

async function assertMixed(server, name) {
  await eventually(async () => (await stats(server)).received === 5, 'all to be taken');
  assert.deepEqual(counts(await stats(server)), { received: 5, processed: 2, duplicates: 1, failed: 2 });
  assert.deepEqual((await ask(server)).data.map((it) => it.amount).sort(), ['5.00', '6.00']);
  const source = (await getJson(server, `/api/sources/${name}`)).data;
  assert.deepEqual([source.created, source.duplicates, source.conflicts, source.rejected], [2, 1, 0, 2]);
  const failed = (await letters(server)).filter((it) => it.source === name);
  assert.deepEqual(failed.map((it) => it.format), ['event', 'event']);
  const { log } = (await getJson(server, `/api/events/${hashOf('c', 'm', '5', '2024-01-01T00:00:00')}`)).data;
  assert.deepEqual(log.map((it) => it.status), ['processed', 'duplicate']);
  return failed.find((it) => it.rawBytes === 14);
}

test('a list of Redis brings events', { skip: noRedis }, async (t) => {
  const redis = await startRedis(t);
  const data = tempDir(t);
  const source = (mapping) => `sources:\n  shop:\n    type: redis\n    url: ${redis.url}\n    lists: [events]\n    mapping: ${mapping}\n`;
  redis.ask('RPUSH', 'events', ...mixed);
  let server = await withConfig(t, source('auto'), { data });
  const letter = await assertMixed(server, 'shop');
  await send(server, `/api/dead-letters/${letter.id}/retry`, { raw: JSON.stringify(event({ amount: 7 })) });
  await inState(server, letter.id, 'resolved');
  assert.deepEqual((await ask(server)).data.map((it) => it.amount).sort(), ['5.00', '6.00', '7.00']);
  await server.stop();
  redis.ask('RPUSH', 'events', JSON.stringify({ who: 'x', what: 'y', amount: 1, time: 1700000000 }));
  server = await withConfig(t, SHOP + source('who'), { data });
  await eventually(async () => (await ask(server, '?client=x')).data.length === 1, 'the event by its mapping');
  await verified(server);
});

test('files bring events', async (t) => {
  const data = tempDir(t), dir = join(data, 'drop');
  fs.mkdirSync(dir);
  fs.writeFileSync(join(dir, 'events.ndjson'), `${mixed.join('\n')}\n`);
  const server = await withConfig(t, `faults: {allow: true}\nsources:\n  shop: {type: files, dir: ${dir}, mapping: auto}\n`, { data });
  await assertMixed(server, 'shop');
  assert.equal((await ask(server, '?status=failed')).data.length, (await stats(server)).failed);

  // A line of CSV is an event that failed, and JSON can take its place. Nor may a line ask for a failure.
  fs.writeFileSync(join(dir, '.other'), 'recordId,time,sourceId,destinationId,type,value,unit,reference\nr-1,2025-01-01T00:00:00Z,s,d,positive,1.00,EUR,r\n');
  fs.renameSync(join(dir, '.other'), join(dir, 'lines.csv'));
  fs.writeFileSync(join(dir, '.other'), `${JSON.stringify(event({ amount: 8, simulateFailure: 'after' }))}\n`);
  fs.renameSync(join(dir, '.other'), join(dir, 'more.ndjson'));
  const failed = await eventually(async () => { const { data: all } = await ask(server, '?status=failed'); return all.length === 4 && all; }, 'both to have failed');
  const [line, asks] = ['lines.csv:2', 'more.ndjson:1'].map((place) => failed.find((it) => it.place === place));
  assert.match(line.error, /^is a line of CSV/);
  assert.match(asks.error, /^simulateFailure is possible only/);
  assert.deepEqual([line.client, asks.client, (await stats(server)).failed], [null, 'c', 4]);
  await send(server, `/api/dead-letters/${line.deadLetter}/retry`, { raw: JSON.stringify(event({ amount: 9 })) });
  await inState(server, line.deadLetter, 'resolved');
  assert.equal(await countRecords(server), 3);
  await verified(server);
});

test('a source whose mapping there is not is refused at the start', async (t) => {
  const data = tempDir(t), config = join(data, 'weir.yaml');
  fs.writeFileSync(config, `sources:\n  shop: {type: files, dir: ${data}, mapping: nobody}\n`);
  const { code, stderr } = await startRefused(t, join(data, 'store'), { args: ['--config', config] });
  assert.equal(code, 2, stderr);
  assert.match(stderr, /sources\.shop\.mapping.*nobody/);
});
