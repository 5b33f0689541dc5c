// Onboarding with a handler: jobs that fail, stall, are tried again, given up, cancelled, and a Weir that is killed meanwhile.
import test from 'node:test';
import assert from 'node:assert/strict';
import { noRedis, startRedis } from './support/redis.mjs';
import { eventually, runWeir, sleep, startRefused, startWeir, tempDir } from './support/weir.mjs';
import { assertProblem, call, get, getJson, send } from './support/client.mjs';
import { startReceiver } from './support/webhook_receiver.mjs';
import { allOrganizations, batchOf, finished, itemsOf, onboarded, organizations, readAll } from './support/organizations.mjs';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

/** Options of a handler that is quick to fail and to try again. */
function handler(receiver, options = {}) {
  const all = { handler: 'webhook', url: receiver.url, secret: SECRET, allow_private: '127.0.0.0/8', rate: 0, attempts: 3, backoff: '50ms', timeout: '500ms', ...options };
  return Object.entries(all).flatMap(([name, value]) => ['--set', `onboarding.${name}=${value}`]);
}

/** Three of ten calls fail, at once and long before the others are answered, or by a silence. The circuit breaker has no reason to open. */
function threeOfTen() {
  return Math.random() > 0.3 ? { delayMs: 40 + 60 * Math.random() } : Math.random() < 0.1 ? { stall: true } : { status: 500 };
}

const letters = (server, query = '') => readAll(server, `/api/dead-letters?stage=job${query}`);
const keyOf = (delivery) => delivery.headers['idempotency-key'];

async function verified(server) {
  await server.stop();
  const { code, stdout, stderr } = runWeir(['verify', '--data', server.data]);
  assert.equal(code, 0, stdout + stderr);
}

test('1,000 organizations with a handler that fails and stalls, and a Weir that is killed', { timeout: 240_000 }, async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  let healthy = false;
  receiver.plan = () => (healthy ? {} : threeOfTen());
  const args = handler(receiver, { concurrency: 50 });
  let server = await startWeir(t, { args });
  const id = await onboarded(server, organizations(1000));
  let polls = 0, kills = 0;
  for (let batch = await batchOf(server, id); !batch.finishedAt; batch = await batchOf(server, id)) {
    polls += 1;
    if (kills < 4 && batch.completed > 150 * (kills + 1)) {
      kills += 1;
      await server.kill();
      server = await startWeir(t, { data: server.data, args });
    }
    await sleep(20);
  }
  const batch = await batchOf(server, id);
  t.diagnostic(`${batch.completed} completed, ${batch.failed} failed, ${receiver.deliveries.length} calls, ${kills} kills, ${polls} polls`);
  assert.equal(kills, 4);
  assert.doesNotMatch(server.stderr, /onboarding holds its jobs/);
  assert.equal(batch.completed + batch.failed, 1000);
  assert.equal(batch.status, batch.failed ? 'failed' : 'completed');

  // Each organization has one key, whoever called when: what is done under a key is done once.
  const keys = new Map();
  for (const delivery of receiver.deliveries) {
    const { domain } = delivery.message.data.organization;
    assert.equal(keyOf(delivery), delivery.id);
    assert.equal(keys.get(domain) ?? delivery.id, delivery.id, `${domain} has one key`);
    keys.set(domain, delivery.id);
  }
  assert.equal(keys.size, 1000);
  assert.equal(new Set(keys.values()).size, 1000);
  const items = await itemsOf(server, id);
  for (const item of items) {
    const key = keys.get(item.organization.domain);
    if (item.status === 'completed') assert.ok(receiver.taken.has(key), `${item.organization.domain} was completed because its handler said so`);
    else assert.notEqual(item.lastError, null);
  }
  assert.deepEqual(receiver.problems, []);
  const open = await letters(server);
  assert.equal(open.length, batch.failed);
  assert.ok(open.every((letter) => letter.batchId === id && letter.error));

  // Mended, all of them get there.
  healthy = true;
  const retried = await send(server, `/api/bulk-onboard/${id}/retry`, undefined, { type: null });
  assert.deepEqual([retried.status, retried.json.data.count], [202, batch.failed]);
  const end = await finished(server, id);
  assert.deepEqual([end.status, end.completed, end.failed], ['completed', 1000, 0]);
  assert.deepEqual(await letters(server), []);
  assert.equal((await letters(server, '&state=resolved')).length, batch.failed);
  assert.equal(receiver.taken.size, 1000);
  await verified(server);
});

test('What is final is given up at once, tried again from the dead letters, or discarded', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  let status = 422;
  receiver.plan = () => ({ status });
  const server = await startWeir(t, { args: handler(receiver) });
  const id = await onboarded(server, organizations(4));
  const batch = await finished(server, id);
  assert.deepEqual([batch.status, batch.failed, receiver.deliveries.length], ['failed', 4, 4]);
  assert.deepEqual((await itemsOf(server, id, '?status=failed')).map((item) => item.attempts), [1, 1, 1, 1]);
  assert.equal((await allOrganizations(server, '?status=failed')).length, 4);
  const [letter, second] = await letters(server, `&batch=${id}`);
  assert.deepEqual([letter.stage, letter.state, letter.batchId], ['job', 'open', id]);
  assert.equal((await itemsOf(server, id)).find((item) => item.id === letter.jobId).status, 'failed');

  const again = await send(server, `/api/dead-letters/${letter.id}/retry`, undefined, { type: null });
  assert.equal(again.status, 202, again.text);
  await eventually(async () => (await getJson(server, `/api/dead-letters/${letter.id}`)).data.state === 'open', 'it fails again');
  assert.equal(receiver.deliveries.length, 5);
  assertProblem(await send(server, `/api/dead-letters/${letter.id}/retry`, { raw: '{}' }), 422);
  const shown = runWeir(['dead-letters', 'list', '--batch', id, '--to', server.url]);
  assert.match(shown.stdout, new RegExp(`^ +\\d+ +job +open +${id} +${letter.jobId} +`, 'm'));
  assert.match(runWeir(['dead-letters', 'retry', '--all', '--batch', id, '--dry-run', '--to', server.url]).stdout, /^4 would be tried again$/m);

  assert.equal((await call(server, `/api/dead-letters/${second.id}`, { method: 'DELETE' })).status, 204);
  status = 204;
  const dry = await send(server, '/api/dead-letters/retry', { batch: id, dryRun: true });
  assert.deepEqual(dry.json, { data: { dryRun: true, count: 3 } });
  const all = await send(server, '/api/dead-letters/retry', { stage: 'job' });
  assert.deepEqual([all.status, all.json.data.count], [202, 3]);
  const end = await eventually(async () => {
    const now = await batchOf(server, id);
    return now.completed === 3 && now;
  }, 'the three are done');
  assert.deepEqual([end.failed, end.status], [1, 'failed']);
  assert.deepEqual(await letters(server), []);
  await verified(server);
});

test('Those that wait are cancelled', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  receiver.plan = () => ({});
  const server = await startWeir(t, { args: handler(receiver, { rate: 1, concurrency: 1 }) });
  const id = await onboarded(server, organizations(100));
  await receiver.until(() => receiver.taken.size > 0, 'the first call');
  const dry = await send(server, `/api/bulk-onboard/${id}/cancel?dryRun=true`, undefined, { type: null });
  assert.ok(dry.json.data.count > 90, dry.text);
  const cancelled = await send(server, `/api/bulk-onboard/${id}/cancel`, undefined, { type: null });
  assert.ok(cancelled.json.data.count > 90, cancelled.text);
  const batch = await finished(server, id);
  assert.deepEqual([batch.status, batch.failed, batch.cancelled + batch.completed], ['cancelled', 0, 100]);
  assert.equal((await itemsOf(server, id, '?status=cancelled')).length, batch.cancelled);
  assert.equal((await get(server, `/api/bulk-onboard/${id}`)).status, 200);
  await verified(server);
});

test('While the service is down nobody says how long it takes', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  let calls = 0;
  receiver.plan = () => ({ status: (calls += 1) <= 3 ? 200 : 503 });
  const server = await startWeir(t, { args: handler(receiver, { concurrency: 1 }) });
  const id = await onboarded(server, organizations(40));
  await eventually(() => /onboarding holds its jobs/.test(server.stderr), 'the breaker is open');
  const batch = await batchOf(server, id);
  assert.deepEqual([batch.status, batch.completed, batch.etaSeconds], ['processing', 3, null]);
  assert.equal((await getJson(server, '/api/bulk-onboard')).data[0].etaSeconds, null);
  await verified(server);
});

test('Jobs wait for the handler that they were made for', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  receiver.plan = () => ({ stall: true });
  const args = handler(receiver);
  let server = await startWeir(t, { args });
  const { data } = server;
  const id = await onboarded(server, organizations(30));
  await eventually(() => receiver.deliveries.length > 0, 'a call has come');
  await server.kill();
  server = await startWeir(t, { data });
  assert.equal((await batchOf(server, id)).pending, 30);
  await eventually(() => /jobs of onboarding wait and nobody works on them.* jobs=30 handler=none/.test(server.stderr), 'the log says so');
  await server.stop();
  receiver.plan = () => ({});
  server = await startWeir(t, { data, args });
  assert.equal((await finished(server, id)).completed, 30);
  await server.stop();
  server = await startWeir(t, { data });
  assert.doesNotMatch(server.stderr, /nobody works/);
  await verified(server);
});

test('A sink hands over what is onboarded, once and in order, with Weir killed in between', { skip: noRedis, timeout: 120_000 }, async (t) => {
  const redis = await startRedis(t);
  const args = ['--set', 'onboarding.handler=redis'];
  const alone = await startRefused(t, tempDir(t), { args });
  assert.equal(alone.code, 2);
  assert.match(alone.stderr, /onboarding\.handler is redis, and no sink of that type has both organization\.created and organization\.updated/);

  const options = { type: 'redis', url: redis.url, messages: 'organization.created, organization.updated, batch.completed' };
  for (const [name, value] of Object.entries(options)) args.push('--set', `sinks.crm.${name}=${value}`);
  let server = await startWeir(t, { args });
  for (let round = 0; round < 4; round += 1) {
    assert.equal((await batchOf(server, await onboarded(server, organizations(500, 250 * round)))).status, 'completed');
    await server.kill();
    server = await startWeir(t, { data: server.data, args });
  }
  const handed = await eventually(() => {
    const entries = [...redis.entries('organizations')];
    return entries.length >= 2000 && entries;
  }, 'the entries');
  assert.equal(handed.length, 2000);
  assert.deepEqual(handed.map((entry) => entry.type), [...Array(500).fill('created'), ...[1, 2, 3].flatMap(() => [...Array(250).fill('updated'), ...Array(250).fill('created')])].map((what) => `organization.${what}`));
  handed.forEach(({ key, data }, i) => assert.equal(JSON.parse(data).organization.domain, key, `entry ${i}`));
  assert.equal([...redis.entries('batches')].length, 4);
  await verified(server);
});
