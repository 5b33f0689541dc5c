// The sink `redis` through the real service: each record's notification is in the stream once and in order, whoever is killed.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { NDJSON_TYPE, getJson, send } from './support/client.mjs';
import { noRedis, startRedis } from './support/redis.mjs';
import { atEnd, eventually, sleep, startWeir, tempDir } from './support/weir.mjs';

const RECORDS = 100_000;
const CHUNK = 500;
const KILLS = 100;
const FLOWS = 700;

function configured(t, redis, more = '') {
  const file = join(tempDir(t), 'weir.yaml');
  fs.writeFileSync(file, `sinks:\n  cache:\n    type: redis\n    url: ${redis.url}\n    messages: [notification]\n${more}`);
  return file;
}

// Values that no rule fires on, so that every sequence is a record's.
const record = (i) => ({ recordId: `rec-${i}`, time: '2025-01-01T10:00:00Z', sourceId: 'source-1', destinationId: `dest-${i % 7}`,
  type: i % 3 ? 'positive' : 'negative', value: `${i % 900}.50`, unit: 'EUR', reference: `ref-${i % FLOWS}` });

const lines = (first, count) => Array.from({ length: count }, (_, i) => JSON.stringify(record(first + i))).join('\n') + '\n';

/** Sends the records from `first` on, chunk by chunk, each again until it was acknowledged by whoever runs then. */
async function feed(current, first, end, { allowed = () => end, taken = () => {} } = {}) {
  for (; first < end; first += CHUNK) {
    while (first + CHUNK > allowed()) await sleep(2);
    const body = lines(first, Math.min(CHUNK, end - first));
    for (let done = false; !done;) {
      try {
        done = (await send(current(), '/api/records', body, { type: NDJSON_TYPE })).status === 200;
      } catch {
        await sleep(5); // it was killed
      }
    }
    taken(first + CHUNK);
  }
}

/** Once and in order: the ids without a gap, the records all of them, and each flow's counts 0, 1, 2 … */
function checkStream(redis, count) {
  const flows = new Map();
  const seen = new Set();
  let expected = 1;
  for (const { entry, id, type, key, data } of redis.entries('notifications')) {
    const { record: found, summary } = JSON.parse(data);
    assert.equal(entry, `${expected}-0`);
    assert.equal(found.id, expected);
    assert.match(id, new RegExp(`^[0-9a-f]{32}-\\d+-${expected}$`));
    assert.equal(type, 'notification');
    assert.equal(key, found.destination_id);
    const flow = `${summary.destination_id} ${summary.reference} ${summary.unit}`;
    assert.equal(summary.count, flows.get(flow) ?? 0, `${flow} at ${entry}`);
    flows.set(flow, summary.count + 1);
    seen.add(found.record_id);
    expected++;
  }
  assert.equal(expected, count + 1);
  assert.equal(seen.size, count);
}

test('100,000 records while Weir and Redis are killed: once each, in order', { skip: noRedis, timeout: 300_000 }, async (t) => {
  const redis = await startRedis(t, 'always');
  const data = join(tempDir(t), 'data');
  const config = configured(t, redis);
  let weir = await startWeir(t, { data, config });
  // The first half piles up while Redis is down, so that there is much to send; the second comes in while everything is killed.
  await redis.kill();
  await feed(() => weir, 0, RECORDS / 2);
  await redis.start();
  let kills = 0, taken = RECORDS / 2, behind = 0;
  const fed = feed(() => weir, RECORDS / 2, RECORDS,
    { allowed: () => RECORDS / 2 + (kills + 1) * (RECORDS / 2 / KILLS), taken: (count) => { taken = count; } });
  for (; kills < KILLS; kills++) {
    await sleep(Math.random() * 60);
    if (kills % 10 === 9) await redis.kill();
    await weir.kill();
    if (kills % 10 === 9) await redis.start();
    behind += redis.length('notifications') < taken;
    weir = await startWeir(t, { data, config });
  }
  await fed;
  await eventually(() => redis.length('notifications') >= RECORDS, 'the last notification', 60_000);
  t.diagnostic(`Weir was killed ${KILLS} times, Redis ${KILLS / 10} times; ${behind} times messages were still to be sent`);
  assert.ok(behind > KILLS / 10, `only ${behind} kills while there was something to send`);
  checkStream(redis, RECORDS);
  await weir.stop();
});

test('Redis is down for a while: intake goes on, and everything comes afterwards', { skip: noRedis, timeout: 120_000 }, async (t) => {
  const redis = await startRedis(t, 'everysec');
  await redis.kill();
  const weir = await startWeir(t, { config: configured(t, redis) });
  await feed(() => weir, 0, 5000);
  await redis.start();
  await eventually(() => redis.length('notifications') >= 5000, 'the last notification', 60_000);
  checkStream(redis, 5000);
  await weir.stop();
});

test('lists take JSON objects', { skip: noRedis, timeout: 60_000 }, async (t) => {
  const redis = await startRedis(t, 'everysec');
  const weir = await startWeir(t, { config: configured(t, redis, '    as: list\n    prefix: "w:"\n') });
  await feed(() => weir, 0, 2000);
  await eventually(() => redis.ask('LLEN', 'w:notifications')[0] === '2000', 'the last notification', 30_000);
  const items = redis.ask('LRANGE', 'w:notifications', '0', '-1').map((line) => JSON.parse(line));
  assert.deepEqual(items.map((item) => item.data.record.id), Array.from({ length: 2000 }, (_, i) => i + 1));
  assert.equal(items[0].type, 'notification');
  await weir.stop();
});

test('whoever does not speak Redis is told apart', { timeout: 60_000 }, async (t) => {
  const others = [
    [http.createServer((request, response) => response.end()), /: the answer is none of Redis: is that another service than Redis, or does it want TLS \(rediss:\/\/\)\? \(/],
    [net.createServer((socket) => socket.once('data', () => socket.end()).on('error', () => {})), /: the connection was closed before an answer came: is that another service/],
  ];
  for (const [other, expected] of others) {
    await new Promise((done) => other.listen(0, '127.0.0.1', done));
    atEnd(t, () => other.close());
    const server = await startWeir(t, { config: configured(t, { url: `redis://127.0.0.1:${other.address().port}` }) });
    const error = await eventually(async () => (await getJson(server, '/api/sinks')).data[0].lastError, 'an error');
    assert.match(error, expected);
    await server.stop();
  }
});
