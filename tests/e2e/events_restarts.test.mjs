// Mixed events from many clients while the service is killed: each is counted once, each broken one is listed once with its reason.
//
// What statistics promise across kills: they are written in the transaction of what they count, so that they fit what is stored at any time. A
// request whose answer was lost and that is sent again is counted again, as what it then is: a duplicate, or the same dead letter once more.
//
// EVENTS=1000000 sends so many (100,000 without it).
import test from 'node:test';
import assert from 'node:assert/strict';
import { runWeir, sleep, startWeir, tempDir } from './support/weir.mjs';
import { NDJSON_TYPE, get, getJson, send } from './support/client.mjs';
import { money, random } from './support/model.mjs';
import { canonical, sha256, spellEvent } from './support/spelling.mjs';

const EVENTS = Number(process.env.EVENTS ?? 100_000);
const CLIENTS = 50, EACH = EVENTS / CLIENTS, KILLS = 5, RETRIES = 0.2, BROKEN = 0.05;

/** What the client's event number i means; no two are equal. */
const meaningOf = (client, i, rand) => ({
  client: `client-${client}`, metric: `metric-${i % 4}`, cents: rand.below(10_000_000), negative: rand.below(4) === 0,
  unit: i % 4 === 3 ? 'EUR' : 'none', ms: Date.UTC(2024, 0, 1) + i * 1000, micro: 0,
});

/** Ways to be none, each with what is said about it. Every one has bytes of its own. */
const BREAKS = [
  (client, i) => [`{"client":"${client}","metric":"m","amount":"1,${100 + (i % 900)}","time":${1e9 + i}}`, /^amount is ambiguous/],
  (client, i) => [`{"client":"${client}","metric":"m","amount":"x${i}","time":1700000000}`, /^amount has letters that are not a currency/],
  (client, i) => [`{"client":"${client}","metric":"m","amount":${i},"time":"01/02/2024"}`, /^time .*day_first/],
  (client, i) => [`{"source":"${client}","payload":{"amount":${i},"ts":1700000000}}`, /^metric is missing/],
  (client, i) => [`{"client":"${client}","metric":"m","amount":${i}.5,"time"`, /^event is not valid JSON/],
];
const MALFORMED = BREAKS.length - 1;

/** All that a client sends, in its order: [{line, broken?}]. */
function linesOf(client, events, broken) {
  const rand = random(1000 + client);
  const lines = [];
  const count = Math.round(EACH * (1 - RETRIES - BROKEN));
  for (let i = 0; i < count; i += 1) {
    const event = meaningOf(client, i, rand);
    events.set(`sha256:${sha256(canonical(event))}`, event);
    lines.push({ line: spellEvent(event, rand) });
    if (i < EACH * RETRIES) lines.push({ line: spellEvent(event, rand) });
  }
  for (let i = 0; i < EACH * BROKEN; i += 1) {
    const kind = i % BREAKS.length;
    const [line, why] = BREAKS[kind](`client-${client}`, i);
    broken.set(line, why);
    lines.push({ line, malformed: kind === MALFORMED });
  }
  return rand.shuffle(lines);
}

/** A single one, an array, or lines, at random; what is no JSON can be in no array. */
function* requestsOf(lines, rand) {
  for (let at = 0; at < lines.length;) {
    const way = rand.below(3);
    const count = way === 0 ? 1 : 1 + rand.below(60);
    const part = lines.slice(at, at + count);
    at += part.length;
    if (way === 1) {
      const whole = part.filter((it) => !it.malformed);
      if (whole.length) yield { body: `[${whole.map((it) => it.line).join(',')}]`, count: whole.length };
      for (const { line } of part.filter((it) => it.malformed)) yield { body: line, count: 1, single: true };
    } else if (way === 0) {
      yield { body: part[0].line, count: 1, single: true };
    } else {
      yield { body: part.map((it) => `${it.line}\n`).join(''), count: part.length, type: NDJSON_TYPE };
    }
  }
}

function tallyOf({ status, json, text }, request) {
  if (!request.single) {
    assert.equal(status, 200, text.slice(0, 500));
    const { received, created, duplicates, conflicts, rejected } = json.data;
    assert.deepEqual([received, conflicts], [request.count, 0]);
    return { processed: created, duplicates, failed: rejected };
  }
  assert.ok([200, 201, 422].includes(status), text.slice(0, 500));
  return { processed: Number(status === 201), duplicates: Number(status === 200), failed: Number(status === 422) };
}

/** Until it is answered, whoever answers. */
async function deliver(side, request) {
  for (;;) {
    try {
      side.sent += request.count;
      const answer = await send({ url: side.url }, '/api/events', request.body, request.type ? { type: request.type } : {});
      if (answer.status !== 503) return tallyOf(answer, request);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
    side.again += 1;
    await sleep(20);
  }
}

async function client(side, lines, rand) {
  for (const request of requestsOf(lines, rand)) {
    const tally = await deliver(side, request);
    for (const name of Object.keys(tally)) side.answered[name] += tally[name];
    side.done += request.count;
  }
}

async function killer(t, side) {
  for (let kill = 1; kill <= KILLS; kill += 1) {
    while (side.done < (EVENTS * kill) / (KILLS + 1)) await sleep(2);
    await side.server.kill();
    side.server = await startWeir(t, { data: side.data, port: side.port });
  }
}

async function readPages(server, query) {
  const found = [];
  for (let cursor = ''; cursor !== null;) {
    const page = await getJson(server, `/api/events?limit=1000&${query}${cursor && `&cursor=${cursor}`}`);
    found.push(...page.data);
    cursor = page.nextCursor;
  }
  return found;
}

async function assertEvents(server, events) {
  const { text } = await get(server, '/api/events', { accept: NDJSON_TYPE });
  const stored = text.trimEnd().split('\n').map((line) => JSON.parse(line));
  assert.equal(stored.length, events.size);
  for (const { recordId, client: name, metric, amount } of stored) {
    const event = events.get(recordId);
    assert.ok(event, `${recordId} was meant`);
    assert.deepEqual([name, metric, amount], [event.client, event.metric, money(BigInt(event.negative ? -event.cents : event.cents))]);
  }
  assert.equal(new Set(stored.map((it) => it.recordId)).size, events.size, 'each once');
}

async function assertTotals(server, events) {
  const expected = new Map();
  for (const event of events.values()) {
    const key = JSON.stringify([event.client, event.metric, event.unit]);
    const [count, sum] = expected.get(key) ?? [0, 0n];
    expected.set(key, [count + 1, sum + BigInt(event.negative ? -event.cents : event.cents)]);
  }
  const { data } = await getJson(server, '/api/aggregations');
  assert.equal(data.count, events.size);
  assert.deepEqual(new Map(data.groups.map((it) => [JSON.stringify([it.client, it.metric, it.unit]), [it.count, it.sum]])),
    new Map([...expected].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, [count, sum]]) => [key, [count, money(sum)]])));
}

async function assertFailures(server, broken) {
  const failed = await readPages(server, 'status=failed');
  assert.equal(failed.length, broken.size, 'each broken one is listed once');
  const left = new Map(broken);
  let attempts = 0;
  for (const letter of failed) {
    attempts += letter.attempts;
    const raw = letter.errorType === 'malformed' ? (await getJson(server, `/api/dead-letters/${letter.deadLetter}`)).data.raw : JSON.stringify(letter.event);
    assert.ok(left.has(raw), `this was sent, and is listed once: ${raw}`);
    assert.match(letter.error, left.get(raw), raw);
    left.delete(raw);
  }
  return attempts;
}

const sum = (list, name) => list.reduce((all, it) => all + it[name], 0);

test(`${EVENTS} mixed events from ${CLIENTS} clients through ${KILLS} kills`, { timeout: 600_000 }, async (t) => {
  const data = tempDir(t), events = new Map(), broken = new Map();
  const lists = Array.from({ length: CLIENTS }, (_, i) => linesOf(i, events, broken));
  assert.equal(sum(lists, 'length'), EVENTS);
  const server = await startWeir(t, { data });
  const side = { data, server, url: server.url, port: server.port, done: 0, sent: 0, again: 0, answered: { processed: 0, duplicates: 0, failed: 0 } };
  await Promise.all([killer(t, side), ...lists.map((lines, i) => client(side, lines, random(i)))]);
  assert.ok(side.again > 0, 'requests were cut off by the kills');

  await assertEvents(side.server, events);
  await assertTotals(side.server, events);
  const attempts = await assertFailures(side.server, broken);
  const duplicates = await readPages(side.server, 'status=duplicate');
  const { clients, unnamed, ...all } = (await getJson(side.server, '/api/stats')).data;
  t.diagnostic(`${side.again} requests were sent again; answered ${JSON.stringify(side.answered)}, counted ${JSON.stringify(all)}`);
  assert.equal(all.processed, events.size);
  assert.equal(all.received, all.processed + all.duplicates + all.failed);
  assert.equal(all.duplicates, duplicates.length, 'each duplicate that was counted is there');
  assert.equal(all.failed, attempts, 'and so is each failure');
  assert.ok(all.received >= EVENTS && all.received <= side.sent, 'what was cut off may be counted, and nothing else');
  for (const name of Object.keys(side.answered)) assert.ok(all[name] >= side.answered[name], `${name}: what was answered is counted`);
  for (const name of Object.keys(all)) assert.equal(sum(clients, name) + unnamed[name], all[name], `${name}: the clients add up`);
  assert.equal(clients.length, CLIENTS);
  await side.server.stop();
  const verify = runWeir(['verify', '--data', data]);
  assert.equal(verify.code, 0, verify.stdout + verify.stderr);
});
