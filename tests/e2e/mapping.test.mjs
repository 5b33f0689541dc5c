// weir mapping test, against a second reader of events: one that knows what it means before it spells it.
import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join, resolve, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runWeir, tempDir } from './support/weir.mjs';
import { random } from './support/model.mjs';

const EVENTS = 3000;
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

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

// ---- What is meant, and its canonical form ----

function meaning(rand) {
  const pick = (list) => rand.pick(list);
  return {
    client: pick(['client_A', 'b', 'Ünïcode "q" \\', '42', 'a b', 'tab\tbs\bff\f\u0001', '日本', '😀']),
    metric: pick(['revenue', 'signups', 'x.y', 'Revenue']),
    cents: rand.below(10) === 0 ? 0 : rand.below(pick([10, 1000, 10_000_000, 1_000_000_000_000])),
    negative: rand.below(3) === 0,
    unit: pick(['none', 'EUR', 'kWh', 'USD']),
    ms: Date.UTC(2000, 0, 1) + rand.below(9000) * 86_400_000 + pick([0, rand.below(1440) * 60_000, rand.below(86_400_000)]),
    micro: pick([0, 0, rand.below(1000)]),
  };
}

const trimmed = (cents) => (cents / 100n).toString() + (cents % 100n ? `.${(cents % 100n).toString().padStart(2, '0').replace(/0$/, '')}` : '');

function canonical(event) {
  const type = event.negative && event.cents > 0 ? 'negative' : 'positive';
  const time = `${new Date(event.ms).toISOString().slice(0, 23)}${String(event.micro).padStart(3, '0')}Z`;
  return JSON.stringify(['weir-event-1', event.client, event.metric, type, trimmed(BigInt(event.cents)), event.unit, time, {}]);
}

// ---- Spellings ----

const grouped = (digits, separator) => digits.replace(/\B(?=(\d{3})+$)/g, separator);

/** Ways to write the amount that are clear; JSON text. */
function spellAmount(event, rand) {
  const whole = String(Math.floor(event.cents / 100));
  const two = String(event.cents % 100).padStart(2, '0');
  const sign = event.negative ? '-' : '';
  const numbers = [`${sign}${whole}.${two}`, `${sign}${whole}.${two}000`, `${sign}${event.cents}e-2`, `${sign}${event.cents * 10}E-3`];
  if (two === '00') numbers.push(`${sign}${whole}`, `${sign}${whole}e0`, `${sign}${whole}.0`);
  const texts = [`${whole}.${two}`, `${whole},${two}`, `${grouped(whole, ',')}.${two}`, `${grouped(whole, '.')},${two}`,
    `${grouped(whole, ' ')},${two}`, `${grouped(whole, '\u00a0')}.${two}`, `${grouped(whole, "'")}.${two}`];
  const texts2 = texts.flatMap((text) => (event.negative ? [`-${text}`, `(${text})`, `\u2212${text}`] : [text, `+${text}`, ` ${text} `]));
  if (event.unit === 'EUR') texts2.push(...texts.map((text) => `${sign}€ ${text}`), ...texts.map((text) => `${sign}${text} EUR`));
  if (event.unit === 'USD') texts2.push(...texts.map((text) => `$${sign}${text}`));
  return rand.below(2) ? rand.pick(numbers) : escapeSome(rand.pick(texts2), rand);
}

function spellTime(event, rand) {
  const iso = new Date(event.ms).toISOString();
  const day = iso.slice(0, 10), clock = iso.slice(11, 19), sixth = iso.slice(20, 23) + String(event.micro).padStart(3, '0');
  const shifted = new Date(event.ms + 2 * 3_600_000).toISOString();
  const us = BigInt(event.ms) * 1000n + BigInt(event.micro);
  const all = [`"${day}T${clock}.${sixth}Z"`, `"${day} ${clock}.${sixth}"`, `"${day.replaceAll('-', '/')} ${clock}.${sixth}000 UTC"`,
    `"${shifted.slice(0, 10)}T${shifted.slice(11, 19)}.${sixth}+02:00"`, `${us}`, `"${us}"`,
    `${us / 1000000n}.${String(us % 1000000n).padStart(6, '0')}`, `${us}e-6`];
  if (us < 100_000_000_000_000n) return `"${day}T${clock}.${sixth}Z"`; // a count that would be read as another unit
  if (sixth === '000000') {
    all.push(`"${day}T${clock}Z"`, `"${new Date(event.ms).toUTCString()}"`, `${us / 1000000n}`, `"${us / 1000n}"`);
    if (clock.endsWith(':00')) all.push(`"${day} ${clock.slice(0, 5)}"`);
    if (clock === '00:00:00') all.push(`"${day}"`, `"${day.replaceAll('-', '/')}"`);
  }
  return rand.pick(all);
}

/** A JSON string with some of its characters as escapes. */
function escapeSome(text, rand) {
  const plain = JSON.stringify(text);
  if (rand.below(2)) return plain;
  const escape = (c) => c.split('').map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  return `"${[...text].map((c) => (rand.below(3) === 0 || c < ' ' || c === '"' || c === '\\' ? escape(c) : c)).join('')}"`;
}

const ALIASES = {
  client: ['client', 'source', 'clientId', 'client_id', 'customer', 'tenant', 'tenantId'],
  metric: ['metric', 'type', 'name', 'event', 'metricName'],
  amount: ['amount', 'value', 'total', 'qty', 'quantity'],
  time: ['timestamp', 'time', 'date', 'ts', 'datetime', 'occurredAt', 'occurred_at', 'createdAt', 'created_at'],
  unit: ['unit', 'currency'],
};
const PLACES = ['', '', 'payload', 'data', 'body', 'attributes', 'properties'];

function spellEvent(event, rand) {
  const space = () => rand.pick(['', '', ' ', '\t', '  ']);
  const client = event.client === '42' ? rand.pick(['42', '42.0', '"42"', '4.2e1']) : escapeSome(event.client, rand);
  const parts = [['client', client], ['metric', escapeSome(event.metric, rand)], ['amount', spellAmount(event, rand)], ['time', spellTime(event, rand)]];
  if (event.unit !== 'none' || rand.below(2)) parts.push(['unit', escapeSome(event.unit, rand)]);
  if (rand.below(4) === 0) parts.push(['unit', 'null']);
  const places = new Map();
  const taken = new Set();
  for (const [part, json] of parts) {
    const place = rand.pick(PLACES), name = rand.pick(ALIASES[part]);
    if (taken.has(`${place} ${name}`)) continue;
    taken.add(`${place} ${name}`);
    places.set(place, [...(places.get(place) ?? []), `${space()}${JSON.stringify(name)}${space()}:${space()}${json}${space()}`]);
  }
  const top = places.get('') ?? [];
  for (const [place, members] of places) {
    if (place) top.push(`${space()}"${place}":${space()}{${rand.shuffle(members).join(',')}}`);
  }
  return `{${rand.shuffle(top).join(',')}}`;
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

test('what is no example', (t) => {
  const bad = tryOut(write(t, 'bad.ndjson', '{"client":"a","metric":"m","amount":1,"time":0}\n{"client"\n\n5\n'));
  assert.deepEqual(bad.data.map(({ ok }) => ok), [true, false, false]);
  assert.match(bad.data[1].errors.record[0], /^is not JSON: line 1/);
  assert.equal(runWeir(['mapping', 'test', write(t, 'none.json', ' \n')]).code, 3);
  assert.equal(runWeir(['mapping', 'test', write(t, 'bad.json', '{\n"client": }')]).code, 3);
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
