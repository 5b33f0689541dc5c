// What the service does besides answering: signals, the log, the default rule, a disk without room.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { IN_ORDER, startWeir, startRefused, runWeir, runWeirAsync, tempDir, eventually } from './support/weir.mjs';
import { call, get, getJson, load, post, assertProblem } from './support/client.mjs';
import { record } from './support/model.mjs';

/** A request whose body never ends; resolves once the server has begun to read it. */
async function openRequest(t, server) {
  const socket = net.connect(server.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await new Promise((done) => socket.on('connect', done));
  socket.write('POST /api/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"a":');
  // Two: this one, and the one that asks.
  await eventually(async () => /^weir_http_requests_in_flight [2-9]/m.test((await get(server, '/metrics')).text), 'the server to turn to the request');
  return socket;
}

const defaultRule = async (server) => {
  const { data } = await getJson(server, '/api/alert-rules');
  return data.find((rule) => rule.name === 'default');
};

test('standard output is one line, the log is on standard error', async (t) => {
  const server = await startWeir(t);
  await load(server, [record()]);
  await server.stop();
  assert.match(server.stdout, /^listening on http:\/\/127\.0\.0\.1:\d+\n$/);
  for (const line of server.stderr.trimEnd().split('\n')) assert.match(line, /^time=\S+Z level=(info|warn) msg=/);
  assert.match(server.stderr, /msg=started/);
  assert.match(server.stderr, /signal=SIGTERM/);
});

test('the log as JSON, and no more than was asked for', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'log.format=json'] });
  await server.stop();
  const lines = server.stderr.trimEnd().split('\n').map((line) => JSON.parse(line));
  assert.ok(lines.every((line) => line.time && line.level && line.msg));
  const silent = await startWeir(t, { env: { WEIR_LOG_LEVEL: 'error' } });
  await silent.stop();
  assert.equal(silent.stderr, '');
});

test('SIGINT stops it too', async (t) => {
  const server = await startWeir(t);
  server.child.kill('SIGINT');
  await server.ends(IN_ORDER);
});

test('a request that never ends is waited for so long and no longer', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'http.drain_timeout=500ms'] });
  await openRequest(t, server);
  const begun = Date.now();
  await server.stop();
  assert.ok(Date.now() - begun < 5000, `${Date.now() - begun} ms`);
});

test('a server that ended by itself is not taken for one that was killed, stopped or left alone', async (t) => {
  for (const [end, expected] of [['kill', 'not by SIGKILL'], ['stop', 'not with code 0'], ['leave', 'not by SIGKILL']]) {
    const server = await startWeir(t);
    server.child.kill('SIGABRT');
    await server.exited;
    await assert.rejects(server[end](), (error) => error instanceof assert.AssertionError && error.message.includes(`by SIGABRT, ${expected}`));
  }
});

test('a second signal does not wait for the drain', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'http.drain_timeout=60s'] });
  assert.equal((await post(server, record({ recordId: 'kept' }))).status, 201);
  await openRequest(t, server);
  server.child.kill('SIGTERM');
  await eventually(() => server.stderr.includes('msg=stopping'), 'the drain to begin');
  server.child.kill('SIGTERM'); // at once: the same one, as far as anybody can tell
  await new Promise((done) => setTimeout(done, 2200));
  assert.equal(server.child.exitCode, null, 'it still drains');
  server.child.kill('SIGTERM');
  await server.ends({ code: 130, signal: null });
  const again = await startWeir(t, { data: server.data });
  assert.equal((await get(again, '/api/records/kept')).status, 200);
});

test('options that are wrong keep it from starting', async (t) => {
  for (const options of [{ args: ['--set', 'store.scale=9'] }, { env: { WEIR_STORE_DRI: '/tmp' } }, { args: ['--config', '/nonexistent.yaml'] }]) {
    const refused = await startRefused(t, join(tempDir(t), 'store'), options);
    assert.equal(refused.code, 2, refused.stderr);
    assert.equal(refused.stdout, '');
    assert.match(refused.stderr, /store\.scale|WEIR_STORE_DIR|nonexistent/);
  }
});

test('variables that Kubernetes sets for a service called weir are no options', async (t) => {
  const server = await startWeir(t, { env: { WEIR_SERVICE_HOST: '10.0.0.1', WEIR_PORT: 'tcp://10.0.0.1:80', WEIR_PORT_80_TCP_PORT: '80' } });
  await server.stop();
});

test('the default rule: made once, set back where the configuration says so, else left alone', async (t) => {
  const data = tempDir(t);
  let server = await startWeir(t, { data });
  let rule = await defaultRule(server);
  assert.equal(Number(rule.threshold), 1000);
  const patch = (threshold) => call(server, `/api/alert-rules/${rule.id}`, {
    method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ threshold, version: rule.version }),
  });
  assert.equal((await patch('500.00')).status, 200);
  await server.stop();
  server = await startWeir(t, { data });
  rule = await defaultRule(server);
  assert.equal(Number(rule.threshold), 500, 'what the API set stays');
  await server.stop();
  server = await startWeir(t, { data, env: { WEIR_ALERTS_THRESHOLD: '750' } });
  rule = await defaultRule(server);
  assert.equal(Number(rule.threshold), 750, 'what is configured holds');
  await load(server, [record({ recordId: 'above', value: '750.01' }), record({ recordId: 'at', value: '750.00' })]);
  const alerts = (await getJson(server, '/api/alerts?after=0')).data;
  assert.deepEqual(alerts.map((alert) => alert.record.record_id), ['above']);
  assert.equal((await call(server, `/api/alert-rules/${rule.id}`, { method: 'DELETE' })).status < 300, true);
  await server.stop();
  server = await startWeir(t, { data });
  assert.equal(await defaultRule(server), undefined, 'what was deleted stays deleted');
  await server.stop();
  server = await startWeir(t, { data, env: { WEIR_ALERTS_THRESHOLD: '900' } });
  assert.equal(Number((await defaultRule(server)).threshold), 900, 'unless it is configured');
});

test('ingest gives a new store the rule as well', async (t) => {
  const data = join(tempDir(t), 'store');
  const done = runWeir(['ingest', '-', '--data', data, '--json'], { input: JSON.stringify(record({ value: '1000.01' })) });
  assert.equal(done.code, 0, done.stderr);
  const alerts = runWeir(['tail', 'alerts', '--data', data, '--after', '0', '--json']);
  assert.equal(JSON.parse(alerts.stdout).rule, 'default');
});

test('below the free-space reserve nothing is taken in, and everything can be read', async (t) => {
  const data = tempDir(t);
  let server = await startWeir(t, { data });
  await load(server, [record({ recordId: 'before' })]);
  await server.stop();
  const reserve = ['--set', 'store.free_reserve_bytes=1024GiB'];
  server = await startWeir(t, { data, args: reserve });
  const answer = await post(server, record({ recordId: 'after' }));
  assertProblem(answer, 503);
  assert.ok(answer.headers.get('retry-after'));
  assert.equal((await get(server, '/api/records/before')).status, 200);
  assert.equal((await getJson(server, '/api/records/aggregate')).data.count, 1);
  await server.stop();
  const file = join(data, 'more.ndjson');
  fs.writeFileSync(file, JSON.stringify(record({ recordId: 'later' })));
  const refused = await runWeirAsync(t, ['ingest', file, '--data', data, '--wait', '0', ...reserve]);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /disk|room|space|reserve/i);
  assert.equal(runWeir(['ingest', file, '--data', data]).code, 0, 'and goes on when there is room');
});
