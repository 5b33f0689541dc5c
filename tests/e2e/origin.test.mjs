// What a page of somebody else can have the browser of whoever runs the service send: nothing of it writes or reads.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startWeir, runWeir } from './support/weir.mjs';
import { call, get, send, post, raw, assertProblem, countRecords, JSON_TYPE, NDJSON_TYPE } from './support/client.mjs';
import { record } from './support/model.mjs';

const ELSEWHERE = { Origin: 'https://elsewhere.example', 'Sec-Fetch-Site': 'cross-site' };
const write = (server, headers, body = record()) => send(server, '/api/records', body, { headers });

test('a page from elsewhere changes nothing', async (t) => {
  const server = await startWeir(t);
  const WRITES = [
    ['a record', '/api/records', JSON.stringify(record()), JSON_TYPE],
    ['a record of no type, as fetch sends a Blob', '/api/records', JSON.stringify(record()), undefined],
    ['lines', '/api/records', `${JSON.stringify(record())}\n`, NDJSON_TYPE],
    ['an event', '/api/events', '{"source":"c","payload":{"metric":"m","amount":"1","timestamp":"2024-01-01"}}', JSON_TYPE],
    ['an empty form', '/api/dead-letters/1/retry', '', 'application/x-www-form-urlencoded'],
  ];
  for (const [label, path, body, type] of WRITES) {
    await t.test(label, async () => {
      for (const headers of [ELSEWHERE, { Origin: ELSEWHERE.Origin }, { Origin: 'null' }, { 'Sec-Fetch-Site': 'same-site' }]) {
        const answer = await call(server, path, { method: 'POST', body, headers: type ? { ...headers, 'Content-Type': type } : headers });
        assertProblem(answer, 403);
        assert.equal(answer.json.type, 'urn:weir:problem:forbidden');
      }
      assert.equal(await countRecords(server), 0);
    });
  }
  for (const method of ['PATCH', 'DELETE']) {
    assert.equal((await call(server, '/api/alert-rules/default', { method, headers: ELSEWHERE })).status, 403, method);
  }
  assert.equal((await get(server, '/api/records', ELSEWHERE)).status, 200, 'it may ask, and its browser keeps the answer from it');
});

test('the page of the service itself, and what is no browser, write', async (t) => {
  const server = await startWeir(t);
  const { host, origin } = new URL(server.url);
  for (const headers of [{}, { Origin: origin }, { Origin: origin, 'Sec-Fetch-Site': 'same-origin' }, { 'Sec-Fetch-Site': 'none' },
    { Host: host.replace('127.0.0.1', 'localhost') }, { Host: '[::1]:8080' }]) {
    assert.equal((await write(server, headers, record({ recordId: `r-${JSON.stringify(headers)}` }))).status, 201, JSON.stringify(headers));
  }
});

test('under a name that somebody had lead here nothing is read', async (t) => {
  const server = await startWeir(t);
  assert.equal((await post(server, record())).status, 201);
  const rebound = { Host: `elsewhere.example:${new URL(server.url).port}`, 'Sec-Fetch-Site': 'same-origin' };
  for (const path of ['/', '/api/records', '/api/notifications', '/metrics', '/health', '/openapi.json']) {
    const answer = await get(server, path, rebound);
    assertProblem(answer, 403);
    assert.match(answer.json.detail, /http\.hosts/);
  }
  assert.equal((await write(server, rebound, record({ recordId: 'r-2' }))).status, 403);
  assert.equal(await countRecords(server), 1);
});

test('http.hosts names further hosts, and pages that may write', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'http.hosts=weir.example, Console.example'] });
  const Host = 'weir.example', Origin = 'https://console.example';
  assert.equal((await get(server, '/api/records', { Host })).status, 200);
  assert.equal((await write(server, { Host, Origin: `https://${Host}` })).status, 201);
  assert.equal((await write(server, { Origin, 'Sec-Fetch-Site': 'cross-site' }, record({ recordId: 'r-2' }))).status, 201);
  assert.equal((await write(server, { Host, ...ELSEWHERE }, record({ recordId: 'r-3' }))).status, 403);
  assert.equal((await get(server, '/api/records', { Host: 'elsewhere.example' })).status, 403);
  for (const bad of ['https://weir.example', 'weir.example:443', '*.example']) {
    const { status, stderr } = runWeir(['config', 'check', '--set', `http.hosts=${bad}`]);
    assert.notEqual(status, 0, bad);
    assert.match(stderr, /http\.hosts/);
  }
});

test('with --insecure any name is ours, and pages from elsewhere still change nothing', async (t) => {
  const server = await startWeir(t, { args: ['--insecure'] });
  const Host = 'weir.lan:8080';
  assert.equal((await get(server, '/api/records', { Host })).status, 200);
  assert.equal((await write(server, { Host, Origin: `http://${Host}` })).status, 201);
  assert.equal((await write(server, { Host, ...ELSEWHERE }, record({ recordId: 'r-2' }))).status, 403);
});

test('with --insecure and names for it, no other name is ours', async (t) => {
  const server = await startWeir(t, { args: ['--insecure', '--set', 'http.hosts=weir.lan'] });
  assert.equal((await get(server, '/api/records', { Host: 'weir.lan:8080' })).status, 200);
  assert.equal((await get(server, '/api/records', { Host: 'evil.example', 'Sec-Fetch-Site': 'same-origin' })).status, 403);
});

test('what is refused is read to its end, and the connection goes on', async (t) => {
  const server = await startWeir(t);
  const lines = Array.from({ length: 20_000 }, (_, i) => JSON.stringify(record({ recordId: `r-${i}` }))).join('\n');
  const head = ['POST /api/records HTTP/1.1', 'Host: localhost', 'Origin: null', `Content-Type: ${NDJSON_TYPE}`, `Content-Length: ${lines.length}`];
  const answer = await raw(server, [`${head.join('\r\n')}\r\n\r\n`, lines, 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n']);
  assert.deepEqual(answer.text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 403', 'HTTP/1.1 200']);
  assert.equal(await countRecords(server), 0);
});
