// POST /api/records and POST /records with one record: new, again, contradicting.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startWeir } from './support/weir.mjs';
import { post, send, get, getJson, countRecords, assertProblem, assertInvalid } from './support/client.mjs';
import { record, shown, instant } from './support/model.mjs';

test('a new record is 201 with all its fields, the same again is 200', async (t) => {
  const server = await startWeir(t);
  const sent = record({ recordId: 'rec-001' });
  const first = await post(server, sent);
  assert.equal(first.status, 201, first.text);
  assert.equal(first.json.message, 'Record processed successfully');
  assert.deepEqual(first.json.data, { id: 1, isDuplicate: false, ...shown(sent) });
  const again = await post(server, sent);
  assert.equal(again.status, 200, again.text);
  assert.equal(again.json.message, 'Record already processed (idempotent response)');
  assert.deepEqual(again.json.data, { id: 1, isDuplicate: true, ...shown(sent) });
  assert.equal(await countRecords(server), 1);
});

test('the same record in another spelling is a duplicate', async (t) => {
  const server = await startWeir(t);
  const sent = record({ recordId: 'rec-1', value: '100.50', time: '2025-01-01 10:00:00' });
  assert.equal((await post(server, sent)).status, 201);
  for (const spelling of [
    { value: '100.5' }, { value: '0100.50' }, { time: '2025-01-01T10:00:00Z' }, { time: '2025-01-01T12:00:00+02:00' },
    { time: '2025-01-01t10:00:00.000000z' }, { time: '2025-01-01T00:30:00-09:30' },
  ]) {
    const again = await post(server, { ...sent, ...spelling });
    assert.equal(again.status, 200, `${JSON.stringify(spelling)}: ${again.text}`);
    assert.equal(again.json.data.isDuplicate, true);
  }
  for (const number of ['100.5', '100.50', '1.005e2', '10050e-2', '1005E-1', '0.1005e+3']) {
    const body = JSON.stringify({ ...sent, value: 'NUMBER' }).replace('"NUMBER"', number);
    assert.equal((await post(server, body)).status, 200, number);
  }
  assert.equal(await countRecords(server), 1);
});

test('the same id with other content is 409 and names what differs', async (t) => {
  const server = await startWeir(t);
  const sent = record({ recordId: 'rec-1' });
  assert.equal((await post(server, sent)).status, 201);
  const others = {
    time: '2025-01-01 10:00:01', sourceId: 'source-2', destinationId: 'dest-2', type: 'negative', value: '100.51',
    unit: 'SEK', reference: 'ref-002',
  };
  for (const [field, value] of Object.entries(others)) {
    for (const path of ['/api/records', '/records']) {
      const clash = await send(server, path, { ...sent, [field]: value });
      assert.deepEqual(assertProblem(clash, 409).differs, [field]);
    }
  }
  const all = assertProblem(await post(server, { ...sent, ...others }), 409);
  assert.deepEqual([...all.differs].sort(), Object.keys(others).sort());
  const found = await getJson(server, '/api/records/rec-1');
  assert.equal(found.data.value, '100.50', 'nothing has changed');
  assert.equal(await countRecords(server), 1);
});

test('on_conflict: first answers the first record, and what differs', async (t) => {
  const server = await startWeir(t, { env: { WEIR_RECORDS_ON_CONFLICT: 'first' } });
  const sent = record({ recordId: 'rec-1' });
  assert.equal((await post(server, sent)).status, 201);
  const again = await post(server, { ...sent, value: '7.00' });
  assert.equal(again.status, 200, again.text);
  assert.equal(again.json.data.value, '100.50');
  assert.equal(again.json.data.isDuplicate, true);
  assert.deepEqual(again.json.data.differs, ['value']);
});

test('identity sourceId+recordId keeps equal ids of two sources apart', async (t) => {
  const server = await startWeir(t, { env: { WEIR_STORE_IDENTITY: 'sourceId+recordId' } });
  const one = record({ recordId: 'same', sourceId: 'a' });
  const two = record({ recordId: 'same', sourceId: 'b', value: '3.00' });
  assert.equal((await post(server, one)).status, 201);
  assert.equal((await post(server, two)).status, 201);
  assert.equal((await post(server, two)).status, 200);
  assert.equal((await post(server, { ...two, value: '4.00' })).status, 409);
  assert.equal(await countRecords(server), 2);
});

test('identity content makes the id a mere label', async (t) => {
  const server = await startWeir(t, { env: { WEIR_STORE_IDENTITY: 'content' } });
  const sent = record({ recordId: 'one' });
  assert.equal((await post(server, sent)).status, 201);
  const renamed = await post(server, { ...sent, recordId: 'two' });
  assert.equal(renamed.status, 200, renamed.text);
  assert.deepEqual([renamed.json.data.id, renamed.json.data.recordId], [1, 'one'], 'it is the one that is there');
  assert.equal((await post(server, { ...sent, value: '1.00' })).status, 201, 'other content is another record');
  assert.equal(await countRecords(server), 2);
});

test('POST /records accepts with 202, and with the same refusals', async (t) => {
  const server = await startWeir(t);
  const sent = record({ recordId: 'rec-1' });
  const first = await send(server, '/records', sent);
  assert.equal(first.status, 202, first.text);
  assert.equal(first.json.message, 'Record accepted');
  assert.equal(first.json.data.recordId, 'rec-1');
  assert.equal(first.json.data.status, 'created');
  assert.equal((await getJson(server, '/api/records/rec-1')).data.value, '100.50', 'it is durable when it is accepted');
  const again = await send(server, '/records', sent);
  assert.equal(again.status, 202);
  assert.equal(again.json.data.status, 'duplicate');
  assertProblem(await send(server, '/records', { ...sent, value: '1' }), 409);
  assertInvalid(await send(server, '/records', { ...sent, value: '1.005' }), ['value']);
});

test('/api/v1 is the same as /api', async (t) => {
  const server = await startWeir(t);
  const sent = record({ recordId: 'rec-1' });
  assert.equal((await send(server, '/api/v1/records', sent)).status, 201);
  assert.equal((await post(server, sent)).status, 200);
  for (const path of ['records', 'records/rec-1', 'records/aggregate', 'notifications', 'alerts', 'alert-rules']) {
    const [plain, versioned] = [await get(server, `/api/${path}`), await get(server, `/api/v1/${path}`)];
    assert.equal(plain.status, 200, path);
    assert.equal(versioned.text, plain.text, path);
  }
});

test('the limits of each field belong to it', async (t) => {
  const server = await startWeir(t);
  const accepted = [
    { value: '0' }, { value: '0.00' }, { value: 0 }, { value: '9999999999999.99' }, { value: '000000000000000000000000001.50' },
    { time: '0001-01-01 00:00:00' }, { time: '9999-12-31 23:59:59' }, { time: '2024-02-29 00:00:00' },
    { time: '2000-02-29T12:00:00Z' }, { time: '2025-01-01T10:00:00.123456+05:45' },
    { recordId: 'x' }, { recordId: 'y'.repeat(255) }, { recordId: '𝄞'.repeat(255) }, { recordId: '\u0001\ud83d\ude00"\\/' },
    { unit: 'é' }, { reference: ' ' }, { sourceId: 'a/b?c=d&e' }, { destinationId: '日本' },
  ];
  for (const changes of accepted) {
    const sent = record(changes);
    const answer = await post(server, sent);
    assert.equal(answer.status, 201, `${JSON.stringify(changes).slice(0, 100)}: ${answer.text.slice(0, 300)}`);
    for (const field of ['recordId', 'sourceId', 'destinationId', 'unit', 'reference']) {
      assert.equal(answer.json.data[field], sent[field]);
    }
  }
  const exact = await post(server, JSON.stringify(record({ recordId: 'exact' })).replace('"100.50"', '9999999999999.99'));
  assert.equal(exact.json.data.value, '9999999999999.99', 'digits are read as text');
  const micro = await post(server, record({ recordId: 'micro', time: '2025-06-01T00:00:00.000100-01:00' }));
  assert.equal(micro.json.data.time, '2025-06-01T01:00:00.0001Z');
  assert.equal(await countRecords(server), accepted.length + 2);
});

test('unknown fields are taken with a warning, or refused where so configured', async (t) => {
  const odd = { ...record({ recordId: 'rec-1' }), colour: 'red', Value: 1, nested: { deep: [1, { x: null }] } };
  const lenient = await startWeir(t);
  const taken = await post(lenient, odd);
  assert.equal(taken.status, 201, taken.text);
  assert.deepEqual([...taken.json.warnings].sort(), ['Value', 'colour', 'nested']);
  const strict = await startWeir(t, { env: { WEIR_INTAKE_UNKNOWN_FIELDS: 'refuse' } });
  assertInvalid(await post(strict, odd), ['Value', 'colour', 'nested']);
  assert.equal(await countRecords(strict), 0);
});

test('totals beyond 2^63 stay exact', async (t) => {
  const server = await startWeir(t);
  const count = 120_000; // × 9,999,999,999,999.99 > 2^63 / 100
  const lines = Array.from({ length: count }, (_, i) =>
    JSON.stringify(record({ recordId: `big-${i}`, value: '9999999999999.99' })) + '\n').join('');
  const answer = await send(server, '/api/records?results=none', lines, { type: 'application/x-ndjson' });
  assert.equal(answer.json.data.created, count, answer.text.slice(0, 300));
  const total = 999_999_999_999_999n * BigInt(count);
  const text = `${total / 100n}.${String(total % 100n).padStart(2, '0')}`;
  assert.ok(total > 2n ** 63n);
  const { groups } = (await getJson(server, '/api/records/aggregate?records=false')).data;
  assert.equal(groups[0].totalValue, text);
  await post(server, record({ recordId: 'last', value: '0.01', type: 'negative' }));
  const { summary } = (await getJson(server, '/api/records/last')).data;
  assert.deepEqual([summary.count, summary.totalValue, summary.negativeTotal], [count, text, '0.00']);
});

test('a found record carries its fields and summary; a missing one is 404', async (t) => {
  const server = await startWeir(t);
  const odd = record({ recordId: 'a/b c?d=ü&e', value: '2.00' });
  await post(server, record({ recordId: 'plain', value: '1.00' }));
  await post(server, odd);
  for (const path of [`/api/records/${encodeURIComponent(odd.recordId)}`, `/api/records?recordId=${encodeURIComponent(odd.recordId)}`]) {
    const found = await getJson(server, path);
    const { data } = found;
    for (const [field, value] of Object.entries(shown(odd))) assert.equal(data[field], value, path);
    assert.equal(data.id, 2);
    assert.equal(data.summary.count, 1, JSON.stringify(data.summary));
  }
  await post(server, record({ recordId: 'aggregate' }));
  assert.equal((await getJson(server, '/api/records?recordId=aggregate')).data.recordId, 'aggregate', 'a reserved name has a way too');
  assertProblem(await get(server, '/api/records/none'), 404);
  assertProblem(await get(server, '/api/records?recordId=none'), 404);
});

test('simultaneous senders of one record get one 201', async (t) => {
  const server = await startWeir(t);
  for (let round = 0; round < 20; round += 1) {
    const sent = record({ recordId: `race-${round}`, time: instant(Date.UTC(2025, 0, 1, 0, 0, round)) });
    const answers = await Promise.all(Array.from({ length: 30 }, () => post(server, sent)));
    assert.equal(answers.filter((a) => a.status === 201).length, 1);
    assert.equal(answers.filter((a) => a.status === 200).length, 29);
    assert.equal(new Set(answers.map((a) => a.json.data.id)).size, 1);
  }
  assert.equal(await countRecords(server), 20);
});
