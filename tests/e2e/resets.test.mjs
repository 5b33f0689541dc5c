// Clients that reset their connection in the middle of an upload, while the server waits for room: it must not wait for them.
import test from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { startWeir, runWeir, sleep, eventually } from './support/weir.mjs';
import { get, postLines, assertProblem, NDJSON_TYPE } from './support/client.mjs';
import { record, random } from './support/model.mjs';

const LINES = 24_000;
const STOP_MS_MAX = 5000;
const WAITING = 3;

/** Several MiB of lines that are the same for each upload, so that the store does not grow with their number. */
function makeBody() {
  return Buffer.from(Array.from({ length: LINES }, (_, i) => JSON.stringify(record({ recordId: `line-${i}` })) + '\n').join(''));
}

function head(...lines) {
  return ['POST /api/records?results=none HTTP/1.1', 'Host: localhost', 'Connection: close', `Content-Type: ${NDJSON_TYPE}`, ...lines].join('\r\n') + '\r\n\r\n';
}

/** The request's bytes in pieces: with Content-Length, or in chunks of which many come with one read. */
function* pieces(body, chunkBytes) {
  if (!chunkBytes) {
    yield head(`Content-Length: ${body.length}`);
    yield body;
    return;
  }
  yield head('Transfer-Encoding: chunked');
  for (let at = 0; at < body.length;) {
    const chunks = [];
    for (let i = 0; i < 16 && at < body.length; i += 1, at += chunkBytes) {
      const chunk = body.subarray(at, at + chunkBytes);
      chunks.push(`${chunk.length.toString(16)}\r\n`, chunk, '\r\n');
    }
    yield Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)));
  }
  yield '0\r\n\r\n';
}

/** Sends an upload and resets the connection after `ms`; what the server answered until then. */
function uploadAndReset(server, parts, ms) {
  return new Promise((done) => {
    let text = '';
    const socket = net.connect(server.port, '127.0.0.1');
    const timer = setTimeout(() => socket.resetAndDestroy(), ms);
    socket.on('data', (bytes) => { text += bytes.toString('latin1'); });
    socket.on('error', () => {});
    socket.on('close', () => { clearTimeout(timer); done(text); });
    const send = () => {
      for (;;) {
        const { value, done: ended } = parts.next();
        if (ended || socket.destroyed) return;
        if (!socket.write(value)) { socket.once('drain', send); return; }
      }
    };
    send();
  });
}

/** Waves of uploads that are reset at random moments; all that was answered. */
async function resetMany(server, body, { seed, waves, width, msMax }) {
  const rand = random(seed);
  const answers = [];
  for (let wave = 0; wave < waves; wave += 1) {
    answers.push(...await Promise.all(Array.from({ length: width }, () =>
      uploadAndReset(server, pieces(body, rand.pick([0, 700, 5000, 40_000])), 1 + rand.below(msMax)))));
  }
  return answers;
}

async function stopSoon(server) {
  const begun = Date.now();
  await server.stop();
  assert.ok(Date.now() - begun < STOP_MS_MAX, `it took ${Date.now() - begun} ms to stop`);
}

async function metric(server, name) {
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec((await get(server, '/metrics')).text)[1]);
}
const expiredWaits = (server) => metric(server, 'weir_http_waits_expired_total');

test('uploads that are reset while they wait for room', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'process.queue_bytes_max=1MiB'] });
  const body = makeBody();
  await resetMany(server, body, { seed: 91, waves: 3, width: 40, msMax: 400 });
  const answer = await postLines(server, [record({ recordId: 'after' })]);
  assert.equal(answer.json.data.created, 1, answer.text);
  await resetMany(server, body, { seed: 92, waves: 1, width: 40, msMax: 100 });
  await stopSoon(server);
  const verified = runWeir(['verify', '--data', server.data]);
  assert.equal(verified.code, 0, verified.stderr);
});

test('a stop in the middle of resets', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'process.queue_bytes_max=1MiB', '--set', 'http.drain_timeout=1s'] });
  const resets = resetMany(server, makeBody(), { seed: 93, waves: 1, width: 60, msMax: 900 });
  await sleep(450);
  await stopSoon(server);
  await resets;
});

/** Holds the whole server up while its clock goes on: whoever waits when it runs again has waited for longer than a request may. */
async function holdUp(server) {
  await eventually(async () => await metric(server, 'weir_http_requests_waiting') >= WAITING, 'uploads to wait');
  server.child.kill('SIGSTOP');
  await sleep(1200);
  server.child.kill('SIGCONT');
}

/** What is committed before anybody has looked at the clock again is answered in time after all: on a quiet machine that may be all of a round. */
const ROUNDS_MAX = 6;

/** Room for all slices at once, so that they wait for their commit and not for room. */
const impatient = ['--set', 'http.request_timeout=1s', '--set', 'process.batch_records_max=1', '--set', 'process.queue_bytes_max=4GiB',
  '--set', 'http.bodies_bytes_max=4GiB'];

test('uploads whose waits expire are told so, in the middle of their body, too', async (t) => {
  const server = await startWeir(t, { args: impatient });
  const body = makeBody();
  const round = async () => {
    const uploads = Array.from({ length: 48 }, (_, i) => uploadAndReset(server, pieces(body, i % 2 ? 40_000 : 0), 60_000));
    await holdUp(server);
    return (await Promise.all(uploads)).filter((text) => !text.startsWith('HTTP/1.1 200'));
  };
  let expired = [];
  for (let i = 0; i < ROUNDS_MAX && expired.length === 0; i += 1) expired = await round();
  for (const text of expired) {
    assert.match(text, /^HTTP\/1\.1 503 /, text.slice(0, 300));
    assert.match(text, /"committedThrough":\d+/);
  }
  assert.ok(expired.length > 0, 'some waited for too long');
  assert.ok(await expiredWaits(server) >= expired.length);
  await stopSoon(server);
});

test('uploads that are reset when their waits expire', async (t) => {
  const server = await startWeir(t, { args: impatient });
  const body = makeBody();
  for (let wave = 0; wave < 2 || (wave < ROUNDS_MAX && await expiredWaits(server) === 0); wave += 1) {
    const resets = resetMany(server, body, { seed: 100 + wave, waves: 1, width: 48, msMax: 3000 });
    await holdUp(server);
    await resets;
  }
  assert.ok(await expiredWaits(server) > 0, 'some waited for too long');
  await stopSoon(server);
});
