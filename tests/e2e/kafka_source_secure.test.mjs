// A source whose Kafka is reached over TLS, by the certificate of an authority of the test's own, and wants to know who comes (SASL): records come
// in with the right files and password; what is wrong otherwise is told, without the password, and mended by a resume.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { authority } from './support/certificate.mjs';
import { countRecords, getJson } from './support/client.mjs';
import { startKafka } from './support/kafka.mjs';
import { binary, environment, eventually, startWeir, tempDir } from './support/weir.mjs';

const program = join(dirname(binary), 'tests/crash/kafka_topic_tool');
const PASSWORD = 'correct-horse-17', WRONG = 'wrong-horse-99', RECORDS = 300;

function tool(...args) {
  const { status, stderr } = spawnSync(program, args.map(String), { env: environment, encoding: 'utf8', timeout: 90_000 });
  assert.equal(status, 0, stderr);
}

/** A source of a group of its own, so that each reads all of the topic. */
function configOf(t, kafka, group, properties) {
  const file = join(tempDir(t), 'weir.yaml');
  const all = { 'security.protocol': 'SASL_SSL', 'sasl.username': 'weir', 'sasl.password': PASSWORD, ...properties };
  writeFileSync(file, JSON.stringify({ sources: { orders: { type: 'kafka', brokers: [kafka.secure], topics: ['orders'], group,
    properties: Object.entries(all).map(([name, value]) => `${name}=${value}`) } } }));
  return file;
}

const sourceOf = async (server) => (await getJson(server, '/api/sources/orders')).data;

async function mustCome(server) {
  await eventually(async () => await countRecords(server) === RECORDS, 'the records to come in', 60_000);
  const source = await sourceOf(server);
  assert.equal(source.state, 'running');
  assert.equal(source.lastError, null);
  assert.equal(source.created, RECORDS);
}

async function mustNotConnect(server, expected) {
  const source = await eventually(async () => {
    const found = await sourceOf(server);
    return found.lastError && found;
  }, 'an error', 60_000);
  assert.match(source.lastError, expected);
  assert.equal(source.state, 'connecting');
  assert.equal(source.messages, 0);
}

test('a source over TLS and SASL', { timeout: 300_000 }, async (t) => {
  const ours = authority(t), stranger = authority(t), { cert, key } = ours.issue('kafka');
  const pem = join(tempDir(t), 'kafka.pem');
  writeFileSync(pem, readFileSync(key, 'utf8') + readFileSync(cert, 'utf8'));
  const kafka = await startKafka(t, { brokers: 1, secure: { pem, user: 'weir', password: PASSWORD } });
  if (!kafka) return;
  tool('make', kafka.bootstrap, 'orders', 3);
  tool('put', kafka.bootstrap, 'orders', 0, RECORDS);

  for (const mechanism of ['SCRAM-SHA-512', 'PLAIN']) {
    await t.test(mechanism, async (t) => {
      const server = await startWeir(t, { config: configOf(t, kafka, mechanism, { 'sasl.mechanism': mechanism, 'ssl.ca.location': ours.file }) });
      await mustCome(server);
      await server.stop();
    });
  }

  await t.test('a wrong password is told, and shown nowhere', async (t) => {
    const config = configOf(t, kafka, 'wrong', { 'sasl.mechanism': 'PLAIN', 'sasl.password': WRONG, 'ssl.ca.location': ours.file });
    const server = await startWeir(t, { config });
    await mustNotConnect(server, /^connecting: no broker answers as it should \(.*Authentication failed/);
    const ready = await getJson(server, '/ready');
    assert.equal(ready.status, 'ready');
    assert.match(ready.sources[0].error, /Authentication failed/);
    assert.ok(!JSON.stringify([ready, await sourceOf(server)]).includes(WRONG), 'no password is shown');
    await server.stop();
    assert.ok(!server.stderr.includes(WRONG), 'nor logged');
  });

  await t.test('an authority that is none of ours is told; with the right one in its place records come', async (t) => {
    const file = join(tempDir(t), 'ca.pem');
    copyFileSync(stranger.file, file);
    const server = await startWeir(t, { config: configOf(t, kafka, 'mended', { 'sasl.mechanism': 'PLAIN', 'ssl.ca.location': file }) });
    await mustNotConnect(server, /^connecting: no broker answers as it should \(.*certificate.*ssl\.ca\.location/);
    copyFileSync(ours.file, file);
    const resumed = await fetch(`${server.url}/api/sources/orders/resume`, { method: 'POST' });
    assert.equal(resumed.status, 200);
    await mustCome(server);
    await server.stop();
  });
});
