// What the service takes of the machine's memory: bounded while it works, given back when it is quiet.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { startWeir, sleep, eventually } from './support/weir.mjs';
import { get, load, post, postLines } from './support/client.mjs';
import { record } from './support/model.mjs';

const MIB = 1 << 20;
const MANY_GROUPS = '/api/records/aggregate?records=false&groupBy=reference,destinationId';

/** Records of so many groups that their totals take 30 MiB and more. */
async function loadManyGroups(server) {
  const records = Array.from({ length: 150_000 }, (_, i) => record({ recordId: `r-${i}`, reference: `a-reference-${i}`, destinationId: `d-${i}` }));
  await load(server, records);
}

function anonymous(server) {
  const status = fs.readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Number(/^RssAnon:\s*(\d+) kB$/m.exec(status)[1]) << 10;
}

/** A sanitizer's allocator keeps what was freed, to find those who use it. */
function isSanitized(server) {
  return /lib(asan|tsan)|san\.so/.test(fs.readFileSync(`/proc/${server.pid}/maps`, 'utf8')) ||
    Number(/^VmSize:\s*(\d+) kB$/m.exec(fs.readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) > 1 << 30;
}

test('aggregates together have a limit; beyond it clients are told to come back', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'query.groups_bytes_max=64MiB'] });
  await loadManyGroups(server);
  const answers = await Promise.all(Array.from({ length: 12 }, () => get(server, MANY_GROUPS)));
  const refused = answers.filter((answer) => answer.status !== 200);
  assert.ok(refused.length > 0, 'twelve do not fit');
  for (const answer of refused) {
    assert.equal(answer.status, 503, answer.text.slice(0, 300));
    assert.ok(answer.headers.get('retry-after'));
  }
  const alone = await get(server, MANY_GROUPS);
  assert.equal(alone.status, 200, 'one fits');
  assert.equal(alone.json.data.groups.length, 150_000);
  assert.match((await get(server, '/metrics')).text, /^weir_http_groups_bytes 0$/m);
});

test('what questions took is given back when it is quiet', async (t) => {
  const server = await startWeir(t);
  if (isSanitized(server)) return t.skip('skipped: a sanitizer keeps what is freed');
  await loadManyGroups(server);
  await sleep(7000); // what the load took is given back
  const before = anonymous(server);
  await Promise.all(Array.from({ length: 6 }, () => get(server, MANY_GROUPS)));
  await eventually(() => anonymous(server) < before + 32 * MIB, `about ${before >> 20} MiB again`, 20_000);
});

/** A number of /metrics. */
async function metric(server, name) {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec((await get(server, '/metrics')).text)[1]);
}

/** A bare connection that has said so much; what it hears is in `heard`. */
function connection(t, server, text) {
  const socket = net.connect(server.port, '127.0.0.1');
  socket.heard = '';
  socket.on('error', () => {});
  socket.on('data', (piece) => { socket.heard += piece; });
  socket.write(text);
  t.after(() => socket.destroy());
  return socket;
}

const chunk = (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const UPLOAD = 'POST /api/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n';
/** Uploads that are left open: so many, and more until they hold so much. Which of them fail for want of memory, and give back what they had, is luck. */
async function leaveOpen(t, server, count, lines, bytes) {
  const begin = () => connection(t, server, UPLOAD + chunk('{}\n'.repeat(lines)));
  const open = Array.from({ length: count }, begin);
  await eventually(async () => await metric(server, 'weir_http_bodies_bytes') > bytes || !open.push(begin()), 'they hold memory');
  return open;
}

const statusOf = (socket) => Number(/^HTTP\/1\.1 (\d+)/.exec(socket.heard)?.[1]);

test('uploads that are left open take no more than the budget, and all works again when they are gone', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'http.bodies_bytes_max=16MiB'] });
  const before = anonymous(server);
  const greedy = await leaveOpen(t, server, 60, 12_000, 8 * MIB);
  await sleep(1000);
  assert.ok(await metric(server, 'weir_http_bodies_bytes') <= 16 * MIB);
  if (!isSanitized(server)) assert.ok(anonymous(server) < before + 64 * MIB, `${anonymous(server) >> 20} MiB; it was ${before >> 20}`);
  assert.equal((await post(server, record())).status, 201, 'small ones go on');
  for (const socket of greedy) socket.write('0\r\n\r\n');
  await eventually(() => greedy.every((socket) => statusOf(socket)), 'each is answered');
  const refused = greedy.filter((socket) => statusOf(socket) !== 200);
  assert.ok(refused.length > 0);
  for (const socket of refused) {
    assert.equal(statusOf(socket), 503);
    assert.match(socket.heard, /^Retry-After: 1\r$/m);
    await eventually(() => /"committedThrough":\d+|problem:busy/.test(socket.heard), 'it says from where to go on');
  }
  await eventually(async () => await metric(server, 'weir_http_bodies_bytes') === 0, 'all is given back');
  await load(server, Array.from({ length: 20_000 }, (_, i) => record({ recordId: `after-${i}` })));
});

test('where memory is short, uploads that hardly move make room; elsewhere they may be slow', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'http.bodies_bytes_max=8MiB', '--set', 'http.request_timeout=2s'] });
  const slow = connection(t, server, UPLOAD + chunk(`${JSON.stringify(record({ recordId: 'slow' }))}\n`));
  await sleep(5000); // twice the time in which others have to bring something
  slow.write('0\r\n\r\n');
  await eventually(() => statusOf(slow) === 200, 'it is answered');
  const lazy = await leaveOpen(t, server, 8, 5_000, 5 * MIB);
  await eventually(() => lazy.some((socket) => socket.closed), 'some are closed', 20_000);
  await eventually(async () => await metric(server, 'weir_http_bodies_bytes') < 5 * MIB, 'there is room again');
});

test('one alone is served, however small the budget is', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'http.bodies_bytes_max=1MiB'] });
  const items = Array.from({ length: 10_000 }, (_, i) => record({ recordId: `r-${i}`, reference: 'x'.repeat(200) }));
  const answer = await post(server, items, '?results=all');
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  assert.equal(answer.json.data.results.length, 10_000);
  const again = await postLines(server, items);
  assert.equal(again.status, 200, again.text.slice(0, 300));
  assert.equal(again.json.data.duplicates, 10_000);
  assert.equal((await get(server, '/api/records?limit=1000')).json.data.length, 1000);
  assert.equal((await get(server, '/api/records/aggregate')).json.data.records.length, 10_000);
  await eventually(async () => await metric(server, 'weir_http_bodies_bytes') === 0, 'all is given back');
});

test('arrays count with all that is made of them', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'http.bodies_bytes_max=16MiB'] });
  const before = anonymous(server);
  const answers = await Promise.all(Array.from({ length: 200 }, () => post(server, `[${'{},'.repeat(9_999)}{}]`)));
  for (const answer of answers) {
    assert.ok([200, 503].includes(answer.status), answer.text.slice(0, 300));
    if (answer.status === 503) assert.ok(answer.headers.get('retry-after'));
  }
  assert.ok(answers.some((answer) => answer.status === 200));
  if (!isSanitized(server)) assert.ok(anonymous(server) < before + 96 * MIB, `${anonymous(server) >> 20} MiB; it was ${before >> 20}`);
  await eventually(async () => await metric(server, 'weir_http_bodies_bytes') === 0, 'all is given back');
});

test('an answer that is not taken is let go', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'http.request_timeout=2s'] });
  await load(server, Array.from({ length: 60_000 }, (_, i) => record({ recordId: `r-${i}`, reference: 'x'.repeat(200) })));
  const lazy = Array.from({ length: 10 }, (_, i) => {
    const socket = connection(t, server, i % 2 ? 'GET /api/records/aggregate HTTP/1.1\r\nHost: localhost\r\n\r\n'
                                               : 'GET /api/records?format=ndjson HTTP/1.1\r\nHost: localhost\r\n\r\n');
    socket.pause();
    return socket;
  });
  await eventually(async () => await metric(server, 'weir_http_bodies_bytes') > 1 * MIB, 'they hold memory');
  await eventually(async () => await metric(server, 'weir_http_bodies_bytes') === 0, 'they are closed', 40_000);
  assert.ok(await metric(server, 'weir_http_connections') < lazy.length);
});

test('event streams have a limit', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'http.event_streams_max=2'] });
  const paths = ['/api/notifications', '/api/records/aggregate'];
  const open = paths.map((path) => connection(t, server, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`));
  await eventually(() => open.every((socket) => statusOf(socket) === 200), 'two are open');
  for (const path of paths) {
    const answer = await get(server, path, { accept: 'text/event-stream' });
    assert.equal(answer.status, 503, answer.text.slice(0, 300));
    assert.ok(answer.headers.get('retry-after'));
  }
  assert.equal((await get(server, '/api/notifications')).status, 200, 'pages are no streams');
  assert.equal(await metric(server, 'weir_http_event_streams'), 2);
  open[0].destroy();
  await eventually(async () => {
    await post(server, record()); // a stream that has nothing to say does not hear that its client is gone
    return await metric(server, 'weir_http_event_streams') === 1;
  }, 'one is gone', 40_000);
  const next = connection(t, server, `GET ${paths[1]} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`);
  await eventually(() => statusOf(next) === 200, 'there is room again');
});
