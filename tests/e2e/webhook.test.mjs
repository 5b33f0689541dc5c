// Webhooks from the real program to an endpoint that fails, stalls, answers late or twice, and leaves.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { binary, environment, eventually, runWeir, startWeir, startRefused, tempDir, sleep } from './support/weir.mjs';
import { get, getJson, load, post, readFeed, send } from './support/client.mjs';
import { record, random, randomRecords } from './support/model.mjs';
import { certificate } from './support/certificate.mjs';
import { library, newSecret, skipWithoutLibrary, startReceiver } from './support/webhook_receiver.mjs';

const SECRET = newSecret(1);
const OTHER = newSecret(2);

/** `weir serve` with the sink "ops" at that URL; options as the configuration names them. */
const startWith = (t, url, options = {}, more = {}) => {
  const all = { type: 'webhook', url, secret: SECRET, messages: 'notification', allow_private: '127.0.0.1', schedule: '0, 50ms, 50ms, 50ms, 50ms, 50ms', ...options };
  const args = Object.entries(all).filter(([, value]) => value !== null).flatMap(([name, value]) => ['--set', `sinks.ops.${name}=${value}`]);
  return startWeir(t, { ...more, args: [...args, ...(more.args ?? [])] });
};

const sinkState = async (server) => (await getJson(server, '/api/sinks')).data.find((each) => each.name === 'ops');
const lastError = (server, pattern) => eventually(async () => pattern.test((await sinkState(server)).lastError ?? ''), `${pattern} in /api/sinks`);

/** The ids of the messages that came more than once although each was answered the first time. */
const twice = (receiver) => [...receiver.taken].filter(([, times]) => times > 1);

test('every message comes once, signed, with the body of the feed', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  const server = await startWith(t, receiver.url, { messages: 'notification, alert' });
  await load(server, randomRecords(random(61), 500, { large: false }));
  const feeds = { notification: await readFeed(server), alert: await readFeed(server, 'alerts') };
  const expected = feeds.notification.length + feeds.alert.length;
  assert.ok(feeds.alert.length > 0, 'the records have alerts');
  await receiver.until(() => receiver.taken.size === expected, `${expected} messages`);
  assert.deepEqual(receiver.problems, []);
  assert.deepEqual(twice(receiver), []);
  for (const type of ['notification', 'alert']) {
    const key = (data) => `${data.record.id} ${data.rule ?? ''} ${data.measure ?? ''}`;
    const sorted = (list) => list.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
    const came = receiver.messages().filter((each) => each.type === type);
    assert.deepEqual(sorted(came.map((each) => each.data)), sorted(feeds[type]), type);
    assert.ok(came.every((each) => Math.abs(Date.parse(each.timestamp) - Date.now()) < 60_000), 'timestamps are those of the commits');
  }
  const [first] = receiver.deliveries;
  assert.match(first.headers['user-agent'], /^Weir\/\d/);
  assert.match(first.id, /^[0-9a-f-]+-\d+-\d+$/);
  assert.equal(first.path, '/hook');
  assert.ok(receiver.connections <= 64, `${receiver.connections} connections`);
});

test('the library that receivers use verifies each message, with either secret', { skip: skipWithoutLibrary }, async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET, OTHER] });
  const server = await startWith(t, receiver.url, { secret: `${SECRET},${OTHER}` });
  await load(server, [record({ reference: 'å ∑ "quoted" \\ \u0001' }), record(), record({ type: 'negative' })]);
  await receiver.until(() => receiver.taken.size === 3, 'three messages');
  for (const { headers, body, message } of receiver.deliveries) {
    for (const secret of [SECRET, OTHER]) assert.deepEqual(new library(secret).verify(body, headers), message);
    assert.throws(() => new library(newSecret(3)).verify(body, headers), 'a secret of somebody else');
    assert.throws(() => new library(SECRET).verify(body.replace('EUR', 'SEK'), headers), 'a body that was changed');
    assert.throws(() => new library(SECRET).verify(body, { ...headers, 'webhook-id': 'another' }), 'the id of another');
  }
  assert.deepEqual(receiver.problems, []);
});

test('an endpoint that fails in every way gets each message in the end', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  const ways = [
    { status: 500, body: 'no' }, { status: 429 }, { status: 404 }, { stall: true }, { close: 'before' }, { close: 'middle' },
    { status: 503, delayMs: 30 }, { delayMs: 100 }, { status: 500, endless: true }, { status: 200, endless: true },
  ];
  receiver.plan = ({ id, attempt }) => (attempt === 1 ? ways[Number(id.split('-').at(-1)) % ways.length] : {});
  const server = await startWith(t, receiver.url, { timeout: '700ms', 'breaker.failures_percent': 0 });
  const records = Array.from({ length: 100 }, () => record());
  await load(server, records);
  await receiver.until(() => receiver.taken.size === 100, 'a hundred messages');
  assert.deepEqual(receiver.problems, []);
  assert.deepEqual(new Set(receiver.messages().map((each) => each.data.record.record_id)), new Set(records.map((each) => each.recordId)));
  for (const [id, attempts] of receiver.attempts) {
    const way = ways[Number(id.split('-').at(-1)) % ways.length];
    const good = !way.stall && !way.close && (way.status ?? 204) < 300;
    assert.ok(good ? attempts === 1 : attempts >= 2, `${id}: ${attempts} attempts, ${JSON.stringify(way)}`);
  }
});

test('an answer that nobody asked for is not taken for that of the next message', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  receiver.plan = ({ id, attempt }) => (Number(id.split('-').at(-1)) % 2 ? { twice: true } : attempt === 1 ? { status: 500 } : {});
  const server = await startWith(t, receiver.url, { in_flight_max: 1, 'breaker.failures_percent': 0 });
  for (let count = 1; count <= 10; count += 1) {
    await load(server, [record()]);
    await receiver.until(() => receiver.taken.size === count, `message ${count}`);
    await sleep(50); // the second answer has come by now
  }
  assert.deepEqual([...receiver.attempts.values()], [1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
  assert.deepEqual(receiver.problems, []);
});

test('Retry-After is waited for', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  receiver.plan = ({ attempt }) => (attempt === 1 ? { status: 503, headers: { 'retry-after': '2' } } : {});
  const server = await startWith(t, receiver.url);
  await load(server, [record()]);
  await receiver.until(() => receiver.taken.size === 1, 'the message');
  const [first, second] = receiver.deliveries;
  assert.ok(second.at - first.at >= 1990, `${second.at - first.at} ms`);
  assert.equal(first.id, second.id);
  assert.equal(first.body, second.body);
  assert.notEqual(first.headers['webhook-timestamp'], second.headers['webhook-timestamp'], 'each attempt is signed at its own time');
});

test('an endpoint that leaves gets everything when it is back, and nothing twice that it took', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  const server = await startWith(t, receiver.url, { 'breaker.pause': '200ms', schedule: '0, 100ms, 200ms, 400ms, 1s, 5s, 5s' });
  await load(server, Array.from({ length: 50 }, () => record()));
  await receiver.until(() => receiver.taken.size === 50, 'fifty messages');
  await receiver.leave();
  await load(server, Array.from({ length: 300 }, () => record()));
  await sleep(500);
  assert.equal(receiver.taken.size, 50);
  await receiver.listen(receiver.port);
  await receiver.until(() => receiver.taken.size === 350, 'all messages');
  assert.deepEqual(twice(receiver), []);
  assert.deepEqual(receiver.problems, []);
});

test('the path of the breaker is in /api/sinks and in /metrics, and it costs no message', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  const server = await startWith(t, receiver.url, { 'breaker.pause': '400ms', timeout: '1500ms', schedule: '0, 5s, 5s' });
  const shows = async (breaker, state) => {
    const sink = await sinkState(server);
    const { text } = await get(server, '/metrics');
    const [now] = ['closed', 'open', 'half_open'].filter((each) => text.includes(`\nweir_sink_breaker_state{sink="ops",state="${each}"} 1\n`));
    const isState = text.includes(`\nweir_sink_state{sink="ops",state="${state}"} 1\n`);
    return sink.breaker === breaker && sink.state === state && now === breaker && isState && sink;
  };
  await eventually(() => shows('closed', 'running'), 'a closed breaker');
  receiver.plan = () => ({ status: 503 });
  await load(server, Array.from({ length: 40 }, () => record()));
  const open = await eventually(() => shows('open', 'holding'), 'an open breaker');
  assert.equal(open.lastError, 'the endpoint answered 503');
  assert.ok(Date.parse(open.nextTryAt) - Date.now() <= 400, open.nextTryAt);
  receiver.plan = () => ({ stall: true });
  await eventually(() => shows('half_open', 'holding'), 'a breaker that tries one message');
  receiver.plan = () => ({});
  const closed = await eventually(() => shows('closed', 'running'), 'a breaker that has closed');
  assert.ok(closed.breakerOpened >= 2, `${closed.breakerOpened}`);
  const { text } = await get(server, '/metrics');
  assert.ok(Number(/^weir_sink_breaker_opened_total\{sink="ops"\} (\d+)$/m.exec(text)[1]) >= 2);
  await receiver.until(() => receiver.taken.size === 40, 'all messages');
  assert.deepEqual(twice(receiver), []);
  assert.equal((await getJson(server, '/api/dead-letters')).data.length, 0);
});

test('a redirect is a failure, and its target hears nothing', async (t) => {
  const other = await startReceiver(t, { secrets: [SECRET] });
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  receiver.plan = ({ attempt }) => (attempt <= 3 ? { status: 307, headers: { location: other.url } } : {});
  const server = await startWith(t, receiver.url);
  await load(server, [record()]);
  await receiver.until(() => receiver.taken.size === 1, 'the message');
  assert.equal(receiver.deliveries.length, 4);
  assert.equal(other.connections, 0);
});

test('410 ends the deliveries', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  receiver.plan = () => ({ status: 410 });
  const server = await startWith(t, receiver.url);
  await load(server, [record()]);
  await eventually(async () => (await sinkState(server)).state === 'disabled', 'the sink to be disabled');
  const before = receiver.deliveries.length;
  receiver.plan = () => ({});
  await load(server, [record(), record()]);
  await sleep(500);
  assert.equal(receiver.deliveries.length, before, 'nothing more is sent');
  const answer = await send(server, '/api/sinks/ops/resume', {});
  assert.equal(answer.status, 200, answer.text);
  await receiver.until(() => receiver.taken.size === 3, 'the message that it refused, and those since');
});

test('a message that is never taken is a dead letter, holds nobody up, and is delivered when it is retried after the fix', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  let mended = false;
  receiver.plan = ({ body }) => (!mended && body.includes('"poison"') ? { status: 422, body: 'unknown reference' } : {});
  const server = await startWith(t, receiver.url);
  await load(server, [record(), record({ reference: 'poison' }), ...Array.from({ length: 50 }, () => record())]);
  await receiver.until(() => receiver.taken.size === 51, 'all the others');
  const dead = async () => (await getJson(server, '/api/dead-letters')).data;
  await eventually(async () => (await dead()).length === 1, 'the dead letter');
  const [letter] = await dead();
  assert.equal(letter.error, 'the endpoint answered 422');
  assert.equal(letter.attempts, 6);
  assert.equal(receiver.attempts.get(receiver.deliveries.find((each) => each.body.includes('"poison"')).id), 6);
  mended = true;
  const answer = await send(server, `/api/dead-letters/${letter.id}/retry`, {});
  assert.ok(answer.status === 200 || answer.status === 202, answer.text);
  await receiver.until(() => receiver.taken.size === 52, 'the retried message');
  assert.deepEqual(twice(receiver), []);
});

test('addresses that are not of the public internet are refused unless they are allowed', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  for (const host of ['127.0.0.1', 'localhost', '2130706433', '[::ffff:127.0.0.1]']) {
    const server = await startWith(t, `http://${host}:${receiver.port}/hook`, { allow_private: '10.0.0.0/8' });
    await load(server, [record()]);
    await lastError(server, /^address \S+ is (loopback|IPv4-mapped) and not allowed \(sinks\.ops\.allow_private\)$/);
    await server.stop();
  }
  assert.equal(receiver.connections, 0);
});

const rebinder = join(dirname(binary), 'tests/support/librebind.so');
const noRebinder = fs.existsSync(rebinder) ? false : `${rebinder} was not built`;

/** What has to be in the environment of a server for which the name rebind.test has these answers, one look-up after another. */
const rebinding = (...answers) => ({
  LD_PRELOAD: rebinder, REBIND: `rebind.test=${answers.join(';')}`, ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:verify_asan_link_order=0`,
});

test('a name that was a public address a moment ago, and then is one of ours, leads nowhere', { skip: noRebinder }, async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  const url = `http://rebind.test:${receiver.port}/hook`;
  const inside = ['127.0.0.1', '169.254.169.254', '9.9.9.9,127.0.0.1', '10.0.0.1', '0.0.0.0'];
  const server = await startWith(t, url, { allow_private: null }, { env: rebinding('8.8.8.8', ...inside) });
  await load(server, [record({ recordId: 'rec-1' })]);
  await receiver.until(() => receiver.taken.size === 1, 'the message, at the public address');
  assert.equal(receiver.connections, 1);
  // A replay looks the name up anew, in the same process that has just been told a public address.
  const errors = [];
  for (const each of inside) {
    const { json } = await send(server, '/api/sinks/ops/replay', { after: 0 });
    const replayed = async () => (await getJson(server, '/api/sinks/ops/replays')).data.find(({ id }) => id === json.data.id);
    await eventually(async () => (await replayed()).state === 'done', `the replay to ${each}`);
    assert.deepEqual([(await replayed()).sent, (await replayed()).failed], [0, 1], each);
    const [{ sinks }] = (await getJson(server, '/api/records/rec-1/deliveries')).data.messages;
    errors.push(sinks[0].attempts.filter(({ replay }) => replay === json.data.id).map(({ error }) => error));
  }
  const expected = [/^address 127\.0\.0\.1 is loopback/, /^address 169\.254\.169\.254 is/, /; address 127\.0\.0\.1 is loopback/, /^address 10\.0\.0\.1 is private/,
    /^address 0\.0\.0\.0 is/];
  errors.forEach((list, i) => {
    assert.equal(list.length, 4);
    for (const error of list) assert.match(error, expected[i], inside[i]);
  });
  assert.equal(receiver.connections, 1, 'nobody has connected since');
});

test('proxies of the environment are not used', async (t) => {
  const proxy = await startReceiver(t, { secrets: [SECRET] });
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  const url = `http://127.0.0.1:${proxy.port}`;
  const server = await startWith(t, receiver.url, {}, { env: { http_proxy: url, HTTP_PROXY: url, ALL_PROXY: url } });
  await load(server, [record()]);
  await receiver.until(() => receiver.taken.size === 1, 'the message');
  assert.equal(proxy.connections, 0);
});

test('over TLS: HTTP/2 where it is offered, one connection for many requests, HTTP/1.1 otherwise', async (t) => {
  const tls = certificate(t);
  for (const [http1, version] of [[false, '2.0'], [true, '1.1']]) {
    const receiver = await startReceiver(t, { secrets: [SECRET], tls: { ...tls, http1 } });
    const server = await startWith(t, receiver.url, { ca_file: tls.file });
    await load(server, Array.from({ length: 200 }, () => record()));
    await receiver.until(() => receiver.taken.size === 200, 'two hundred messages');
    assert.ok(receiver.deliveries.every((each) => each.version === version), `HTTP/${version}`);
    if (!http1) assert.equal(receiver.connections, 1);
    assert.deepEqual(receiver.problems, []);
    await server.stop();
  }
});

test('a certificate that nobody vouches for is not believed', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET], tls: certificate(t) });
  const server = await startWith(t, receiver.url);
  await load(server, [record()]);
  await lastError(server, /certificate/);
  assert.equal(receiver.deliveries.length, 0);
});

test('a killed server forgets no message', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  const data = tempDir(t);
  receiver.plan = ({ attempt }) => (attempt === 1 ? { status: 500, delayMs: 20 } : { delayMs: 5 });
  const options = { 'breaker.failures_percent': 0, schedule: '0, 300ms, 300ms, 300ms, 300ms, 300ms, 300ms, 300ms' };
  const records = Array.from({ length: 400 }, () => record());
  for (let round = 0; round < 4; round += 1) {
    const server = await startWith(t, receiver.url, options, { data });
    await load(server, records.slice(round * 100, round * 100 + 100));
    await sleep(60 + 90 * round);
    await server.kill();
  }
  const server = await startWith(t, receiver.url, options, { data });
  await receiver.until(() => receiver.taken.size === 400, 'four hundred messages', 30_000);
  assert.deepEqual(receiver.problems, []);
  const came = new Set(receiver.messages().map((each) => each.data.record.record_id));
  assert.deepEqual(came, new Set(records.map((each) => each.recordId)));
  await server.stop();
});

test('stopping does not wait for an endpoint that stalls', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  receiver.plan = () => ({ stall: true });
  const server = await startWith(t, receiver.url, { timeout: '60s' });
  await load(server, Array.from({ length: 100 }, () => record()));
  await receiver.until(() => receiver.deliveries.length > 10, 'requests');
  const begun = Date.now();
  await server.stop();
  assert.ok(Date.now() - begun < 10_000, `${Date.now() - begun} ms`);
});

test('the deliveries cost intake nothing while the endpoint stalls', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  receiver.plan = () => ({ stall: true });
  const server = await startWith(t, receiver.url, { timeout: '30s' });
  for (let round = 0; round < 20; round += 1) {
    const begun = Date.now();
    const answer = await post(server, record());
    assert.equal(answer.status, 201, answer.text);
    assert.ok(Date.now() - begun < 2000, `${Date.now() - begun} ms for one record`);
  }
});

test('what a webhook cannot work with is refused at the start, and named', async (t) => {
  const refused = async (options, expected) => {
    const all = { type: 'webhook', url: 'https://example.com/hook', secret: SECRET, ...options };
    const args = Object.entries(all).filter(([, value]) => value !== null).flatMap(([name, value]) => ['--set', `sinks.ops.${name}=${value}`]);
    const { code, stderr } = await startRefused(t, tempDir(t), { args });
    assert.equal(code, 2, stderr);
    assert.match(stderr, expected);
    assert.ok(!stderr.includes('c2hvcnQ'), 'no secret is shown');
    const checked = runWeir(['config', 'check', ...args]);
    assert.deepEqual([checked.code, expected.test(checked.stderr)], [2, true], `weir config check: ${checked.stderr}`);
  };
  await refused({ secret: null }, /sinks\.ops\.secret/);
  await refused({ secret: 'whsec_c2hvcnQ=' }, /sinks\.ops\.secret.*24 to 64 bytes/);
  await refused({ secret: 'c2hvcnQ=' }, /sinks\.ops\.secret.*whsec_/);
  await refused({ url: null }, /sinks\.ops\.url/);
  await refused({ url: 'ftp://example.com/' }, /sinks\.ops\.url/);
  await refused({ allow_private: '10.0.0.1/99' }, /sinks\.ops\.allow_private/);
  await refused({ ca_file: '/nonexistent/ca.pem' }, /sinks\.ops\.ca_file/);
});

const noPython = spawnSync('python3', ['--version']).error ? 'there is no python3' : false;

test('the example of the documentation works as it is written', { skip: noPython, timeout: 60_000 }, async (t) => {
  const page = fs.readFileSync(new URL('../../docs/webhooks.md', import.meta.url), 'utf8').split('## Try it on one machine')[1].split('\n## ')[0];
  const [, script, config, commands] = /```python\n(.*?)```.*?```yaml\n(.*?)```.*?```sh\n(.*?)```/s.exec(page);
  // Its ports may be taken here, and what it starts has to end with the test.
  const [one, two] = await Promise.all([startReceiver(t, { secrets: [] }), startReceiver(t, { secrets: [] })]);
  const here = (text) => text.replaceAll('9000', one.port).replaceAll('8080', two.port).replaceAll('build/weir', binary)
    .replace('--data', `--listen 127.0.0.1:${two.port} --data`).replace(/ sinks$/m, ` sinks --to http://127.0.0.1:${two.port}`);
  await Promise.all([one.leave(), two.leave()]);
  const dir = tempDir(t);
  fs.writeFileSync(join(dir, 'receiver.py'), here(script));
  fs.writeFileSync(join(dir, 'weir.yaml'), here(config));
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `trap 'kill $(jobs -p); wait' EXIT\n${here(commands)}`],
    { cwd: dir, env: environment, encoding: 'utf8', timeout: 40_000 });
  assert.equal(status, 0, stderr);
  assert.match(stdout, /[0-9a-f]{32}-1-1 genuine \{.*"record_id":"first"/, stdout + stderr);
  assert.match(stdout, /^ops +webhook +running +closed +1 +0 +0 +1 +0 /m, stdout);
});
