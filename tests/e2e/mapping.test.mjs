// weir mapping test, against a second reader of events: one that knows what it means before it spells it.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join, resolve, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runWeir, tempDir } from './support/weir.mjs';
import { random } from './support/model.mjs';
import { canonical, meaning, sha256, spellEvent } from './support/spelling.mjs';

const EVENTS = 3000;

function write(t, name, text) {
  const file = join(tempDir(t), name);
  fs.writeFileSync(file, text);
  return file;
}

function tryOut(file, ...flags) {
  const done = runWeir(['mapping', 'test', file, '--json', ...flags]);
  assert.ok([0, 1].includes(done.code), done.stderr);
  const answer = JSON.parse(done.stdout);
  assert.equal(done.code, answer.refused > 0 ? 1 : 0);
  return answer;
}

// ---- Tests ----

test('an event in any spelling has the hash that its meaning has', (t) => {
  const rand = random(20240101);
  const events = Array.from({ length: EVENTS }, () => meaning(rand));
  const lines = events.map((event) => spellEvent(event, rand));
  const { data } = tryOut(write(t, 'events.ndjson', `${lines.join('\n')}\n`));
  assert.equal(data.length, EVENTS);
  events.forEach((event, i) => {
    assert.equal(data[i].ok, true, `${lines[i]}\n${JSON.stringify(data[i])}`);
    assert.equal(data[i].canonical, canonical(event), lines[i]);
    assert.equal(data[i].record.recordId, `sha256:${sha256(canonical(event))}`);
  });
});

test('other meanings have other hashes', (t) => {
  const event = { client: 'a', metric: 'm', cents: 1250, negative: false, unit: 'EUR', ms: Date.UTC(2024, 0, 1), micro: 0 };
  const others = [{}, { client: 'A' }, { metric: 'n' }, { cents: 1251 }, { negative: true }, { unit: 'eur' }, { ms: event.ms + 1 }, { micro: 1 }]
    .map((change) => ({ ...event, ...change }));
  const rand = random(7);
  const { data } = tryOut(write(t, 'events.json', `[${others.map((other) => spellEvent(other, rand)).join(',')}]`));
  assert.deepEqual(data.map(({ record }) => record.recordId), others.map((other) => `sha256:${sha256(canonical(other))}`));
  assert.equal(new Set(data.map(({ record }) => record.recordId)).size, others.length);
});

test('the example of docs/events.md', (t) => {
  const page = fs.readFileSync(resolve(dirname(fileURLToPath(import.meta.url)), '../../docs/events.md'), 'utf8');
  const [, event] = /```json\n(.*)\n```/.exec(page);
  const [, text, hash] = /printf '%s' '(.*)' \| sha256sum\n# (\w{64})/.exec(page);
  const { data: [made] } = tryOut(write(t, 'event.json', event));
  assert.equal(made.canonical, text);
  assert.equal(sha256(text), hash);
  assert.equal(made.record.recordId, `sha256:${hash}`);
});

test('mappings of the configuration: by client, by name; what is refused', (t) => {
  const config = write(t, 'weir.yaml', `mappings:
  shop:
    clients: [shop-de]
    metric: order.kind
    amount: [order.total, order.sum]
    time: order.placed
    id: order.number
    extra: order.branch
    amounts: comma
    dates: day_first
`);
  const order = { kind: 'sale', total: '1.200', placed: '31.12.2024', number: 7 };
  const file = write(t, 'orders.json', JSON.stringify([{ client: 'shop-de', order, foo: 1 }, { client: 'other', order }, { source: 'shop-de', order: { ...order, total: '1,20,0' } }]));
  const { data, ok, refused } = tryOut(file, '--config', config);
  assert.deepEqual({ ok, refused }, { ok: 1, refused: 2 });
  assert.equal(data[0].mapping, 'shop');
  assert.deepEqual(data[0].warnings, ['foo']);
  assert.deepEqual(data[0].record, { recordId: `sha256:${sha256('["weir-event-id-1","shop-de","7"]')}`, sourceId: 'shop-de', destinationId: 'shop-de',
    reference: 'sale', unit: 'none', type: 'positive', value: '1200.00', time: '2024-12-31T00:00:00Z' });
  assert.deepEqual(Object.keys(data[1].errors), ['metric', 'amount', 'time']);
  assert.deepEqual(data[1].warnings, ['order']);
  assert.deepEqual(data[2].errors, { 'order.total': ['has more than one decimal separator'] });
  assert.equal(tryOut(file, '--config', config, '--mapping', 'shop').ok, 2);

  const people = runWeir(['mapping', 'test', file, '--config', config]);
  assert.equal(people.code, 1);
  assert.match(people.stdout, /^1 +is a record, by shop\n +shop-de {2}sale {2}positive 1200\.00 none {2}2024-12-31T00:00:00Z\n +sha256:/);
  assert.match(people.stdout, /order\.total has more than one decimal separator\n/);
  assert.match(people.stdout, /1 of 3 examples become records\n$/);
});

test('examples as they are sent, and as editors write them', (t) => {
  const one = '{"client":"a","metric":"m","amount":1,"time":1700000000}';
  const good = (text) => { const { ok, refused } = tryOut(write(t, 'some.json', text)); return [ok, refused]; };
  assert.deepEqual(good(`{"events":[${one},${one}]}`), [2, 0]);
  assert.deepEqual(good(`\uFEFF[${one},{}]`), [1, 1]);
  assert.deepEqual(good(`\uFEFF${one}\n${one}\n`), [2, 0]);
  assert.deepEqual(good(`{"events":[${one}],"client":"a"}`), [0, 1], 'an event may have such a member');
});

test('what is no example', (t) => {
  const bad = tryOut(write(t, 'bad.ndjson', '{"client":"a","metric":"m","amount":1,"time":1700000000}\n{"client"\n\n5\n'));
  assert.deepEqual(bad.data.map(({ ok }) => ok), [true, false, false]);
  assert.match(bad.data[1].errors.record[0], /^is not valid JSON: line 1/);
  assert.equal(runWeir(['mapping', 'test', write(t, 'none.json', ' \n')]).code, 3);
  const broken = runWeir(['mapping', 'test', write(t, 'bad.json', '{\n"client": }')]);
  assert.equal(broken.code, 3);
  assert.match(broken.stderr, /bad\.json is not valid JSON: line 2, column 11: /);
  assert.equal(runWeir(['mapping', 'test', join(tempDir(t), 'missing')]).code, 3);
  assert.equal(runWeir(['mapping', 'test']).code, 2);
  assert.equal(runWeir(['mapping', 'make', 'x']).code, 2);
  const unknown = runWeir(['mapping', 'test', write(t, 'one.json', '{}'), '--mapping', 'shop']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /there is no mapping "shop"/);
  const wrong = runWeir(['config', 'check', '--set', 'mappings.a.amount=x..y']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /mappings\.a\.amount: the path "x\.\.y" has an empty key/);
});
