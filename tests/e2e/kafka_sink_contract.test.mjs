// The contract of sinks on a real Kafka, which the program tests/contract/test_sink_kafka otherwise runs on librdkafka's mock cluster.
import test from 'node:test';
import { contractOnKafka } from './support/kafka.mjs';

test('the Kafka sink keeps the contract of sinks on a real broker', { timeout: 600_000 }, (t) => contractOnKafka(t, 'test_sink_kafka',
  ['test_place_is_remembered', 'test_too_long_for_the_topic', 'test_two_on_one_sink', 'test_fenced_by_another']));
