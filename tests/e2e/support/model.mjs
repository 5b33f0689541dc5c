// A plain model of what Weir promises, in BigInt cents, against which its answers are checked.
import { randomUUID } from 'node:crypto';

/** The reference's example record, with what a test wants otherwise. */
export function record(changes = {}) {
  return {
    recordId: randomUUID(), time: '2025-01-01 10:00:00', sourceId: 'source-1', destinationId: 'dest-1',
    type: 'positive', value: '100.50', unit: 'EUR', reference: 'ref-001', ...changes,
  };
}

/** Pseudo-random numbers that a failing test can have again (mulberry32). */
export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  next.below = (n) => Math.floor(next() * n);
  next.pick = (list) => list[next.below(list.length)];
  next.shuffle = (list) => {
    for (let i = list.length - 1; i > 0; i -= 1) {
      const j = next.below(i + 1);
      [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
  };
  return next;
}

/** "1234.50" from 123450n. */
export function money(cents) {
  const digits = (cents < 0n ? -cents : cents).toString().padStart(3, '0');
  return `${cents < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** 123450n from "1234.5" or 1234.5. */
export function cents(value) {
  const [whole, fraction = ''] = String(value).split('.');
  return BigInt(whole + fraction.padEnd(2, '0'));
}

/** The form in which answers show a time: UTC, a fraction only where there is one. */
export function instant(ms) {
  return new Date(ms).toISOString().replace(/\.000Z$/, 'Z').replace(/(\.\d*[1-9])0+Z$/, '$1Z');
}

/** Milliseconds from the forms that the tests use: "2025-01-01 10:00:00" (UTC) and RFC 3339. */
export function millis(time) {
  return Date.parse(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(time) ? `${time.replace(' ', 'T')}Z` : time);
}

/** `count` records over few destinations, sources, references and units; many share a time. */
export function randomRecords(rand, count, { start = '2025-01-01T00:00:00Z', days = 40, large = true } = {}) {
  const from = Date.parse(start);
  return Array.from({ length: count }, (_, index) => record({
    recordId: `r-${index}-${rand.below(1e9).toString(36)}`,
    time: instant(from + rand.below(days * 86_400) * 1000 + (rand.below(4) === 0 ? rand.below(1000) : 0)),
    sourceId: `source-${rand.below(5)}`,
    destinationId: `dest-${rand.below(7)}`,
    type: rand.pick(['positive', 'negative']),
    value: money(BigInt(large && rand.below(50) === 0 ? 900_000_000_000_000 + rand.below(99_999_999) : rand.below(250_000))),
    unit: rand.pick(['EUR', 'SEK', 'kWh']),
    reference: `ref-${rand.below(6)}`,
  }));
}

/** What the API shows of a record, but for its id. */
export function shown(r) {
  return {
    recordId: r.recordId, time: instant(millis(r.time)), sourceId: r.sourceId, destinationId: r.destinationId,
    type: r.type, value: money(cents(r.value)), unit: r.unit, reference: r.reference,
  };
}

class Sums {
  count = 0; total = 0n; net = 0n; min = null; max = null; values = [];

  add(r) {
    const value = cents(r.value);
    this.count += 1;
    this.total += value;
    this.net += r.type === 'positive' ? value : -value;
    if (this.min === null || value < this.min) this.min = value;
    if (this.max === null || value > this.max) this.max = value;
    this.values.push(value);
  }
}

/** Sums of `records` by key, in the order of first sight. */
export function sumsBy(records, keyOf) {
  const groups = new Map();
  for (const r of records) {
    const key = keyOf(r);
    if (!groups.has(key)) groups.set(key, new Sums());
    groups.get(key).add(r);
  }
  return groups;
}

/** The groups of the plain aggregate as it answers them, by destination and unit. */
export function aggregateGroups(records) {
  const byText = (a, b) => Buffer.compare(Buffer.from(a[0]), Buffer.from(b[0]));
  return [...sumsBy(records, (r) => r.destinationId)].sort(byText).map(([destinationId, all]) => ({
    destinationId, recordCount: all.count, totalValue: money(all.total), netValue: money(all.net),
    units: [...sumsBy(records.filter((r) => r.destinationId === destinationId), (r) => r.unit)].sort(byText)
      .map(([unit, s]) => ({ unit, recordCount: s.count, totalValue: money(s.total), netValue: money(s.net) })),
  }));
}

/** By time ascending; equal times in the order in which they came in. */
export function byTime(records) {
  return records.map((r, index) => ({ r, index, at: millis(r.time) }))
    .sort((a, b) => a.at - b.at || a.index - b.index).map(({ r }) => r);
}

function flowOf(flows, r) {
  const key = JSON.stringify([r.destinationId, r.reference, r.unit]);
  if (!flows.has(key)) flows.set(key, { positive: [0, 0n], negative: [0, 0n] });
  return flows.get(key);
}

/** The notification of each record, given that they were taken in in this order under these sequences; `flows` has those before them. */
export function notifications(records, seqs, flows = new Map()) {
  return records.map((r, index) => {
    const flow = flowOf(flows, r);
    const message = { record: snakeRecord(r, seqs[index]), summary: snakeSummary(r, flow) };
    flow[r.type][0] += 1;
    flow[r.type][1] += cents(r.value);
    return message;
  });
}

export function snakeRecord(r, id) {
  const s = shown(r);
  return {
    id, record_id: s.recordId, time: s.time, source_id: s.sourceId, destination_id: s.destinationId,
    type: s.type, value: s.value, unit: s.unit, reference: s.reference,
  };
}

function snakeSummary(r, { positive, negative }) {
  return {
    destination_id: r.destinationId, reference: r.reference, unit: r.unit, count: positive[0] + negative[0],
    total_value: money(positive[1] + negative[1]), net_value: money(positive[1] - negative[1]),
    positive_count: positive[0], negative_count: negative[0],
    positive_total: money(positive[1]), negative_total: money(-negative[1]),
  };
}

/** The alert of a record under the rule "default", or null. */
export function alertSeverity(value, threshold = 100_000n) {
  const over = value - threshold;
  if (over <= 0n) return null;
  if (over * 4n <= threshold) return 'medium';
  return over * 2n <= threshold ? 'high' : 'critical';
}

const gross = ({ positive, negative }) => positive[1] + negative[1];
const net = ({ positive, negative }) => positive[1] - negative[1];
const FILTERS = ['sourceId', 'destinationId', 'type', 'unit', 'reference'];

/** The rule that a new store has. */
export const DEFAULT_RULE = { name: 'default', threshold: '1000.00' };

/**
 * Every alert of these records, taken in in this order under these sequences. Rules are as they are handed in, in the order in which they
 * were made, all of them before the first record; `flows` has the totals before.
 */
export function alerts(records, seqs, rules = [DEFAULT_RULE], flows = new Map()) {
  return records.flatMap((r, index) => {
    const flow = flowOf(flows, r);
    const before = { value: 0n, total_value: gross(flow), net_value: net(flow) };
    flow[r.type][1] += cents(r.value);
    const after = { value: cents(r.value), total_value: gross(flow), net_value: net(flow) };
    return rules.filter((rule) => FILTERS.every((name) => rule[name] === undefined || rule[name] === r[name]))
      .map((rule) => alertOf(rule, before, after, snakeRecord(r, seqs[index]))).filter(Boolean);
  });
}

function alertOf({ name, threshold, measure = 'value' }, before, after, record) {
  const limit = cents(threshold);
  if (before[measure] > limit || after[measure] <= limit) return null;
  return {
    record, rule: name, threshold: Number(threshold), exceeded_by: Number(money(after[measure] - limit)),
    severity: alertSeverity(after[measure], limit), ...(measure === 'value' ? {} : { measure }),
  };
}
