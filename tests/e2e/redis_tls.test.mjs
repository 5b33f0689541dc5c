// A source and a sink over TLS, with a Redis whose certificate comes from an authority of the test's own: the right files let records through,
// and where one is wrong the reason is said. A program that was built without TLS to Redis has to say that.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { authority } from './support/certificate.mjs';
import { countRecords, getJson } from './support/client.mjs';
import { noRedis, startRedis } from './support/redis.mjs';
import { command, sendAll } from './support/redis_wire.mjs';
import { eventually, runWeir, startWeir, tempDir } from './support/weir.mjs';

const RECORDS = 5000;

const record = (i) => ({ recordId: `rec-${i}`, time: '2025-01-01T10:00:00Z', sourceId: 'source-1', destinationId: `dest-${i % 7}`,
  type: 'positive', value: '1.00', unit: 'EUR', reference: 'ref-1' });

function write(t, text) {
  const file = join(tempDir(t), 'weir.yaml');
  fs.writeFileSync(file, text);
  return file;
}

const freePort = () => new Promise((done) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

/** Why this program cannot be tested; false when it can. */
function withoutTls(t) {
  const { code, stderr } = runWeir(['config', 'check', '--config',
    write(t, 'sources: {a: {type: redis, url: "rediss://127.0.0.1", streams: [x]}}\n')]);
  if (code === 0) return false;
  assert.equal(code, 2);
  assert.match(stderr, /sources\.a: url: rediss:\/\/ needs hiredis 1\.0 or later with TLS/);
  return 'skipped: this program was built without TLS to Redis';
}

/** A Redis with TLS; `asks`: for a certificate of whoever comes. */
async function startTls(t, ours, asks) {
  const port = await freePort(), { cert, key } = ours.issue('redis');
  const redis = await startRedis(t, 'no', ['--tls-port', String(port), '--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ours.file,
    '--tls-auth-clients', asks ? 'yes' : 'no']);
  redis.tls = `rediss://127.0.0.1:${port}`;
  redis.tlsPort = port;
  return redis;
}

const configOf = (t, url, files) => {
  const place = { type: 'redis', url, timeout: '2s', ...files };
  return write(t, JSON.stringify({ sources: { streamed: { ...place, streams: ['readings'] }, listed: { ...place, lists: ['jobs'] } },
    sinks: { out: place } }));
};

const fill = (redis) => sendAll(redis, Array.from({ length: RECORDS }, (_, i) => i % 2
  ? command('LPUSH', 'jobs', JSON.stringify(record(i))) : command('XADD', 'readings', '*', 'record', JSON.stringify(record(i)))));

async function mustFlow(t, redis, config) {
  const server = await startWeir(t, { config });
  await eventually(async () => await countRecords(server) === RECORDS && redis.length('notifications') === RECORDS, 'all records to come through', 60_000);
  for (const source of (await getJson(server, '/api/sources')).data) {
    assert.equal(source.state, 'running');
    assert.equal(source.created, RECORDS / 2);
    assert.equal(source.errors, 0);
  }
  await server.stop();
}

/** Nothing connects, and source and sink say why. */
async function mustNotConnect(t, config, expected, state = 'connecting') {
  const server = await startWeir(t, { config });
  const [sources, sink] = await eventually(async () => {
    const found = (await getJson(server, '/api/sources')).data, out = (await getJson(server, '/api/sinks')).data[0];
    return found.every((each) => each.lastError) && out.lastError && [found, out];
  }, 'errors', 30_000);
  for (const each of [...sources, sink]) assert.match(each.lastError, expected);
  for (const each of sources) assert.equal(each.state, state);
  await server.stop();
}

test('records and messages go over TLS, and wrong files are told', { skip: noRedis, timeout: 180_000 }, async (t) => {
  const why = withoutTls(t);
  if (why) return t.skip(why);
  const ours = authority(t), stranger = authority(t);
  const redis = await startTls(t, ours, false);
  await fill(redis);

  await t.test('the authority of another', (t) => mustNotConnect(t, configOf(t, redis.tls, { ca_file: stranger.file }),
    /^redis at 127\.0\.0\.1:\d+: TLS: certificate verify failed: .*certificate.* \(ca_file says whom to trust\)$/));
  await t.test('the system\'s authorities', (t) => mustNotConnect(t, configOf(t, redis.tls, {}), /TLS: certificate verify failed/));
  await t.test('the certificate of another host', (t) => mustNotConnect(t,
    configOf(t, redis.tls.replace('127.0.0.1', 'localhost'), { ca_file: ours.file }), /TLS: certificate verify failed: hostname mismatch/));
  await t.test('a file that is not there', (t) => mustNotConnect(t, configOf(t, redis.tls, { ca_file: '/nonexistent/ca.pem' }),
    /TLS: \/nonexistent\/ca\.pem: No such file or directory$/, 'failed'));
  await t.test('a Redis without TLS', async (t) => {
    const port = await freePort();
    await startRedis(t, 'no', ['--port', String(port)]);
    await mustNotConnect(t, configOf(t, `rediss://127.0.0.1:${port}`, { ca_file: ours.file }),
      /TLS: there is no answer to it: does it want none \(redis:\/\/\)\?$/);
  });
  await t.test('TLS where none is spoken', (t) => mustNotConnect(t, configOf(t, `redis://127.0.0.1:${redis.tlsPort}`, {}),
    /closed before an answer came: is that another service than Redis, or does it want TLS \(rediss:\/\/\)\?/));
  assert.equal(redis.length('readings'), RECORDS / 2, 'nothing was taken');
  assert.equal(redis.length('notifications'), 0);
  await t.test('the right ones', (t) => mustFlow(t, redis, configOf(t, redis.tls, { ca_file: ours.file })));
});

test('a Redis that asks for a certificate', { skip: noRedis, timeout: 180_000 }, async (t) => {
  const why = withoutTls(t);
  if (why) return t.skip(why);
  const ours = authority(t), stranger = authority(t), weir = ours.issue('weir');
  const redis = await startTls(t, ours, true);
  await fill(redis);
  const files = { ca_file: ours.file, cert_file: weir.cert, key_file: weir.key };

  await t.test('and gets none', (t) => mustNotConnect(t, configOf(t, redis.tls, { ca_file: ours.file }),
    /closed before an answer came: is that another service than Redis, or does it want a certificate of ours \(cert_file\)\?/));
  await t.test('and gets that of a stranger', (t) => {
    const { cert, key } = stranger.issue('weir');
    return mustNotConnect(t, configOf(t, redis.tls, { ...files, cert_file: cert, key_file: key }), /closed before an answer came/);
  });
  await t.test('and gets one with another key', (t) => mustNotConnect(t, configOf(t, redis.tls, { ...files, key_file: ours.issue('other').key }),
    /TLS: .*other\.key: key values mismatch$/, 'failed'));
  await t.test('and gets it', (t) => mustFlow(t, redis, configOf(t, redis.tls, files)));
});
