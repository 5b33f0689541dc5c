// Events by what they mean, and ways to spell them: a second reader's view, which knows the meaning before it writes it down.
import { createHash } from 'node:crypto';

export const sha256 = (text) => createHash('sha256').update(text).digest('hex');

// ---- What is meant, and its canonical form ----

export function meaning(rand) {
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

export function canonical(event) {
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
  if (us < 1_000_000_000_000_000n) return `"${day}T${clock}.${sixth}Z"`; // a count that may be a date, or of another unit
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

const NAMES = {
  client: ['client', 'source', 'clientId', 'client_id', 'customer', 'tenant', 'tenantId'],
  metric: ['metric', 'type', 'name', 'event', 'metricName'],
  amount: ['amount', 'value', 'total', 'qty', 'quantity'],
  time: ['timestamp', 'time', 'date', 'ts', 'datetime', 'occurredAt', 'occurred_at', 'createdAt', 'created_at'],
  unit: ['unit', 'currency'],
};
const PLACES = ['', '', 'payload', 'data', 'body', 'attributes', 'properties'];

export function spellEvent(event, rand) {
  const space = () => rand.pick(['', '', ' ', '\t', '  ']);
  const client = event.client === '42' ? rand.pick(['42', '42.0', '"42"', '4.2e1']) : escapeSome(event.client, rand);
  const parts = [['client', client], ['metric', escapeSome(event.metric, rand)], ['amount', spellAmount(event, rand)], ['time', spellTime(event, rand)]];
  if (event.unit !== 'none' || rand.below(2)) parts.push(['unit', escapeSome(event.unit, rand)]);
  if (rand.below(4) === 0) parts.push(['unit', 'null']);
  const places = new Map();
  const taken = new Set();
  for (const [part, json] of parts) {
    const place = rand.pick(PLACES), name = rand.pick(NAMES[part]);
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
