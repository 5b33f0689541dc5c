// /api/sources, dead letters of intake, weir sources and weir dead-letters, with a real Redis and a directory. What each way to read promises is in
// the files of its own.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { startWeir, runWeir, runWeirAsync, tempDir, atEnd, eventually, sleep } from './support/weir.mjs';
import { assertInvalid, assertProblem, call, countRecords, get, getJson, post, send } from './support/client.mjs';
import { record } from './support/model.mjs';
import { noRedis, startRedis } from './support/redis.mjs';

const skip = { skip: noRedis };

// Nothing listens on port 1.
const AWAY = '  away:\n    type: redis\n    url: redis://user:hunter2@127.0.0.1:1/3\n    streams: [nothing]\n';
const devices = (redis, more = '') => `  devices:\n    type: redis\n    url: ${redis.url}\n    streams: [readings]\n${more}`;

function start(t, sources, { data = tempDir(t), more = '' } = {}) {
  const config = join(data, 'sources.yaml');
  fs.writeFileSync(config, `sources:\n${sources}${more}`);
  return startWeir(t, { data, config });
}

/** Each a message of its own: texts and bytes as they are, anything else as JSON. */
function feed(redis, ...messages) {
  for (const message of messages) {
    const input = typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message);
    const done = spawnSync('redis-cli', ['-s', redis.socket, '-x', 'XADD', 'readings', '*', 'record'], { input, encoding: 'utf8' });
    assert.match(done.stdout, /^\d+-\d+\n$/, done.stderr);
  }
}

const sourceOf = async (server, name) => (await getJson(server, `/api/sources/${name}`)).data;
const inState = (server, name, state) =>
  eventually(async () => { const source = await sourceOf(server, name); return source.state === state && source; }, `${name} to be ${state}`);
const counted = (server, field, count, name = 'devices') =>
  eventually(async () => { const source = await sourceOf(server, name); return source[field] === count && source; }, `${field} of ${name} to be ${count}`);
const letters = async (server, query = '') => (await getJson(server, `/api/dead-letters${query}`)).data;
const openLetters = (server, count, ms = 10_000) =>
  eventually(async () => { const found = await letters(server); return found.length === count && found; }, `${count} open dead letters`, ms);
const letterOf = async (server, id) => (await getJson(server, `/api/dead-letters/${id}`)).data;
const letterState = (server, id, state) =>
  eventually(async () => { const letter = await letterOf(server, id); return letter.state === state && letter; }, `the dead letter to be ${state}`);
const retry = (server, id, body = '') => send(server, `/api/dead-letters/${id}/retry`, body, body ? {} : { type: null });
const act = (server, name, what, body = '') => send(server, `/api/sources/${name}/${what}`, body, body ? {} : { type: null });
const remove = (server, path) => call(server, path, { method: 'DELETE' });

/** The contract knows each member of what was answered, and what it requires is there. */
async function assertDescribed(server, name, object) {
  const { properties, required } = (await getJson(server, '/openapi.json')).components.schemas[name];
  for (const member of Object.keys(object)) assert.ok(properties[member], `${name}.${member} is described`);
  for (const member of required) assert.ok(member in object, `${name}.${member} is there`);
  for (const [member, value] of Object.entries(object)) assert.ok(properties[member].enum?.includes(value) ?? true, `${name}.${member} is one of its words`);
}

test('sources are listed, and one that is down takes nothing with it', skip, async (t) => {
  const redis = await startRedis(t);
  const server = await start(t, AWAY + devices(redis));
  feed(redis, ...[1, 2, 3].map((i) => record({ recordId: `r-${i}` })), record({ recordId: 'r-1' }));
  await counted(server, 'messages', 4);
  await inState(server, 'devices', 'running');
  await eventually(async () => (await sourceOf(server, 'away')).lastError, 'the one that is away to say so');
  const list = await getJson(server, '/api/v1/sources');
  assert.deepEqual(list.data.map((source) => [source.name, source.type, source.state]), [['away', 'redis', 'connecting'], ['devices', 'redis', 'running']]);
  assert.equal(list.nextCursor, null);
  assert.doesNotMatch(JSON.stringify(list), /hunter2/);
  const [away, here] = list.data;
  assert.deepEqual([here.created, here.duplicates, here.conflicts, here.rejected, here.deadLetters, here.lastError], [3, 1, 0, 0, 0, null]);
  assert.ok(here.bytes > 300 && Math.abs(Date.parse(here.lastMessageAt) - Date.now()) < 60_000);
  assert.deepEqual([here.streams, here.lists, here.group], ['readings', null, 'weir']);
  assert.equal(here.places, undefined);
  const shown = await sourceOf(server, 'devices');
  assert.ok(Array.isArray(shown.places));
  await assertDescribed(server, 'Source', shown);
  assert.equal(away.url, 'redis://127.0.0.1:1/3');
  assert.match(away.lastError, /refused/i);
  assert.ok(away.errors > 0 && Date.parse(away.lastErrorAt) && Date.parse(away.nextTryAt));

  const ready = await get(server, '/ready');
  await assertDescribed(server, 'Ready', ready.json);
  assert.equal(ready.status, 200, 'a source that is down is no reason to take the service out');
  assert.deepEqual(ready.json.sources, [{ name: 'away', state: 'connecting', error: ready.json.sources[0].error }]);
  assert.match(ready.json.sources[0].error, /refused/i);
  assert.match(server.stderr, /level=warn msg="a source has trouble" source=away state=connecting error=.*refused/i);
  assert.equal((await post(server, record({ recordId: 'r-4' }))).status, 201);
  assert.equal(await countRecords(server), 4);

  const lines = (await get(server, '/metrics')).text.split('\n');
  for (const line of ['weir_source_up{source="devices"} 1', 'weir_source_up{source="away"} 0', 'weir_source_state{source="away",state="connecting"} 1',
    'weir_source_messages_total{source="devices"} 4', 'weir_source_records_total{source="devices",outcome="created"} 3',
    'weir_source_records_total{source="devices",outcome="duplicate"} 1', 'weir_source_dead_letters_total{source="devices"} 0',
    'weir_source_errors_total{source="devices"} 0', 'weir_dead_letter_bytes 0']) {
    assert.ok(lines.includes(line), line);
  }
  assert.ok(lines.some((line) => /^weir_source_last_message_timestamp_seconds\{source="devices"\} \d+\.\d+$/.test(line)));
});

test('without sources there is nothing to see', async (t) => {
  const server = await startWeir(t);
  assert.deepEqual((await getJson(server, '/api/sources')).data, []);
  assert.deepEqual((await getJson(server, '/ready')).sources, []);
  assert.doesNotMatch((await get(server, '/metrics')).text, /weir_source_/);
  assertProblem(await get(server, '/api/sources/orders'), 404);
});

test('what is wrong is said', skip, async (t) => {
  const redis = await startRedis(t);
  const server = await start(t, devices(redis));
  assert.match(assertProblem(await get(server, '/api/sources/device'), 404).detail, /did you mean devices\?/);
  assert.match(assertProblem(await act(server, 'devics', 'pause'), 404).detail, /did you mean devices\?/);
  assertInvalid(await get(server, '/api/sources?limit=1'), ['limit']);
  assertInvalid(await act(server, 'devices', 'pause', { reson: 'x' }), ['reson']);
  assertInvalid(await act(server, 'devices', 'pause', { reason: '' }), ['reason']);
  assertInvalid(await act(server, 'devices', 'pause', { reason: 'x'.repeat(256) }), ['reason']);
  assertProblem(await send(server, '/api/sources/devices/pause', 'reason', { type: 'text/plain' }), 415);
  assert.match(assertInvalid(await act(server, 'devices', 'forget?prt=x'), ['prt']).detail, /did you mean part\?/);
  for (const part of ['', 7, {}]) assertInvalid(await act(server, 'devices', 'forget', { part }), ['part']);
  assertInvalid(await act(server, 'devices', 'resume?now=1'), ['now']);
  await inState(server, 'devices', 'running');
  assert.match(assertProblem(await act(server, 'devices', 'forget'), 409).detail, /pause it first/);
  const wrong = await get(server, '/api/sources/devices/pause');
  assertProblem(wrong, 405);
  assert.equal(wrong.headers.get('allow'), 'POST');

  feed(redis, 'no record');
  const [{ id }] = await openLetters(server, 1);
  assertInvalid(await retry(server, id, { raw: '' }), ['raw']);
  for (const raw of [7, null, {}]) assertInvalid(await retry(server, id, { raw }), ['raw']);
  assertInvalid(await retry(server, id, { rawBase64: 'a' }), ['rawBase64']);
  assertInvalid(await retry(server, id, { raw: 'a', rawBase64: 'YQ==' }), ['rawBase64']);
  assertInvalid(await retry(server, id, { rwa: 'a' }), ['rwa']);
  assertProblem(await retry(server, 99, { raw: 'a' }), 404);
  assertInvalid(await get(server, '/api/dead-letters?source='), ['source']);
  assert.deepEqual((await letterOf(server, id)).state, 'open', 'nothing of that was done');
});

test('a pause holds, also over a restart, and nothing is lost', skip, async (t) => {
  const redis = await startRedis(t);
  const data = tempDir(t);
  let server = await start(t, devices(redis), { data });
  feed(redis, record({ recordId: 'r-1' }));
  await counted(server, 'created', 1);
  const paused = await act(server, 'devices', 'pause', { reason: 'they move house' });
  assert.equal(paused.status, 200, paused.text);
  assert.deepEqual([paused.json.data.state, paused.json.data.reason], ['paused', 'they move house']);
  assert.ok(Date.parse(paused.json.data.pausedAt));
  assert.equal((await act(server, 'devices', 'forget')).status, 200, 'a source that was just paused may forget its places');
  feed(redis, record({ recordId: 'r-2' }));
  await sleep(500);
  assert.equal(await countRecords(server), 1);
  await server.stop();
  server = await start(t, devices(redis), { data });
  await inState(server, 'devices', 'paused');
  await sleep(500);
  assert.equal(await countRecords(server), 1);
  assert.deepEqual((await getJson(server, '/ready')).sources, [{ name: 'devices', state: 'paused', error: null }]);
  const resumed = await act(server, 'devices', 'resume');
  assert.equal(resumed.status, 200, resumed.text);
  assert.deepEqual([resumed.json.data.reason, resumed.json.data.pausedAt], [null, null]);
  await counted(server, 'created', 1);
  await inState(server, 'devices', 'running');
  assert.equal(await countRecords(server), 2);
});

test('one that has failed is named, and tried again when a person asks', skip, async (t) => {
  const redis = await startRedis(t);
  redis.ask('SET', 'readings', 'no stream');
  const server = await start(t, devices(redis));
  const failed = await inState(server, 'devices', 'failed');
  assert.ok(failed.lastError && Date.parse(failed.nextTryAt) - Date.now() > 10_000, 'not before a minute');
  assert.deepEqual((await getJson(server, '/ready')).sources.map((source) => [source.name, source.state]), [['devices', 'failed']]);
  assert.match((await get(server, '/metrics')).text, /^weir_source_state\{source="devices",state="failed"\} 1$/m);
  assert.equal((await act(server, 'devices', 'forget')).status, 200, 'it need not be paused for that');
  redis.ask('DEL', 'readings');
  feed(redis, record({ recordId: 'r-1' }));
  assert.equal((await act(server, 'devices', 'resume')).status, 200);
  await counted(server, 'created', 1);
  assert.equal((await inState(server, 'devices', 'running')).lastError, null);
});

test('a message that is far too long is kept whole', skip, async (t) => {
  const redis = await startRedis(t);
  const server = await start(t, devices(redis));
  const long = JSON.stringify(record({ recordId: 'r-1' })) + ' '.repeat(10_000_000);
  feed(redis, long, record({ recordId: 'r-2' }));
  const [letter] = await openLetters(server, 1);
  await counted(server, 'created', 1);
  assert.deepEqual([letter.rawBytes, letter.attempts], [long.length, 1]);
  assert.match(letter.error, /message_bytes_max/);
  const file = join(tempDir(t), 'long.json');
  const saved = await runWeirAsync(t, ['dead-letters', 'show', '1', '--raw', file, '--to', server.url]);
  assert.equal(saved.code, 0, saved.stderr);
  assert.ok(fs.readFileSync(file, 'utf8') === long);
  fs.writeFileSync(file, long.trimEnd());
  const mended = await runWeirAsync(t, ['dead-letters', 'retry', '1', '--raw', file, '--to', server.url]);
  assert.equal(mended.code, 0, mended.stderr);
  await letterState(server, 1, 'resolved');
  assert.equal(await countRecords(server), 2);
  fs.writeFileSync(file, 'x'.repeat(40 << 20));
  feed(redis, 'no record');
  await openLetters(server, 1);
  const refused = await runWeirAsync(t, ['dead-letters', 'retry', '2', '--raw', file, '--to', server.url]);
  assert.deepEqual([refused.code, /413/.test(refused.stderr)], [2, true], refused.stderr);
});

test('places are shown, and forgotten by part; a line of CSV is mended below its header', async (t) => {
  const dir = tempDir(t);
  const server = await start(t, `  drop: {type: files, dir: ${dir}}\n`);
  const header = 'recordId,time,sourceId,destinationId,type,value,unit,reference\n';
  const line = (id, value) => `${id},2025-01-01 10:00:00,source-1,dest-1,positive,${value},EUR,ref-1\n`;
  await inState(server, 'drop', 'running');
  fs.writeFileSync(join(dir, 'orders.csv'), header + line('r-1', '1.00') + line('r-2', 'much') + line('r-3', '3.00'));
  await counted(server, 'created', 2, 'drop');
  const [letter] = await openLetters(server, 1);
  assert.deepEqual([letter.source, letter.place, letter.format], ['drop', 'orders.csv:3', 'csv']);
  const { raw } = await letterOf(server, letter.id);
  assert.equal(raw.trimEnd(), (header + line('r-2', 'much')).trimEnd());
  assert.equal((await retry(server, letter.id, { raw: raw.replace('much', '2.00') })).status, 202);
  await letterState(server, letter.id, 'resolved');
  assert.equal((await getJson(server, '/api/records/r-2')).data.value, '2.00');

  const { places, placeCount } = await sourceOf(server, 'drop');
  assert.equal(placeCount, places.length);
  const [{ part, next, mark }] = places;
  assert.ok(part && next >= 0 && mark, JSON.stringify(places));
  assertProblem(await act(server, 'drop', `forget?part=${encodeURIComponent(part)}`), 409);
  assert.equal((await act(server, 'drop', 'pause')).status, 200);
  assertProblem(await act(server, 'drop', 'forget?part=nothing'), 404);
  const forgotten = await act(server, 'drop', `forget?part=${encodeURIComponent(part)}`);
  assert.deepEqual([forgotten.status, forgotten.json.data], [200, { source: 'drop', part, forgotten: 1 }]);
  assert.deepEqual((await sourceOf(server, 'drop')).places, places.slice(1));
  fs.writeFileSync(join(dir, 'again.csv'), header + line('r-1', '1.00') + line('r-4', '4.00'));
  assert.equal((await act(server, 'drop', 'resume')).status, 200);
  const source = await counted(server, 'created', 3, 'drop');
  assert.equal(source.duplicates, 1);
  assert.equal(await countRecords(server), 4);
});

test('a source waits while dead letters have no room, and skips nothing', skip, async (t) => {
  const redis = await startRedis(t);
  const server = await start(t, devices(redis, '    group_messages_max: 1\n'), { more: 'store: {dead_letter_bytes_max: 1MiB}\n' });
  const broken = 'x'.repeat(600_000);
  feed(redis, broken, record({ recordId: 'r-1' }));
  await counted(server, 'created', 1);
  feed(redis, `${broken}y`, record({ recordId: 'r-2' }));
  const held = await inState(server, 'devices', 'holding');
  assert.match(held.lastError, /store\.dead_letter_bytes_max/);
  assert.match((await getJson(server, '/ready')).sources[0].error, /store\.dead_letter_bytes_max/);
  assert.equal((await post(server, record({ recordId: 'r-3' }))).status, 201, 'HTTP goes on');
  await sleep(300);
  assert.equal(await countRecords(server), 2, 'what is behind the broken message waits with it');
  const [letter] = await letters(server);
  assert.equal((await remove(server, `/api/dead-letters/${letter.id}`)).status, 204);
  await counted(server, 'created', 2);
  await inState(server, 'devices', 'running');
  assert.deepEqual((await letters(server)).map((it) => it.rawBytes), [broken.length + 1]);
  assert.equal(await countRecords(server), 3);
});

test('a broken message among good ones is shown, mended, tried again, and discarded', skip, async (t) => {
  const redis = await startRedis(t);
  const server = await start(t, devices(redis));
  const wrong = record({ recordId: 'r-2', value: 'much' });
  const bytes = Buffer.from([0x7b, 0xff, 0x00, 0x01]);
  feed(redis, record({ recordId: 'r-1' }), wrong, '{"recordId":', bytes, record({ recordId: 'r-1', value: '7.00' }), record({ recordId: 'r-3' }));
  const found = await openLetters(server, 4);
  const source = await counted(server, 'messages', 6);
  assert.deepEqual([source.created, source.conflicts, source.rejected, source.deadLetters], [2, 1, 3, 4]);
  assert.equal(await countRecords(server), 2, 'the rest has arrived');
  for (const letter of found) {
    assert.deepEqual([letter.stage, letter.state, letter.source, letter.attempts], ['intake', 'open', 'devices', 1]);
    assert.match(letter.place, /^readings\/\d+-\d+$/);
    assert.equal(letter.sink, undefined);
  }
  const isClash = (letter) => /stored under the same id/.test(letter.error);
  const value = await letterOf(server, found.find((letter) => !isClash(letter) && /value/.test(letter.error)).id);
  assert.deepEqual([value.raw, value.format, value.rawBytes], [JSON.stringify(wrong), 'json', JSON.stringify(wrong).length]);
  await assertDescribed(server, 'DeadLetter', value);
  const binary = found.find((letter) => letter.rawBytes === bytes.length);
  assert.equal((await letterOf(server, binary.id)).rawBase64, bytes.toString('base64'));
  const clash = found.find(isClash);
  assert.match(clash.error, /value/);

  // As it was it fails again, and says so; mended, it is a record.
  const again = await retry(server, value.id);
  assert.equal(again.status, 202, again.text);
  assert.equal(again.json.data.id, value.id);
  const failed = await eventually(async () => { const it = await letterOf(server, value.id); return it.attempts === 2 && it; }, 'a second attempt');
  assert.deepEqual([failed.state, failed.raw], ['open', value.raw]);
  const mended = await retry(server, value.id, { raw: JSON.stringify({ ...wrong, value: '12.00' }) });
  assert.equal(mended.status, 202, mended.text);
  assert.equal(mended.json.data.raw, JSON.stringify({ ...wrong, value: '12.00' }));
  await letterState(server, value.id, 'resolved');
  assert.equal((await getJson(server, '/api/records/r-2')).data.value, '12.00');
  assertProblem(await retry(server, value.id), 409);
  assert.equal((await retry(server, binary.id, { rawBase64: Buffer.from(JSON.stringify(record({ recordId: 'r-4', unit: '€' }))).toString('base64') })).status, 202);
  await letterState(server, binary.id, 'resolved');
  assert.equal((await getJson(server, '/api/records/r-4')).data.unit, '€');

  for (let i = 0; i < 2; i++) assert.equal((await remove(server, `/api/dead-letters/${clash.id}`)).status, 204);
  assertProblem(await retry(server, clash.id), 409);
  assert.deepEqual((await letters(server, '?state=all')).map((letter) => letter.state).sort(), ['discarded', 'open', 'resolved', 'resolved']);
  assert.equal((await sourceOf(server, 'devices')).messages, 6, 'what is tried again is no message of the source');
  assert.equal(await countRecords(server), 4);
  const metrics = (await get(server, '/metrics')).text;
  assert.match(metrics, /^weir_dead_letters_open 1$/m);
  assert.match(metrics, /^weir_dead_letter_bytes \d{3,}$/m);
});

test('many are tried again, by source and by stage', skip, async (t) => {
  const redis = await startRedis(t);
  const failing = http.createServer((request, response) => request.resume().on('end', () => response.writeHead(500).end()));
  await new Promise((done) => failing.listen(0, '127.0.0.1', done));
  atEnd(t, () => new Promise((done) => { failing.close(done); failing.closeAllConnections(); }));
  const hooks = `sinks:\n  hooks:\n    type: webhook\n    url: http://127.0.0.1:${failing.address().port}/\n    secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n` +
    '    allow_private: 127.0.0.0/8\n    schedule: 0s\n    messages: [notification]\n    breaker: {failures_percent: 0}\n';
  const other = devices(redis).replace('devices', 'others').replace('readings', 'elsewhere');
  const server = await start(t, devices(redis) + other, { more: hooks });
  feed(redis, 'a', 'b', 'c', record({ recordId: 'r-1', value: '1.00' }));
  redis.ask('XADD', 'elsewhere', '*', 'record', 'd');
  await openLetters(server, 5);
  assert.deepEqual((await letters(server, '?source=devices')).map((letter) => letter.source), ['devices', 'devices', 'devices']);
  assert.deepEqual((await letters(server, '?stage=intake')).map((letter) => letter.source), ['others', 'devices', 'devices', 'devices'].sort().reverse());
  const [delivery] = await letters(server, '?sink=hooks');
  assertInvalid(await retry(server, delivery.id, { raw: 'x' }), ['raw']);
  const dry = async (filter) => (await send(server, '/api/dead-letters/retry?dryRun=true', filter)).json.data.count;
  for (const [filter, count] of [[{}, 5], [{ stage: 'intake' }, 4], [{ stage: 'delivery' }, 1], [{ source: 'devices' }, 3], [{ source: 'nobody' }, 0],
    [{ source: 'hooks' }, 0], [{ limit: 2 }, 2]]) {
    assert.equal(await dry(filter), count, JSON.stringify(filter));
  }
  assert.equal((await send(server, '/api/dead-letters/retry?dryRun=true', { sink: 'devices' })).status, 409, 'a source is no sink');
  assert.ok((await letters(server)).every((letter) => letter.attempts === 1), 'a dry run tries nothing');
  const done = await send(server, '/api/dead-letters/retry', { source: 'devices', limit: 2 });
  assert.deepEqual([done.status, done.json.data], [202, { dryRun: false, count: 2 }]);
  const tried = () => letters(server, '?stage=intake').then((list) => list.filter((letter) => letter.attempts === 2).map((letter) => letter.source).join());
  await eventually(async () => (await tried()) === 'devices,devices', 'two of the source to have failed again');
  assert.equal((await send(server, '/api/dead-letters/retry?stage=intake', '', { type: null })).json.data.count, 4);
  await eventually(async () => (await letters(server)).reduce((sum, letter) => sum + letter.attempts, 0) === 11, 'all of intake to have failed again');
});

test('weir sources and weir dead-letters', skip, async (t) => {
  const redis = await startRedis(t);
  const server = await start(t, AWAY + devices(redis));
  const said = async (code, pattern, ...args) => {
    const done = await runWeirAsync(t, [...args, '--to', server.url]);
    assert.equal(done.code, code, `${args.join(' ')}: ${done.stdout}${done.stderr}`);
    assert.match(code === 0 ? done.stdout : done.stderr, pattern, args.join(' '));
    return done.stdout;
  };
  const wrong = record({ recordId: 'r-2', value: 'much' });
  feed(redis, record({ recordId: 'r-1' }), wrong, Buffer.from([0xff, 0x00]));
  await openLetters(server, 2);
  await inState(server, 'devices', 'running');
  await eventually(async () => (await sourceOf(server, 'away')).lastError, 'the one that is away to say so');
  await said(0, /^name +type +state .*\naway +redis +connecting .*refused.*\ndevices +redis +running /i, 'sources');
  assert.equal(JSON.parse(await said(0, /devices/, 'sources', '--json')).data.length, 2);
  await said(0, /^state +running$/m, 'sources', 'show', 'devices');
  await said(3, /409: devices is running; pause it first/, 'sources', 'forget', 'devices');
  await said(0, /devices is paused/, 'sources', 'pause', 'devices', '--reason', 'they "move"');
  assert.equal(JSON.parse(await said(0, /paused/, 'sources', 'show', 'devices', '--json')).data.reason, 'they "move"');
  await said(0, /^\d+ places? of devices (is|are) forgotten$/m, 'sources', 'forget', 'devices');
  await said(2, /404: devices has no place in the part x/, 'sources', 'forget', 'devices', '--part', 'x');
  await said(0, /devices goes on/, 'sources', 'resume', 'devices');
  await said(2, /404: no source device is configured; did you mean devices\?/, 'sources', 'show', 'device');
  await said(2, /is not list, show/, 'sources', 'stop', 'devices');
  await said(2, /needs a source's name/, 'sources', 'pause');
  await said(2, /one argument too many/, 'sources', 'pause', 'devices', 'away');
  assert.equal(runWeir(['sources', '--to', 'http://127.0.0.1:1']).code, 3);

  const table = await said(0, /^id +stage +state +source +place +attempts .*\n *2 +intake +open +devices +readings\/\d+-\d+ .*\n *1 +intake +open +devices .*value/, 'dead-letters');
  assert.doesNotMatch(table.split('\n')[0], /sink|seq/, 'nothing of deliveries');
  await said(0, /^ *1 +intake /m, 'dead-letters', 'list', '--source', 'devices');
  await said(0, /there are none/, 'dead-letters', '--source', 'away');
  await said(0, /^raw +\{.*much/m, 'dead-letters', 'show', '1');
  const file = join(tempDir(t), 'message.json');
  await said(0, /^$/, 'dead-letters', 'show', '1', '--raw', file);
  assert.equal(fs.readFileSync(file, 'utf8'), JSON.stringify(wrong));
  await said(0, /^$/, 'dead-letters', 'show', '2', '--raw', `${file}.2`);
  assert.deepEqual([...fs.readFileSync(`${file}.2`)], [0xff, 0x00]);
  await said(0, /much/, 'dead-letters', 'show', '1', '--raw', '-');
  fs.writeFileSync(file, JSON.stringify({ ...wrong, value: '3.00' }));
  await said(0, /^2 would be tried again/, 'dead-letters', 'retry', '--all', '--source', 'devices', '--dry-run');
  await said(0, /^0 would be tried again/, 'dead-letters', 'retry', '--all', '--stage', 'delivery', '--dry-run');
  await said(0, /1 is tried again/, 'dead-letters', 'retry', '1', '--raw', file);
  await letterState(server, 1, 'resolved');
  assert.equal((await getJson(server, '/api/records/r-2')).data.value, '3.00');
  await said(3, /409/, 'dead-letters', 'retry', '1');
  fs.writeFileSync(`${file}.2`, Buffer.from([0xfe, 0x7b]));
  await said(0, /2 is tried again/, 'dead-letters', 'retry', '2', '--raw', `${file}.2`);
  await eventually(async () => { const letter = await letterOf(server, 2); return letter.attempts === 2 && letter.rawBase64 === '/ns='; }, 'it to have failed with its new bytes');
  await said(2, /No such file/, 'dead-letters', 'retry', '2', '--raw', `${file}.3`);
  fs.writeFileSync(file, '');
  await said(2, /is empty/, 'dead-letters', 'retry', '2', '--raw', file);
  await said(2, /--raw goes with one id/, 'dead-letters', 'retry', '--all', '--raw', file);
  await said(0, /2 is discarded/, 'dead-letters', 'discard', '2');
});

test('what is shown of a long message is its beginning; the bytes are to be had in whole', skip, async (t) => {
  const redis = await startRedis(t, 'no');
  const server = await start(t, devices(redis));
  const long = `begin ${'x'.repeat(200_000)} end`, binary = Buffer.alloc(64 << 20, Buffer.from([0xff, 1, 2, 3, 4, 5, 6]));
  feed(redis, long, binary, Buffer.alloc(2 << 20, 1));
  await openLetters(server, 3, 60_000); // a sanitizer takes its time over so many bytes
  const show = (...more) => runWeirAsync(t, ['dead-letters', 'show', ...more, '--to', server.url]);
  const shown = await show('1');
  assert.match(shown.stdout, /^raw +begin x+…$/m);
  assert.ok(shown.stdout.length < 6000, `${shown.stdout.length} bytes`);
  const file = join(tempDir(t), 'message');
  assert.equal((await show('1', '--raw', file)).code, 0);
  assert.equal(fs.readFileSync(file, 'utf8'), long);
  const saved = await show('2', '--raw', file);
  assert.equal(saved.code, 0, saved.stderr);
  assert.ok(fs.readFileSync(file).equals(binary), 'the longest message that is kept');
  assert.equal((await show('3', '--raw', file)).code, 0);
  assert.ok(fs.readFileSync(file).equals(Buffer.alloc(2 << 20, 1)), 'one that is text, and shorter as Base64');
});

test('weir sources has notices below the table', async (t) => {
  const dir = join(tempDir(t), 'drop');
  fs.mkdirSync(dir);
  fs.writeFileSync(join(dir, 'torn.json'), '[1');
  const server = await start(t, `  partner:\n    type: files\n    dir: ${dir}\n`);
  await eventually(async () => (await sourceOf(server, 'partner')).notice, 'a notice');
  const { stdout } = await runWeirAsync(t, ['sources', '--to', server.url]);
  assert.match(stdout, /^name .*\npartner +files +running .*\npartner: 1 file went to failed\/ since the start, with a report; the last one is torn\.json/);
  assert.equal(JSON.parse((await runWeirAsync(t, ['sources', '--json', '--to', server.url])).stdout).data.length, 1);
});
