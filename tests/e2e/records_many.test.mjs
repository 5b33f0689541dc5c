// POST /api/records with many: arrays, {"records": […]} and NDJSON.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startWeir } from './support/weir.mjs';
import { post, postLines, send, countRecords, getJson, readFeed, raw, assertProblem, NDJSON_TYPE } from './support/client.mjs';
import { record, random, randomRecords, aggregateGroups } from './support/model.mjs';

const counts = ({ received, created, duplicates, conflicts, rejected }) => [received, created, duplicates, conflicts, rejected];

/** Five items, one of each fate, and what is said of them. */
function mixture() {
  const first = record({ recordId: 'm-1' });
  return [first, record({ recordId: 'm-2' }), { ...first }, { ...first, value: '1.00' }, record({ recordId: 'm-5', value: 'x', type: '?' })];
}

const SUBMITS = [
  ['an array', (server, items, query) => post(server, items, query)],
  ['{"records": […]}', (server, items, query) => post(server, { records: items }, query)],
  ['NDJSON', (server, items, query) => postLines(server, items, query)],
];
for (const [name, submit] of SUBMITS) {
  test(`${name}: each item's fate is told, problems only by default`, async (t) => {
    const server = await startWeir(t);
    const answer = await submit(server, mixture(), '');
    assert.equal(answer.status, 200, answer.text);
    assert.equal(typeof answer.json.message, 'string');
    const { data } = answer.json;
    assert.deepEqual(counts(data), [5, 2, 1, 1, 1]);
    assert.deepEqual(data.results.map((r) => [r.index, r.recordId, r.status]),
      [[2, 'm-1', 'duplicate'], [3, 'm-1', 'conflict'], [4, 'm-5', 'rejected']]);
    assert.equal(data.results[0].id, 1);
    assert.deepEqual(data.results[1].differs, ['value']);
    assert.deepEqual(Object.keys(data.results[2].errors).sort(), ['type', 'value']);
    assert.equal(await countRecords(server), 2);
  });

  test(`${name}: results=all, none and a dry run`, async (t) => {
    const server = await startWeir(t);
    const items = mixture();
    const dry = await submit(server, items, '?dryRun=true&results=all');
    assert.equal(dry.status, 200, dry.text);
    assert.deepEqual(counts(dry.json.data), [5, 2, 1, 1, 1], 'a dry run tells the same');
    assert.equal(await countRecords(server), 0, 'and changes nothing');
    assert.equal((await readFeed(server)).length, 0);
    const all = await submit(server, items, '?results=all');
    assert.deepEqual(all.json.data.results.map((r) => [r.index, r.status]),
      [[0, 'created'], [1, 'created'], [2, 'duplicate'], [3, 'conflict'], [4, 'rejected']]);
    assert.deepEqual(all.json.data.results.slice(0, 3).map((r) => r.id), [1, 2, 1]);
    const none = await submit(server, items, '?results=none');
    assert.deepEqual(counts(none.json.data), [5, 0, 3, 1, 1]);
    assert.equal((none.json.data.results ?? []).length, 0);
    assert.equal(await countRecords(server), 2);
  });
}

for (const [name, submit] of SUBMITS) {
  test(`${name}: with on_conflict: first a conflict is a duplicate that says what differs`, async (t) => {
    const server = await startWeir(t, { env: { WEIR_RECORDS_ON_CONFLICT: 'first' } });
    for (const query of ['?dryRun=true', '', '']) {
      const created = 2 - await countRecords(server);
      const { status, text, json } = await submit(server, mixture(), query);
      assert.equal(status, 200, text);
      assert.deepEqual(counts(json.data), [5, created, 4 - created, 0, 1]);
      const clash = json.data.results.find((r) => r.index === 3);
      assert.deepEqual([clash.recordId, clash.status, clash.differs], ['m-1', 'duplicate', ['value']]);
      assert.ok(json.data.results.every((r) => r.index === 3 || !('differs' in r)), 'of the others nothing differs');
      if (!query) assert.equal(clash.id, 1);
    }
    assert.equal((await getJson(server, '/api/records/m-1')).data.value, '100.50', 'the first one stays');
    const atomic = await submit(server, [record({ recordId: 'm-3' }), record({ recordId: 'm-1', value: '2.00' })], '?mode=atomic');
    assertProblem(atomic, name === 'NDJSON' ? 422 : 409);
    assert.equal(await countRecords(server), 2);
  });
}

test('mode=atomic takes all or nothing', async (t) => {
  const server = await startWeir(t);
  const good = [record({ recordId: 'a-1' }), record({ recordId: 'a-2' })];
  const bad = assertProblem(await post(server, [...good, record({ recordId: 'a-3', value: '-1' })], '?mode=atomic'), 422);
  assert.match(JSON.stringify(bad), /value/, 'the bad field is named');
  assert.match(JSON.stringify(bad), /2/, 'and its index');
  assert.equal(await countRecords(server), 0);
  const clash = await post(server, [...good, { ...good[0], unit: 'SEK' }], '?mode=atomic');
  assertProblem(clash, 409);
  assert.match(clash.text, /unit/);
  assert.equal(await countRecords(server), 0, 'a clash within the call leaves all out');
  const taken = await post(server, [...good, good[1]], '?mode=atomic');
  assert.equal(taken.status, 200, taken.text);
  assert.deepEqual(counts(taken.json.data), [3, 2, 1, 0, 0], 'a duplicate is no obstacle');
  const later = await post(server, [record({ recordId: 'a-9' }), { ...good[0], value: '5.00' }], '?mode=atomic');
  assertProblem(later, 409);
  assert.equal(await countRecords(server), 2);
  const lines = await postLines(server, good, '?mode=atomic');
  assertProblem(lines, 422);
});

test('an array has at most 10,000 items', async (t) => {
  const server = await startWeir(t);
  const items = Array.from({ length: 10_001 }, (_, i) => record({ recordId: `n-${i}` }));
  assertProblem(await post(server, items), 413);
  assertProblem(await post(server, { records: items }), 413);
  assert.equal(await countRecords(server), 0);
  const answer = await post(server, items.slice(1));
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  assert.equal(answer.json.data.created, 10_000);
  assert.deepEqual(answer.json.data.results, []);
});

test('an array body over 16 MiB is 413, announced or chunked', async (t) => {
  const server = await startWeir(t);
  const big = JSON.stringify([record({ note: 'x'.repeat(17 << 20) })]);
  const announced = await send(server, '/api/records', big).catch((error) => error);
  if (!(announced instanceof Error)) assertProblem(announced, 413); // the server may also close on a sender that goes on
  for (const header of [`Content-Length: ${1 << 30}`, `Content-Length: ${big.length}\r\nExpect: 100-continue`]) {
    const early = await raw(server, `POST /api/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${header}\r\n\r\n`);
    assert.equal(early.status, 413, `${header}: it is said without waiting for the body`);
  }
  const chunk = 'y'.repeat(1 << 20);
  const chunked = await raw(server, ['POST /api/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    ...Array.from({ length: 18 }, () => `100000\r\n${chunk}\r\n`), '0\r\n\r\n']);
  assert.equal(chunked.status, 413);
  assert.equal(await countRecords(server), 0);
});

test('empty submissions', async (t) => {
  const server = await startWeir(t);
  for (const items of [[], { records: [] }]) {
    const answer = await post(server, items);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.data.received, 0);
  }
  for (const text of ['', '\n', '\r\n\n\r\n']) {
    const answer = await send(server, '/api/records', text, { type: NDJSON_TYPE });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.data.received, 0);
  }
  assertProblem(await send(server, '/api/records', ''), 422);
});

test('items that are no records are rejected one by one', async (t) => {
  const server = await startWeir(t);
  const items = [1, null, 'text', [], [record()], {}, record({ recordId: 'good' }), true];
  const answer = await post(server, items);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(counts(answer.json.data), [8, 1, 0, 0, 7]);
  assert.deepEqual(answer.json.data.results.map((r) => r.index), [0, 1, 2, 3, 4, 5, 7]);
  for (const result of answer.json.data.results) assert.ok(Object.keys(result.errors).length > 0, JSON.stringify(result));
});

test('NDJSON: empty lines, CRLF, no final newline; indexes are lines', async (t) => {
  const server = await startWeir(t);
  const line = (id) => JSON.stringify(record({ recordId: id }));
  const text = `\r\n${line('l-1')}\r\n\n   \n{"recordId":\r\n${line('l-2')}\nnonsense\n\r\n${line('l-3')}`;
  const answer = await send(server, '/api/records?results=all', text, { type: NDJSON_TYPE });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(counts(answer.json.data), [5, 3, 0, 0, 2]);
  assert.deepEqual(answer.json.data.results.filter((r) => r.status === 'created').map((r) => r.recordId), ['l-1', 'l-2', 'l-3']);
  const bad = answer.json.data.results.filter((r) => r.status === 'rejected');
  assert.equal(bad.length, 2);
  for (const result of bad) assert.match(JSON.stringify(result.errors), /column|position|JSON/i);
  assert.equal(await countRecords(server), 3);
});

test('NDJSON: a hundred thousand lines arrive chunk by chunk, the answer at the end', async (t) => {
  const server = await startWeir(t);
  const records = randomRecords(random(11), 100_000);
  const text = Buffer.from(records.map((r) => JSON.stringify(r) + '\n').join(''));
  const rand = random(12);
  const body = new ReadableStream({
    start() { this.at = 0; },
    pull(controller) {
      if (this.at >= text.length) return controller.close();
      const end = this.at + 1 + rand.below(200_000);
      controller.enqueue(text.subarray(this.at, end));
      this.at = end;
    },
  });
  const answer = await send(server, '/api/records?results=none', body, { type: NDJSON_TYPE });
  assert.equal(answer.status, 200, answer.text.slice(0, 500));
  assert.deepEqual(counts(answer.json.data), [100_000, 100_000, 0, 0, 0]);
  const { data } = await getJson(server, '/api/records/aggregate?records=false');
  assert.deepEqual(data.groups, aggregateGroups(records));
});

test('NDJSON: uploads that wait for a full queue lose and mix nothing', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'process.queue_bytes_max=1MiB'] });
  const uploads = Array.from({ length: 4 }, (_, u) => randomRecords(random(20 + u), 12_000).map((r) => ({ ...r, recordId: `u${u}-${r.recordId}`, reference: 'x'.repeat(100) })));
  const answers = await Promise.all(uploads.map((records) => postLines(server, records, '?results=problems')));
  for (const answer of answers) {
    assert.equal(answer.status, 200, answer.text.slice(0, 500));
    assert.deepEqual(counts(answer.json.data), [12_000, 12_000, 0, 0, 0], answer.text.slice(0, 500));
  }
  const { data } = await getJson(server, '/api/records/aggregate?records=false');
  assert.deepEqual(data.groups, aggregateGroups(uploads.flat()));
});

test('NDJSON: what came before the end is committed while the rest is on its way', async (t) => {
  const server = await startWeir(t);
  const first = randomRecords(random(13), 20_000).map((r) => JSON.stringify(r) + '\n').join('');
  let release;
  const gate = new Promise((done) => { release = done; });
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(Buffer.from(first));
      await gate;
      controller.enqueue(Buffer.from(JSON.stringify(record({ recordId: 'late' }))));
      controller.close();
    },
  });
  const sending = send(server, '/api/records', body, { type: NDJSON_TYPE });
  for (let i = 0; i < 200 && (await countRecords(server)) < 10_000; i += 1) await new Promise((done) => setTimeout(done, 25));
  const seen = await countRecords(server);
  release();
  const answer = await sending;
  assert.ok(seen >= 10_000, `${seen} of 20,000 were there before the end`);
  assert.equal(answer.json.data.created, 20_001);
});

test('NDJSON: at most 10,000 problems are listed, counts stay exact', async (t) => {
  const server = await startWeir(t);
  const lines = Array.from({ length: 12_000 }, (_, i) => record({ recordId: `p-${i}`, value: 'x' }));
  const answer = await postLines(server, [...lines, record()]);
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  assert.deepEqual(counts(answer.json.data), [12_001, 1, 0, 0, 12_000]);
  assert.equal(answer.json.data.results.length, 10_000);
  assert.equal(answer.json.data.resultsTruncated, true);
});

test('the options of a submission are checked', async (t) => {
  const server = await startWeir(t);
  for (const [query, field] of [['results=some', 'results'], ['mode=maybe', 'mode'], ['dryRun=perhaps', 'dryRun'], ['dryrun=true', 'dryrun']]) {
    const problem = assertProblem(await post(server, [record()], `?${query}`), 422);
    assert.ok(problem.errors[field], `${query}: ${JSON.stringify(problem.errors)}`);
  }
  assert.equal(await countRecords(server), 0);
});
