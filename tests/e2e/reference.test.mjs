// The requests of the reference descriptions, as they are written there apart from the port.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { startWeir } from './support/weir.mjs';
import { getJson, post, readFeed, load, assertInvalid, get } from './support/client.mjs';
import { record } from './support/model.mjs';

/** Runs a shell command of a description with the port replaced: {status, json}. */
function shell(server, command) {
  const text = command.replaceAll('localhost:8000', `127.0.0.1:${server.port}`).replace(/^curl /, 'curl -s -w "\\n%{http_code}" ');
  const done = spawnSync('bash', ['-c', text], { encoding: 'utf8', timeout: 20_000 });
  assert.equal(done.status, 0, done.stderr);
  const lines = done.stdout.trimEnd().split('\n');
  return { status: Number(lines.pop()), json: JSON.parse(lines.join('\n')) };
}

test('records-kafka-outbox: submit a record, query aggregations, observe notifications', async (t) => {
  const server = await startWeir(t);
  const submitted = shell(server, `curl -X POST http://localhost:8000/records \\
  -H "Content-Type: application/json" \\
  -d '{
    "recordId": "rec-001",
    "time": "2024-03-01T12:00:00Z",
    "sourceId": "source-a",
    "destinationId": "dest-123",
    "type": "positive",
    "value": 125.50,
    "unit": "SEK",
    "reference": "invoice-9"
  }'`);
  assert.equal(submitted.status, 202);
  const aggregated = shell(server, 'curl "http://localhost:8000/records/aggregations?startTime=2024-03-01T00:00:00Z&type=positive"');
  assert.equal(aggregated.status, 200);
  const { data } = aggregated.json;
  assert.equal(data.count, 1);
  assert.deepEqual(data.groups, [{ destinationId: 'dest-123', recordCount: 1, totalValue: '125.50', netValue: '125.50',
    units: [{ unit: 'SEK', recordCount: 1, totalValue: '125.50', netValue: '125.50' }] }]);
  assert.equal(data.records[0].recordId, 'rec-001');
  assert.equal((await readFeed(server)).length, 1);
  assert.equal(shell(server, 'curl http://localhost:8000/health').status, 200);
});

const laravel = {
  recordId: 'rec-001', time: '2025-01-01 10:00:00', sourceId: 'source-1', destinationId: 'dest-1', type: 'positive',
  value: '100.50', unit: 'EUR', reference: 'ref-001',
};

test('records-laravel: store a record, idempotently', async (t) => {
  const server = await startWeir(t);
  const created = await post(server, JSON.stringify(laravel, null, 2));
  assert.equal(created.status, 201);
  assert.equal(created.json.message, 'Record processed successfully');
  assert.equal(created.json.data.id, 1);
  assert.equal(created.json.data.recordId, 'rec-001');
  assert.equal(created.json.data.isDuplicate, false);
  const again = await post(server, JSON.stringify(laravel, null, 2));
  assert.equal(again.status, 200);
  assert.equal(again.json.message, 'Record already processed (idempotent response)');
  assert.equal(again.json.data.id, 1);
  assert.equal(again.json.data.isDuplicate, true);
});

test('records-laravel: the validation tests', async (t) => {
  const server = await startWeir(t);
  assertInvalid(await post(server, { recordId: 'rec-001' }), ['time', 'sourceId', 'destinationId', 'type', 'value', 'unit', 'reference']);
  assertInvalid(await post(server, { ...laravel, type: 'invalid' }), ['type']);
  assertInvalid(await post(server, { ...laravel, time: 'not-a-date' }), ['time']);
  for (let i = 0; i < 3; i += 1) assert.equal((await post(server, { ...laravel, recordId: `rec-${i}` })).status, 201);
});

test('records-laravel: aggregate with the example query', async (t) => {
  const server = await startWeir(t);
  await load(server, [laravel, { ...laravel, recordId: 'rec-002', destinationId: 'dest-2', time: '2025-01-01 12:00:00' },
    { ...laravel, recordId: 'rec-003', type: 'negative' }, { ...laravel, recordId: 'rec-004', time: '2025-01-01 09:59:59' }]);
  const { message, data } = await getJson(server, '/api/records/aggregate?startTime=2025-01-01%2010:00:00&type=positive');
  assert.equal(message, 'Records aggregated successfully');
  assert.equal(data.count, 2);
  assert.deepEqual(data.records.map((r) => [r.recordId, r.destinationId, r.value]), [['rec-001', 'dest-1', '100.50'], ['rec-002', 'dest-2', '100.50']]);
  assert.deepEqual(data.groups.map((g) => [g.destinationId, g.recordCount, g.totalValue]), [['dest-1', 1, '100.50'], ['dest-2', 1, '100.50']]);
  assertInvalid(await get(server, '/api/records/aggregate?type=invalid'), ['type']);
});

test('records-laravel: the messages for the notification and the alerting service', async (t) => {
  const server = await startWeir(t);
  await load(server, [record({ value: '150.00' }), record({ value: '100.00' }), record({ value: '100.00' }),
    record({ type: 'negative', value: '100.00' }), record({ type: 'negative', value: '50.00' }), { ...laravel },
    record({ recordId: 'loud', value: '1250.50', reference: 'other' })]);
  const message = (await readFeed(server)).find((m) => m.record.record_id === 'rec-001');
  assert.equal(message.record.time, '2025-01-01T10:00:00Z');
  assert.deepEqual(message.summary, { destination_id: 'dest-1', reference: 'ref-001', unit: 'EUR', count: 5, total_value: '500.00', net_value: '200.00',
    positive_count: 3, negative_count: 2, positive_total: '350.00', negative_total: '-150.00' });
  const [alert] = await readFeed(server, 'alerts');
  assert.equal(alert.record.record_id, 'loud');
  assert.deepEqual([alert.threshold, alert.exceeded_by, alert.severity], [1000, 250.5, 'high']);
});
