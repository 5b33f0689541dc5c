// The source `files` through the real service: each record that is dropped is stored once, whoever is killed, each line that is none is a dead
// letter and in the report, and each file ends in done/ or failed/.
//
// FILES_SOURCE_RECORDS=1000000 drops so many while the service is killed (20,000 without it).
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import zlib from 'node:zlib';
import { countRecords, getJson, send } from './support/client.mjs';
import { record, random, randomRecords, aggregateGroups } from './support/model.mjs';
import { eventually, runWeir, sleep, startWeir, tempDir } from './support/weir.mjs';

const RECORDS = Number(process.env.FILES_SOURCE_RECORDS ?? 20_000);
const FIELDS = ['recordId', 'time', 'sourceId', 'destinationId', 'type', 'value', 'unit', 'reference'];
const noZstd = spawnSync('zstd', ['--version']).error !== undefined;
const lines = (list) => list.map((r) => `${JSON.stringify(r)}\n`).join('');
const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const table = (list) => [FIELDS, ...list.map((r) => FIELDS.map((f) => cell(r[f])))].map((row) => `${row.join(',')}\r\n`).join('');
const zstd = (text) => spawnSync('zstd', ['-q', '-c'], { input: text, maxBuffer: 1 << 28 }).stdout;

function setUp(t, more = '') {
  const data = tempDir(t);
  const dir = join(tempDir(t), 'drop');
  const config = join(data, 'weir.yaml');
  fs.writeFileSync(config, `sources:\n  partner:\n    type: files\n    dir: ${dir}\n${more}`);
  return { data, dir, config, start: () => startWeir(t, { data, config }) };
}

/** Written elsewhere, and moved there when it is whole. */
function drop({ dir }, name, content) {
  const from = join(dir, '..', `${name}.new`);
  fs.writeFileSync(from, content);
  fs.mkdirSync(dir, { recursive: true });
  fs.renameSync(from, join(dir, name));
}

const inDir = (...path) => (fs.existsSync(join(...path)) ? fs.readdirSync(join(...path), { withFileTypes: true }).filter((e) => e.isFile()).map((e) => e.name).sort() : []);
const emptied = ({ dir }, ms = 60_000) => eventually(() => inDir(dir).length === 0, 'every file to be taken', ms);
const report = ({ dir }, name) => fs.readFileSync(join(dir, 'failed', `${name}.report.ndjson`), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
const sourceOf = async (server) => (await getJson(server, '/api/sources/partner')).data;
const letters = async (server, query = '') => (await getJson(server, `/api/dead-letters?stage=intake&limit=1000${query}`)).data;

test('files of every format, packed or not, there before and dropped while it runs', { skip: noZstd && 'there is no zstd' }, async (t) => {
  const side = setUp(t);
  const records = randomRecords(random(201), 6000);
  const part = (i) => records.slice(i * 1000, (i + 1) * 1000);
  drop(side, 'a.ndjson', lines(part(0)));
  drop(side, 'b.json', JSON.stringify(part(1), null, 1));
  drop(side, 'c.csv', table(part(2)));
  const server = await side.start();
  await emptied(side);
  drop(side, 'd.ndjson.gz', zlib.gzipSync(lines(part(3))));
  drop(side, 'e.csv.zst', zstd(table(part(4))));
  drop(side, 'f.gz', zlib.gzipSync(JSON.stringify(part(5))));
  fs.writeFileSync(join(side.dir, '.hidden.ndjson'), 'no record\n');
  await eventually(() => inDir(side.dir).length === 1, 'what was dropped to be taken');
  assert.deepEqual(inDir(side.dir, 'done'), ['a.ndjson', 'b.json', 'c.csv', 'd.ndjson.gz', 'e.csv.zst', 'f.gz']);
  assert.deepEqual(inDir(side.dir, 'failed'), []);
  assert.equal(await countRecords(server), 6000);
  assert.deepEqual((await getJson(server, '/api/records/aggregate?records=false')).data.groups, aggregateGroups(records));
  const source = await sourceOf(server);
  assert.deepEqual([source.state, source.created, source.duplicates, source.deadLetters, source.lag], ['running', 6000, 0, 0, 0]);
});

test('a file with lines that are no records fails with a report; they can be mended', async (t) => {
  const side = setUp(t);
  const server = await side.start();
  const good = record({ recordId: 'good' });
  drop(side, 'odd.ndjson', `${lines([good])}{"recordId":\n\n${lines([{ ...good, value: '7.00' }])}${'x'.repeat(2 << 20)}\n${lines([record({ recordId: 'last' })])}`);
  drop(side, 'odd.csv', `${FIELDS.join(',')}\nc-1,2025-01-01 10:00:00,s,d,positive,1.005,EUR,r\nc-2,2025-01-01 10:00:00,s,d,positive,1.00,EUR,r\n`);
  drop(side, 'torn.json', `[${JSON.stringify(record({ recordId: 'before' }))},{"recordId":"cut`);
  drop(side, 'headless.csv', 'a,b\n1,2\n3,4\n');
  await emptied(side);
  assert.equal(await countRecords(server), 4);
  assert.deepEqual(inDir(side.dir, 'done'), []);
  assert.deepEqual(report(side, 'odd.ndjson').map((r) => r.line), [2, 4, 5]);
  assert.match(report(side, 'odd.ndjson')[1].error, /differs in value/);
  assert.match(report(side, 'odd.ndjson')[2].error, /message_bytes_max/);
  assert.deepEqual(report(side, 'odd.csv'), [{ line: 2, error: report(side, 'odd.csv')[0].error, raw: 'c-1,2025-01-01 10:00:00,s,d,positive,1.005,EUR,r' }]);
  assert.match(report(side, 'torn.json')[0].error, /ends inside the record/);
  assert.match(report(side, 'headless.csv')[0].error, /has no column recordId/);
  assert.equal(report(side, 'headless.csv').length, 1, 'what is wrong with all lines is said once');
  const found = await letters(server);
  assert.deepEqual(found.map((l) => l.place).sort(), ['headless.csv:1', 'odd.csv:2', 'odd.ndjson:2', 'odd.ndjson:4', 'odd.ndjson:5', 'torn.json:1']);
  assert.match((await sourceOf(server)).notice, /4 files went to failed\//);
  assert.match(server.stderr, /level=warn msg="a source's messages became dead letters" source=partner count=\d/);
  const letter = found.find((l) => l.place === 'odd.csv:2');
  const mended = await send(server, `/api/dead-letters/${letter.id}/retry`, JSON.stringify({ raw: `${FIELDS.join(',')}\nc-1,2025-01-01 10:00:00,s,d,positive,1.01,EUR,r` }));
  assert.ok(mended.status < 300, mended.text);
  await eventually(async () => (await countRecords(server)) === 5, 'the mended line to be a record');
  fs.renameSync(join(side.dir, 'failed', 'odd.csv'), join(side.dir, 'odd.csv'));
  await emptied(side);
  assert.deepEqual(inDir(side.dir, 'failed').filter((name) => name === 'odd.csv'), ['odd.csv'], 'a file that is not mended fails again');
});

test('a file that is put back after a restart is read from its beginning', async (t) => {
  const side = setUp(t, '    group_messages_max: 2\n');
  drop(side, 'odd.ndjson', `no record\n${lines(randomRecords(random(203), 6))}`);
  let server = await side.start();
  await emptied(side);
  const finished = async () => { // After its last record, the place says that the file is.
    const { places } = await sourceOf(server);
    return places.length === 1 && places[0].mark.split(' ')[9] === '1';
  };
  await eventually(finished, 'the place to be the end of the file');
  await server.stop();
  server = await side.start();
  fs.renameSync(join(side.dir, 'failed', 'odd.ndjson'), join(side.dir, 'odd.ndjson'));
  await emptied(side);
  assert.equal((await sourceOf(server)).duplicates, 6);
  assert.deepEqual(report(side, 'odd.ndjson').map((r) => r.line), [1]);
  assert.equal((await letters(server)).length, 1, 'the line is a dead letter already');
});

test(`${RECORDS} lines in files, the service killed again and again: each once, and whole reports`, async (t) => {
  const side = setUp(t, `    group_messages_max: ${RECORDS > 100_000 ? 512 : 32}\n`); // So few are in a group that there is time to kill.
  const rand = random(202);
  const files = 5;
  const broken = new Map();
  let cents = 0n;
  for (let f = 0; f < files; f += 1) {
    const text = [];
    const bad = [];
    for (let i = f * RECORDS / files; i < (f + 1) * RECORDS / files; i += 1) {
      text.push(JSON.stringify({ recordId: `rec-${i}`, time: '2025-01-01T10:00:00Z', sourceId: 's', destinationId: `dest-${i % 7}`, type: 'positive', value: `${i % 900}.50`, unit: 'EUR', reference: `ref-${i % 100}` }));
      cents += BigInt(i % 900) * 100n + 50n;
      if (f > 0 && i % 997 === 0) bad.push(text.push(`{"broken":${i}`));
    }
    const name = `orders-${f}.ndjson${f % 2 ? '.gz' : ''}`;
    broken.set(name, bad);
    drop(side, name, f % 2 ? zlib.gzipSync(text.join('\n')) : text.join('\n'));
  }
  let server = await side.start();
  let kills = 0;
  for (let seen = 0; inDir(side.dir).length > 0 && kills < 40; kills += 1) {
    await eventually(async () => inDir(side.dir).length === 0 || (await countRecords(server)) >= seen + RECORDS / 20, 'more records', 60_000);
    await sleep(rand.below(RECORDS > 100_000 ? 40 : 10));
    seen = inDir(side.dir).length > 0 ? await countRecords(server) : seen;
    await server.kill();
    server = await side.start();
  }
  await emptied(side, 60_000 + RECORDS / 10);
  assert.ok(kills >= 2, `it was killed ${kills} times`);
  const { groups } = (await getJson(server, '/api/records/aggregate?records=false&groupBy=unit')).data;
  assert.equal(groups[0].recordCount, RECORDS);
  assert.equal(BigInt(groups[0].totalValue.replace('.', '')), cents);
  for (const [name, bad] of broken) {
    assert.deepEqual(bad.length ? report(side, name).map((r) => r.line) : [], bad, `the report about ${name}`);
    assert.ok(fs.existsSync(join(side.dir, bad.length ? 'failed' : 'done', name)), name);
  }
  const places = (await letters(server)).map((l) => l.place).sort();
  assert.deepEqual(places, [...broken].flatMap(([name, bad]) => bad.map((line) => `${basename(name)}:${line}`)).sort());
  await server.stop();
  const verified = runWeir(['verify', '--data', side.data, '--json']);
  assert.equal(verified.code, 0, verified.stdout);
});

test('a directory whose parent is missing is waited for', async (t) => {
  const top = tempDir(t);
  const data = tempDir(t);
  const dir = join(top, 'mount', 'drop');
  const config = join(data, 'weir.yaml');
  fs.writeFileSync(config, `sources:\n  partner:\n    type: files\n    dir: ${dir}\n    when_done: remove\n`);
  const server = await startWeir(t, { data, config });
  await eventually(async () => (await sourceOf(server)).state === 'connecting', 'the source to try');
  assert.match((await eventually(async () => (await sourceOf(server)).lastError, 'an error')), /is not there/);
  fs.mkdirSync(join(top, 'mount'));
  await eventually(async () => (await sourceOf(server)).state === 'running', 'the source to run', 60_000);
  drop({ dir }, 'a.ndjson', lines([record()]));
  await eventually(async () => (await countRecords(server)) === 1, 'the record');
  await emptied({ dir });
  assert.deepEqual(inDir(dir, 'done'), []);
});
