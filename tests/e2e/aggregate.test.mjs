// GET /api/records/aggregate against a plain BigInt model, with thousands of random records.
import test, { before, after } from 'node:test';
import assert from 'node:assert/strict';
import { startWeir, tempDir } from './support/weir.mjs';
import { get, getJson, load, post, eventStream, NDJSON_TYPE, CSV_TYPE } from './support/client.mjs';
import { record, random, randomRecords, aggregateGroups, byTime, shown, millis, money, sumsBy, instant } from './support/model.mjs';

const rand = random(41);
const records = randomRecords(rand, 8000);
const inOrder = byTime(records);
const strip = ({ id, ...fields }) => fields;
let server;

const held = { cleanups: [], after(fn) { this.cleanups.push(fn); } };
before(async () => {
  server = await startWeir(held, { data: tempDir(held), args: ['--set', 'store.publish_records=3000'] });
  for (let at = 0; at < records.length; at += 1600) await load(server, records.slice(at, at + 1600));
});
after(async () => {
  await server.stop();
  for (const cleanup of held.cleanups.reverse()) await cleanup();
});

const aggregate = async (query) => (await getJson(server, `/api/records/aggregate?${query}`)).data;

test('all records and their groups', async () => {
  const { message, data } = await getJson(server, '/api/records/aggregate');
  assert.equal(message, 'Records aggregated successfully');
  assert.equal(data.count, records.length);
  assert.deepEqual(data.records.map(strip), inOrder.map(shown));
  assert.deepEqual(data.groups, aggregateGroups(records));
  const alias = await getJson(server, '/records/aggregations');
  assert.deepEqual(alias, { message, data });
});

test('records=false leaves them out, and nothing else changes', async () => {
  const data = await aggregate('records=false');
  assert.ok(!('records' in data));
  assert.equal(data.count, records.length);
  assert.deepEqual(data.groups, aggregateGroups(records));
});

test('sixty random ranges and filters, inclusive at both ends', async () => {
  for (let i = 0; i < 60; i += 1) {
    const [a, b] = [rand.pick(records), rand.pick(records)].map((r) => millis(r.time)).sort((x, y) => x - y);
    // Edges on a record, a millisecond beside it, on the hour, or left out.
    const from = rand.pick([a, a + 1, Math.floor(a / 3_600_000) * 3_600_000, null]);
    const to = rand.pick([b, b - 1, Math.ceil(b / 3_600_000) * 3_600_000, null]);
    const filters = { type: rand.pick([null, 'positive', 'negative']), unit: rand.pick([null, null, 'SEK']), sourceId: rand.pick([null, null, null, 'source-2']),
      destinationId: rand.pick([null, null, 'dest-5']), reference: rand.pick([null, null, null, 'ref-1']) };
    const query = new URLSearchParams({ records: 'false' });
    if (from !== null) query.set('startTime', instant(from));
    if (to !== null) query.set('endTime', instant(to));
    for (const [name, value] of Object.entries(filters)) if (value) query.set(name, value);
    const matching = records.filter((r) => (from === null || millis(r.time) >= from) && (to === null || millis(r.time) <= to) &&
      Object.entries(filters).every(([name, value]) => !value || r[name] === value));
    const data = await aggregate(query);
    assert.equal(data.count, matching.length, String(query));
    assert.deepEqual(data.groups, aggregateGroups(matching), String(query));
  }
});

const KEYS = ['destinationId', 'sourceId', 'reference', 'type', 'unit'];
const utf8 = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Groups as the API answers them for any keys, in the order of the keys. */
function groupsBy(list, keys, extra = () => ({})) {
  const tuple = (r) => keys.map((key) => r[key]);
  const found = [...sumsBy(list, (r) => JSON.stringify(tuple(r)))].map(([key, sums]) => [JSON.parse(key), sums]);
  found.sort(([a], [b]) => a.map((x, i) => utf8(x, b[i])).find((x) => x !== 0) ?? 0);
  return found.map(([values, sums]) => {
    const group = Object.fromEntries(values.map((value, i) => [keys[i], value]));
    const said = { recordCount: sums.count, totalValue: money(sums.total), netValue: money(sums.net) };
    if (keys.includes('unit')) return { ...group, ...said, ...extra(sums) };
    const members = list.filter((r) => tuple(r).every((value, i) => value === values[i]));
    const units = [...sumsBy(members, (r) => r.unit)].sort(([a], [b]) => utf8(a, b)).map(([unit, s]) =>
      ({ unit, recordCount: s.count, totalValue: money(s.total), netValue: money(s.net), ...extra(s) }));
    return { ...group, ...said, units };
  });
}

test('groupBy any of the keys', async () => {
  const choices = [...KEYS.map((key) => [key]), ['destinationId', 'unit'], ['type', 'sourceId'], ['reference', 'destinationId', 'unit'], KEYS];
  for (const keys of choices) {
    const data = await aggregate(`records=false&groupBy=${keys.join(',')}`);
    assert.deepEqual(data.groups, groupsBy(records, keys), keys.join());
  }
  const whole = await aggregate('records=false&groupBy=');
  assert.equal(whole.groups.length, 1);
  assert.equal(whole.groups[0].recordCount, records.length);
});

/** Nearest rank: the smallest value that at least this share of the values does not exceed. */
function percentile(values, p) {
  const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)];
}

test('measures: least, most, mean and percentiles', async () => {
  const measured = (s) => {
    const mean = (2n * s.total + BigInt(s.count)) / (2n * BigInt(s.count)); // half up
    return { min: money(s.min), max: money(s.max), avg: money(mean), p50: money(percentile(s.values, 50)),
      p95: money(percentile(s.values, 95)), p99: money(percentile(s.values, 99)) };
  };
  // Groups of less than a thousand records, for which percentiles are exact.
  const data = await aggregate('records=false&groupBy=destinationId,unit&measures=sum,count,min,max,avg,p50,p95,p99');
  const expected = groupsBy(records, ['destinationId', 'unit'], measured);
  assert.deepEqual(data.groups, expected);
  const perUnit = await aggregate('records=false&measures=min,max,avg');
  assert.deepEqual(perUnit.groups, groupsBy(records, ['destinationId'], (s) => {
    const { min, max, avg } = measured(s);
    return { min, max, avg };
  }));
});

test('percentiles of many values are within one percent', async () => {
  const data = await aggregate('records=false&groupBy=unit&measures=p50,p95,p99');
  for (const group of data.groups) {
    const values = records.filter((r) => r.unit === group.unit).map((r) => BigInt(r.value.replace('.', '')));
    for (const p of [50, 95, 99]) {
      const exact = Number(percentile(values, p));
      const said = Number(group[`p${p}`].replace('.', ''));
      assert.ok(Math.abs(said - exact) <= exact * 0.01 + 1, `p${p} of ${group.unit}: ${said} for ${exact}`);
    }
  }
});

/** Where the window of a time begins, by the calendar of a zone, with the help of Intl. */
function windowStart(ms, window, timeZone) {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit',
    hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const local = (at) => {
    const p = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second);
  };
  const floor = (at) => {
    const d = new Date(at);
    if (window === 'month') return Date.UTC(d.getUTCFullYear(), d.getUTCMonth(), 1);
    const day = Date.UTC(d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate());
    if (window === 'week') return day - ((d.getUTCDay() + 6) % 7) * 86_400_000;
    if (window === 'day') return day;
    const size = window === 'hour' ? 3_600_000 : 60_000;
    return Math.floor(at / size) * size;
  };
  const start = floor(local(ms));
  let utc = start - (local(ms) - Math.floor(ms / 1000) * 1000);
  for (let i = 0; i < 3; i += 1) utc -= local(utc) - start; // the offset at the window's start may be another one
  return instant(utc);
}

test('windows in UTC and in zones with and without half hours', async () => {
  for (const [window, zone] of [['hour', 'UTC'], ['day', 'UTC'], ['week', 'UTC'], ['month', 'UTC'], ['day', 'Europe/Stockholm'],
    ['week', 'America/New_York'], ['month', 'Asia/Tokyo'], ['day', 'Asia/Kathmandu'], ['hour', 'Asia/Kolkata']]) {
    const data = await aggregate(`records=false&window=${window}&timeZone=${encodeURIComponent(zone)}&groupBy=unit`);
    const placed = records.map((r) => ({ ...r, windowStart: windowStart(millis(r.time), window, zone) }));
    assert.deepEqual(data.groups, groupsBy(placed, ['windowStart', 'unit']), `${window} in ${zone}`);
  }
});

test('a day is 23 or 25 hours long when the clocks change', async (t) => {
  const other = await startWeir(t);
  const zone = 'Europe/Stockholm'; // 2025-03-30 forward, 2025-10-26 back
  const some = [];
  for (const day of ['2025-03-29', '2025-03-30', '2025-03-31', '2025-10-25', '2025-10-26', '2025-10-27']) {
    for (let hour = 0; hour < 24; hour += 1) some.push(record({ time: `${day} ${String(hour).padStart(2, '0')}:30:00`, value: '1.00' }));
  }
  await load(other, some);
  const { groups } = (await getJson(other, `/api/records/aggregate?records=false&window=day&timeZone=${zone}&groupBy=unit`)).data;
  const placed = some.map((r) => ({ ...r, windowStart: windowStart(millis(r.time), 'day', zone) }));
  assert.deepEqual(groups, groupsBy(placed, ['windowStart', 'unit']));
  assert.equal(groups.find((g) => g.windowStart === '2025-03-29T23:00:00Z').recordCount, 23);
  assert.equal(groups.find((g) => g.windowStart === '2025-10-25T22:00:00Z').recordCount, 25);
});

test('the records come in pages when asked', async () => {
  const listed = [];
  for (let cursor = null; ;) {
    const { data } = await getJson(server, `/api/records/aggregate?type=negative&limit=900${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    assert.equal(data.count, inOrder.filter((r) => r.type === 'negative').length, 'the count is of all');
    listed.push(...data.records);
    cursor = data.nextCursor;
    if (!cursor) break;
  }
  assert.deepEqual(listed.map(strip), inOrder.filter((r) => r.type === 'negative').map(shown));
});

test('groups as NDJSON and CSV', async () => {
  const lines = await get(server, '/api/records/aggregate?records=false', { accept: NDJSON_TYPE });
  assert.deepEqual(lines.text.trimEnd().split('\n').map((line) => JSON.parse(line)), aggregateGroups(records));
  const csv = await get(server, '/api/records/aggregate?records=false&groupBy=destinationId,unit', { accept: CSV_TYPE });
  const [header, ...rows] = csv.text.trimEnd().split('\r\n').map((line) => line.split(','));
  const listed = rows.map((row) => Object.fromEntries(row.map((cell, i) => [header[i], cell])));
  assert.deepEqual(listed, groupsBy(records, ['destinationId', 'unit']).map((g) => ({ ...g, recordCount: String(g.recordCount) })));
});

test('an empty store, and a range without records', async (t) => {
  const empty = await startWeir(t);
  const nothing = { count: 0, records: [], groups: [] };
  assert.deepEqual((await getJson(empty, '/api/records/aggregate')).data, nothing);
  assert.deepEqual(await aggregate('startTime=2030-01-01%2000:00:00'), nothing);
});

test('every acknowledged record is in the very next aggregate', async (t) => {
  const other = await startWeir(t, { args: ['--set', 'store.publish_records=50'] });
  const sent = randomRecords(random(43), 300);
  for (let i = 0; i < sent.length; i += 1) {
    assert.equal((await post(other, sent[i])).status, 201);
    if (i % 7 !== 0) continue;
    const { data } = await getJson(other, '/api/records/aggregate?records=false');
    assert.deepEqual(data.groups, aggregateGroups(sent.slice(0, i + 1)));
  }
});

test('a live aggregate sends its groups again as they change', async (t) => {
  const other = await startWeir(t);
  await post(other, record({ value: '1.00' }));
  const stream = await eventStream(t, other, '/api/records/aggregate?records=false');
  const first = JSON.parse((await stream.next()).data);
  assert.match(JSON.stringify(first), /"totalValue":"1\.00"/);
  await post(other, record({ value: '2.00' }));
  const second = JSON.parse((await stream.next()).data);
  assert.match(JSON.stringify(second), /"totalValue":"3\.00"/);
});
