// Sinks in the configuration: printed, checked, and refused where they are wrong.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { runWeir, tempDir } from './support/weir.mjs';

const SINKS = `sinks:
  ops:
    type: webhook
    url: https://weir:hunter2@example.com/hook
    secret: whsec_${'hunter2'.repeat(8)}
    messages: [alert, dead_letter.created]
    filter: {destination_id: dest-1, value_min: 100.00}
  my-ledger:
    type: kafka
    brokers: [kafka-1:9092, kafka-2:9092]
    properties: ["sasl.password=hunter2,x", sasl.username=weir]
  cache:
    type: redis
    url: redis://:hunter2@127.0.0.1:6379/1
`;

function written(t, text, name = 'weir.yaml') {
  const file = join(tempDir(t), name);
  fs.writeFileSync(file, text);
  return file;
}

const check = (file, { args = [], env = {} } = {}) => runWeir(['config', 'check', ...(file ? ['--config', file] : []), ...args], { env });

test('config print shows sinks and where each value is from, but no secret', (t) => {
  const file = written(t, SINKS);
  const args = ['--config', file, '--set', 'sinks.cache.trim=1000'];
  const env = { WEIR_SINKS_MY_LEDGER_PREFIX: 'weir.', WEIR_SINKS_NEW_ONE_TYPE: 'kafka', WEIR_SINKS_NEW_ONE_BROKERS: 'a:1,b:2' };
  const yaml = runWeir(['config', 'print', ...args], { env });
  const json = runWeir(['config', 'print', '--json', ...args], { env });
  assert.equal(yaml.code, 0, yaml.stderr);
  for (const done of [yaml, json]) assert.doesNotMatch(done.stdout, /hunter2/);
  const values = JSON.parse(json.stdout);
  assert.deepEqual(values['sinks.ops.url'], { value: 'https://***@example.com/hook', from: `${file}:4` });
  assert.deepEqual(values['sinks.ops.secret'], { value: '***', from: `${file}:5` });
  assert.deepEqual(values['sinks.ops.filter.value_min'], { value: '100.00', from: `${file}:7` });
  assert.deepEqual(values['sinks.cache.url'], { value: 'redis://***@127.0.0.1:6379/1', from: `${file}:14` });
  assert.deepEqual(values['sinks.cache.trim'], { value: '1000', from: '--set' });
  assert.deepEqual(values['sinks.my-ledger.prefix'], { value: 'weir.', from: 'WEIR_SINKS_MY_LEDGER_PREFIX' });
  assert.deepEqual(values['sinks.new_one.brokers'], { value: 'a:1,b:2', from: 'WEIR_SINKS_NEW_ONE_BROKERS' });
  assert.equal(values['sinks.cache.brokers'], undefined, 'what is of another type is not shown');
  assert.match(yaml.stdout, /^ {4}properties: \["?sasl\.password=\*\*\*"?, sasl\.username=weir\] +# /m);
  const again = check(written(t, yaml.stdout));
  assert.equal(again.code, 2, 'secrets have to be put in again');
  assert.match(again.stderr, /sinks\.cache\.url: "\*\*\*" stands for what was not printed/);
});

test('what was printed is a file, when nothing is hidden in it', (t) => {
  const plain = written(t, SINKS.replaceAll(/\w*:hunter2@/g, '').replace(/ +secret: .*\n/, '    secret_file: SECRET\n').replace('sasl.password=hunter2,x', 'debug=msg,topic')
    .replace('SECRET', written(t, `whsec_${'abcd'.repeat(8)}\nwhsec_${'efgh'.repeat(8)}\n`, 'secret')));
  const printed = runWeir(['config', 'print', '--config', plain]);
  assert.equal(printed.code, 0, printed.stderr);
  const again = check(written(t, printed.stdout));
  assert.equal(again.code, 0, again.stderr);
});

test('wrong names are refused with the nearest one', (t) => {
  const file = written(t, SINKS);
  assert.equal(check(file).code, 0);
  for (const [text, hint] of [['sinks: {a: {ulr: x}}', /:1: there is no option sinks\.a\.ulr; did you mean sinks\.a\.url\?/],
    ['sink: {a: {url: x}}', /did you mean sinks\.a\.url\?/], ['sinks: {A: {url: x}}', /"A" is no name/], ['sinks: {a: x}', /like sinks\.NAME\.type/]]) {
    const done = check(written(t, text));
    assert.equal(done.code, 2, text);
    assert.match(done.stderr, hint);
  }
  for (const [name, hint] of [['WEIR_SINKS_OPS_ULR', /did you mean WEIR_SINKS_OPS_URL\?/], ['WEIR_SINK_OPS_URL', /did you mean WEIR_SINKS_OPS_URL\?/], ['WEIR_SINKS_URL', /no option belongs to WEIR_SINKS_URL/]]) {
    const done = check(file, { env: { [name]: 'x' } });
    assert.equal(done.code, 2, name);
    assert.match(done.stderr, hint);
  }
  const flag = check(file, { args: ['--set', 'sinks.ops.secrt=x'] });
  assert.equal(flag.code, 2);
  assert.match(flag.stderr, /did you mean sinks\.ops\.secret\?/);
});

test('a sink that lacks something, or has what is of another type, is refused by name', (t) => {
  for (const [text, hint] of [['{url: "https://h"}', /sinks\.a\.type is missing/], ['{type: webhook, secret: whsec_a}', /sinks\.a\.url is missing/],
    ['{type: webhook, url: "https://h"}', /sinks\.a\.secret is missing/], ['{type: kafka}', /sinks\.a\.brokers is missing/], ['{type: redis}', /sinks\.a\.url is missing/],
    ['{type: redis, url: "redis://h", brokers: b}', /sinks\.a\.brokers does not go with sinks\.a\.type redis/],
    ['{type: webhook, url: "https://h", secret_file: /nonexistent/x}', /sinks\.a\.secret_file: \/nonexistent\/x cannot be opened/]]) {
    const done = check(written(t, `sinks: {a: ${text}}\n`));
    assert.equal(done.code, 2, text);
    assert.match(done.stderr, hint);
  }
  assert.equal(check(written(t, 'sinks: {a: {type: kafka, enabled: false}}\n')).code, 0, 'one that is not enabled may be unfinished');
});

test('doctor looks at the sinks', (t) => {
  const look = (text) => {
    const done = runWeir(['doctor', '--json', '--data', join(tempDir(t), 'store'), '--config', written(t, text)]);
    return JSON.parse(done.stdout).checks.find(({ name }) => name === 'sinks');
  };
  assert.deepEqual([look(SINKS).level, look(SINKS).detail], ['ok', '3 of 3 enabled']);
  assert.equal(look('').detail, '0 of 0 enabled');
  const wrong = look('sinks: {a: {type: kafka}}\n');
  assert.equal(wrong.level, 'fail');
  assert.match(wrong.detail, /sinks\.a\.brokers is missing/);
});
