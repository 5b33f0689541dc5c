// Starting, stopping, being killed, and stores that are held, foreign, newer, older, read-only or full.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { basename, dirname, join } from 'node:path';
import { startWeir, startRefused, runWeir, tempDir, atEnd, sleep, eventually, binary, environment } from './support/weir.mjs';
import { get, getJson, load, post, postLines, send, readFeed, countRecords, assertProblem, NDJSON_TYPE, CSV_TYPE } from './support/client.mjs';
import { record, random, randomRecords, notifications, aggregateGroups } from './support/model.mjs';

/** Answers of every kind, as text. */
const QUESTIONS = [
  ['/api/records?limit=1000'], ['/api/records?order=desc&limit=333&type=positive'], ['/api/records', NDJSON_TYPE], ['/api/records', CSV_TYPE],
  ['/api/records/aggregate'], ['/api/records/aggregate?records=false&groupBy=sourceId,type&measures=min,max,avg,p50'],
  ['/api/records/aggregate?records=false&startTime=2025-01-05T13:37:11Z&endTime=2025-01-20T01:02:03Z'],
  ['/api/records/aggregate?records=false&window=day&timeZone=Europe/Stockholm'], ['/api/records/aggregate?records=false', CSV_TYPE],
  ['/api/records?destinationId=dest-2&startTime=2025-01-10%2000:00:00&limit=1000'],
  ['/api/notifications?limit=10000'], ['/api/alerts?limit=10000'], ['/api/alert-rules'],
];

async function answers(server, some = []) {
  const questions = [...QUESTIONS, ...some.map((r) => [`/api/records/${encodeURIComponent(r.recordId)}`])];
  const texts = [];
  for (const [path, accept] of questions) {
    const answer = await get(server, path, accept ? { accept } : {});
    texts.push(`${path} ${answer.status}\n${answer.text}`);
  }
  return texts;
}

function assertSame(actual, expected) {
  for (const [index, text] of actual.entries()) {
    if (text !== expected[index]) assert.fail(`another answer:\n${text.slice(0, 400)}\ninstead of\n${expected[index].slice(0, 400)}`);
  }
}

/** `weir verify` finds nothing. */
function assertVerified(data, ...flags) {
  const done = runWeir(['verify', '--data', data, ...flags]);
  assert.equal(done.code, 0, `${done.stdout}\n${done.stderr}`);
}

/** Clients that send singles, arrays and lines without end; answers the ids that were acknowledged. */
function loadClients(server, count, seed) {
  const acknowledged = new Map();
  let stopped = false;
  const client = async (number) => {
    const rand = random(seed * 1000 + number);
    for (let n = 0; !stopped; n += 1) {
      const records = randomRecords(rand, 1 + rand.below(20)).map((r) => ({ ...r, recordId: `${seed}-${number}-${n}-${r.recordId}` }));
      try {
        const answer = number % 3 === 0 ? await post(server, records[0]) : number % 3 === 1 ? await post(server, records) : await postLines(server, records);
        if (answer.status === 503) { assert.ok(answer.headers.get('retry-after'), 'a 503 says when to come back'); await sleep(10); continue; }
        assert.ok([200, 201].includes(answer.status), answer.text);
        for (const r of number % 3 === 0 ? records.slice(0, 1) : records) acknowledged.set(r.recordId, r);
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        return; // the connection was refused or reset: nothing is known of this call
      }
    }
  };
  const clients = Promise.all(Array.from({ length: count }, (_, number) => client(number)));
  clients.catch(() => {}); // finish() throws it
  return { acknowledged, finish: async () => { stopped = true; await clients; return acknowledged; } };
}

async function assertAllThere(server, acknowledged) {
  const stored = new Map((await readFeed(server, 'notifications', 10_000)).map((m) => [m.record.record_id, m.record]));
  for (const [id, r] of acknowledged) {
    assert.ok(stored.has(id), `${id} was acknowledged and is gone`);
    assert.equal(stored.get(id).value.replace(/\.?0+$/, ''), String(r.value).replace(/\.?0+$/, ''));
  }
}

test('SIGTERM under load: exit 0, and nothing acknowledged is lost', async (t) => {
  const data = tempDir(t);
  const acknowledged = new Map();
  for (let round = 0; round < 3; round += 1) {
    const server = await startWeir(t, { data });
    const clients = loadClients(server, 12, round);
    await sleep(300);
    await server.stop();
    for (const [id, r] of await clients.finish()) acknowledged.set(id, r);
  }
  assert.ok(acknowledged.size > 100, `${acknowledged.size} acknowledged`);
  assertVerified(data);
  await assertAllThere(await startWeir(t, { data }), acknowledged);
});

test('SIGTERM while streams are under way: they may finish, and are not waited for without end', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'http.drain_timeout=2s'] });
  const line = (n) => Buffer.from(JSON.stringify(record({ recordId: `s-${n}` })) + '\n');
  let finish;
  const finished = new Promise((done) => { finish = done; });
  const live = send(server, '/api/records', new ReadableStream({
    async start(controller) {
      controller.enqueue(line(1));
      await finished;
      controller.enqueue(line(2));
      controller.close();
    },
  }), { type: NDJSON_TYPE });
  const stalled = send(server, '/api/records', new ReadableStream({ start: (controller) => controller.enqueue(line(3)) }), { type: NDJSON_TYPE })
    .catch((error) => error);
  await sleep(200);
  const begun = Date.now();
  const stopping = server.stop();
  await sleep(300);
  const late = await post(server, record()).catch((error) => error);
  assert.ok(late instanceof Error || late.status === 503, 'nothing new is taken in');
  finish();
  const answer = await live;
  assert.equal(answer.json?.data.created, 2, answer.text);
  await stopping;
  const took = Date.now() - begun;
  assert.ok(took < 5000, `it took ${took} ms`);
  assert.ok((await stalled) instanceof Error, 'the stalled one is cut off');
  assertVerified(server.data);
});

test('kill -9 under load, eight times: what was acknowledged is there, and the store is right', async (t) => {
  const data = tempDir(t);
  const rand = random(71);
  const acknowledged = new Map();
  for (let round = 0; round < 8; round += 1) {
    const server = await startWeir(t, { data, args: ['--set', `store.publish_records=${rand.pick([20, 200, 65536])}`] });
    const clients = loadClients(server, 12, 100 + round);
    await sleep(30 + rand.below(250));
    await server.kill();
    for (const [id, r] of await clients.finish()) acknowledged.set(id, r);
  }
  assert.ok(acknowledged.size > 100, `${acknowledged.size} acknowledged`);
  assertVerified(data);
  const server = await startWeir(t, { data });
  await assertAllThere(server, acknowledged);
  const messages = await readFeed(server, 'notifications', 5000);
  const all = messages.map(({ record: r }) => record({ recordId: r.record_id, time: r.time, sourceId: r.source_id, destinationId: r.destination_id,
    type: r.type, value: r.value, unit: r.unit, reference: r.reference }));
  assert.deepEqual(messages, notifications(all, messages.map((m) => m.record.id)));
  assert.deepEqual((await getJson(server, '/api/records/aggregate?records=false')).data.groups, aggregateGroups(all));
});

test('a record that was acknowledged a moment before the kill is a duplicate after it', async (t) => {
  const data = tempDir(t);
  for (let round = 0; round < 6; round += 1) {
    const server = await startWeir(t, { data });
    const sent = record({ recordId: `last-${round}` });
    assert.equal((await post(server, sent)).status, 201);
    await server.kill();
    const again = await startWeir(t, { data });
    assert.equal((await post(again, sent)).status, 200);
    await again.kill();
  }
});

test('a restart answers as before', async (t) => {
  const data = tempDir(t);
  const records = randomRecords(random(72), 3000);
  let server = await startWeir(t, { data, args: ['--set', 'store.publish_records=1000'] });
  await load(server, records);
  const before = await answers(server, records.slice(0, 20));
  await server.stop();
  server = await startWeir(t, { data });
  assertSame(await answers(server, records.slice(0, 20)), before);
  await server.kill();
  server = await startWeir(t, { data });
  assertSame(await answers(server, records.slice(0, 20)), before);
});

test('readiness and health', async (t) => {
  const server = await startWeir(t);
  for (const path of ['/health', '/ready', '/metrics', '/openapi.json']) {
    assert.equal((await get(server, path)).status, 200, path);
  }
  const { json } = await get(server, '/openapi.json');
  assert.match(json.openapi, /^3\./);
  for (const path of ['/api/records', '/api/records/aggregate', '/api/notifications', '/api/alerts', '/api/alert-rules']) {
    assert.ok(json.paths[path], `${path} is described`);
  }
});

test('metrics are in the text format of Prometheus, and count what happens', async (t) => {
  const server = await startWeir(t);
  const read = async () => {
    const types = new Map();
    const samples = new Map();
    for (const line of (await get(server, '/metrics')).text.trimEnd().split('\n')) {
      const [, name, type] = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line) ?? [];
      if (name) types.set(name, type);
      if (line.startsWith('# HELP ') || name) continue;
      const [, series, base, value] = /^((\w+)(?:\{(?:\w+="[^"]*",?)*\})?) ([-+0-9.eE]+|\+Inf)$/.exec(line) ?? assert.fail(line);
      assert.match(base, /^(weir|process)_/);
      assert.ok(types.has(base) || types.has(base.replace(/_(bucket|sum|count)$/, '')), `${base} has a type`);
      assert.ok(!samples.has(series), `${series} is there once`);
      samples.set(series, Number(value));
    }
    return samples;
  };
  const before = await read();
  await load(server, randomRecords(random(70), 50));
  await post(server, record({ recordId: 'm' }));
  await post(server, record({ recordId: 'm' }));
  const after = await read();
  const grown = [...after].filter(([series, value]) => value !== before.get(series)).map(([series, value]) => [series, value - (before.get(series) ?? 0)]);
  assert.ok(grown.some(([series, by]) => /created/.test(series) && by === 51), JSON.stringify(grown));
  assert.ok(grown.some(([series, by]) => /duplicate/.test(series) && by === 1), JSON.stringify(grown));
});

test('a second process on the same store is refused, and the first goes on', async (t) => {
  const data = tempDir(t);
  const first = await startWeir(t, { data });
  await post(first, record({ recordId: 'one' }));
  const second = await startRefused(t, data);
  assert.equal(second.code, 3, second.stderr);
  assert.match(second.stderr, new RegExp(String(first.pid)), 'it says who holds the store');
  const ingest = runWeir(['ingest', '--data', data, '-'], { input: JSON.stringify(record()) });
  assert.equal(ingest.code, 3, ingest.stderr);
  assert.equal((await post(first, record({ recordId: 'two' }))).status, 201);
  await first.kill();
  const third = await startWeir(t, { data });
  assert.equal(await countRecords(third), 2, 'a lock does not outlive its process');
});

test('files that are not a store of ours are refused and left alone', async (t) => {
  const cases = {
    text: (path) => fs.writeFileSync(path, 'These are my notes.\n'.repeat(500)),
    'a SQLite database of something else': (path) => sqlite(path, "CREATE TABLE mine(x); INSERT INTO mine VALUES('keep')"),
    'a cut-off file': (path) => fs.writeFileSync(path, Buffer.from('SQLite format 3\0')),
    'a directory': (path) => fs.mkdirSync(path),
  };
  for (const [label, make] of Object.entries(cases)) {
    await t.test(label, async (t2) => {
      const data = tempDir(t2);
      const path = join(data, 'weir.db');
      make(path);
      const before = fs.statSync(path).isFile() ? fs.readFileSync(path) : null;
      const done = await startRefused(t2, data);
      assert.ok([2, 3].includes(done.code), `${done.code}: ${done.stderr}`);
      assert.ok(done.stderr.length > 20, done.stderr);
      assert.equal(done.stdout, '', 'it never listened');
      if (before) assert.deepEqual(fs.readFileSync(path), before);
    });
  }
});

function sqlite(path, sql) {
  const done = spawnSync('sqlite3', [path, sql], { encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr ?? String(done.error));
  return done.stdout;
}

test('a store of a newer format is refused and left alone', async (t) => {
  const data = tempDir(t);
  const server = await startWeir(t, { data });
  await load(server, randomRecords(random(73), 10));
  await server.stop();
  const version = Number(sqlite(join(data, 'weir.db'), 'PRAGMA user_version'));
  sqlite(join(data, 'weir.db'), 'PRAGMA user_version = 999');
  const before = fs.readFileSync(join(data, 'weir.db'));
  const done = await startRefused(t, data);
  assert.ok([2, 3].includes(done.code), done.stderr);
  assert.match(done.stderr, /999|newer/);
  assert.deepEqual(fs.readFileSync(join(data, 'weir.db')), before);
  sqlite(join(data, 'weir.db'), `PRAGMA user_version = ${version}`);
  assert.equal(await countRecords(await startWeir(t, { data })), 10);
});

test('another identity or scale than the store was made with is refused', async (t) => {
  const data = tempDir(t);
  await (await startWeir(t, { data })).stop();
  for (const args of [['--set', 'store.identity=content'], ['--set', 'store.scale=3']]) {
    const done = await startRefused(t, data, { args });
    assert.ok([2, 3].includes(done.code), done.stderr);
    assert.match(done.stderr, /identity|scale/);
  }
});

test('addresses: in use, not ours to take, and open to others', async (t) => {
  const server = await startWeir(t);
  const taken = await startRefused(t, tempDir(t), { args: ['--listen', `127.0.0.1:${server.port}`] });
  assert.ok([2, 3].includes(taken.code), taken.stderr);
  assert.match(taken.stderr, /use|taken/i);
  const open = await startRefused(t, tempDir(t), { args: ['--listen', '0.0.0.0:0'] });
  assert.equal(open.code, 2);
  assert.match(open.stderr, /insecure/);
  const wrong = await startRefused(t, tempDir(t), { args: ['--listen', '127.0.0.1:99999'] });
  assert.equal(wrong.code, 2);
});

test('a directory that cannot be written to is refused', async (t) => {
  if (process.getuid() !== 0) return t.skip('skipped: takes root to become somebody else');
  const data = tempDir(t);
  const server = await startWeir(t, { data });
  await load(server, randomRecords(random(74), 5));
  await server.stop();
  const program = join(tempDir(t), 'weir');
  fs.copyFileSync(binary, program);
  fs.chmodSync(program, 0o755);
  fs.chmodSync(dirname(program), 0o755);
  fs.chmodSync(data, 0o755);
  const done = spawnSync(program, ['serve', '--data', data, '--listen', '127.0.0.1:0'], { uid: 65534, gid: 65534, encoding: 'utf8', timeout: 10_000, cwd: '/', env: environment });
  assert.ok([2, 3].includes(done.status), `${done.status} ${done.signal}: ${done.stderr}`);
  assert.match(done.stderr, /permission|denied|read-only|cannot/i);
  assert.doesNotMatch(done.stdout, /listening/);
  assert.equal(await countRecords(await startWeir(t, { data })), 5);
});

/** All files of a store, for putting back. */
function copyStore(from, to, only = () => true) {
  for (const name of fs.readdirSync(from, { recursive: true })) {
    const path = join(from, name);
    if (!fs.statSync(path).isFile() || !only(name)) continue;
    fs.mkdirSync(dirname(join(to, name)), { recursive: true });
    fs.copyFileSync(path, join(to, name));
  }
}
const isDatabase = (name) => name.startsWith('weir.db');

function putBack(copy, data) {
  for (const name of fs.readdirSync(data)) if (isDatabase(name)) fs.rmSync(join(data, name));
  copyStore(copy, data, isDatabase);
}

test('an older database under newer run files answers as it did then', async (t) => {
  for (const [label, ending] of [['stopped', 'stop'], ['killed', 'kill']]) {
    await t.test(`copied ${label}`, async (t2) => {
      const [data, copy] = [tempDir(t2), tempDir(t2)];
      const args = ['--set', 'store.publish_records=400'];
      const records = randomRecords(random(75), 2000);
      let server = await startWeir(t2, { data, args });
      await load(server, records);
      const before = await answers(server, records.slice(0, 30));
      await server[ending]();
      copyStore(data, copy, isDatabase);
      server = await startWeir(t2, { data, args });
      await load(server, randomRecords(random(76), 3000).map((r) => ({ ...r, recordId: `later-${r.recordId}` })));
      await server[ending]();
      putBack(copy, data);
      server = await startWeir(t2, { data, args });
      assertSame(await answers(server, records.slice(0, 30)), before);
      assert.equal((await get(server, '/api/records/later-1')).status, 404);
      // The history goes on differently; sequence numbers of the other one are given out again.
      const others = randomRecords(random(77), 3500).map((r) => ({ ...r, recordId: `other-${r.recordId}` }));
      await load(server, others);
      const again = await postLines(server, [...records, ...others], '?results=none');
      assert.equal(again.json.data.duplicates, 5500, again.text);
      const all = [...records, ...others];
      assert.deepEqual((await getJson(server, '/api/records/aggregate?records=false')).data.groups, aggregateGroups(all));
      const messages = await readFeed(server, 'notifications', 5000);
      assert.deepEqual(messages, notifications(all, messages.map((m) => m.record.id)));
      await server.stop();
      assertVerified(data);
    });
  }
});

test('a copy of the whole store elsewhere is a store', async (t) => {
  const [data, copy] = [tempDir(t), tempDir(t)];
  const records = randomRecords(random(78), 1000);
  let server = await startWeir(t, { data });
  await load(server, records);
  const before = await answers(server);
  await server.stop();
  copyStore(data, copy);
  server = await startWeir(t, { data: copy });
  assertSame(await answers(server), before);
});

/** Every way in which derived files may be lost or torn. */
const DAMAGES = {
  'all are gone': (files) => files.forEach((f) => fs.rmSync(f)),
  'one is gone': (files) => fs.rmSync(files[0]),
  'each is cut in half': (files) => files.forEach((f) => fs.truncateSync(f, Math.floor(fs.statSync(f).size / 2))),
  'each is empty': (files) => files.forEach((f) => fs.truncateSync(f, 0)),
  'the first block is noise': (files) => files.forEach((f) => overwrite(f, 0, Buffer.alloc(512, 0xa5))),
  'the end is noise': (files) => files.forEach((f) => overwrite(f, fs.statSync(f).size - 64, Buffer.alloc(64, 0xa5))),
  'they are swapped': (files) => files.slice(1).forEach((f) => fs.copyFileSync(files[0], f)),
};

function overwrite(file, at, bytes) {
  const fd = fs.openSync(file, 'r+');
  fs.writeSync(fd, bytes, 0, bytes.length, Math.max(0, at));
  fs.closeSync(fd);
}

const runFiles = (data) => fs.readdirSync(join(data, 'index')).filter((name) => name.endsWith('.run')).sort().map((name) => join(data, 'index', name));

test('lost and torn index files are made anew, with the same answers', async (t) => {
  const [data, copy] = [tempDir(t), tempDir(t)];
  const args = ['--set', 'store.publish_records=300'];
  const records = randomRecords(random(79), 2500);
  const server = await startWeir(t, { data, args });
  await load(server, records);
  const before = await answers(server, records.slice(0, 30));
  await server.stop();
  copyStore(data, copy);
  for (const [label, damage] of Object.entries(DAMAGES)) {
    await t.test(label, async (t2) => {
      const damaged = tempDir(t2);
      copyStore(copy, damaged);
      assert.ok(runFiles(damaged).length >= 3, 'there are run files');
      damage(runFiles(damaged));
      const again = await startWeir(t2, { data: damaged, args });
      assertSame(await answers(again, records.slice(0, 30)), before);
      const resent = await postLines(again, records, '?results=none');
      assert.equal(resent.json.data.duplicates, records.length, resent.text);
      await again.stop();
      assertVerified(damaged);
    });
  }
});

test('verify finds what is wrong, verify --rebuild mends what is derived', async (t) => {
  const data = tempDir(t);
  const records = randomRecords(random(80), 2500);
  let server = await startWeir(t, { data, args: ['--set', 'store.publish_records=400'] });
  await load(server, records);
  const before = await answers(server, records.slice(0, 30));
  await server.stop();
  assertVerified(data);
  assertVerified(data, '--rebuild');
  server = await startWeir(t, { data });
  assertSame(await answers(server, records.slice(0, 30)), before);
  await server.stop();

  // A bit that turned in a run, of each kind.
  for (const kind of ['flows', 'ids', 'times', 'rollups']) {
    const file = runFiles(data).find((path) => basename(path).startsWith(`${kind}-`));
    const place = Math.floor(fs.statSync(file).size / 4);
    overwrite(file, place, Buffer.from([fs.readFileSync(file)[place] ^ 0x10]));
    const torn = runWeir(['verify', '--data', data]);
    assert.equal(torn.code, 1, `${kind}: ${torn.stdout}${torn.stderr}`);
    assert.match(torn.stdout + torn.stderr, new RegExp(kind));
    assertVerified(data, '--rebuild');
  }
  assertVerified(data);
  server = await startWeir(t, { data });
  assertSame(await answers(server, records.slice(0, 30)), before);
  await server.stop();

  // The raw rows themselves: a total that somebody changed cannot be mended, only told.
  sqlite(join(data, 'weir.db'), 'UPDATE records SET positive_total_lo = positive_total_lo + 1 WHERE seq = 1200');
  const changed = runWeir(['verify', '--data', data]);
  assert.equal(changed.code, 1, changed.stdout);
  assert.match(changed.stdout + changed.stderr, /120\d/);
  assert.match(changed.stdout, /weir verify --rebuild/);
  const stored = /^the indexes and rollups were made anew: what differs is in the records, or in what is stored beside them$/m;
  assert.match(runWeir(['verify', '--data', data, '--rebuild']).stdout, stored);

  // What is stored beside the records is as little made anew: a count of events, while all records are right.
  sqlite(join(data, 'weir.db'), `UPDATE records SET positive_total_lo = positive_total_lo - 1 WHERE seq = 1200;
    INSERT INTO event_clients VALUES ('c', 1, 0, 0, 1, 1)`);
  const counted = runWeir(['verify', '--data', data, '--rebuild']);
  assert.equal(counted.code, 1, counted.stdout);
  assert.match(counted.stdout, /^the counts of clients say 1 events, but 0 are kept$/m);
  assert.match(counted.stdout, stored);
});

/** A small disk of its own; null (and a skipped test) where this machine does not allow it. */
function smallDisk(t, megabytes) {
  const dir = tempDir(t);
  const mounted = process.getuid() === 0 && spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', dir]).status === 0;
  if (!mounted) {
    t.skip('skipped: a small file system cannot be mounted here');
    return null;
  }
  atEnd(t, () => { spawnSync('umount', ['-l', dir]); });
  return dir;
}

async function untilFull(server, seed) {
  const taken = [];
  for (let n = 0; n < 400; n += 1) {
    const records = randomRecords(random(seed + n), 1000).map((r) => ({ ...r, recordId: `${seed}-${n}-${r.recordId}`, reference: 'x'.repeat(200) }));
    const answer = await post(server, records, '?results=none');
    if (answer.status === 503) {
      assertProblem(answer, 503);
      assert.ok(answer.headers.get('retry-after'));
      return taken;
    }
    assert.equal(answer.status, 200, answer.text);
    taken.push(...records);
  }
  return assert.fail('the disk never became full');
}

/** Single records as long as they fit where an array no longer does. */
async function untilNotEvenOne(server) {
  const taken = [];
  for (let n = 0; n < 5000; n += 1) {
    const one = record({ recordId: `one-${n}` });
    const answer = await post(server, one);
    if (answer.status === 503) return taken;
    assert.equal(answer.status, 201, answer.text);
    taken.push(one);
  }
  return assert.fail('the disk never became full');
}

for (const [label, reserve, filler] of [['below the reserve', '20MiB', 24], ['really full', '0', 30]]) {
  test(`a disk that is ${label}: 503, nothing half written, goes on when there is room`, async (t) => {
    const disk = smallDisk(t, 64);
    if (!disk) return;
    const data = join(disk, 'store');
    const ballast = join(disk, 'ballast');
    fs.writeFileSync(ballast, Buffer.alloc(filler << 20, 1));
    const args = ['--set', `store.free_reserve_bytes=${reserve}`, '--set', 'store.wal_bytes_max=4MiB'];
    let server = await startWeir(t, { data, args });
    const taken = await untilFull(server, 1);
    assert.equal(await countRecords(server), taken.length, 'reads go on');
    taken.push(...await untilNotEvenOne(server));
    const lines = await postLines(server, randomRecords(random(9), 100));
    assert.equal(lines.status, 503, lines.text);
    assert.equal(assertProblem(lines, 503).committedThrough, 0, lines.text);
    fs.rmSync(ballast);
    const late = record({ recordId: 'late' });
    await eventually(async () => (await post(server, late)).status < 300, 'intake to go on by itself', 15_000);
    assert.equal(await countRecords(server), taken.length + 1);
    await server.stop();
    assertVerified(data);

    const { bavail, bsize } = fs.statfsSync(disk);
    fs.writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - (1 << 20)), 1));
    server = await startWeir(t, { data, args });
    assert.equal(await countRecords(server), taken.length + 1, 'a start on a full disk serves reads');
    const groups = aggregateGroups([...taken, late]);
    assert.deepEqual((await getJson(server, '/api/records/aggregate?records=false')).data.groups, groups);
    await server.kill();
    fs.rmSync(ballast);
    assertVerified(data);
  });
}

test('answers keep their pace while long queries run', async (t) => {
  const server = await startWeir(t);
  await load(server, randomRecords(random(81), 60_000, { large: false }));
  const long = Array.from({ length: 6 }, () => get(server, '/api/records/aggregate?groupBy=destinationId,sourceId,reference&measures=p50,p95,p99'));
  const times = [];
  for (let i = 0; i < 40; i += 1) {
    const begun = Date.now();
    assert.equal((await post(server, record())).status, 201);
    times.push(Date.now() - begun);
  }
  for (const answer of await Promise.all(long)) assert.equal(answer.status, 200);
  times.sort((a, b) => a - b);
  assert.ok(times[20] < 500, `the median POST took ${times[20]} ms`);
});

test('readers that stand still neither stop the writer nor make its log grow', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'store.wal_bytes_max=8MiB'] });
  const part = (name) => randomRecords(random(82), 50_000, { large: false }).map((r) => JSON.stringify({ ...r, recordId: name + r.recordId }) + '\n').join('');
  await send(server, '/api/records?results=none', part('a'), { type: NDJSON_TYPE });
  const sockets = [['/api/records', NDJSON_TYPE], ['/api/records/aggregate', 'application/json'], ['/api/notifications', 'text/event-stream']]
    .flatMap((each) => Array.from({ length: 5 }, () => each)).map(([path, accept]) => {
      const socket = net.connect(server.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.pause();
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: ${accept}\r\n\r\n`);
      return socket;
    });
  atEnd(t, () => sockets.forEach((socket) => socket.destroy()));
  await sleep(300);
  for (const name of ['b', 'c', 'd']) {
    const answer = await send(server, '/api/records?results=none', part(name), { type: NDJSON_TYPE });
    assert.equal(answer.json.data.created, 50_000, answer.text);
    const log = fs.statSync(join(server.data, 'weir.db-wal')).size;
    assert.ok(log < 40 << 20, `the write-ahead log has ${log >> 20} MiB`);
  }
});

test('a full queue answers 503 and loses nothing', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'process.queue_bytes_max=1MiB'] });
  const arrays = Array.from({ length: 60 }, (_, n) => randomRecords(random(900 + n), 2000).map((r) => ({ ...r, recordId: `${n}-${r.recordId}` })));
  const created = await Promise.all(arrays.map(async (records) => {
    for (;;) {
      const answer = await post(server, records, '?results=none');
      if (answer.status === 200) return answer.json.data.created + answer.json.data.duplicates;
      assertProblem(answer, 503);
      assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/);
      await sleep(20);
    }
  }));
  assert.equal(created.reduce((a, b) => a + b), 120_000);
  assert.equal(await countRecords(server), 120_000);
  const text = arrays[0].map((r) => JSON.stringify({ ...r, recordId: `nd-${r.recordId}` }) + '\n').join('');
  const streams = await Promise.all(Array.from({ length: 20 }, (_, n) =>
    send(server, '/api/records?results=none', text.replaceAll('nd-', `nd${n}-`), { type: NDJSON_TYPE })));
  for (const answer of streams) assert.equal(answer.status, 200, 'a stream is held back, never refused midway');
});

test('a page that the disk does not give back ends the service with a message', async (t) => {
  const server = await startWeir(t);
  await load(server, randomRecords(random(74), 2000));
  server.child.kill('SIGBUS'); // what the system sends for it
  await server.ends({ code: 74, signal: null });
  assert.match(server.stderr, /could not be read/);
  const again = await startWeir(t, { data: server.data });
  assert.equal(await countRecords(again), 2000);
});
