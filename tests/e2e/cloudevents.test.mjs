// CloudEvents 1.0 on POST /api/records: structured, batch and binary; and the trace context that is kept with a record.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { startWeir } from './support/weir.mjs';
import { send, post, countRecords, assertProblem } from './support/client.mjs';
import { record, shown } from './support/model.mjs';

const STRUCTURED = 'application/cloudevents+json';
const BATCH = 'application/cloudevents-batch+json';
const event = (data, changes = {}) => ({ specversion: '1.0', id: 'e-1', source: '/tests', type: 'com.example.record', datacontenttype: 'application/json', data, ...changes });
const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test('structured, batch and binary events are records', async (t) => {
  const server = await startWeir(t);
  const one = record({ recordId: 'ce-1' });
  const structured = await send(server, '/api/records', event(one), { type: STRUCTURED });
  assert.equal(structured.status, 201, structured.text);
  assert.deepEqual(structured.json.data, { id: 1, isDuplicate: false, ...shown(one) });
  const charset = await send(server, '/api/records', event(one), { type: `${STRUCTURED}; charset=UTF-8` });
  assert.equal(charset.status, 200, charset.text);
  const batch = await send(server, '/api/records?results=all', [event(one), event(record({ recordId: 'ce-2' })), event({ recordId: 'bad' }), { no: 'event' }], { type: BATCH });
  assert.equal(batch.status, 200, batch.text);
  assert.deepEqual(batch.json.data.results.map((r) => r.status), ['duplicate', 'created', 'rejected', 'rejected']);
  const binary = await send(server, '/api/records', record({ recordId: 'ce-3' }),
    { headers: { 'ce-specversion': '1.0', 'ce-id': 'e-3', 'ce-source': '/tests', 'ce-type': 'com.example.record' } });
  assert.equal(binary.status, 201, binary.text);
  assert.equal(await countRecords(server), 3);
});

test('events that are none are refused', async (t) => {
  const server = await startWeir(t);
  const data = record();
  for (const bad of [event(data, { specversion: '0.3' }), event(data, { id: '' }), event(data, { source: undefined }), event(data, { type: 7 }),
    event(undefined), event('text'), event(null), { ...data }, 'null', '[]', '{',
    JSON.stringify(event(data)).replace('{', `{"data":${JSON.stringify(record())},`)]) {
    assertProblem(await send(server, '/api/records', bad, { type: STRUCTURED }), 422);
  }
  for (const bad of ['{}', 'null', event(data)]) assertProblem(await send(server, '/api/records', bad, { type: BATCH }), 422);
  assertProblem(await send(server, '/api/records', data, { headers: { 'ce-specversion': '0.3', 'ce-id': '1', 'ce-source': 's', 'ce-type': 't' } }), 422);
  const problem = assertProblem(await send(server, '/api/records', data, { headers: { 'ce-specversion': '1.0', 'ce-id': '1' } }), 422);
  assert.match(problem.detail, /^headers are not a CloudEvent's: /);
  assert.equal(await countRecords(server), 0);
});

test('the trace context is kept with the record and is no part of its content', async (t) => {
  const server = await startWeir(t);
  const sent = record({ recordId: 'traced' });
  assert.equal((await send(server, '/api/records', sent, { headers: { traceparent: trace } })).status, 201);
  assert.equal((await post(server, sent)).status, 200, 'sent again without it');
  assert.equal((await send(server, '/api/records', record({ recordId: 'odd' }), { headers: { traceparent: 'nonsense' } })).status, 201);
  assert.equal((await send(server, '/api/records', event(record({ recordId: 'event' }), { traceparent: trace }), { type: STRUCTURED })).status, 201);
  await server.stop();
  const done = spawnSync('sqlite3', [join(server.data, 'weir.db'), "SELECT record_id, coalesce(traceparent, '') FROM records_view ORDER BY seq"], { encoding: 'utf8' });
  assert.equal(done.stdout, `traced|${trace}\nodd|\nevent|${trace}\n`, done.stderr);
});
