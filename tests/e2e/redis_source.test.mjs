// The source `redis` through the real service: each record that is put into a stream or a list is stored once, whoever is killed, and each
// message that is none is a dead letter.
//
// REDIS_SOURCE_RECORDS=1000000 puts so many (20,000 without it).
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { countRecords, get, getJson, post, readPages } from './support/client.mjs';
import { noRedis, startRedis } from './support/redis.mjs';
import { command, sendAll } from './support/redis_wire.mjs';
import { eventually, runWeir, sleep, startWeir, tempDir } from './support/weir.mjs';

const RECORDS = Number(process.env.REDIS_SOURCE_RECORDS ?? 20_000);
const KILLS = Math.max(12, Math.round(RECORDS / 20_000)); // of Weir; every fourth time of Redis, too
const CHUNK = 250;
const BROKEN = 40; // of each kind
const MS_MAX = 120_000 + RECORDS;

const record = (i) => ({ recordId: `rec-${i}`, time: '2025-01-01T10:00:00Z', sourceId: 'source-1', destinationId: `dest-${i % 7}`,
  type: i % 3 ? 'positive' : 'negative', value: `${i % 900}.50`, unit: 'EUR', reference: `ref-${i % 100}` });
const total = (count) => {
  let cents = 0n;
  for (let i = 0; i < count; i++) cents += BigInt(i % 900) * 100n + 50n;
  return `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`;
};

/** How messages get there, and what is left there. */
const ways = {
  stream: {
    options: 'streams: [orders]',
    put: (raw) => command('XADD', 'orders', '*', 'record', raw),
    left: (redis) => {
      const said = redis.ask('XINFO', 'GROUPS', 'orders');
      return Number(said[said.indexOf('pending') + 1]) + Number(said[said.indexOf('lag') + 1]);
    },
  },
  list: {
    options: 'lists: [orders]',
    put: (raw) => command('LPUSH', 'orders', raw),
    left: (redis) => redis.ask('KEYS', 'orders*').filter((key) => key && key !== 'orders:weir')
      .reduce((sum, key) => sum + Number(redis.ask('LLEN', key)[0]), 0),
  },
};

function configured(t, redis, options) {
  const file = join(tempDir(t), 'weir.yaml');
  fs.writeFileSync(file, `sources:\n  here:\n    type: redis\n    url: ${redis.url}\n    ${options}\n`);
  return file;
}

/** Messages that are no records, each different from the others. */
function broken() {
  const long = (i) => JSON.stringify({ ...record(0), recordId: `long-${i}`, reference: 'x'.repeat(10 << 20) });
  const all = [];
  for (let i = 0; i < BROKEN; i++) {
    all.push(`{"recordId":"cut-${i}","time":`, JSON.stringify({ ...record(0), recordId: `typed-${i}`, value: [i] }),
      JSON.stringify({ ...record(0), recordId: `bare-${i}`, unit: undefined }), `null ${i}`);
  }
  return [...all, long(1), long(2), ''];
}

/** All records in chunks, with the broken ones among them; each chunk until it was taken. */
async function feed(redis, way, messages, allowed) {
  const every = Math.max(1, Math.floor(RECORDS / (messages.length + 1)));
  for (let first = 0; first < RECORDS; first += CHUNK) {
    while (first + CHUNK > allowed()) await sleep(2);
    const chunk = [];
    for (let i = first; i < Math.min(first + CHUNK, RECORDS); i++) {
      chunk.push(way.put(JSON.stringify(record(i))));
      const bad = i % every === 0 ? messages[i / every] : undefined;
      if (bad !== undefined) chunk.push(way.put(bad));
    }
    await sendAll(redis, chunk);
  }
}

async function readLetters(weir) {
  const letters = [];
  for (let cursor = ''; cursor !== null;) {
    const page = await getJson(weir, `/api/dead-letters?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    letters.push(...page.data);
    cursor = page.nextCursor;
  }
  return letters;
}

/** Each broken message is there, and nothing else; from a list once, since the same bytes are at the same place. */
async function checkLetters(weir, name, messages) {
  const letters = await readLetters(weir);
  const found = new Set();
  for (const letter of letters) {
    assert.deepEqual([letter.stage, letter.state, letter.source], ['intake', 'open', 'here']);
    assert.match(letter.place, name === 'list' ? /^orders\/bytes:[0-9a-f]{16}$/ : /^orders\/\d+-\d+$/);
    assert.notEqual(letter.error, '');
    found.add(letter.rawBytes > 1 << 20 ? `long ${letter.rawBytes}` : (await getJson(weir, `/api/dead-letters/${letter.id}`)).data.raw);
  }
  const expected = messages.map((raw) => (raw.length > 1 << 20 ? `long ${Buffer.byteLength(raw)}` : raw));
  assert.deepEqual([...found].sort(), [...new Set(expected)].sort());
  if (name === 'list') assert.equal(letters.length, messages.length);
}

for (const [name, way] of Object.entries(ways)) {
  test(`${name}: ${RECORDS} records while Weir and Redis are killed, with messages among them that are none`, { skip: noRedis, timeout: 2 * MS_MAX }, async (t) => {
    const redis = await startRedis(t, 'always');
    const data = join(tempDir(t), 'data');
    const config = configured(t, redis, way.options);
    const messages = broken();
    let weir = await startWeir(t, { data, config });
    let kills = 0, midway = 0;
    const begun = Date.now();
    const fed = feed(redis, way, messages, () => (kills + 3) * (RECORDS / KILLS));
    for (; kills < KILLS; kills++) {
      await sleep(Math.random() * (RECORDS / KILLS / 40)); // about as long as it takes to read what has come meanwhile
      midway += way.left(redis) > 0;
      if (kills % 4 === 3) await redis.kill();
      await weir.kill();
      if (kills % 4 === 3) await redis.start();
      weir = await startWeir(t, { data, config });
    }
    await fed;
    await eventually(async () => (await countRecords(weir)) >= RECORDS, 'the last record', MS_MAX);
    await eventually(() => way.left(redis) === 0, 'everything to be acknowledged', 30_000);
    assert.ok(midway > 1, `only ${midway} of ${KILLS} kills while there was something to read`);
    t.diagnostic(`Weir was killed ${KILLS} times (${midway} times with records on the way), Redis ${Math.floor(KILLS / 4)} times; ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    const { data: found } = await getJson(weir, '/api/records/aggregate?records=false&groupBy=unit');
    assert.equal(found.count, RECORDS);
    assert.equal(found.groups[0].totalValue, total(RECORDS));
    await checkLetters(weir, name, messages);
    await weir.stop();
    const { code, stdout, stderr } = runWeir(['verify', '--data', data]);
    assert.equal(code, 0, stdout + stderr);
  });
}

test('Redis is down at the start: HTTP is served, and the records come when it is there', { skip: noRedis, timeout: 60_000 }, async (t) => {
  const redis = await startRedis(t, 'always');
  for (const way of Object.values(ways)) {
    await redis.kill();
    const weir = await startWeir(t, { config: configured(t, redis, way.options) });
    assert.equal((await post(weir, record(1))).status, 201);
    const ready = await eventually(async () => { const { status, json } = await get(weir, '/ready'); return json.sources[0]?.error && { status, json }; }, 'the source to say so');
    assert.equal(ready.status, 200);
    assert.match(ready.json.sources[0].error, /redis at .*socket/);
    await redis.start();
    await sendAll(redis, [way.put(JSON.stringify(record(1))), way.put(JSON.stringify(record(2)))]);
    await eventually(async () => (await countRecords(weir)) === 2, 'the record', 20_000);
    await eventually(async () => (await get(weir, '/ready')).json.sources.length === 0, 'the source to be well');
    await weir.stop();
    await redis.ask('FLUSHALL');
  }
});

test('what a dead consumer has left is taken over, streams and lists', { skip: noRedis, timeout: 60_000 }, async (t) => {
  const redis = await startRedis(t, 'always');
  for (const [name, way] of Object.entries(ways)) {
    await sendAll(redis, Array.from({ length: 100 }, (_, i) => way.put(JSON.stringify(record(i)))));
    if (name === 'stream') {
      redis.ask('XGROUP', 'CREATE', 'orders', 'weir', '0');
      redis.ask('XREADGROUP', 'GROUP', 'weir', 'gone', 'COUNT', '60', 'STREAMS', 'orders', '>');
    } else {
      await sendAll(redis, Array.from({ length: 60 }, () => command('LMOVE', 'orders', 'orders:weir:gone', 'RIGHT', 'LEFT')));
      redis.ask('HSET', 'orders:weir', 'gone', '1000', 'other', String(Date.now() + 3_600_000));
      await sendAll(redis, [command('LPUSH', 'orders:weir:other', JSON.stringify(record(500)))]);
    }
    const weir = await startWeir(t, { config: configured(t, redis, `${way.options}\n    claim_after: 2s`) });
    await eventually(async () => (await countRecords(weir)) === 100, 'what was left', 20_000);
    if (name === 'list') {
      assert.match((await getJson(weir, '/api/sources/here')).data.notice, /60 messages that another consumer had taken and left were put back/);
      assert.equal(redis.ask('LLEN', 'orders:weir:other')[0], '1', 'who still says something keeps what it has');
      redis.ask('DEL', 'orders:weir:other');
    }
    await eventually(() => way.left(redis) === 0, 'everything to be acknowledged');
    await weir.stop();
    redis.ask('FLUSHALL');
  }
});

test('two instances share what is there, and one goes on alone', { skip: noRedis, timeout: 120_000 }, async (t) => {
  const redis = await startRedis(t, 'always');
  const count = 5000;
  for (const [name, way] of Object.entries(ways)) {
    const config = configured(t, redis, `${way.options}\n    claim_after: 2s\n    group_messages_max: 50`);
    const data = [join(tempDir(t), 'data'), join(tempDir(t), 'data')];
    const [first, second] = [await startWeir(t, { data: data[0], config }), await startWeir(t, { data: data[1], config })];
    const fed = (async () => {
      for (let at = 0; at < count; at += 50) {
        await sendAll(redis, Array.from({ length: 50 }, (_, i) => way.put(JSON.stringify(record(at + i)))));
        await sleep(5);
      }
    })();
    await eventually(async () => (await countRecords(first)) > 500 && (await countRecords(second)) > 500, 'both to have some', 30_000);
    await first.kill();
    await fed;
    await eventually(() => way.left(redis) === 0, 'everything to be acknowledged', 30_000);
    const again = await startWeir(t, { data: data[0], config });
    const ids = [];
    for (const weir of [again, second]) ids.push(...(await readPages(weir, '', 1000)).map((each) => each.recordId));
    assert.equal(new Set(ids).size, count, 'nothing is missing');
    // What the one had stored when it was killed, and had not acknowledged, the other has too: these are two stores.
    assert.ok(ids.length <= count + 100, `${ids.length - count} are in both stores`);
    t.diagnostic(`${name}: ${ids.length - count} of ${count} records are in both stores`);
    await again.stop();
    await second.stop();
    redis.ask('FLUSHALL');
  }
});

test('entries whose fields are the record, those with one field, and Weir\'s own', { skip: noRedis, timeout: 60_000 }, async (t) => {
  const redis = await startRedis(t, 'everysec');
  const weir = await startWeir(t, { config: configured(t, redis, ways.stream.options) });
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const fields = (i) => Object.entries({ ...record(i), reference: `a "quoted" \\ name\n${i}` }).flat();
  redis.ask('XADD', 'orders', '*', ...fields(1), 'traceparent', traceparent);
  redis.ask('XADD', 'orders', '*', 'whatever', JSON.stringify(record(2)), 'traceparent', traceparent);
  redis.ask('XADD', 'orders', '*', 'id', '1', 'type', 'x', 'data', JSON.stringify(record(3)));
  redis.ask('XADD', 'orders', '*', 'record', JSON.stringify(record(4)), 'data', 'not this');
  redis.ask('XADD', 'orders', '*', ...fields(5), 'recordId', 'twice');
  await eventually(async () => (await countRecords(weir)) === 4, 'the records');
  const { data } = await getJson(weir, '/api/records/rec-1');
  assert.equal(data.reference, 'a "quoted" \\ name\n1');
  const [letter] = await eventually(async () => { const all = await readLetters(weir); return all.length === 1 && all; }, 'the one that is none');
  assert.match(letter.error, /recordId/);
  const feed = await getJson(weir, '/api/notifications?after=0');
  assert.equal(feed.data.length, 4);
  await weir.stop();
});

/** In front of Redis: what it answers comes so slowly. */
async function slowLink(t, redis, bytes, ms) {
  const link = net.createServer((near) => {
    const far = net.connect(redis.socket);
    near.pipe(far);
    far.on('data', (data) => {
      far.pause();
      const pieces = [];
      for (let at = 0; at < data.length; at += bytes) pieces.push(data.subarray(at, at + bytes));
      const next = () => (pieces.length && !near.destroyed ? (near.write(pieces.shift()), setTimeout(next, pieces.length ? ms : 0)) : far.resume());
      next();
    });
    for (const [one, other] of [[near, far], [far, near]]) one.on('error', () => {}).on('close', () => other.destroy());
  });
  await new Promise((listening) => link.listen(0, '127.0.0.1', listening));
  t.after(() => link.close());
  return `redis://127.0.0.1:${link.address().port}`;
}

for (const way of Object.values(ways)) {
  test(`an answer that takes longer than the time-out, but comes: ${way.options}`, { skip: noRedis, timeout: 60_000 }, async (t) => {
    const COUNT = 300;
    const redis = await startRedis(t);
    await sendAll(redis, Array.from({ length: COUNT }, (_, i) => way.put(JSON.stringify({ ...record(i), note: 'x'.repeat(8000) }))));
    const url = await slowLink(t, redis, 16 << 10, 25); // 2.4 MB in 4 s
    const weir = await startWeir(t, { config: configured(t, { url }, `${way.options}\n    timeout: 1s`) });
    await eventually(async () => await countRecords(weir) === COUNT, 'all are stored', 30_000);
  });
}
