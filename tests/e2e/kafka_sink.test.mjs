// The real service and a real Kafka: records are taken in while Weir and the brokers are killed; a consumer that reads committed messages
// then has each record's notification once, in order for each destination, with the counts that messages.md promises.
//
// KAFKA_KILLS=100 kills Weir so often (8 without it), and stops the broker in good order, too.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { NDJSON_TYPE, call, get } from './support/client.mjs';
import { startKafka } from './support/kafka.mjs';
import { atEnd, binary, environment, eventually, sleep, startWeir, tempDir } from './support/weir.mjs';

const program = join(dirname(binary), 'tests/crash/kafka_sender');
const KILLS = Number(process.env.KAFKA_KILLS ?? 8);
const LONG = KILLS >= 100;
const RECORDS = 3000; // between two kills
const DESTINATIONS = 20;
const DELIVERED_MS_MAX = 120_000;

function configFor(t, kafka) {
  const file = join(tempDir(t), 'weir.yaml');
  writeFileSync(file, `sinks:
  orders:
    type: kafka
    brokers: [${kafka.bootstrap.replaceAll(',', ', ')}]
    prefix: "shop."
    in_flight_max: 200
`);
  return file;
}

const record = (i) => ({
  recordId: `rec-${i}`, time: '2025-01-01T10:00:00Z', sourceId: 'source-1', destinationId: `dest-${i % DESTINATIONS}`,
  type: i % 3 ? 'positive' : 'negative', value: i % 1000 ? '1.50' : '2000.00', unit: 'EUR', reference: 'ref',
});

async function post(server, first, count) {
  const body = Array.from({ length: count }, (_, i) => `${JSON.stringify(record(first + i))}\n`).join('');
  const answer = await call(server, '/api/records?results=none', { method: 'POST', headers: { 'content-type': NDJSON_TYPE }, body });
  assert.equal(answer.status, 200, answer.text);
}

/** What a consumer has of a topic: [{key, id, type, replay, body}]. */
async function readTopic(t, kafka, topic) {
  const child = spawn(program, ['dump', kafka.bootstrap, topic], { env: environment });
  atEnd(t, () => child.kill('SIGKILL'));
  let out = '', said = '';
  child.stdout.setEncoding('utf8').on('data', (data) => { out += data; });
  child.stderr.setEncoding('utf8').on('data', (data) => { said += data; });
  const code = await new Promise((done) => child.once('close', done));
  assert.equal(code, 0, said);
  return out.split('\n').slice(0, -1).map((line) => {
    const [key, id, type, replay, body] = line.split('\t');
    return { key, id, type, replay, body: JSON.parse(body) };
  });
}

/** All of them are there, in time. Returns them. */
function delivered(t, kafka, topic, count) {
  let messages = [];
  return eventually(async () => {
    messages = await readTopic(t, kafka, topic);
    return messages.length >= count && messages;
  }, `${count} messages in ${topic}`, DELIVERED_MS_MAX);
}

function checkNotifications(messages, count) {
  const seqs = new Set(), latest = new Map(), counts = new Map();
  for (const { key, id, type, body } of messages) {
    const seq = body.record.id;
    assert.equal(type, 'weir.notification');
    assert.equal(key, body.record.destination_id);
    assert.match(id, new RegExp(`^[0-9a-f]{32}-1-${seq}$`));
    assert.ok(!seqs.has(seq), `${id} came twice`);
    assert.ok(seq > (latest.get(key) ?? 0), `${id} came behind a later one of ${key}`);
    assert.equal(body.summary.count, counts.get(key) ?? 0, `${id}: the flow's count`);
    seqs.add(seq);
    latest.set(key, seq);
    counts.set(key, body.summary.count + 1);
  }
  assert.equal(messages.length, count);
}

test('each notification is there once, however often Weir is killed', { timeout: 1_800_000 }, async (t) => {
  const kafka = await startKafka(t, { brokers: 1 });
  if (!kafka) return;
  const data = tempDir(t), config = configFor(t, kafka);
  for (let i = 0; i < KILLS; i++) {
    const server = await startWeir(t, { data, config });
    await post(server, i * RECORDS, RECORDS);
    await sleep(Math.random() * 400);
    await server.kill();
  }
  const server = await startWeir(t, { data, config });
  await post(server, KILLS * RECORDS, RECORDS);
  const count = (KILLS + 1) * RECORDS;
  checkNotifications(await delivered(t, kafka, 'shop.notifications', count), count);
  const alerts = await delivered(t, kafka, 'shop.alerts', count / 1000);
  assert.equal(alerts.length, count / 1000);
  assert.ok(alerts.every(({ type, body }) => type === 'weir.alert' && body.rule === 'default'));
  await server.stop();
});

test('brokers that stop hold their own line, and intake goes on', { timeout: 1_800_000 }, async (t) => {
  const kafka = await startKafka(t, { brokers: 1 });
  if (!kafka) return;
  const server = await startWeir(t, { config: configFor(t, kafka) });
  await post(server, 0, RECORDS);
  await delivered(t, kafka, 'shop.notifications', RECORDS);
  for (let i = 1; i <= (LONG ? 2 : 1); i++) {
    const [broker] = kafka.brokers;
    await (i === 1 ? broker.kill() : broker.stop());
    await post(server, i * RECORDS, RECORDS);
    assert.equal((await get(server, `/api/records/rec-${(i + 1) * RECORDS - 1}`)).status, 200);
    await broker.start();
    checkNotifications(await delivered(t, kafka, 'shop.notifications', (i + 1) * RECORDS), (i + 1) * RECORDS);
  }
  await kafka.brokers[0].kill();
  await server.stop(); // Nobody answers, and it ends all the same.
});

test('two Weirs with the same store: one has the sink, the other says so and leaves it alone', { timeout: 300_000 }, async (t) => {
  const kafka = await startKafka(t, { brokers: 1 });
  if (!kafka) return;
  const config = configFor(t, kafka), dirs = [tempDir(t), join(tempDir(t), 'copy')];
  const before = await startWeir(t, { data: dirs[0], config });
  await post(before, 0, 100);
  await delivered(t, kafka, 'shop.notifications', 100);
  await before.stop();
  cpSync(dirs[0], dirs[1], { recursive: true });

  const servers = [];
  for (const data of dirs) servers.push(await startWeir(t, { data, config }));
  const sinkOf = async (server) => (await get(server, '/api/sinks')).json.data[0];
  const both = () => Promise.all(servers.map(sinkOf));
  const isOut = ({ state, lastError }) => state === 'holding' && /another Weir with this store has taken over the sink orders/.test(lastError ?? '');
  let fed = 100;
  const feed = async () => {
    for (const server of servers) await post(server, fed, 50);
    fed += 50;
  };
  await eventually(async () => {
    await feed();
    return (await both()).filter(isOut).length === 1;
  }, 'one of them to be shut out', 60_000);
  const out = (await both()).findIndex(isOut), winner = servers[1 - out];
  const caughtUp = async () => { const { state, cursor, lastSeq } = await sinkOf(winner); return state === 'running' && cursor === lastSeq; };
  await feed();
  await eventually(caughtUp, 'the other one to go on', 60_000);
  // The one that is out tries again and again, and takes nothing away.
  const { lastFailedAt } = await sinkOf(winner);
  const { lastFailedAt: tried } = (await both())[out];
  for (const end = Date.now() + 10_000; Date.now() < end; await sleep(200)) await feed();
  await eventually(caughtUp, 'the other one to go on', 60_000);
  assert.equal((await sinkOf(winner)).lastFailedAt, lastFailedAt, 'nobody has disturbed it');
  const still = (await both())[out];
  assert.ok(isOut(still), JSON.stringify(still));
  assert.notEqual(still.lastFailedAt, tried, 'it has looked since');
  // Once the other one is gone, a restart takes over.
  await winner.stop();
  await servers[out].stop();
  const again = await startWeir(t, { data: dirs[out], config });
  await post(again, fed, 50);
  await eventually(async () => { const { state, lag } = await sinkOf(again); return state === 'running' && lag === 0; }, 'the one that was out to go on', 60_000);
  checkNotifications(await delivered(t, kafka, 'shop.notifications', fed + 50), fed + 50);
});
