// /api/alert-rules: made, changed, deleted, tried on history; each in force from the next record on.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startWeir, tempDir } from './support/weir.mjs';
import { get, getJson, load, post, send, readFeed, assertProblem, assertInvalid } from './support/client.mjs';
import { record, random, randomRecords, alertSeverity, cents, money } from './support/model.mjs';

const create = (server, rule) => send(server, '/api/alert-rules', rule);
const patch = (server, id, changes) => send(server, `/api/alert-rules/${id}`, changes, { method: 'PATCH', type: 'application/json' });
const remove = (server, id) => send(server, `/api/alert-rules/${id}`, '', { method: 'DELETE', type: null });

test('a new store has the rule "default"', async (t) => {
  const server = await startWeir(t);
  const { data } = await getJson(server, '/api/alert-rules');
  assert.equal(data.length, 1);
  assert.equal(data[0].name, 'default');
  assert.equal(data[0].threshold, '1000.00');
  assert.equal(data[0].enabled, true);
});

test('rules by source, destination, unit and type; each fires its own alert', async (t) => {
  const server = await startWeir(t);
  const rules = [
    { name: 'source', threshold: '50', sourceId: 's-1' }, { name: 'destination', threshold: 50.5, destinationId: 'd-1' },
    { name: 'unit', threshold: '60.00', unit: 'kWh' }, { name: 'type', threshold: '70', type: 'negative' },
    { name: 'all of them', threshold: '1', sourceId: 's-1', destinationId: 'd-1', unit: 'kWh', type: 'negative' },
  ];
  for (const rule of rules) {
    const made = await create(server, rule);
    assert.equal(made.status, 201, made.text);
    assert.equal(made.json.data.name, rule.name);
    assert.equal(made.json.data.threshold, money(cents(rule.threshold)));
    const { data } = await getJson(server, `/api/alert-rules/${made.json.data.id}`);
    assert.deepEqual(data, made.json.data);
  }
  const cases = [
    [{ sourceId: 's-1', value: '50.01' }, ['source']], [{ sourceId: 's-1', value: '50.00' }, []],
    [{ destinationId: 'd-1', value: '55' }, ['destination']], [{ unit: 'kWh', value: '61' }, ['unit']],
    [{ type: 'negative', value: '71' }, ['type']], [{ value: '1001' }, ['default']],
    [{ sourceId: 's-1', destinationId: 'd-1', unit: 'kWh', type: 'negative', value: '1001' },
      ['default', 'source', 'destination', 'unit', 'type', 'all of them']],
  ];
  for (const [index, [changes, names]] of cases.entries()) {
    await post(server, record({ recordId: `c-${index}`, ...changes }));
    const alerts = (await readFeed(server, 'alerts')).filter((a) => a.record.record_id === `c-${index}`);
    assert.deepEqual(alerts.map((a) => a.rule), names, JSON.stringify(changes));
  }
});

test('a change is in force from the next record on, and survives a restart', async (t) => {
  const data = tempDir(t);
  let server = await startWeir(t, { data });
  const { id, version } = (await getJson(server, '/api/alert-rules')).data[0];
  const quiet = async (value) => { await post(server, record({ value })); return (await readFeed(server, 'alerts')).length; };
  assert.equal(await quiet('900'), 0);
  const changed = await patch(server, id, { threshold: '800.00' });
  assert.equal(changed.status, 200, changed.text);
  assert.equal(changed.json.data.threshold, '800.00');
  assert.ok(changed.json.data.version > version);
  assert.equal(await quiet('900'), 1, 'the earlier 900 is not alerted after the fact');
  assert.equal((await patch(server, id, { enabled: false })).status, 200);
  assert.equal(await quiet('5000'), 1);
  await server.stop();
  server = await startWeir(t, { data });
  assert.equal(await quiet('5000'), 1);
  assert.equal((await getJson(server, '/api/alert-rules')).data[0].threshold, '800.00');
  assert.equal((await patch(server, id, { enabled: true, destinationId: 'dest-9' })).status, 200);
  assert.equal(await quiet('5000'), 1);
  const gone = await remove(server, id);
  assert.ok([200, 204].includes(gone.status), gone.text);
  assertProblem(await get(server, `/api/alert-rules/${id}`), 404);
  assertProblem(await remove(server, id), 404);
  await server.stop();
  server = await startWeir(t, { data });
  assert.deepEqual((await getJson(server, '/api/alert-rules')).data, [], 'a deleted default does not come back');
  await server.stop();
});

test('rules on running totals fire once, when the total crosses', async (t) => {
  const server = await startWeir(t);
  assert.equal((await create(server, { name: 'gross', threshold: '250.00', measure: 'total_value' })).status, 201);
  assert.equal((await create(server, { name: 'net', threshold: '250.00', measure: 'net_value' })).status, 201);
  for (const [index, [type, value]] of [['positive', '200'], ['negative', '50'], ['negative', '0.01'], ['positive', '100'],
    ['positive', '0.02'], ['positive', '1']].entries()) {
    await post(server, record({ recordId: `t-${index}`, type, value }));
  }
  const alerts = await readFeed(server, 'alerts');
  assert.deepEqual(alerts.map((a) => [a.rule, a.record.record_id, a.exceeded_by]), [['gross', 't-2', 0.01], ['net', 't-4', 0.01]]);
});

test('bad rules are refused, each bad field named', async (t) => {
  const server = await startWeir(t);
  const rule = { name: 'r', threshold: '10.00' };
  const cases = [
    [{ threshold: '10.00' }, ['name']], [{ name: 'r' }, ['threshold']], [{ ...rule, name: '' }, ['name']], [{ ...rule, name: 'x'.repeat(256) }, ['name']],
    [{ ...rule, threshold: '0' }, ['threshold']], [{ ...rule, threshold: '-1' }, ['threshold']], [{ ...rule, threshold: '1.005' }, ['threshold']],
    [{ ...rule, threshold: 'much' }, ['threshold']], [{ ...rule, type: 'up' }, ['type']], [{ ...rule, measure: 'mood' }, ['measure']],
    [{ ...rule, enabled: 'yes' }, ['enabled']], [{ ...rule, sourceId: 'x'.repeat(256) }, ['sourceId']],
    [{ name: 7, threshold: [], unit: 1 }, ['name', 'threshold', 'unit']], [{ ...rule, colour: 'red' }, ['colour']],
  ];
  for (const [body, fields] of cases) assertInvalid(await create(server, body), fields);
  for (const body of ['', '{', '[]', 'null', '"x"']) assertProblem(await create(server, body), 422);
  assertProblem(await send(server, '/api/alert-rules', 'x', { type: 'text/plain' }), 415);
  const taken = await create(server, { ...rule, name: 'default' });
  assert.ok([409, 422].includes(taken.status), taken.text);
  const { id } = (await getJson(server, '/api/alert-rules')).data[0];
  assertInvalid(await patch(server, id, { threshold: '0' }), ['threshold']);
  assertProblem(await patch(server, 999_999, { threshold: '1' }), 404);
  assertProblem(await get(server, '/api/alert-rules/none'), 404);
  assert.equal((await getJson(server, '/api/alert-rules')).data.length, 1);
});

test('a rule is tried on history without leaving a trace', async (t) => {
  const server = await startWeir(t);
  const records = randomRecords(random(61), 2000, { large: false });
  await load(server, records);
  const before = (await readFeed(server, 'alerts')).length;
  const rule = { name: 'trial', threshold: '1500.00', unit: 'EUR' };
  const answer = await send(server, '/api/alert-rules/test', rule);
  assert.equal(answer.status, 200, answer.text);
  const fired = records.filter((r) => r.unit === 'EUR' && cents(r.value) > 150_000n);
  const { data } = answer.json;
  assert.equal(data.count, fired.length);
  assert.equal(data.examined, records.length);
  for (const severity of ['medium', 'high', 'critical']) {
    assert.equal(data.severities[severity], fired.filter((r) => alertSeverity(cents(r.value), 150_000n) === severity).length);
  }
  assert.deepEqual(data.records.map((r) => r.recordId), fired.slice(0, 100).map((r) => r.recordId));
  const narrow = await send(server, '/api/alert-rules/test?limit=3', rule);
  assert.equal(narrow.json.data.records.length, 3);
  assert.equal(narrow.json.data.count, fired.length);
  assertInvalid(await send(server, '/api/alert-rules/test', { ...rule, threshold: '0' }), ['threshold']);
  assert.equal((await readFeed(server, 'alerts')).length, before);
  assert.equal((await getJson(server, '/api/alert-rules')).data.length, 1);
});
