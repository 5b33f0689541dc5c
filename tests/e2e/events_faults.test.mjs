// Failures that a client asks for, to see that it tries again as it should: the three of the reference by their names, and where they are not possible.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startWeir } from './support/weir.mjs';
import { NDJSON_TYPE, assertInvalid, assertProblem, countRecords, send } from './support/client.mjs';
import { counts, event, letters, stats, submit, verified } from './support/events.mjs';
import { record } from './support/model.mjs';

const FAULTS = ['--set', 'faults.allow=true'];

// ---- "What Happens If the Database Fails Mid-Request?" --------------------------------------------------------------------

async function assertSimulated(server, body, path = '/api/events') {
  const problem = assertProblem(await send(server, path, body), 500);
  assert.match(problem.message, /simulated/);
}

const bodies = { '/api/events': event(), '/api/records': record({ recordId: 'r-1' }) };

for (const [path, body] of Object.entries(bodies)) {
  test(`Failure Before Transaction (${path})`, async (t) => {
    const server = await startWeir(t, { args: FAULTS });
    await assertSimulated(server, { ...body, simulateFailure: 'before' }, path);
    assert.equal(await countRecords(server), 0);
    assert.equal((await stats(server)).received, 0);
    assert.equal((await send(server, path, body)).status, 201);
    assert.equal((await send(server, path, body)).status, 200);
    assert.equal(await countRecords(server), 1);
    await verified(server);
  });

  test(`Failure During Transaction (${path})`, async (t) => {
    const server = await startWeir(t, { args: FAULTS });
    for (const simulateFailure of ['during', true]) await assertSimulated(server, { ...body, simulateFailure }, path);
    assert.equal(await countRecords(server), 0);
    assert.equal((await stats(server)).received, 0);
    assert.equal((await send(server, path, body)).status, 201);
    assert.equal(await countRecords(server), 1);
    await verified(server);
  });

  test(`Failure After Transaction Commit (${path})`, async (t) => {
    const server = await startWeir(t, { args: FAULTS });
    await assertSimulated(server, { ...body, simulateFailure: 'after' }, path);
    assert.equal(await countRecords(server), 1);
    const retried = await send(server, path, body);
    assert.equal(retried.status, 200, retried.text);
    assert.equal(retried.json.data.isDuplicate, true);
    assert.equal(await countRecords(server), 1);
    await verified(server);
  });

  test(`a failure is simulated only where it may be, and is no field (${path})`, async (t) => {
    const off = await startWeir(t);
    for (const simulateFailure of ['before', 'during', 'after', true]) {
      assertInvalid(await send(off, path, { ...body, simulateFailure }), ['simulateFailure']);
    }
    assert.equal(await countRecords(off), 0);
    assert.equal((await letters(off)).length, 0);
    const on = await startWeir(t, { args: [...FAULTS, '--set', 'intake.unknown_fields=refuse'] });
    for (const simulateFailure of ['sometimes', 1, null, ['during'], {}]) {
      assertInvalid(await send(on, path, { ...body, simulateFailure }), ['simulateFailure']);
    }
    const taken = await send(on, path, { ...body, simulateFailure: false });
    assert.equal(taken.status, 201, taken.text);
    assert.equal(taken.json.warnings, undefined);
    assert.equal((await send(on, path, body)).status, 200, 'it is not hashed');
    await assertSimulated(on, { ...body, simulateFailure: 'after' }, path);
  });
}

// One among many has no request of its own that could fail: it is told so, and never ignored.
for (const [path, body] of Object.entries(bodies)) {
  const asking = { ...body, simulateFailure: 'after' };
  const only = /only at the top of a request with a single record or event/;
  const around = (data, more = {}) => ({ specversion: '1.0', id: '1', source: '/s', type: 't', data, ...more });

  for (const [name, args] of [['on', FAULTS], ['off', []]]) {
    test(`a failure is not simulated for one among many (${path}, faults ${name})`, async (t) => {
      const server = await startWeir(t, { args });
      const rejected = async (many, type) => {
        const answer = await send(server, path, many, { type });
        assert.equal(answer.status, 200, answer.text);
        const [refused, ...others] = answer.json.data.results.filter((it) => it.status === 'rejected');
        assert.deepEqual([others.length, refused.index, Object.keys(refused.errors)], [0, 1, ['simulateFailure']]);
        assert.match(refused.errors.simulateFailure[0], only);
        assert.equal(answer.json.warnings, undefined);
        return refused;
      };
      await rejected([body, asking], 'application/json');
      await rejected({ [path.slice(5)]: [body, asking] }, 'application/json');
      assert.equal((await rejected(`${JSON.stringify(body)}\n\n${JSON.stringify(asking)}\n`, NDJSON_TYPE)).line, 3);
      await rejected([around(body), around(asking)], 'application/cloudevents-batch+json');
      await rejected([around(body), around(body, { simulateFailure: true })], 'application/cloudevents-batch+json');
      assertInvalid(await send(server, path, around(asking), { type: 'application/cloudevents+json' }), ['simulateFailure']);
      assertInvalid(await send(server, `${path}?mode=atomic`, [body, asking]), [`${path.slice(5)}.1.simulateFailure`]);
      assert.equal(await countRecords(server), 1);
      await verified(server);
    });
  }

  test(`a failure is simulated for a CloudEvent, and not for what has many (${path})`, async (t) => {
    const server = await startWeir(t, { args: FAULTS });
    const asked = await send(server, path, around(body, { simulateFailure: 'after' }), { type: 'application/cloudevents+json' });
    assertProblem(asked, 500);
    assert.equal(await countRecords(server), 1);
    if (path === '/api/records') assertInvalid(await send(server, path, { records: [body], simulateFailure: 'before' }), ['simulateFailure']);
    await verified(server);
  });
}

test('a failure that one asks for takes nobody else with it', async (t) => {
  const server = await startWeir(t, { args: FAULTS });
  const sent = await Promise.all(Array.from({ length: 200 }, (_, i) =>
    submit(server, event({ amount: i, ...(i % 10 ? {} : { simulateFailure: 'during' }) }))));
  assert.deepEqual(sent.map(({ status }) => status), sent.map((_, i) => (i % 10 ? 201 : 500)));
  assert.deepEqual(counts(await stats(server)), { received: 180, processed: 180, duplicates: 0, failed: 0 });
  await verified(server);
});
