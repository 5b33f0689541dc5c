// A Kafka that is reached over TLS and wants to know who comes (SASL): the right certificate and password deliver, others are told apart.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getJson, load } from './support/client.mjs';
import { certificate } from './support/certificate.mjs';
import { startKafka } from './support/kafka.mjs';
import { record } from './support/model.mjs';
import { binary, environment, eventually, startWeir, tempDir } from './support/weir.mjs';

const program = join(dirname(binary), 'tests/crash/kafka_sender');
const PASSWORD = 'correct-horse-17';

function configFor(t, kafka, prefix, properties) {
  const file = join(tempDir(t), 'weir.yaml');
  const all = { 'security.protocol': 'SASL_SSL', 'sasl.username': 'weir', ...properties };
  const list = Object.entries(all).map(([name, value]) => `${name}=${value}`).join(', ');
  writeFileSync(file, `sinks:
  orders:
    type: kafka
    brokers: [${kafka.secure}]
    prefix: "${prefix}."
    properties: [${list}]
`);
  return file;
}

/** How many messages a consumer has of the topic, whom the brokers ask nothing. */
function count(kafka, topic) {
  const { status, stdout, stderr } = spawnSync(program, ['dump', kafka.bootstrap, topic], { env: environment, encoding: 'utf8', timeout: 30_000 });
  assert.equal(status, 0, stderr);
  return stdout.split('\n').length - 1;
}

const sinkOf = async (server) => (await getJson(server, '/api/sinks')).data[0];

test('over TLS and SASL: delivered with the right certificate and password, told what is wrong otherwise', { timeout: 300_000 }, async (t) => {
  const tls = certificate(t), stranger = certificate(t);
  const kafka = await startKafka(t, { brokers: 1, secure: { pem: tls.both, user: 'weir', password: PASSWORD } });
  if (!kafka) return;

  for (const mechanism of ['SCRAM-SHA-512', 'PLAIN']) {
    await t.test(mechanism, async (t) => {
      const config = configFor(t, kafka, mechanism, { 'sasl.mechanism': mechanism, 'sasl.password': PASSWORD, 'ssl.ca.location': tls.file });
      const server = await startWeir(t, { config });
      await load(server, Array.from({ length: 20 }, () => record()));
      await eventually(async () => (await sinkOf(server)).cursor >= 20, 'the messages to be taken', 60_000);
      assert.equal(count(kafka, `${mechanism}.notifications`), 20);
      const { lastError } = await sinkOf(server);
      assert.equal(lastError, null);
      await server.stop();
    });
  }

  const refused = (name, properties, expected) => t.test(name, async (t) => {
    const config = configFor(t, kafka, 'refused', { 'sasl.mechanism': 'SCRAM-SHA-512', ...properties });
    const server = await startWeir(t, { config });
    await load(server, [record()]);
    const sink = await eventually(async () => {
      const found = await sinkOf(server);
      return found.lastError && found;
    }, 'an error', 60_000);
    assert.match(sink.lastError, expected);
    assert.equal(sink.state, 'holding');
    assert.equal(sink.cursor, 0);
    assert.ok(!JSON.stringify(sink).includes(properties['sasl.password']), 'no password is shown');
    await server.stop();
    assert.ok(!server.stderr.includes(properties['sasl.password']), 'nor logged');
  });
  await refused('a certificate that nobody vouches for', { 'sasl.password': PASSWORD, 'ssl.ca.location': stranger.file }, /^connecting: no broker answers as it should \(.*certificate.*ssl\.ca\.location/);
  await refused('a wrong password', { 'sasl.password': 'wrong-horse-99', 'ssl.ca.location': tls.file }, /^connecting: no broker answers as it should \(.*Authentication failed/);
});
