// weir ingest straight into a store: it goes on where it was interrupted, unpacks, and keeps what it cannot take in.
//
// INGEST_RECORDS=5000000 makes the file that is interrupted as long as that, and prints the rate.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import zlib from 'node:zlib';
import { startWeir, runWeir, runWeirAsync, tempDir, assertEnding, atEnd, binary, environment, sleep, IN_ORDER, KILLED } from './support/weir.mjs';
import { getJson } from './support/client.mjs';
import { record, random, randomRecords, aggregateGroups } from './support/model.mjs';

const noSqlite = spawnSync('sqlite3', ['--version']).error ? 'skipped: there is no sqlite3 on this machine' : false;
const RECORDS = Number(process.env.INGEST_RECORDS ?? 250_000);
const lines = (list) => list.map((r) => `${JSON.stringify(r)}\n`).join('');
const ingest = (...args) => {
  const done = runWeir(['ingest', ...args, '--json']);
  return { ...done, summary: done.stdout ? JSON.parse(done.stdout) : undefined };
};
const counts = ({ summary }) => [summary.created, summary.duplicates, summary.conflicts, summary.rejected, summary.before];
const groupsOf = (data) => JSON.parse(runWeir(['query', '--data', data, '--json']).stdout).data.groups;

/** Writes `count` records whose ids have nothing in common; answers the sum of their values in cents. */
function writeMany(path, count) {
  const file = fs.openSync(path, 'w');
  let sum = 0n;
  for (let i = 0; i < count;) {
    let text = '';
    for (const end = Math.min(count, i + 10_000); i < end; i += 1) {
      const id = (BigInt(i) * 0x9E3779B97F4A7C15n & 0xFFFFFFFFFFFFFFFFn).toString(16).padStart(16, '0');
      const value = i % 100_000;
      sum += BigInt(value);
      text += `{"recordId":"${id}","time":"2025-01-${String(1 + i % 28).padStart(2, '0')}T10:00:${String(i % 60).padStart(2, '0')}Z","sourceId":"source-${i % 50}",`
        + `"destinationId":"dest-${i % 997}","type":"${i % 3 ? 'positive' : 'negative'}","value":"${Math.floor(value / 100)}.${String(value % 100).padStart(2, '0')}","unit":"EUR","reference":"ref-${i % 211}"}\n`;
    }
    fs.writeSync(file, text);
  }
  fs.closeSync(file);
  return sum;
}

const sizeOf = (path) => (fs.existsSync(path) ? fs.statSync(path).size : 0);
const stored = (data) => sizeOf(join(data, 'weir.db')) + sizeOf(join(data, 'weir.db-wal'));

/** Runs until the store has grown by `bytes`, and then kills it. True when it was still at work. */
async function interrupt(t, args, data, bytes, extraMs) {
  const child = spawn(binary, ['ingest', ...args], { stdio: ['ignore', 'ignore', 'pipe'], env: environment });
  let said = '';
  child.stderr.on('data', (piece) => { said += piece; });
  atEnd(t, () => child.kill('SIGKILL'));
  const ended = new Promise((done) => child.once('close', (code, signal) => done({ code, signal })));
  const before = stored(data);
  while (child.exitCode === null && stored(data) < before + bytes) await sleep(3);
  await sleep(extraMs);
  child.kill('SIGKILL');
  const ending = await ended;
  const killed = ending.code !== 0; // else it was done before
  assertEnding(ending, killed ? KILLED : IN_ORDER, said);
  return { killed, said };
}

test(`ingest of ${RECORDS} lines, killed five times, goes on each time where it stopped`, async (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'orders.ndjson');
  const data = join(dir, 'store');
  const sum = writeMany(file, RECORDS);
  const rand = random(191);
  let resumed = 0;
  let interrupted = 0;
  let spent = 0;
  for (let round = 0; round < 5; round += 1) {
    const begun = Date.now();
    const { killed, said } = await interrupt(t, [file, '--data', data], data, RECORDS * 12, rand.below(60));
    spent += Date.now() - begun;
    interrupted += killed;
    resumed += /resuming .*orders\.ndjson at line [\d,]+/.test(said);
  }
  const done = ingest(file, '--data', data);
  assert.equal(done.code, 0, done.stderr);
  const [created, duplicates, conflicts, rejected, before] = counts(done);
  assert.deepEqual([before + created, duplicates, conflicts, rejected], [RECORDS, 0, 0, 0], 'whole, and nothing read twice');
  assert.ok(interrupted >= 3 && resumed >= 2 && before > 0, `interrupted ${interrupted} times, resumed ${resumed} times, ${before} before the last run`);
  t.diagnostic(`the last run: ${Math.round(created / done.summary.seconds)} records/s; all: ${Math.round(RECORDS / (done.summary.seconds + spent / 1000))} records/s with five kills and starts`);
  const { groups } = JSON.parse(runWeir(['query', '--data', data, '--json', '--group-by', 'unit']).stdout).data;
  assert.equal(BigInt(groups[0].totalValue.replace('.', '')), sum);
  assert.equal(groups[0].recordCount, RECORDS);
  const verified = runWeir(['verify', '--data', data, '--json']);
  assert.equal(verified.code, 0, verified.stdout);
  const again = ingest(file, '--data', data);
  assert.equal(again.code, 0);
  assert.deepEqual(counts(again), [0, 0, 0, 0, RECORDS]);
  assert.match(again.stderr, /was taken in before/);
});

test('Ctrl-C lets what was read be taken in, and says what that is', async (t) => {
  const dir = tempDir(t), file = join(dir, 'orders.ndjson'), data = join(dir, 'store');
  writeMany(file, RECORDS);
  const child = spawn(binary, ['ingest', file, '--data', data, '--json'], { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
  let out = '', said = '';
  child.stdout.on('data', (piece) => { out += piece; });
  child.stderr.on('data', (piece) => { said += piece; });
  atEnd(t, () => child.kill('SIGKILL'));
  const ended = new Promise((done) => child.once('close', (code, signal) => done([code, signal])));
  while (child.exitCode === null && stored(data) < 4 << 20) await sleep(3);
  child.kill('SIGINT');
  assert.deepEqual(await ended, [3, null], said);
  assert.match(said, /interrupted in .*orders\.ndjson; the same command goes on where it stopped/);
  const { created, error } = JSON.parse(out);
  assert.ok(created > 0 && created < RECORDS, `${created} were taken in`);
  assert.match(error, /^interrupted in /);
  const done = ingest(file, '--data', data);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(counts(done), [RECORDS - created, 0, 0, 0, created], 'no record comes twice');
});

test('Ctrl-C while what is before the place is compared once more', async (t) => {
  const dir = tempDir(t), file = join(dir, 'orders.ndjson'), data = join(dir, 'store');
  writeMany(file, RECORDS);
  assert.equal(ingest(file, '--data', data).code, 0);
  fs.appendFileSync(file, lines([record({ recordId: 'added' })]));
  const child = spawn(binary, ['ingest', file, '--data', data], { stdio: ['ignore', 'ignore', 'pipe'], env: environment });
  let said = '';
  child.stderr.on('data', (piece) => { said += piece; });
  atEnd(t, () => child.kill('SIGKILL'));
  const ended = new Promise((done) => child.once('close', (code, signal) => done([code, signal])));
  const catches = () => /SigCgt:.*[2367abef]$/m.test(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8')); // SIGINT is bit 1.
  while (child.exitCode === null && !(fs.readlinkSync(`/proc/${child.pid}/exe`) === fs.realpathSync(binary) && catches())) await sleep(1);
  child.kill('SIGINT');
  assert.deepEqual(await ended, [3, null], said);
  assert.match(said, /interrupted in .*orders\.ndjson; the same command goes on where it stopped/);
  assert.doesNotMatch(said, /resuming/, 'it is not gone to the place first');
  const done = ingest(file, '--data', data);
  assert.deepEqual(counts(done), [1, 0, 0, 0, RECORDS], done.stderr);
});

test('what is no file is refused before a store is made', (t) => {
  const dir = tempDir(t);
  const done = ingest(dir, '--data', join(dir, 'store'));
  assert.equal(done.code, 2);
  assert.match(done.stderr, /is a directory; name the files in it/);
  assert.equal(fs.existsSync(join(dir, 'store')), false);
});

const records = randomRecords(random(192), 3000);
const FIELDS = ['recordId', 'time', 'sourceId', 'destinationId', 'type', 'value', 'unit', 'reference'];
const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const TEXTS = {
  'records.ndjson': lines(records),
  'records.json': JSON.stringify(records),
  'records.csv': [FIELDS, ...records.map((r) => FIELDS.map((f) => cell(r[f])))].map((row) => `${row.join(',')}\n`).join(''),
};

for (const [name, text] of Object.entries(TEXTS)) {
  test(`ingest ${name}.gz: from a file, torn first, from standard input, and to a server`, async (t) => {
    const dir = tempDir(t);
    const data = join(dir, 'store');
    const file = join(dir, `${name}.gz`);
    const packed = zlib.gzipSync(text);
    fs.writeFileSync(file, packed.subarray(0, packed.length / 2));
    const torn = ingest(file, '--data', data);
    assert.equal(torn.code, 3);
    assert.match(torn.stderr, /end too early/);
    assert.ok(torn.summary.created > 0 && torn.summary.created < 3000, 'what is before the tear is taken in');
    fs.writeFileSync(file, packed);
    const whole = ingest(file, '--data', data);
    assert.equal(whole.code, 0, whole.stderr);
    const [created, duplicates, , , before] = counts(whole);
    assert.deepEqual([created + before, duplicates], [3000, 0], 'the whole file begins like the torn one');
    assert.deepEqual(groupsOf(data), aggregateGroups(records));
    const piped = runWeir(['ingest', '-', '--data', join(dir, 'other'), '--json'], { input: packed });
    assert.equal(JSON.parse(piped.stdout).created, 3000, piped.stderr);
    const server = await startWeir(t);
    const sent = await runWeirAsync(t, ['ingest', file, '--to', server.url, '--json']);
    assert.equal(JSON.parse(sent.stdout).created, 3000, sent.stderr);
  });
}

test('ingest: what was added is taken in, what was changed is read from the beginning', (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'orders.ndjson');
  const data = join(dir, 'store');
  fs.writeFileSync(file, lines(records.slice(0, 1000)));
  assert.deepEqual(counts(ingest(file, '--data', data)), [1000, 0, 0, 0, 0]);
  fs.appendFileSync(file, lines(records.slice(1000, 1500)));
  const grown = ingest(file, '--data', data);
  assert.deepEqual(counts(grown), [500, 0, 0, 0, 1000]);
  assert.match(grown.stderr, /resuming .* at line 1,001/);
  fs.writeFileSync(file, lines(records.slice(1, 1500)));
  const changed = ingest(file, '--data', data);
  assert.deepEqual(counts(changed), [0, 1499, 0, 0, 0]);
  assert.match(changed.stderr, /has changed/);
  assert.deepEqual(counts(ingest(file, '--data', data, '--from-start')), [0, 1499, 0, 0, 0]);
  assert.deepEqual(counts(ingest(file, '--data', data)), [0, 0, 0, 0, 1499]);
  assert.deepEqual(counts(ingest(file, '--data', data, '--dry-run')), [0, 1499, 0, 0, 0], 'a dry run looks at all of it');
  const elsewhere = join(dir, 'copy.ndjson');
  fs.copyFileSync(file, elsewhere);
  assert.deepEqual(counts(ingest(file, elsewhere, '--data', data)), [0, 1499, 0, 0, 1499], 'a file is known by its path');
  fs.symlinkSync(file, join(dir, 'link'));
  assert.deepEqual(counts(ingest(join(dir, 'link'), '--data', data)), [0, 0, 0, 0, 1499], 'by its real one');
});

test('ingest: many small files, in one batch', (t) => {
  const dir = tempDir(t);
  const data = join(dir, 'store');
  const files = records.slice(0, 700).map((r, i) => {
    const file = join(dir, `${i}.ndjson`);
    fs.writeFileSync(file, lines([r]));
    return file;
  });
  assert.deepEqual(counts(ingest(...files, '--data', data)), [700, 0, 0, 0, 0]);
  assert.deepEqual(counts(ingest(...files, '--data', data)), [0, 0, 0, 0, 700]);
});

test('ingest: places of files that are gone are forgotten when there are many', { skip: noSqlite }, (t) => {
  const dir = tempDir(t);
  const data = join(dir, 'store');
  const kept = join(dir, 'kept.ndjson');
  fs.writeFileSync(kept, lines(records.slice(0, 1)));
  const one = join(dir, 'one.ndjson');
  fs.writeFileSync(one, lines(records.slice(1, 2)));
  assert.deepEqual(counts(ingest(kept, '--data', data)), [1, 0, 0, 0, 0]);
  const sql = (text) => spawnSync('sqlite3', [join(data, 'weir.db'), text], { encoding: 'utf8' }).stdout.trim();
  sql(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO source_places(source, part, next, mark, updated_us) SELECT 'ingest', '${dir}/gone/' || i, 7, '1 1 1 1 1 1 1 1 0 1 0 ', 0 FROM n`);
  assert.equal(sql('SELECT count(*) FROM source_places'), '5001');
  assert.deepEqual(counts(ingest(one, '--data', data)), [1, 0, 0, 0, 0]);
  assert.equal(sql('SELECT count(*) FROM source_places'), String(5002 - 1024));
  assert.deepEqual(counts(ingest(kept, one, '--data', data)), [0, 0, 0, 0, 2], 'those that are there are kept');
});

test('ingest: what cannot be taken in is a dead letter, once, and can be tried again', async (t) => {
  const dir = tempDir(t);
  const data = join(dir, 'store');
  const first = record({ recordId: 'first' });
  const file = join(dir, 'odd.ndjson');
  fs.writeFileSync(file, `${lines([first])}{"recordId": 7\n${lines([{ ...first, value: '2.00' }])}`);
  const table = join(dir, 'odd.csv');
  fs.writeFileSync(table, `${FIELDS.join(',')}\nc-1,2025-01-01 10:00:00,s,d,positive,1.005,EUR,r\nc-2,2025-01-01 10:00:00,s,d,positive,1.00,EUR,r\n`);
  const args = [file, table, '--data', data];
  assert.equal(ingest(...args, '--dry-run').code, 1);
  const done = ingest(...args);
  assert.equal(done.code, 1);
  assert.deepEqual(counts(done), [2, 0, 1, 2, 0]);
  assert.equal(ingest(...args, '--from-start').code, 1);
  const piped = runWeir(['ingest', '-', '--format', 'ndjson', '--data', data], { input: 'no record\n' });
  assert.equal(piped.code, 1);
  const server = await startWeir(t, { data });
  const letters = (await getJson(server, '/api/dead-letters?stage=intake')).data;
  const real = fs.realpathSync(dir);
  assert.deepEqual(letters.map((l) => l.place).sort(), ['standard input:1', `${real}/odd.csv:2`, `${real}/odd.ndjson:2`, `${real}/odd.ndjson:3`].sort());
  assert.ok(letters.every((l) => l.origin === 'ingest' || l.source === 'ingest'), JSON.stringify(letters[0]));
});
