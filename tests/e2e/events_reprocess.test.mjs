// A mapping was wrong: events of the past are read again, and what has changed is put right.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { eventually, runWeir, startWeir, tempDir } from './support/weir.mjs';
import { NDJSON_TYPE, assertInvalid, assertProblem, countRecords, get, getJson, post, readFeed, send } from './support/client.mjs';
import { record } from './support/model.mjs';

const WRONG = `mappings: {shop: {clients: [S], amount: gross, default_unit: EUR}}\n`;
const RIGHT = `mappings: {shop: {clients: [S], amount: net, default_unit: EUR}}\n`;
const STRICT = `mappings: {shop: {clients: [S], amount: net, default_unit: EUR, extra: [order]}}\n`;

const sale = (i, changes = {}) => ({ client: 'S', metric: 'sales', gross: 100 + i, net: `${2 * i}.50`, time: 1704067200 + i, order: `o-${i}`, ...changes });
const submit = (server, body, query = '') => send(server, `/api/events${query}`, body);
const groups = async (server, query = '') => (await getJson(server, `/api/aggregations${query}`)).data.groups;
const reprocess = (server, body) => send(server, '/api/events/reprocess', body);

function start(t, data, text) {
  const config = join(data, 'weir.yaml');
  fs.writeFileSync(config, text);
  return startWeir(t, { data, config });
}

function weirEvents(server, ...args) {
  const { code, stdout, stderr } = runWeir(['events', 'reprocess', '--to', server.url, '--json', ...args]);
  return { code, stderr, data: stdout ? JSON.parse(stdout).data : null };
}

const counts = ({ looked, same, changed, unreadable, corrected }) => ({ looked, same, changed, unreadable, corrected });

async function verified(server) {
  await server.stop();
  const { code, stdout, stderr } = runWeir(['verify', '--data', server.data]);
  assert.equal(code, 0, stdout + stderr);
}

test('A wrong mapping is mended, and what it read is put right', async (t) => {
  const data = tempDir(t);
  let server = await start(t, data, WRONG);
  const rule = await send(server, '/api/alert-rules', { name: 'large', measure: 'value', threshold: '1' });
  assert.equal(rule.status, 201, rule.text);
  for (let i = 0; i < 3; i += 1) assert.equal((await submit(server, sale(i))).status, 201);
  const other = { client: 'T', metric: 'sales', amount: 7, time: 1704067200, unit: 'EUR' };
  assert.equal((await submit(server, other)).status, 201);
  assert.equal((await submit(server, sale(9, { net: undefined }))).status, 201);
  const before = await groups(server);
  assert.deepEqual(before.find((group) => group.client === 'S'), { client: 'S', metric: 'sales', unit: 'EUR', count: 4, sum: '412.00', min: '100.00', max: '109.00', avg: '103.00' });
  const { id, hash } = (await submit(server, sale(1))).json.data;
  await server.stop();

  server = await start(t, data, RIGHT);
  const alerts = (await readFeed(server, 'alerts')).length;
  const dry = weirEvents(server, '--dry-run');
  assert.equal(dry.code, 1, dry.stderr); // one cannot be read any more
  assert.deepEqual(counts(dry.data), { looked: 5, same: 1, changed: 3, unreadable: 1, corrected: undefined });
  const change = dry.data.changes.find((each) => each.id === id);
  assert.deepEqual([change.was.amount, change.was.recordId, change.becomes.amount, change.becomes.recordId, change.becomes.mapping],
    ['101.00', `sha256:${hash}`, '2.50', `correction:${hash}:2`, 'shop']);
  assert.match(change.becomes.alias, /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual(dry.data.unreadableEvents.map((each) => Object.keys(each.errors)), [['amount']]);
  assert.match(dry.data.unreadableEvents[0].errors.amount[0], /^is missing/);
  assert.deepEqual(await groups(server), before); // nothing has happened
  assert.equal(await countRecords(server), 5);

  const applied = weirEvents(server, '--apply');
  assert.deepEqual(counts(applied.data), { looked: 5, same: 1, changed: 3, unreadable: 1, corrected: 3 });
  assert.equal(await countRecords(server), 11);
  assert.equal((await readFeed(server, 'alerts')).length, alerts, 'corrections are quiet');
  const after = [{ client: 'S', metric: 'sales', unit: 'EUR', count: 4, sum: '116.50', min: '0.50', max: '109.00', avg: '29.13', p50: '2.50' },
    { client: 'T', metric: 'sales', unit: 'EUR', count: 1, sum: '7.00', min: '7.00', max: '7.00', avg: '7.00', p50: '7.00' }];
  assert.deepEqual(await groups(server, '?measures=min,max,avg,p50'), after);
  assert.deepEqual(await groups(server, '?client=S&window=day&endDate=2024-01-01'), [{ windowStart: '2024-01-01T00:00:00Z',
    client: 'S', metric: 'sales', unit: 'EUR', count: 4, sum: '116.50', min: '0.50', max: '109.00', avg: '29.13' }]);

  // The event tells of it, by the hash that it had and by the one that it has.
  for (const name of [hash, change.becomes.alias]) {
    const found = (await getJson(server, `/api/events/${name}`)).data;
    assert.equal(found.hash, hash);
    assert.deepEqual(found.corrections.map((each) => [each.correction, each.amount]), [[1, '-101.00'], [2, '2.50']]);
    assert.deepEqual(found.event, JSON.parse(JSON.stringify(sale(1))));
  }
  const listed = (await getJson(server, '/api/events?limit=100')).data;
  assert.deepEqual(listed.map((each) => each.correction ?? 0).sort(), [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2]);

  // What does not count any more is told from the rest, also in a page and in a file: what counts adds up to the sum.
  const byId = new Map(listed.map((each) => [each.id, each]));
  const taken = listed.filter((each) => each.takenBackBy);
  assert.deepEqual(taken.map((each) => [each.correction, byId.get(each.takenBackBy).correction, byId.get(each.takenBackBy).hash === each.hash]), Array(3).fill([undefined, 1, true]));
  const sum = (all) => all.reduce((to, each) => to + Number(each.amount), 0);
  assert.equal(sum(listed.filter((each) => !each.takenBackBy && each.correction !== 1)), 116.5 + 7);
  const csv = await get(server, '/api/events?order=asc', { Accept: 'text/csv' });
  const cells = csv.text.trim().split('\r\n').map((line) => line.split(',').slice(-2));
  assert.deepEqual(cells[0], ['correction', 'takenBackBy']);
  assert.deepEqual(cells.slice(1).map(([correction, by]) => [correction, by ? 'taken' : '']).sort(),
    [['', ''], ['', ''], ...Array(3).fill(['', 'taken']), ...Array(3).fill(['1', '']), ...Array(3).fill(['2', ''])]);
  assert.equal((await getJson(server, '/api/events?limit=1&order=asc&client=S')).data[0].takenBackBy, taken.find((each) => each.amount === '100.00').takenBackBy);

  // What sinks get says what it is.
  const messages = (await readFeed(server)).map((message) => message.record.record_id).filter((each) => each.startsWith('correction:'));
  assert.equal(messages.length, 6);

  // Twice is as good as once, and a client's retry is one.
  const again = weirEvents(server, '--apply');
  assert.deepEqual(counts(again.data), { looked: 5, same: 4, changed: 0, unreadable: 1, corrected: 0 });
  assert.equal(await countRecords(server), 11);
  const retry = await submit(server, sale(1));
  assert.equal(retry.status, 200, retry.text);
  assert.deepEqual([retry.json.data.isDuplicate, retry.json.data.recordId, retry.json.data.amount], [true, `correction:${hash}:2`, '2.50']);
  const { attempts, log } = (await getJson(server, `/api/events/${hash}`)).data;
  assert.deepEqual([attempts, log.map((each) => [each.attempt, each.status])], [3, [[1, 'processed'], [2, 'duplicate'], [3, 'duplicate']]]);
  assert.deepEqual(await groups(server, '?measures=min,max,avg,p50'), after);

  // A mapping that only knows events by more than before has to put right what they are known by.
  await server.stop();
  server = await start(t, data, STRICT);
  const { stdout: table } = runWeir(['events', 'reprocess', '--to', server.url, '--dry-run']);
  assert.equal(table.match(/S sales \S+ EUR \S+ +the same, known by sha256:[0-9a-f]{40}/g).length, 3, table);
  assert.deepEqual(counts(weirEvents(server, '--apply').data), { looked: 5, same: 1, changed: 3, unreadable: 1, corrected: 3 });
  assert.deepEqual(counts(weirEvents(server, '--apply').data), { looked: 5, same: 4, changed: 0, unreadable: 1, corrected: 0 });
  assert.equal((await submit(server, sale(1))).status, 200);
  assert.deepEqual(await groups(server, '?measures=min,max,avg,p50'), after);
  const rounds = (await getJson(server, `/api/events/${hash}`)).data.corrections.map((each) => each.correction);
  assert.deepEqual(rounds, [1, 2, 3, 4]);

  // And back to where it began.
  await server.stop();
  server = await start(t, data, WRONG);
  assert.deepEqual(counts(weirEvents(server, '--apply').data), { looked: 5, same: 2, changed: 3, unreadable: 0, corrected: 3 });
  assert.deepEqual(await groups(server), before);
  assert.equal((await submit(server, sale(1))).status, 200);
  assert.equal((await submit(server, sale(3))).status, 201);
  await verified(server);
});

// All as if the mapping had been right from the beginning, whoever comes when.
test('Clients that send again before and after it was put right, and others that mean what was wrong', async (t) => {
  const data = tempDir(t);
  const at = (gross, net, changes = {}) => ({ client: 'S', metric: 'fee', gross, net, time: '2024-01-01T00:00:00Z', ...changes });
  const totals = async (server) => (await groups(server)).map((group) => [group.count, group.sum]);
  const feed = async (server) => (await readFeed(server)).map((message) => message.record.record_id);
  let server = await start(t, data, WRONG);
  for (const [gross, net] of [[10, 20], [20, 10], [30, 40], [50, 5], [60, 5]]) assert.equal((await submit(server, at(gross, net))).status, 201);
  await server.stop();

  server = await start(t, data, RIGHT);
  assert.equal((await submit(server, at(30, 40))).status, 201, 'known by another id, and nothing has been put right');
  const dry = weirEvents(server, '--dry-run');
  assert.deepEqual(dry.data.changes.map((each) => [each.id, each.becomes?.amount, each.sameAs]),
    [[1, '20.00', undefined], [2, '10.00', undefined], [3, undefined, 6], [4, '5.00', undefined], [5, undefined, 4]]);
  const { stdout } = runWeir(['events', 'reprocess', '--to', server.url, '--dry-run']);
  assert.match(stdout, /nothing: it is the same as 6/);
  assert.deepEqual(counts(weirEvents(server, '--apply').data), { looked: 6, same: 1, changed: 5, unreadable: 0, corrected: 5 });
  assert.deepEqual(counts(weirEvents(server, '--apply').data), { looked: 6, same: 6, changed: 0, unreadable: 0, corrected: 0 });
  assert.deepEqual(await totals(server), [[4, '75.00']]);
  for (const [gross, net] of [[10, 20], [20, 10], [30, 40], [50, 5], [60, 5]]) assert.equal((await submit(server, at(gross, net))).status, 200);
  const [taken] = (await getJson(server, '/api/events?limit=100')).data.filter((each) => each.id === 3);
  assert.equal((await getJson(server, `/api/events/${taken.hash}`)).data.corrections.length, 1);

  // 50 was never meant by anybody: whoever means it now is another event, and known by its hash from then on.
  const another = await submit(server, at(1, 50));
  assert.equal(another.status, 201, another.text);
  assert.equal((await submit(server, at(2, 50))).status, 200);
  const ndjson = await send(server, '/api/events', [at(1, 50), at(3, 50), at(1, 30)].map((each) => `${JSON.stringify(each)}\n`).join(''), { type: NDJSON_TYPE });
  assert.deepEqual([ndjson.json.data.created, ndjson.json.data.duplicates, ndjson.json.data.conflicts], [1, 2, 0], ndjson.text);

  // Whoever names an event calls it what it is stored as: one by one, in an array, in NDJSON.
  const all = [at(1, 50), at(20, 10), at(1, 30), at(30, 40)];
  const one = [];
  for (const each of all) one.push((await submit(server, each)).json.data);
  const named = ({ json }) => json.data.results.map((each) => [each.recordId, each.id]);
  const lines = await send(server, '/api/events', all.map((each) => JSON.stringify(each)).join('\n'), { type: NDJSON_TYPE });
  for (const answer of [await submit(server, all), lines]) assert.deepEqual(named(answer), one.map((each) => [each.recordId, each.id]));
  for (const each of one) assert.equal((await getJson(server, `/api/records/${each.recordId}`)).data.id, each.id);
  const created = (await submit(server, [at(4, 60)], '?results=all')).json.data.results[0];
  assert.equal(created.recordId, (await submit(server, at(4, 60))).json.data.recordId);
  assert.match(created.recordId, /^sha256:[0-9a-f]{64}:[0-9]+$/);
  assert.deepEqual(await totals(server), [[7, '215.00']]);
  const { id, hash, recordId } = another.json.data;
  assert.equal(recordId, `sha256:${hash}:${id}`);
  const found = (await getJson(server, `/api/events/${hash}`)).data;
  assert.deepEqual([found.id, found.hash, found.recordId, found.amount], [id, hash, `sha256:${hash}:${id}`, '50.00']);
  assert.equal((await getJson(server, `/api/events/${hash}:${id}`)).data.id, id);
  assert.ok((await feed(server)).includes(`sha256:${hash}:${id}`));

  // And back: what was taken for the same counts again.
  await server.stop();
  server = await start(t, data, WRONG);
  const back = weirEvents(server, '--apply').data;
  assert.deepEqual([back.looked, back.duplicates, back.unreadable, back.refused], [9 + back.duplicates, back.duplicates, 0, 0]);
  assert.deepEqual(await totals(server), [[9, '180.00']]); // 10 20 30 50 60 1 4 2 3, of which 30 and 1 came twice, and 2 and 3 were taken for 1
  assert.deepEqual(counts(weirEvents(server, '--apply').data), { looked: back.looked, same: back.looked, changed: 0, unreadable: 0, corrected: 0 });
  await verified(server);
});

test('Which events are looked at, and by which mapping', async (t) => {
  const data = tempDir(t);
  const MANY = 'mappings: {one: {amount: gross}, two: {amount: net}, gone: {amount: gross}, clients: {amount: net, clients: [C]}}\n';
  let server = await start(t, data, MANY.replace('one: {amount: gross}', 'one: {amount: net}'));
  const asked = async (query, changes) => assert.equal((await submit(server, sale(1, changes), query)).status, 201);
  await asked('?mapping=one', { client: 'A' });
  await asked('?mapping=two', { client: 'B' });
  await asked('?mapping=gone', { client: 'D', amount: 5 });
  await asked('', { client: 'C', time: '2025-01-01' });
  await asked('?mapping=two', { client: 'C', time: '2025-01-02' }); // what was asked for goes before whose it is, then and now
  await server.stop();
  server = await start(t, data, MANY.replace('gone: {amount: gross}, ', '').replace('amount: net, clients', 'amount: gross, clients'));
  const changes = async (filter) => {
    const answer = await reprocess(server, { dryRun: true, ...filter });
    assert.equal(answer.status, 200, answer.text);
    return answer.json.data.changes.map((each) => [each.was.client, each.was.amount, each.becomes.amount, each.becomes.mapping]);
  };
  const a = ['A', '2.50', '101.00', 'one'], c = ['C', '2.50', '101.00', 'clients'], d = ['D', '101.00', '5.00', 'builtin'];
  assert.deepEqual(await changes({}), [a, d, c]);
  assert.deepEqual(await changes({ client: 'C' }), [c]);
  assert.deepEqual(await changes({ mapping: 'two' }), []);
  assert.deepEqual(await changes({ mapping: 'clients' }), [c]);
  assert.deepEqual(await changes({ mapping: 'gone' }), [d]);
  assert.deepEqual(await changes({ startDate: '2024-06-01' }), [c]);
  assert.deepEqual(await changes({ endDate: '2024-01-01' }), [a, d]);
  assert.deepEqual(await changes({ after: 1, through: 3 }), [d]);

  // Pages: a call stops when it has found enough, and says where to go on.
  const first = (await reprocess(server, { dryRun: true, limit: 1 })).json.data;
  assert.deepEqual([first.looked, first.changed, first.next, first.through], [1, 1, 1, 5]);
  const second = (await reprocess(server, { dryRun: true, limit: 1, after: first.next, through: first.through })).json.data;
  assert.deepEqual([second.looked, second.changed, second.next], [2, 1, 3]);
  const third = (await reprocess(server, { dryRun: true, after: second.next, through: first.through })).json.data;
  assert.deepEqual([third.looked, third.changed, third.next], [2, 1, null]);

  const text = runWeir(['events', 'reprocess', '--to', server.url, '--dry-run', '--client', 'A']);
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /A sales 2\.50 none .* A sales 101\.00 none /);
  assert.match(text.stdout, /1 looked at: 0 as they were, 1 would change, 0 cannot be read\n$/);
  const unknown = runWeir(['events', 'reprocess', '--to', server.url, '--dry-run', '--mapping', 'nope']);
  assert.match(unknown.stdout, /^0 looked at: nothing that counts was read by a mapping named nope\n$/);
  const both = runWeir(['events', 'reprocess', '--to', server.url, '--dry-run', '--apply']);
  assert.match(both.stderr, /one of --dry-run and --apply, and not both/);

  assertInvalid(await reprocess(server, {}), ['dryRun']);
  assertInvalid(await reprocess(server, { dryRun: 'perhaps' }), ['dryRun']);
  assertInvalid(await reprocess(server, { dryRun: true, limit: 501 }), ['limit']);
  assertInvalid(await reprocess(server, { dryRun: true, startDate: 'now', customer: 'A' }), ['customer']);
  assertInvalid(await reprocess(server, { dryRun: true, through: 0, after: -1 }), ['through', 'after']);
  assert.equal(runWeir(['events', 'reprocess', '--to', server.url]).code, 2);
  assert.equal(runWeir(['events', 'reprocess', '--apply', '--dry-run', '--to', server.url]).code, 2);
  assert.equal(runWeir(['events', 'forget', '--to', server.url]).code, 2);
  const begun = Date.now();
  assert.equal(runWeir(['events', 'reprocess', '--dry-run', '--to', 'http://127.0.0.1:1']).code, 3);
  assert.ok(Date.now() - begun < 5000, 'a server that never answered is not waited for');
  await verified(server);
});

test('A record under the id of an event takes nothing from it', async (t) => {
  const data = tempDir(t);
  const config = (key) => `mappings: {shop: {clients: [S], amount: ${key}, default_unit: EUR}}\n`;
  let server = await start(t, data, config('gross'));
  const event = sale(1), first = await submit(server, event, '?dryRun=true');
  const squat = async (id) => assert.equal((await post(server, record({ recordId: id, value: '1.00' }))).status, 201);
  await squat(first.json.data.recordId);
  const taken = await submit(server, event);
  assert.equal(taken.status, 201, taken.text);
  assert.equal((await submit(server, event)).status, 200);
  assert.deepEqual((await groups(server)).map((group) => [group.count, group.sum]), [[1, '101.00']]);
  assert.equal((await getJson(server, `/api/events/${taken.json.data.hash}`)).data.id, taken.json.data.id);
  // Nor does one under the id that it gets by the mapping of now.
  await server.stop();
  server = await start(t, data, config('net'));
  await squat((await submit(server, event, '?dryRun=true')).json.data.recordId);
  assert.deepEqual(counts(weirEvents(server, '--apply').data), { looked: 1, same: 0, changed: 1, unreadable: 0, corrected: 1 });
  assert.deepEqual((await groups(server)).map((group) => [group.count, group.sum]), [[1, '2.50']]);
  assert.equal((await submit(server, event)).status, 200);
  await verified(server);
});

test('What cannot be read any more is taken back when that is asked for', async (t) => {
  const data = tempDir(t);
  let server = await start(t, data, WRONG);
  assert.equal((await submit(server, sale(1))).status, 201);
  assert.equal((await submit(server, sale(2, { net: undefined }))).status, 201);
  await server.stop();
  server = await start(t, data, RIGHT);
  const dry = weirEvents(server, '--dry-run', '--take-back-unreadable');
  assert.equal(dry.code, 0, dry.stderr);
  assert.deepEqual(dry.data.changes.map((each) => [each.id, each.becomes?.amount, Object.keys(each.errors ?? {})]), [[1, '2.50', []], [2, undefined, ['amount']]]);
  assert.match(runWeir(['events', 'reprocess', '--to', server.url, '--dry-run', '--take-back-unreadable']).stdout, /nothing: it cannot be read/);
  const applied = weirEvents(server, '--apply', '--take-back-unreadable');
  assert.deepEqual([applied.code, ...Object.values(counts(applied.data))], [0, 2, 0, 2, 0, 2]);
  assert.deepEqual((await groups(server)).map((group) => [group.count, group.sum]), [[1, '2.50']]);
  assert.deepEqual(counts(weirEvents(server, '--apply', '--take-back-unreadable').data), { looked: 2, same: 2, changed: 0, unreadable: 0, corrected: 0 });
  assertInvalid(await reprocess(server, { dryRun: true, takeBackUnreadable: 'all' }), ['takeBackUnreadable']);
  await server.stop();
  server = await start(t, data, WRONG); // and back
  assert.equal(weirEvents(server, '--apply').code, 0);
  assert.deepEqual((await groups(server)).map((group) => [group.count, group.sum]), [[2, '203.00']]);
  await verified(server);
});

test('A record that has the name of a correction keeps it', async (t) => {
  const data = tempDir(t);
  let server = await start(t, data, WRONG);
  const { hash } = (await submit(server, sale(1))).json.data;
  assert.equal((await post(server, record({ recordId: `correction:${hash}:2` }))).status, 201);
  await server.stop();
  server = await start(t, data, RIGHT);
  const { code, data: applied } = weirEvents(server, '--apply');
  assert.equal(code, 1);
  assert.deepEqual(counts(applied), { looked: 1, same: 0, changed: 0, unreadable: 1, corrected: 0 });
  assert.match(applied.unreadableEvents[0].errors.recordId[0], /another record/);
  assert.equal(await countRecords(server), 2);
  await verified(server);
});

test('Where records are known by their content, nothing can be put right', async (t) => {
  const data = tempDir(t);
  let server = await start(t, data, `store: {identity: content}\n${WRONG}`);
  assert.equal((await submit(server, sale(1))).status, 201);
  await server.stop();
  server = await start(t, data, `store: {identity: content}\n${RIGHT}`);
  assert.equal((await reprocess(server, { dryRun: true })).json.data.changed, 1);
  assertProblem(await reprocess(server, { dryRun: false }), 409);
  assert.equal(await countRecords(server), 1);
  await verified(server);
});

/** As the command does it; fails when the server is gone. */
async function applyAll(server) {
  for (let after = 0, afterDuplicate = 0; after !== null;) {
    const { data } = (await reprocess(server, { dryRun: false, after, afterDuplicate, limit: 200 })).json;
    [after, afterDuplicate] = [data.next, data.nextDuplicate ?? 0];
  }
}

// Every one of the client's events has the same id for a mapping that looks at the wrong place.
const ONE_ID = `mappings: {shop: {clients: [S], amount: net, id: shop, default_unit: EUR}}\n`;
const OWN_ID = `mappings: {shop: {clients: [S], amount: net, id: order, default_unit: EUR}}\n`;
const sold = (i) => sale(i, { shop: 'berlin', net: `${i}.25` });
const sumOf = (count) => ((count * (count - 1)) / 2 + count * 0.25).toFixed(2);

test('Two hundred events that were taken for one all count in the end', async (t) => {
  const COUNT = 200;
  const data = tempDir(t);
  let server = await start(t, data, ONE_ID);
  const rule = await send(server, '/api/alert-rules', { name: 'large', measure: 'value', threshold: '1' });
  assert.equal(rule.status, 201, rule.text);
  assert.equal((await submit(server, sold(0))).status, 201);
  const lines = (list) => list.map((each) => `${JSON.stringify(each)}\n`).join('');
  const all = Array.from({ length: COUNT }, (_, i) => sold(i));
  for (let round = 0; round < 2; round += 1) { // sent again, they are kept once
    const sent = await send(server, '/api/events', lines(all), { type: NDJSON_TYPE });
    assert.deepEqual([sent.json.data.created, sent.json.data.duplicates + sent.json.data.conflicts], [0, COUNT], sent.text);
  }
  assert.deepEqual((await groups(server)).map((group) => [group.count, group.sum]), [[1, '0.25']]);
  await server.stop();

  server = await start(t, data, OWN_ID);
  const alerts = (await readFeed(server, 'alerts')).length;
  const dry = weirEvents(server, '--dry-run', '--limit', '1000');
  assert.equal(dry.code, 0, dry.stderr);
  assert.deepEqual([...Object.values(counts(dry.data)), dry.data.duplicates], [COUNT, 0, COUNT, 0, undefined, COUNT - 1]);
  const [first] = dry.data.changes;
  assert.deepEqual([first.id, first.duplicate, first.was, first.becomes.amount, first.becomes.mapping], [1, 1, null, '1.25', 'shop']);
  const text = runWeir(['events', 'reprocess', '--to', server.url, '--dry-run', '--limit', '3']);
  assert.match(text.stdout, /taken for its duplicate .*S sales 1\.25 EUR/);
  const page = (await reprocess(server, { dryRun: true, limit: 50 })).json.data;
  assert.deepEqual([page.next, page.nextDuplicate, page.duplicates], [0, 50, 50]);
  const rest = (await reprocess(server, { dryRun: true, limit: 500, afterDuplicate: 50 })).json.data;
  assert.deepEqual([rest.next, rest.nextDuplicate, rest.duplicates, rest.changed], [null, null, COUNT - 51, COUNT - 50]);
  assertInvalid(await reprocess(server, { dryRun: true, afterDuplicate: -1 }), ['afterDuplicate']);
  assert.deepEqual((await groups(server)).map((group) => [group.count, group.sum]), [[1, '0.25']]);

  // A client has sent one again meanwhile: it counts, and is not brought back a second time.
  assert.equal((await submit(server, sold(7))).status, 201);
  const applied = weirEvents(server, '--apply');
  assert.equal(applied.code, 0, applied.stderr);
  assert.deepEqual(counts(applied.data), { looked: COUNT + 1, same: 2, changed: COUNT - 1, unreadable: 0, corrected: COUNT - 1 });
  assert.deepEqual((await groups(server)).map((group) => [group.count, group.sum]), [[COUNT, sumOf(COUNT)]]);
  assert.equal((await readFeed(server, 'alerts')).length, alerts + 1, 'of the one that was sent again');
  const { clients } = (await getJson(server, '/api/stats')).data;
  const counted = clients.find((each) => each.client === 'S');
  assert.deepEqual([counted.received, counted.processed, counted.duplicates], [2 * COUNT + 2, COUNT, COUNT + 2]);
  const brought = await submit(server, sold(11));
  assert.equal(brought.status, 200);
  const found = (await getJson(server, `/api/events/${brought.json.data.hash}`)).data;
  assert.deepEqual([found.takenFor, found.event, found.attempts], [1, sold(11), 2]);
  assert.deepEqual(counts(weirEvents(server, '--apply').data), { looked: COUNT + 1, same: COUNT + 1, changed: 0, unreadable: 0, corrected: 0 });
  await verified(server);
});

// Two totals of one message: each has a mapping of its own.
test('The same bytes for two mappings are two events as soon as these tell them apart', async (t) => {
  const totals = (gross) => `mappings: {net: {amount: net}, gross: {amount: ${gross}}}\n`;
  const data = tempDir(t);
  let server = await start(t, data, totals('net'));
  const both = async () => [(await submit(server, sale(1), '?mapping=net')).status, (await submit(server, sale(1), '?mapping=gross')).status];
  assert.deepEqual([await both(), await both()], [[201, 200], [200, 200]]);
  await server.stop();

  server = await start(t, data, totals('gross'));
  const applied = weirEvents(server, '--apply');
  assert.deepEqual(counts(applied.data), { looked: 2, same: 1, changed: 1, unreadable: 0, corrected: 1 });
  assert.deepEqual((await groups(server)).map((group) => [group.count, group.sum]), [[2, '103.50']]);
  assert.deepEqual(await both(), [200, 200]);
  assert.deepEqual(counts(weirEvents(server, '--apply').data), { looked: 2, same: 2, changed: 0, unreadable: 0, corrected: 0 });
  await verified(server);
});

test('Killed while it brings back what was taken for duplicates, it goes on and doubles nothing', async (t) => {
  const COUNT = 10_000;
  const data = tempDir(t);
  let server = await start(t, data, ONE_ID);
  const lines = Array.from({ length: COUNT }, (_, i) => JSON.stringify(sold(i))).join('\n');
  const sent = await send(server, '/api/events', lines, { type: NDJSON_TYPE });
  assert.deepEqual([sent.json.data.created, sent.json.data.duplicates + sent.json.data.conflicts], [1, COUNT - 1], sent.text);
  await server.stop();

  for (const share of [0.1, 0.4, 0.8]) {
    server = await start(t, data, OWN_ID);
    const running = applyAll(server).catch(() => {});
    await eventually(async () => (await countRecords(server)) >= COUNT * share, `${share} of the events`, 60_000);
    const again = submit(server, sold(Math.floor(COUNT * 0.99))).catch(() => {}); // its client comes meanwhile
    await server.kill();
    await Promise.all([running, again]);
  }
  server = await start(t, data, OWN_ID);
  const both = await Promise.all([applyAll(server), applyAll(server)]); // as two people do it
  assert.equal(both.length, 2);
  assert.deepEqual(counts(weirEvents(server, '--apply').data).changed, 0);
  assert.deepEqual((await groups(server)).map((group) => [group.count, group.sum]), [[COUNT, sumOf(COUNT)]]);
  const again = await send(server, '/api/events', lines, { type: NDJSON_TYPE });
  assert.deepEqual([again.json.data.created, again.json.data.duplicates + again.json.data.conflicts], [0, COUNT], again.text);
  await verified(server);
});

test('Killed while it puts right, it goes on and doubles nothing', async (t) => {
  const COUNT = 20_000;
  const data = tempDir(t);
  let server = await start(t, data, WRONG);
  const lines = Array.from({ length: COUNT }, (_, i) => JSON.stringify(sale(i))).join('\n');
  const sent = await send(server, '/api/events', lines, { type: NDJSON_TYPE });
  assert.equal(sent.status, 200, sent.text);
  await server.stop();

  for (const share of [0.1, 0.4, 0.8]) {
    server = await start(t, data, RIGHT);
    const running = applyAll(server).catch(() => {}); // on a slow machine it may be through before it is killed
    await eventually(async () => (await countRecords(server)) >= COUNT * (1 + 2 * share), `${share} of the corrections`, 60_000);
    await server.kill();
    await running;
  }
  server = await start(t, data, RIGHT);
  assert.ok((await countRecords(server)) % 2 === 0, 'pairs are whole');
  const last = weirEvents(server, '--apply');
  assert.equal(last.code, 0, last.stderr);
  assert.equal(last.data.looked, COUNT);
  assert.deepEqual(counts(weirEvents(server, '--apply').data), { looked: COUNT, same: COUNT, changed: 0, unreadable: 0, corrected: 0 });
  assert.equal(await countRecords(server), 3 * COUNT);
  const sum = (COUNT * (COUNT - 1) + COUNT / 2).toFixed(2);
  const [group] = await groups(server);
  assert.deepEqual([group.count, group.sum, group.min, group.max], [COUNT, sum, '0.50', `${2 * (COUNT - 1)}.50`]);
  const again = await send(server, '/api/events', lines, { type: NDJSON_TYPE });
  assert.equal(again.status, 200, again.text);
  assert.equal(await countRecords(server), 3 * COUNT);
  await verified(server);
});
