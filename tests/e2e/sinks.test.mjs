// /api/sinks, /api/dead-letters, deliveries of a record, weir sinks and weir dead-letters, against a receiver that does as it is told.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import fs from 'node:fs';
import { join } from 'node:path';
import { startWeir, runWeir, runWeirAsync, tempDir, atEnd, eventually, sleep } from './support/weir.mjs';
import { call, get, getJson, load, post, send, assertProblem, assertInvalid } from './support/client.mjs';
import { record } from './support/model.mjs';

/** A receiver of webhooks: `answer(message)` decides the status; all that came is in `messages`. */
async function startReceiver(t) {
  const receiver = { messages: [], answer: () => 204, body: '' };
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const message = { ...JSON.parse(Buffer.concat(parts).toString()), id: request.headers['webhook-id'], replay: request.headers['replay-id'] ?? null };
      receiver.messages.push(message);
      response.writeHead(receiver.answer(message)).end(receiver.body);
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  atEnd(t, () => new Promise((done) => { server.close(done); server.closeAllConnections(); }));
  receiver.url = `http://user:hunter2@127.0.0.1:${server.address().port}/hook?token=hunter2`;
  return receiver;
}

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const hooks = (receiver, more = '') => `  hooks:
    type: webhook
    url: ${receiver.url}
    secret: ${SECRET}
    allow_private: 127.0.0.0/8
    schedule: 0s,100ms
    breaker: {failures_percent: 0}
${more}`;
// Nothing listens on port 1.
const CACHE = '  cache:\n    type: redis\n    url: redis://user:hunter2@127.0.0.1:1/3\n    messages: [notification]\n';

function start(t, sinks, data = tempDir(t)) {
  const config = join(data, 'sinks.yaml');
  fs.writeFileSync(config, `sinks:\n${sinks}`);
  return startWeir(t, { data, config });
}

const sinkOf = async (server, name) => (await getJson(server, `/api/sinks/${name}`)).data;
const settled = (server, name, field, count) =>
  eventually(async () => { const sink = await sinkOf(server, name); return sink[field] === count && sink; }, `${field} of ${name} to be ${count}`);
/** Most counts of a sink are of the moment; what the store has follows a moment later. */
const openLetters = (server, count) =>
  eventually(async () => { const { data } = await getJson(server, '/api/dead-letters'); return data.length === count && data; }, `${count} open dead letters`);
const letterState = (server, id, state) => eventually(async () => (await getJson(server, `/api/dead-letters/${id}`)).data.state === state, `the dead letter to be ${state}`);
const deliveries = async (server, id) => (await getJson(server, `/api/records/${id}/deliveries`)).data.messages;
const of = (list, sink) => list.find((entry) => entry.sink === sink);
const remove = (server, path) => call(server, path, { method: 'DELETE' });
const command = (server, t, ...args) => runWeirAsync(t, [...args, '--to', server.url]);

test('sinks are listed, without their secrets', async (t) => {
  const receiver = await startReceiver(t);
  const server = await start(t, hooks(receiver, '    filter: {unit: EUR, value_min: 5}\n') + CACHE);
  await load(server, [1, 2, 3].map((i) => record({ recordId: `r-${i}`, unit: 'EUR', value: '10.00' })));
  await settled(server, 'hooks', 'taken', 3);
  const list = await getJson(server, '/api/v1/sinks');
  assert.deepEqual(list.data.map((sink) => sink.name), ['cache', 'hooks']);
  assert.equal(list.nextCursor, null);
  assert.doesNotMatch(JSON.stringify(list), /hunter2|whsec|token/);
  const [cache, hook] = list.data;
  assert.equal(hook.state, 'running');
  assert.equal(hook.breaker, 'closed');
  assert.equal(hook.cursor, 3);
  assert.equal(hook.lag, 0);
  assert.equal(hook.lastError, null);
  assert.ok(hook.lastTakenAt && hook.createdAt);
  assert.match(hook.url, /^http:\/\/127\.0\.0\.1:\d+\/hook$/);
  assert.deepEqual(hook.filter, { messages: ['notification', 'alert'], unit: 'EUR', valueMin: '5.00' });
  assert.deepEqual(hook.replays, []);
  assert.equal(cache.url, 'redis://127.0.0.1:1/3');
  assert.equal(cache.cursor, 0);
  assert.equal(cache.lag, 3);
  await eventually(async () => (await sinkOf(server, 'cache')).state === 'holding', 'the sink that cannot connect to hold');
  assert.match((await sinkOf(server, 'cache')).lastError, /refused/i);
  assert.equal((await get(server, '/ready')).status, 200, 'a sink that is down is no reason to take the service out');
  assert.equal((await get(server, '/health')).status, 200);
});

test('what is wrong is said', async (t) => {
  const receiver = await startReceiver(t);
  const server = await start(t, hooks(receiver));
  assert.match(assertProblem(await get(server, '/api/sinks/hoks'), 404).detail, /did you mean hooks\?/);
  assertInvalid(await get(server, '/api/sinks?limit=1'), ['limit']);
  assertInvalid(await send(server, '/api/sinks/hooks/pause', { reson: 'x' }), ['reson']);
  assertInvalid(await send(server, '/api/sinks/hooks/pause', { reason: '' }), ['reason']);
  assertProblem(await send(server, '/api/sinks/hooks/pause', 'reason', { type: 'text/plain' }), 415);
  assertInvalid(await send(server, '/api/sinks/hooks/replay', {}), ['after']);
  assertInvalid(await send(server, '/api/sinks/hooks/replay', { after: 0 }), ['after']); // nothing is committed
  await post(server, record({ recordId: 'r-1' }));
  assert.match(assertInvalid(await send(server, '/api/sinks/hooks/replay?aftr=0', ''), ['aftr']).detail, /did you mean after\?/);
  assertInvalid(await send(server, '/api/sinks/hooks/replay?after=0', { after: 0 }), ['after']);
  assertInvalid(await send(server, '/api/sinks/hooks/replay', { after: -1, messages: ['x'], type: 'both', valueMin: 'a', startTime: 'b', dryRun: 3 }),
    ['after', 'messages', 'type', 'valueMin', 'startTime', 'dryRun']);
  assertInvalid(await send(server, '/api/sinks/hooks/replay', { startTime: '2025-01-02T00:00:00Z', endTime: '2025-01-01T00:00:00Z' }), ['startTime']);
  assertInvalid(await send(server, '/api/sinks/hooks/replay', '[]'), ['body']);
  assertProblem(await remove(server, '/api/sinks/hooks/replays/1'), 404);
  assertProblem(await remove(server, '/api/sinks/hooks/replays/x'), 404);
  assertInvalid(await get(server, '/api/dead-letters?state=shut&stage=x&limit=0&cursor=x'), ['state', 'stage', 'limit', 'cursor']);
  assertInvalid(await get(server, '/api/dead-letters?snik=hooks'), ['snik']);
  for (const [method, path] of [['GET', ''], ['DELETE', ''], ['POST', '/retry']]) {
    for (const id of ['1', '0', 'x', '99999999999999999999']) {
      assertProblem(await call(server, `/api/dead-letters/${id}${path}`, { method }), 404);
    }
  }
  assert.deepEqual((await send(server, '/api/dead-letters/retry', { stage: 'job' })).json, { data: { dryRun: false, count: 0 } });
  assertInvalid(await send(server, '/api/dead-letters/retry', { batch: 'b', source: 'orders' }), ['batch']);
  assertInvalid(await send(server, '/api/dead-letters/retry', { stage: 'intake', sink: 'hooks' }), ['stage']);
  assertInvalid(await send(server, '/api/dead-letters/retry', { sink: 'hooks', source: 'orders' }), ['source']);
  assertInvalid(await get(server, '/api/dead-letters?stage=delivery&source=orders'), ['stage']);
  assertProblem(await get(server, '/api/records/nothing/deliveries'), 404);
  const wrong = await get(server, '/api/sinks/hooks/pause');
  assertProblem(wrong, 405);
  assert.equal(wrong.headers.get('allow'), 'POST');
});

test('a pause holds, also over a restart, and nothing is lost', async (t) => {
  const receiver = await startReceiver(t);
  const data = tempDir(t);
  let server = await start(t, hooks(receiver), data);
  await eventually(async () => (await sinkOf(server, 'hooks')).createdAt, 'the store to know the sink');
  const paused = await send(server, '/api/sinks/hooks/pause', { reason: 'they move house' });
  assert.equal(paused.status, 200, paused.text);
  assert.equal(paused.json.data.state, 'paused');
  assert.equal(paused.json.data.reason, 'they move house');
  await sleep(500);
  await post(server, record({ recordId: 'r-1' }));
  await sleep(500);
  assert.equal(receiver.messages.length, 0);
  assert.equal(of((await deliveries(server, 'r-1'))[0].sinks, 'hooks').state, 'waiting');
  await server.stop();
  server = await start(t, hooks(receiver), data);
  await sleep(500);
  assert.equal((await sinkOf(server, 'hooks')).state, 'paused');
  assert.equal(receiver.messages.length, 0);
  const resumed = await send(server, '/api/sinks/hooks/resume', '', { type: null });
  assert.equal(resumed.status, 200, resumed.text);
  assert.equal(resumed.json.data.reason, null);
  await settled(server, 'hooks', 'taken', 1);
  assert.deepEqual(receiver.messages.map((message) => message.data.record.record_id), ['r-1']);
});

test('a dead letter is shown, tried again, and discarded; each attempt is listed', async (t) => {
  const receiver = await startReceiver(t);
  const server = await start(t, hooks(receiver) + CACHE);
  receiver.answer = (message) => (message.data.record.record_id.startsWith('bad') ? 500 : 204);
  receiver.body = 'not "today"';
  await load(server, ['good', 'bad-1', 'bad-2', 'bad-3'].map((recordId) => record({ recordId, value: '1.00' })));
  const letters = await openLetters(server, 3);
  await settled(server, 'hooks', 'deadLetters', 3);
  assert.deepEqual(letters.map((letter) => [letter.stage, letter.state, letter.sink, letter.attempts]), Array(3).fill(['delivery', 'open', 'hooks', 2]));
  assert.ok(letters[0].id > letters[2].id, 'the newest first');

  const [message] = await deliveries(server, 'bad-1');
  assert.equal(message.type, 'notification');
  const hook = of(message.sinks, 'hooks');
  assert.equal(hook.state, 'dead_letter');
  assert.deepEqual(hook.attempts.map((a) => [a.number, a.taken, a.code, a.response]), [[1, false, 500, 'not "today"'], [2, false, 500, 'not "today"']]);
  assert.ok(hook.attempts.every((a) => a.latencyMs > 0 && a.error && !Number.isNaN(Date.parse(a.time))));
  assert.equal(of(message.sinks, 'cache').state, 'waiting');
  assert.deepEqual((await getJson(server, '/api/records/good')).data.deliveries.map((d) => [d.sink, d.state]), [['cache', 'waiting'], ['hooks', 'delivered']]);
  const found = await getJson(server, '/api/records?recordId=bad-2');
  assert.equal(of(found.data.deliveries, 'hooks').state, 'dead_letter');
  assert.equal(found.data.summary.count, 2, 'the rest of the answer is as it was');

  const id = hook.deadLetterId;
  const shown = (await getJson(server, `/api/dead-letters/${id}`)).data;
  const sent = receiver.messages.find((m) => m.data.record.record_id === 'bad-1');
  assert.equal(shown.seq, message.seq);
  assert.equal(shown.message.id, sent.id);
  assert.equal(shown.message.type, 'notification');
  assert.deepEqual(shown.message.data, sent.data);

  const count = await send(server, '/api/dead-letters/retry?dryRun=true', { sink: 'hooks' });
  assert.deepEqual([count.status, count.json.data], [200, { dryRun: true, count: 3 }]);
  assert.equal((await send(server, '/api/dead-letters/retry?dryRun=true&sink=cache', '', { type: null })).json.data.count, 0);
  const page = await getJson(server, '/api/dead-letters?limit=2');
  assert.equal(page.data.length, 2);
  const rest = await getJson(server, `/api/dead-letters?limit=2&cursor=${page.nextCursor}`);
  assert.deepEqual([...page.data, ...rest.data], letters);
  assert.equal(rest.nextCursor, null);

  // Still broken: it is open once more. Mended: it is delivered, under the same id.
  const again = await send(server, `/api/dead-letters/${id}/retry`, '', { type: null });
  assert.equal(again.status, 202, again.text);
  await settled(server, 'hooks', 'failed', 7);
  await letterState(server, id, 'open');
  assert.equal((await sinkOf(server, 'hooks')).deadLetters, 3, 'it is no further one');
  receiver.answer = () => 204;
  assert.equal((await send(server, `/api/dead-letters/${id}/retry`, '', { type: null })).status, 202);
  await settled(server, 'hooks', 'taken', 2);
  await letterState(server, id, 'resolved');
  assert.equal(of((await deliveries(server, 'bad-1'))[0].sinks, 'hooks').state, 'delivered');
  assert.equal(new Set(receiver.messages.filter((m) => m.data.record.record_id === 'bad-1').map((m) => m.id)).size, 1);
  assertProblem(await send(server, `/api/dead-letters/${id}/retry`, '', { type: null }), 409);
  assertProblem(await remove(server, `/api/dead-letters/${id}`), 409);

  const discarded = of((await deliveries(server, 'bad-2'))[0].sinks, 'hooks').deadLetterId;
  for (let i = 0; i < 2; i++) assert.equal((await remove(server, `/api/dead-letters/${discarded}`)).status, 204);
  assert.equal(of((await deliveries(server, 'bad-2'))[0].sinks, 'hooks').state, 'discarded');
  const many = await send(server, '/api/dead-letters/retry', { limit: 10 });
  assert.deepEqual([many.status, many.json.data], [202, { dryRun: false, count: 1 }]);
  await settled(server, 'hooks', 'taken', 3);
  const states = async () => (await getJson(server, '/api/dead-letters?state=all')).data.map((letter) => letter.state).sort();
  await eventually(async () => (await states()).join() === 'discarded,resolved,resolved', 'nothing to be open');
  assert.equal((await getJson(server, '/api/dead-letters')).data.length, 0);
});

test('a dead letter of a sink that is not configured any more waits until it is', async (t) => {
  const receiver = await startReceiver(t);
  const data = tempDir(t);
  let server = await start(t, hooks(receiver) + CACHE, data);
  receiver.answer = () => 500;
  await post(server, record({ recordId: 'bad' }));
  const [{ id }] = await openLetters(server, 1);
  await server.stop();

  server = await start(t, CACHE, data);
  const why = /the sink hooks is not configured/;
  assert.match(assertProblem(await send(server, `/api/dead-letters/${id}/retry`, '', { type: null }), 409).detail, why);
  for (const query of ['', '?dryRun=true']) assert.match(assertProblem(await send(server, `/api/dead-letters/retry${query}`, { sink: 'hooks' }), 409).detail, why);
  for (const which of [[String(id)], ['--all', '--sink', 'hooks']]) {
    const refused = await command(server, t, 'dead-letters', 'retry', ...which);
    assert.equal(refused.code, 3);
    assert.match(refused.stderr, why);
  }
  await letterState(server, id, 'open');
  await server.stop();

  receiver.answer = () => 204;
  server = await start(t, hooks(receiver), data);
  assert.equal((await send(server, `/api/dead-letters/${id}/retry`, '', { type: null })).status, 202);
  await letterState(server, id, 'resolved');
});

test('a replay sends what it was said to, marked, and its dry run counts it', async (t) => {
  const receiver = await startReceiver(t);
  const server = await start(t, hooks(receiver) + CACHE);
  const records = [1, 2, 3, 4, 5, 6].map((i) => record({ recordId: `r-${i}`, destinationId: i % 2 ? 'odd' : 'even', value: i === 6 ? '2000.00' : `${i}.00` }));
  await load(server, records);
  await settled(server, 'hooks', 'taken', 7); // with an alert
  const replay = (wanted, query = '') => send(server, `/api/sinks/hooks/replay${query}`, wanted);
  for (const [wanted, count] of [[{ after: 0 }, 7], [{ after: 2 }, 5], [{ after: 2, through: 4 }, 2], [{ after: 0, destinationId: 'odd' }, 3],
    [{ after: 0, messages: ['alert'] }, 1], [{ after: 0, valueMin: '5' }, 3], [{ after: 0, sourceId: 'nobody' }, 0], [{ startTime: '2030-01-01T00:00:00Z' }, 0],
    [{ after: 0, through: 1000000 }, 7]]) {
    const dry = await replay(wanted, '?dryRun=true');
    assert.equal(dry.status, 200, dry.text);
    assert.equal(dry.json.data.count, count, JSON.stringify(wanted));
    assert.equal(dry.json.data.dryRun, true);
  }
  assert.equal((await getJson(server, '/api/sinks/hooks/replays')).data.length, 0, 'a dry run makes none');
  const before = receiver.messages.length;
  const made = await replay({ after: 1, through: 5, destinationId: 'odd' });
  assert.equal(made.status, 202, made.text);
  const { id } = made.json.data;
  await eventually(async () => (await getJson(server, '/api/sinks/hooks/replays')).data[0].state === 'done', 'the replay to be done');
  const [done] = (await getJson(server, '/api/sinks/hooks/replays')).data;
  assert.deepEqual([done.id, done.sent, done.failed, done.after, done.through], [id, 2, 0, 1, 5]);
  const again = receiver.messages.slice(before);
  assert.deepEqual(again.map((m) => m.data.record.record_id).sort(), ['r-3', 'r-5']);
  assert.ok(again.every((m) => m.replay === String(id)));
  assert.ok(receiver.messages.slice(0, before).every((m) => m.replay === null));
  assert.equal((await sinkOf(server, 'hooks')).cursor, 7, 'the live line has not moved');
  assertProblem(await remove(server, `/api/sinks/hooks/replays/${id}`), 409);

  // One that cannot be sent is shown beside its line, and can be called off.
  const stuck = (await send(server, '/api/sinks/cache/replay', { after: 0 })).json.data;
  assert.deepEqual(stuck.filter, { messages: ['notification'] }, 'what is not said is the sink\'s');
  await eventually(async () => (await sinkOf(server, 'cache')).replays.some((r) => r.id === stuck.id), 'the replay to run');
  assertProblem(await remove(server, `/api/sinks/hooks/replays/${stuck.id}`), 404);
  assert.equal((await remove(server, `/api/sinks/cache/replays/${stuck.id}`)).status, 204);
  await eventually(async () => (await sinkOf(server, 'cache')).replays.length === 0, 'the replay to end');
  assert.equal((await getJson(server, '/api/sinks/cache/replays')).data[0].state, 'cancelled');
});

test('/metrics has the sinks', async (t) => {
  const receiver = await startReceiver(t);
  const server = await start(t, hooks(receiver) + CACHE);
  receiver.answer = (message) => (message.data.record.record_id === 'bad' ? 400 : 200);
  await load(server, ['a', 'b', 'bad'].map((recordId) => record({ recordId, value: '1.00' })));
  await openLetters(server, 1);
  await settled(server, 'hooks', 'deadLetters', 1);
  await eventually(async () => (await sinkOf(server, 'cache')).state === 'holding', 'the cache to hold');
  const lines = (await get(server, '/metrics')).text.split('\n');
  for (const line of ['weir_sink_messages_taken_total{sink="hooks"} 2', 'weir_sink_dead_letters_total{sink="hooks"} 1',
    'weir_sink_state{sink="hooks",state="running"} 1', 'weir_sink_state{sink="cache",state="holding"} 1', 'weir_sink_state{sink="cache",state="running"} 0',
    'weir_sink_breaker_state{sink="hooks",state="closed"} 1', 'weir_sink_lag{sink="cache"} 4', 'weir_dead_letters_open 1']) {
    assert.ok(lines.includes(line), line);
  }
  assert.ok(lines.some((line) => /^weir_sink_attempts_failed_total\{sink="hooks"\} [12]$/.test(line)));
  const bare = await startWeir(t);
  assert.doesNotMatch((await get(bare, '/metrics')).text, /weir_sink_/);
  assert.deepEqual((await getJson(bare, '/api/sinks')).data, []);
  await post(bare, record({ recordId: 'r-1' }));
  assert.equal((await getJson(bare, '/api/records/r-1')).data.deliveries, undefined);
});

test('weir sinks and weir dead-letters', async (t) => {
  const receiver = await startReceiver(t);
  const inside = `  inside-of-the-network:\n    type: webhook\n    url: http://127.0.0.1:1/\n    secret: ${SECRET}\n`;
  const server = await start(t, hooks(receiver) + CACHE + inside);
  receiver.answer = () => 500;
  await load(server, ['a', 'b'].map((recordId) => record({ recordId, value: '1.00' })));
  await openLetters(server, 2);
  const said = async (code, pattern, ...args) => {
    const done = await command(server, t, ...args);
    assert.equal(done.code, code, `${args.join(' ')}: ${done.stdout}${done.stderr}`);
    assert.match(code === 0 ? done.stdout : done.stderr, pattern, args.join(' '));
    return done.stdout;
  };
  await said(0, /^name +type +state .*\ncache +redis .*\nhooks +webhook +running /, 'sinks');
  // How long ago the last error was, and of a long one the beginning; the whole of it is in JSON.
  const table = await said(0, /^name .* last failed +last error$/m, 'sinks');
  const [, shown] = /^inside-of-the-network .* \d+ s ago +(\S.*)$/m.exec(table);
  const whole = (await sinkOf(server, 'inside-of-the-network')).lastError;
  assert.ok(whole.length > 72, whole);
  assert.equal(shown.trimEnd(), `${[...whole].slice(0, 72).join('')}…`);
  assert.ok((await said(0, /cache/, 'sinks', '--json')).includes(JSON.stringify(whole)));
  assert.equal(JSON.parse(await said(0, /hooks/, 'sinks', '--json')).data.length, 3);
  await said(0, /^state +running$/m, 'sinks', 'show', 'hooks');
  await said(0, /hooks is paused/, 'sinks', 'pause', 'hooks', '--reason', 'they "move"');
  assert.equal(JSON.parse(await said(0, /paused/, 'sinks', 'show', 'hooks', '--json')).data.reason, 'they "move"');
  await said(0, /hooks goes on/, 'sinks', 'resume', 'hooks');
  await said(0, /^2 messages behind 0 up to \d+ would/, 'sinks', 'replay', 'hooks', '--after', '0', '--dry-run');
  await said(0, /^0 messages/, 'sinks', 'replay', 'hooks', '--after', '0', '--dry-run', '--messages', 'alert,notification', '--unit', 'none');
  await said(0, /^replay 1: /, 'sinks', 'replay', 'cache', '--after', '0', '--value-min', '1');
  await said(0, /^ *1 +running /m, 'sinks', 'replays', 'cache');
  await said(0, /called off/, 'sinks', 'cancel', 'cache', '1');
  await said(3, /409/, 'sinks', 'cancel', 'cache', '1');
  await said(2, /404: no sink hoks is configured; did you mean hooks\?/, 'sinks', 'show', 'hoks');
  await said(2, /422: after is required/, 'sinks', 'replay', 'hooks');
  await said(2, /is not list, show/, 'sinks', 'stop', 'hooks');
  await said(2, /needs a sink's name/, 'sinks', 'pause');
  await said(2, /one argument too many/, 'sinks', 'pause', 'hooks', 'cache');

  await said(0, /^id +stage .*\n *2 +delivery +open +hooks .*\n *1 +delivery +open +hooks /, 'dead-letters');
  await said(0, /more: --cursor 2/, 'dead-letters', 'list', '--limit', '1');
  await said(0, /there are none/, 'dead-letters', '--state', 'resolved');
  await said(0, /^message +\{.*"type":"notification"/m, 'dead-letters', 'show', '1');
  await said(0, /^2 would be tried again/, 'dead-letters', 'retry', '--all', '--dry-run');
  await said(0, /1 is discarded/, 'dead-letters', 'discard', '1');
  await said(3, /409/, 'dead-letters', 'retry', '1');
  await said(2, /404/, 'dead-letters', 'retry', '3');
  await said(2, /either an id or --all/, 'dead-letters', 'retry');
  receiver.answer = () => 204;
  await said(0, /^1 are tried again/, 'dead-letters', 'retry', '--all', '--sink', 'hooks');
  await letterState(server, 2, 'resolved');
  const away = runWeir(['sinks', '--to', 'http://127.0.0.1:1']);
  assert.equal(away.code, 3);
  const configured = runWeir(['sinks', '--set', `http.listen=127.0.0.1:${server.port}`, '--json']);
  assert.equal(configured.code, 0, configured.stderr);
});
