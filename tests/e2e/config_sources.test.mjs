// Sources in the configuration: printed, checked, and refused where they are wrong.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { runWeir, startRefused, tempDir } from './support/weir.mjs';

const SOURCES = `sources:
  orders:
    type: kafka
    brokers: [kafka-1:9092, kafka-2:9092]
    properties: ["sasl.password=hunter2,x", sasl.username=weir]
  my-devices:
    type: redis
    url: redis://:hunter2@127.0.0.1:6379/1
    streams: [readings]
`;

function written(t, text) {
  const file = join(tempDir(t), 'weir.yaml');
  fs.writeFileSync(file, text);
  return file;
}

const check = (file, { args = [], env = {} } = {}) => runWeir(['config', 'check', ...(file ? ['--config', file] : []), ...args], { env });

test('config print shows sources and where each value is from, but no secret', (t) => {
  const file = written(t, SOURCES);
  const args = ['--config', file, '--set', 'sources.orders.topics=a,b'];
  const env = { WEIR_SOURCES_MY_DEVICES_GROUP: 'mine' };
  const yaml = runWeir(['config', 'print', ...args], { env });
  const json = runWeir(['config', 'print', '--json', ...args], { env });
  assert.equal(yaml.code, 0, yaml.stderr);
  for (const done of [yaml, json]) assert.doesNotMatch(done.stdout, /hunter2/);
  const values = JSON.parse(json.stdout);
  assert.deepEqual(values['sources.my-devices.url'], { value: 'redis://***@127.0.0.1:6379/1', from: `${file}:8` });
  assert.deepEqual(values['sources.my-devices.group'], { value: 'mine', from: 'WEIR_SOURCES_MY_DEVICES_GROUP' });
  assert.deepEqual(values['sources.orders.topics'], { value: 'a,b', from: '--set' });
  assert.equal(values['sources.orders.streams'], undefined, 'what is of another type is not shown');
});

test('wrong names are refused with the nearest one', (t) => {
  assert.equal(check(written(t, SOURCES)).code, 0);
  for (const [text, hint] of [['sources: {a: {ulr: x}}', /there is no option sources\.a\.ulr; did you mean sources\.a\.url\?/],
    ['source: {a: {url: x}}', /did you mean sources\.a\.url\?/], ['sources: {A: {url: x}}', /"A" is no name/], ['sources: {a: {type: mqtt}}', /sources\.a\.type/]]) {
    const done = check(written(t, text));
    assert.equal(done.code, 2, text);
    assert.match(done.stderr, hint);
  }
  const variable = check(null, { env: { WEIR_SOURCES_ORDERS_TOPCS: 'x' } });
  assert.equal(variable.code, 2);
  assert.match(variable.stderr, /did you mean WEIR_SOURCES_ORDERS_TOPICS\?/);
});

test('a source that lacks something, or has what is of another type, is refused by name, and so is a start', async (t) => {
  for (const [text, hint] of [['{url: "redis://h"}', /sources\.a\.type is missing/], ['{type: kafka}', /sources\.a\.brokers is missing/],
    ['{type: redis, streams: s}', /sources\.a\.url is missing/], ['{type: redis, url: "redis://h"}', /sources\.a\.streams is missing/],
    ['{type: redis, url: "redis://h", streams: s, lists: l}', /sources\.a\.lists is set, and so is sources\.a\.streams/], ['{type: files}', /sources\.a\.dir is missing/],
    ['{type: files, dir: d, brokers: b}', /sources\.a\.brokers does not go with sources\.a\.type files/]]) {
    const done = check(written(t, `sources: {a: ${text}}\n`));
    assert.equal(done.code, 2, text);
    assert.match(done.stderr, hint);
  }
  assert.equal(check(written(t, 'sources: {a: {type: kafka, enabled: false}}\n')).code, 0, 'one that is not enabled may be unfinished');
  const refused = await startRefused(t, join(tempDir(t), 'store'), { args: ['--config', written(t, 'sources: {a: {type: kafka}}\n')] });
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /sources\.a\.brokers is missing/);
});

test('config check makes each source as a start does', (t) => {
  const done = check(written(t, 'sources: {a: {type: kafka, brokers: "b:9092", properties: [no.such.property=1]}}\n'));
  assert.equal(done.code, 2, done.stdout);
  assert.match(done.stderr, /sources\.a: .*no\.such\.property/);
});

test('a source names a mapping that there is', (t) => {
  const files = (mapping) => `sources: {a: {type: files, dir: ${tempDir(t)}, mapping: ${mapping}}}\nmappings: {shop: {amount: total}}\n`;
  for (const good of ['shop', 'builtin', 'auto']) assert.equal(check(written(t, files(good))).code, 0, good);
  const unknown = check(written(t, files('shpo')));
  assert.equal(unknown.code, 2, unknown.stdout);
  assert.match(unknown.stderr, /sources\.a\.mapping: there is no mapping shpo/);
  const doctor = runWeir(['doctor', '--json', '--data', join(tempDir(t), 'store'), '--config', written(t, files('shpo'))]);
  const { level, detail } = JSON.parse(doctor.stdout).checks.find(({ name }) => name === 'mappings');
  assert.deepEqual([level, detail], ['fail', 'sources.a.mapping: there is no mapping shpo']);
  const auto = check(written(t, 'mappings: {auto: {amount: total}}\n'));
  assert.equal(auto.code, 2, auto.stdout);
  assert.match(auto.stderr, /"auto" cannot be a mapping's name/);
});

test('doctor looks at the sources', (t) => {
  const look = (text) => {
    const done = runWeir(['doctor', '--json', '--data', join(tempDir(t), 'store'), '--config', written(t, text)]);
    return JSON.parse(done.stdout).checks.find(({ name }) => name === 'sources');
  };
  assert.deepEqual([look(SOURCES).level, look(SOURCES).detail], ['ok', '2 of 2 enabled']);
  assert.equal(look('').detail, '0 of 0 enabled');
  const wrong = look('sources: {a: {type: kafka}}\n');
  assert.equal(wrong.level, 'fail');
  assert.match(wrong.detail, /sources\.a\.brokers is missing/);
});
