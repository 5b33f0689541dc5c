// The contract of sources on a real Kafka, which the program tests/contract/test_source_kafka otherwise runs on librdkafka's mock cluster.
import test from 'node:test';
import { contractOnKafka } from './support/kafka.mjs';

test('the Kafka source keeps the contract of sources on a real broker', { timeout: 600_000 }, (t) => contractOnKafka(t, 'test_source_kafka',
  ['test_stored_and_not_acknowledged', 'test_made_anew', 'test_removed_before_it_was_read', 'test_another_member_comes_and_goes']));
