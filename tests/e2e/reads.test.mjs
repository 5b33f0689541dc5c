// GET /api/records: pages, order, filters, formats, against a plain model.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { startWeir, tempDir } from './support/weir.mjs';
import { get, getJson, load, post, readPages, CSV_TYPE, NDJSON_TYPE } from './support/client.mjs';
import { record, random, randomRecords, byTime, shown, millis, instant } from './support/model.mjs';

const rand = random(21);
const records = randomRecords(rand, 5000);
const inOrder = byTime(records);
const strip = ({ id, ...fields }) => fields;
let server;

// One server for all tests of this file: they only read.
const held = { cleanups: [], after(fn) { this.cleanups.push(fn); } };
before(async () => {
  server = await startWeir(held, { data: tempDir(held), args: ['--set', 'store.publish_records=1500'] });
  await load(server, records.slice(0, 3000));
  await load(server, records.slice(3000));
});
after(async () => {
  await server.stop();
  for (const cleanup of held.cleanups.reverse()) await cleanup();
});

test('pages hold every record once, by time', async () => {
  for (const limit of [1000, 333, 50]) {
    const listed = await readPages(server, '', limit);
    assert.deepEqual(listed.map(strip), inOrder.map(shown));
  }
  const descending = await readPages(server, 'order=desc', 700);
  assert.deepEqual(descending.map(strip), [...inOrder].reverse().map(shown));
  assert.equal(new Set(descending.map((r) => r.id)).size, records.length);
});

test('the default page is 100 and says where the next one is', async () => {
  const page = await getJson(server, '/api/records');
  assert.equal(page.data.length, 100);
  assert.equal(typeof page.nextCursor, 'string');
  const last = await getJson(server, `/api/records?startTime=${encodeURIComponent(inOrder.at(-1).time)}`);
  assert.equal(last.nextCursor, null);
});

const TIMES = [inOrder[100].time, inOrder[2500].time, inOrder[4900].time];
const FILTERS = [
  ['type=positive', (r) => r.type === 'positive'],
  ['sourceId=source-1', (r) => r.sourceId === 'source-1'],
  ['destinationId=dest-3&reference=ref-2', (r) => r.destinationId === 'dest-3' && r.reference === 'ref-2'],
  ['unit=SEK&type=negative&destinationId=dest-0', (r) => r.unit === 'SEK' && r.type === 'negative' && r.destinationId === 'dest-0'],
  [`startTime=${TIMES[1]}`, (r) => millis(r.time) >= millis(TIMES[1])],
  [`endTime=${TIMES[1]}`, (r) => millis(r.time) <= millis(TIMES[1])],
  [`startTime=${TIMES[0]}&endTime=${TIMES[2]}&unit=EUR`, (r) => millis(r.time) >= millis(TIMES[0]) && millis(r.time) <= millis(TIMES[2]) && r.unit === 'EUR'],
  [`startTime=${TIMES[1]}&endTime=${TIMES[1]}`, (r) => millis(r.time) === millis(TIMES[1])],
  ['sourceId=nobody', () => false],
  ['endTime=0001-01-01%2000:00:00', () => false],
];
test('filters, each way round', async () => {
  for (const [query, matches] of FILTERS) {
    const expected = inOrder.filter(matches).map(shown);
    assert.deepEqual((await readPages(server, query, 400)).map(strip), expected, query);
    assert.deepEqual((await readPages(server, `${query}&order=desc`, 400)).map(strip), [...expected].reverse(), query);
  }
});

test('an un-encoded + of an offset is understood', async () => {
  const at = Date.parse(TIMES[1]);
  const local = `${new Date(at + 7_200_000).toISOString().replace(/Z$/, '')}+02:00`;
  const plain = await getJson(server, `/api/records?startTime=${local}&endTime=${local}`);
  const encoded = await getJson(server, `/api/records?startTime=${encodeURIComponent(local)}&endTime=${encodeURIComponent(local)}`);
  assert.deepEqual(plain.data.map(strip), inOrder.filter((r) => millis(r.time) === at).map(shown));
  assert.deepEqual(encoded, plain);
  assert.ok(plain.data.length > 0);
});

test('NDJSON and CSV stream everything that matches', async () => {
  const lines = await get(server, '/api/records', { accept: NDJSON_TYPE });
  assert.equal(lines.type, NDJSON_TYPE);
  assert.deepEqual(lines.text.trimEnd().split('\n').map((line) => strip(JSON.parse(line))), inOrder.map(shown));
  const some = await get(server, '/api/records?type=positive&limit=7', { accept: NDJSON_TYPE });
  assert.equal(some.text.trimEnd().split('\n').length, 7);
  const csv = await get(server, '/api/records?order=desc', { accept: CSV_TYPE });
  assert.equal(csv.type, CSV_TYPE);
  const [header, ...rows] = csv.text.trimEnd().split('\r\n').map((line) => line.split(','));
  assert.deepEqual([...header].sort(), ['id', ...Object.keys(shown(records[0]))].sort());
  const listed = rows.map((row) => strip(Object.fromEntries(row.map((cell, i) => [header[i], cell]))));
  assert.deepEqual(listed, [...inOrder].reverse().map(shown));
  const none = await get(server, '/api/records?sourceId=nobody', { accept: CSV_TYPE });
  assert.equal(none.text, `${header.join(',')}\r\n`);
  assert.equal((await get(server, '/api/records?sourceId=nobody', { accept: NDJSON_TYPE })).text, '');
});

test('CSV quotes what needs it', async (t) => {
  const other = await startWeir(t);
  const odd = record({ recordId: 'a,b', reference: 'say "hi"', unit: 'line\nbreak', sourceId: '=1+1' });
  assert.equal((await post(other, odd)).status, 201);
  const { text } = await get(other, '/api/records', { accept: CSV_TYPE });
  for (const cell of ['"a,b"', '"say ""hi"""', '"line\nbreak"']) assert.ok(text.includes(cell), text);
});

test('an Accept that cannot be met is JSON or 406', async () => {
  const answer = await get(server, '/api/records?limit=1', { accept: 'image/png' });
  assert.ok(answer.status === 406 || (answer.status === 200 && answer.type === 'application/json'), `${answer.status} ${answer.type}`);
  const list = await get(server, '/api/records?limit=1', { accept: 'text/html;q=0.9, application/x-ndjson;q=0.8, */*;q=0.1' });
  assert.equal(list.status, 200);
});

test('a cursor goes on with what was there when its first page was made', async (t) => {
  const other = await startWeir(t);
  const early = randomRecords(random(31), 300);
  await load(other, early);
  const first = await getJson(other, '/api/records?limit=100');
  await load(other, randomRecords(random(32), 300, { start: '2024-01-01T00:00:00Z', days: 600 }));
  const rest = [...first.data];
  for (let cursor = first.nextCursor; cursor;) {
    const page = await getJson(other, `/api/records?limit=100&cursor=${encodeURIComponent(cursor)}`);
    rest.push(...page.data);
    cursor = page.nextCursor;
  }
  assert.deepEqual(rest.map(strip), byTime(early).map(shown), 'neither twice nor left out');
  const foreign = await get(other, `/api/records?limit=100&type=positive&cursor=${encodeURIComponent(first.nextCursor)}`);
  assert.equal(foreign.status, 422, 'a cursor belongs to its filters');
});

test('a record is listed the moment it is acknowledged', async (t) => {
  const other = await startWeir(t);
  for (let i = 0; i < 200; i += 1) {
    const sent = record({ recordId: `now-${i}`, time: instant(Date.UTC(2025, 5, 1) - i * 1000) });
    assert.equal((await post(other, sent)).status, 201);
    const page = await getJson(other, '/api/records?limit=1');
    assert.equal(page.data[0].recordId, sent.recordId);
  }
});

test('years from 1 to 9999 keep their order', async (t) => {
  const other = await startWeir(t);
  const times = ['0001-01-01T00:00:00Z', '1582-10-15T00:00:00Z', '1969-12-31T23:59:59.999999Z', '1970-01-01T00:00:00Z',
    '2038-01-19T03:14:08Z', '9999-12-31T23:59:59.999999Z'];
  await load(other, random(5).shuffle(times.map((time) => record({ time }))));
  assert.deepEqual((await readPages(other, '', 4)).map((r) => r.time), times);
  assert.deepEqual((await readPages(other, 'endTime=1970-01-01T00:00:00Z', 4)).map((r) => r.time), times.slice(0, 4));
});
