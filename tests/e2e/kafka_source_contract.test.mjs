// The contract of sources on a real Kafka, which the program tests/contract/test_source_kafka otherwise runs on librdkafka's mock cluster.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { atEnd, binary, environment } from './support/weir.mjs';
import { startKafka } from './support/kafka.mjs';

const program = join(dirname(binary), 'tests/contract/test_source_kafka');

test('the Kafka source keeps the contract of sources on a real broker', { timeout: 600_000 }, async (t) => {
  const kafka = await startKafka(t, { brokers: 1 });
  if (!kafka) return;
  const child = spawn(program, { env: { ...environment, KAFKA_FOR_TESTS: kafka.bootstrap, CMOCKA_MESSAGE_OUTPUT: 'tap' } });
  atEnd(t, () => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (data) => { said += data; });
  child.stderr.on('data', (data) => { said += data; });
  const code = await new Promise((done) => child.once('close', done));
  assert.equal(code, 0, said);
  assert.match(said, /on a real Kafka/);
  for (const name of ['test_stored_and_not_acknowledged', 'test_made_anew', 'test_removed_before_it_was_read', 'test_another_member_comes_and_goes']) {
    assert.match(said, new RegExp(`^ok \\d+ - ${name}$`, 'm'));
  }
});
