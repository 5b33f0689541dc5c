// The commands, run as people and scripts run them.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { startWeir, runWeir, runWeirAsync, tempDir, assertEnding, atEnd, binary, environment, IN_ORDER, KILLED } from './support/weir.mjs';
import { getJson, load, get, countRecords, readFeed, NDJSON_TYPE, CSV_TYPE } from './support/client.mjs';
import { record, random, randomRecords, aggregateGroups, byTime, shown } from './support/model.mjs';

const COMMANDS = ['serve', 'ingest', 'query', 'records', 'tail', 'sinks', 'dead-letters', 'mapping', 'orgs', 'verify', 'doctor', 'config', 'version', 'completion', 'bench'];
const strip = ({ id, ...fields }) => fields;

test('help: every command has one, with an example and its exit codes', () => {
  const overview = runWeir(['--help']);
  assert.equal(overview.code, 0);
  for (const command of COMMANDS) {
    assert.match(overview.stdout, new RegExp(`^ +${command}\\b`, 'm'));
    const help = runWeir([command, '--help']);
    assert.equal(help.code, 0, command);
    assert.match(help.stdout, new RegExp(`weir ${command}`), command);
    assert.match(help.stdout, /exit/i, command);
    assert.ok(help.stdout.split('\n').every((line) => line.length <= 120), `${command}: lines fit a terminal`);
  }
});

test('a command or flag that does not exist is a usage error with a suggestion', () => {
  for (const [args, hint] of [[['sevre'], /serve/], [['serve', '--lisen', 'x'], /listen/], [['verify', '--rebild'], /rebuild/], [['query', '--grup-by', 'x'], /group-by/]]) {
    const done = runWeir(args);
    assert.equal(done.code, 2, args.join(' '));
    assert.match(done.stderr, hint);
    assert.equal(done.stdout, '');
  }
});

test('version', () => {
  const text = runWeir(['version']);
  assert.equal(text.code, 0);
  assert.match(text.stdout, /\d+\.\d+\.\d+/);
  const json = JSON.parse(runWeir(['version', '--json']).stdout);
  assert.match(JSON.stringify(json), /sqlite/i);
});

test('completion for the shells parses', (t) => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const done = runWeir(['completion', shell]);
    assert.equal(done.code, 0, `${shell}: ${done.stderr}`);
    for (const command of ['serve', 'ingest', 'verify']) assert.match(done.stdout, new RegExp(command));
    if (shell === 'bash') {
      const file = join(tempDir(t), 'completion');
      fs.writeFileSync(file, done.stdout);
      assert.equal(spawnSync('bash', ['-n', file]).status, 0);
    }
  }
  assert.equal(runWeir(['completion', 'tcsh']).code, 2);
});

test('config print and check: file, environment and flags in that order', (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'weir.yaml');
  fs.writeFileSync(file, 'http:\n  body_bytes_max: 2MiB\n  idle_timeout: 5s\nalerts.threshold: 12.50\n');
  const printed = runWeir(['config', 'print', '--config', file, '--set', 'http.idle_timeout=7s'], { env: { WEIR_HTTP_BODY_BYTES_MAX: '3MiB' } });
  assert.equal(printed.code, 0, printed.stderr);
  fs.writeFileSync(join(dir, 'again.yaml'), printed.stdout);
  const json = JSON.parse(runWeir(['config', 'print', '--json', '--config', join(dir, 'again.yaml')]).stdout);
  assert.match(String(json['http.body_bytes_max'].value), /3 ?MiB|3145728/);
  assert.match(String(json['http.idle_timeout'].value), /7 ?s|7000000/);
  assert.match(String(json['alerts.threshold'].value), /^12\.50?$/);
  assert.equal(runWeir(['config', 'check', '--config', file]).code, 0);
  for (const [text, hint] of [['http:\n  lisen: 127.0.0.1:1\n', /line 2|:2/], ['http.body_bytes_max: many\n', /body_bytes_max/], ['http: [1]\n', /:1|line 1/],
    ['http.body_bytes_max: 1\n', /body_bytes_max/], ['\t- x: {', /:1|line 1/]]) {
    fs.writeFileSync(file, text);
    const done = runWeir(['config', 'check', '--config', file]);
    assert.equal(done.code, 2, text);
    assert.match(done.stderr, hint);
  }
  assert.equal(runWeir(['config', 'check', '--config', join(dir, 'none.yaml')]).code, 2);
  assert.equal(runWeir(['config', 'check'], { env: { WEIR_HTPP_LISTEN: 'x' } }).code, 2, 'a misspelt variable is not passed over');
});

const records = randomRecords(random(91), 3000);
const asNdjson = (list) => list.map((r) => JSON.stringify(r) + '\n').join('');
const CSV_FIELDS = ['recordId', 'time', 'sourceId', 'destinationId', 'type', 'value', 'unit', 'reference'];
const cell = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const asCsv = (list, eol = '\n') => [CSV_FIELDS, ...list.map((r) => CSV_FIELDS.map((f) => cell(r[f])))].map((row) => row.join(',') + eol).join('');

const FORMATS = { 'records.ndjson': asNdjson(records), 'records.json': JSON.stringify(records, null, 1), 'records.csv': asCsv(records), 'dos.csv': asCsv(records, '\r\n') };

for (const [name, text] of Object.entries(FORMATS)) {
  test(`ingest ${name}: straight into a store, from standard input, and to a server`, async (t) => {
    const dir = tempDir(t);
    const file = join(dir, name);
    fs.writeFileSync(file, text);
    const data = join(dir, 'store');
    const taken = runWeir(['ingest', file, '--data', data, '--json']);
    assert.equal(taken.code, 0, taken.stderr);
    const summary = JSON.parse(taken.stdout);
    assert.deepEqual([summary.received, summary.created, summary.duplicates, summary.conflicts, summary.rejected], [3000, 3000, 0, 0, 0]);
    const again = runWeir(['ingest', '-', '--format', name.split('.')[1], '--data', data, '--json'], { input: text });
    assert.equal(again.code, 0, again.stderr);
    assert.equal(JSON.parse(again.stdout).duplicates, 3000);
    const server = await startWeir(t, { data });
    assert.deepEqual((await getJson(server, '/api/records/aggregate?records=false')).data.groups, aggregateGroups(records));
    const held = await runWeirAsync(t, ['ingest', file, '--data', data]);
    assert.equal(held.code, 3, 'a store that a server holds is not written to');
    assert.match(held.stderr, /--to/);
    const other = await startWeir(t);
    const sent = await runWeirAsync(t, ['ingest', file, '--to', other.url, '--json']);
    assert.equal(sent.code, 0, sent.stderr);
    assert.equal(JSON.parse(sent.stdout).created, 3000);
    assert.deepEqual((await getJson(other, '/api/records/aggregate?records=false')).data.groups, aggregateGroups(records));
  });
}

test('ingest: what cannot be taken in goes to the rejects file, with reasons', async (t) => {
  const dir = tempDir(t);
  const rejects = join(dir, 'rejects.ndjson');
  const file = join(dir, 'mixed.ndjson');
  const first = record({ recordId: 'ok-1' });
  const lines = [JSON.stringify(first), '{"recordId": 7', JSON.stringify(record({ recordId: 'bad', value: '1.005', unit: '' })), '',
    JSON.stringify({ ...first, value: '2.00' }), JSON.stringify(first), JSON.stringify(record({ recordId: 'ok-2' }))];
  fs.writeFileSync(file, lines.join('\n'));
  const server = await startWeir(t);
  for (const to of [['--data', join(dir, 'store')], ['--to', server.url]]) {
    const done = await runWeirAsync(t, ['ingest', file, ...to, '--rejects', rejects, '--json']);
    assert.equal(done.code, 1, done.stderr);
    const summary = JSON.parse(done.stdout);
    assert.deepEqual([summary.received, summary.created, summary.duplicates, summary.conflicts, summary.rejected], [6, 2, 1, 1, 2]);
    const written = fs.readFileSync(rejects, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(written.map((r) => r.line).sort(), [2, 3, 5]);
    const bad = written.find((r) => r.line === 3);
    assert.deepEqual(Object.keys(bad.errors).sort(), ['unit', 'value']);
    assert.match(JSON.stringify(bad), /"raw"/);
    assert.equal(bad.file, file);
    assert.match(JSON.stringify(written.find((r) => r.line === 5)), /value/);
  }
});

test('ingest: with on_conflict: first a conflict is a duplicate, in a store and on a server', async (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'clash.ndjson');
  const env = { WEIR_RECORDS_ON_CONFLICT: 'first' };
  const first = record({ recordId: 'ok-1' });
  fs.writeFileSync(file, `${JSON.stringify(first)}\n${JSON.stringify({ ...first, value: '2.00' })}\n`);
  const server = await startWeir(t, { env });
  for (const to of [['--data', join(dir, 'store')], ['--to', server.url]]) {
    const done = await runWeirAsync(t, ['ingest', file, ...to, '--json'], { env });
    assert.equal(done.code, 0, done.stderr);
    const summary = JSON.parse(done.stdout);
    assert.deepEqual([summary.received, summary.created, summary.duplicates, summary.conflicts], [2, 1, 1, 0]);
  }
});

test('ingest: CSV with snake_case names, quotes, and rows that are wrong', async (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'odd.csv');
  fs.writeFileSync(file, 'record_id,time,source_id,destination_id,type,value,unit,reference\r\n' +
    'c-1,2025-01-01 10:00:00,s,"d, with comma",positive,1.00,EUR,"say ""hi"""\r\n' +
    'c-2,2025-01-01 10:00:00,s,d,positive,1.005,EUR,r\r\n' +
    'c-3,2025-01-01 10:00:00,s,d,positive,1.00,EUR\r\n' +
    'c-4,2025-01-01 10:00:00,s,"two\nlines",negative,2,EUR,r');
  const data = join(dir, 'store');
  const done = runWeir(['ingest', file, '--data', data, '--json']);
  assert.equal(done.code, 1, done.stderr);
  assert.equal(JSON.parse(done.stdout).created, 2);
  assert.equal(JSON.parse(done.stdout).rejected, 2);
  const server = await startWeir(t, { data });
  assert.equal((await getJson(server, '/api/records/c-1')).data.reference, 'say "hi"');
  assert.equal((await getJson(server, '/api/records/c-4')).data.destinationId, 'two\nlines');
  fs.writeFileSync(file, 'recordId,time\0,sourceId\nx,y,z\n');
  assert.match(runWeir(['ingest', file, '--data', join(dir, 'other')]).stderr, /has no column time/);
  fs.writeFileSync(file, 'recordId,time,sourceId\nx,y,z\n');
  const headless = runWeir(['ingest', file, '--data', join(dir, 'other')]);
  assert.ok([1, 2, 3].includes(headless.code));
  assert.match(headless.stderr, /destinationId|column/);
});

/** Answers each request with what `answer` makes of how many there were before it. */
async function fakeServer(t, answer) {
  let calls = 0;
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answer(calls++)));
    });
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

test('ingest: a server that counts what it does not list is asked again', async (t) => {
  const rejects = join(tempDir(t), 'rejects');
  const entry = { index: 1, line: 2, recordId: 'b', status: 'rejected', errors: { value: ['is wrong'] } };
  const answer = (listed) => ({ data: { received: 2, created: 1, duplicates: 0, conflicts: 0, rejected: 1,
    ...(listed ? { results: [entry] } : { results: [], resultsTruncated: true }) } });
  const input = '{"recordId":"a"}\n{"recordId":"b"}\n';
  const ingest = (url, ...args) => runWeirAsync(t, ['ingest', '-', '--format', 'ndjson', '--rejects', rejects, '--to', url, ...args], { input });
  const done = await ingest(await fakeServer(t, (calls) => answer(calls > 0)));
  assert.equal(done.code, 1, done.stderr);
  assert.deepEqual(fs.readFileSync(rejects, 'utf8').trim().split('\n').map((line) => JSON.parse(line).errors), [entry.errors]);
  const never = await ingest(await fakeServer(t, () => answer(false)), '--wait', '1');
  assert.equal(never.code, 3, never.stderr);
  assert.match(never.stderr, /no memory to say what has become of each record/);
});

test('ingest: lines and headers that are long, straight into a store', (t) => {
  const dir = tempDir(t);
  const path = join(dir, 'wide.csv');
  const names = ['record_id', 'time', 'source_id', 'destination_id', 'type', 'value', 'unit', 'reference'];
  const more = Array.from({ length: 50 }, (_, i) => `a column of which nobody here has heard: number ${i}`);
  const line = (i) => [`wide-${i}`, '2025-01-01 10:00:00', 's', 'd', 'positive', i % 1000 ? '1.50' : 'x', 'EUR', 'r', ...more.map(() => 'a cell')].join(',');
  fs.writeFileSync(path, `${[...names, ...more].join(',')}\n${Array.from({ length: 20_000 }, (_, i) => `${line(i)}\n`).join('')}`);
  const done = runWeir(['ingest', path, '--data', join(dir, 'store')]);
  assert.equal(done.code, 1, done.stderr);
  assert.match(done.stdout + done.stderr, /19,980 created.*20 rejected/);
  const long = join(dir, 'long.ndjson');
  const short = (id) => JSON.stringify(record({ recordId: id }));
  fs.writeFileSync(long, `${short('before')}\n${JSON.stringify(record({ recordId: 'long', note: 'x'.repeat(36 << 20) }))}\n${short('behind')}\n`);
  const passed = runWeir(['ingest', long, '--data', join(dir, 'store'), '--set', 'http.line_bytes_max=60MiB']);
  assert.equal(passed.code, 1, passed.stderr);
  assert.match(passed.stdout + passed.stderr, /2 created.*1 rejected/);
});

test('ingest: a dry run, files that are missing, servers that are away', async (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'records.ndjson');
  fs.writeFileSync(file, asNdjson(records.slice(0, 50)));
  const data = join(dir, 'store');
  const dry = runWeir(['ingest', file, '--data', data, '--dry-run', '--json']);
  assert.equal(dry.code, 0, dry.stderr);
  assert.equal(JSON.parse(dry.stdout).created, 50);
  const real = runWeir(['ingest', file, '--data', data, '--json']);
  assert.equal(JSON.parse(real.stdout).created, 50);
  const missing = runWeir(['ingest', join(dir, 'none.ndjson'), '--data', data]);
  assert.ok([2, 3].includes(missing.code));
  assert.match(missing.stderr, /none\.ndjson/);
  const away = runWeir(['ingest', file, '--to', 'http://127.0.0.1:1', '--wait', '0']);
  assert.equal(away.code, 3, away.stderr);
  assert.equal(runWeir(['ingest', file, '--to', 'http://127.0.0.1:1', '--data', data]).code, 2);
});

test('ingest to a server that is killed meanwhile goes on when it is back', async (t) => {
  const data = tempDir(t);
  const dir = tempDir(t);
  const file = join(dir, 'many.ndjson');
  const many = randomRecords(random(92), 60_000);
  fs.writeFileSync(file, asNdjson(many));
  let server = await startWeir(t, { data });
  const { port } = server;
  const ingesting = runWeirAsync(t, ['ingest', file, '--to', server.url, '--json']);
  for (let i = 0; i < 400 && (await countRecords(server)) === 0; i += 1) await new Promise((done) => setTimeout(done, 2));
  await server.kill();
  server = await startWeir(t, { data, port });
  const done = await ingesting;
  assert.equal(done.code, 0, done.stderr);
  const summary = JSON.parse(done.stdout);
  assert.equal(summary.created + summary.duplicates, many.length);
  assert.equal(await countRecords(server), many.length);
  assert.deepEqual((await getJson(server, '/api/records/aggregate?records=false')).data.groups, aggregateGroups(many));
});

test('ingest straight into a store, killed again and again, ends with each record once', async (t) => {
  const dir = tempDir(t);
  const file = join(dir, 'many.ndjson');
  const data = join(dir, 'store');
  const many = randomRecords(random(93), 150_000);
  fs.writeFileSync(file, asNdjson(many));
  const rand = random(94);
  for (let round = 0; round < 8; round += 1) {
    const args = ['ingest', file, '--data', data, '--set', `store.publish_records=${rand.pick([100, 3000, 65536])}`];
    const ending = spawnSync(binary, args, { env: environment, timeout: 20 + rand.below(500), killSignal: 'SIGKILL', encoding: 'utf8' });
    assertEnding({ code: ending.status, signal: ending.signal }, ending.status === 0 ? IN_ORDER : KILLED, ending.stderr);
  }
  const done = runWeir(['ingest', file, '--data', data, '--json']);
  assert.equal(done.code, 0, done.stderr);
  const summary = JSON.parse(done.stdout);
  assert.deepEqual([summary.before + summary.created, summary.duplicates], [many.length, 0]);
  const verified = runWeir(['verify', '--data', data, '--json']);
  assert.equal(verified.code, 0, verified.stdout);
  assert.equal(JSON.parse(verified.stdout).records, many.length);
  const { groups } = JSON.parse(runWeir(['query', '--data', data, '--json']).stdout).data;
  assert.deepEqual(groups, aggregateGroups(many));
});

test('query and records answer the same from a store and from a server', async (t) => {
  const data = tempDir(t);
  const server = await startWeir(t, { data });
  await load(server, records);
  const cases = [
    [['query', '--group-by', 'sourceId,unit', '--type', 'positive'], '/api/records/aggregate?records=false&groupBy=sourceId,unit&type=positive', undefined],
    [['records', '--destination-id', 'dest-1', '--limit', '20', '--order', 'desc'], '/api/records?destinationId=dest-1&limit=20&order=desc', undefined],
    [['records', '--format', 'ndjson'], '/api/records', NDJSON_TYPE], [['records', '--format', 'csv', '--unit', 'SEK'], '/api/records?unit=SEK', CSV_TYPE],
    [['query', '--format', 'csv', '--window', 'week'], '/api/records/aggregate?records=false&window=week', CSV_TYPE],
  ];
  for (const [args, path, accept] of cases) {
    const asked = (await get(server, path, accept ? { accept } : {})).text;
    const output = accept ? [] : ['--json'];
    const online = await runWeirAsync(t, [...args, ...output, '--to', server.url]);
    assert.equal(online.code, 0, online.stderr);
    assert.equal(online.stdout.trimEnd(), asked.trimEnd(), args.join(' '));
    const offline = await runWeirAsync(t, [...args, ...output, '--data', data]);
    assert.equal(offline.code, 0, offline.stderr);
    assert.equal(offline.stdout.trimEnd(), asked.trimEnd(), `${args.join(' ')} from the store that the server holds`);
  }
  await server.stop();
  const lines = runWeir(['records', '--data', data, '--format', 'ndjson']).stdout.trimEnd().split('\n').map((l) => strip(JSON.parse(l)));
  assert.deepEqual(lines, byTime(records).map(shown));
  const table = runWeir(['query', '--data', data, '--format', 'table']);
  assert.match(table.stdout, /dest-0/);
  assert.equal(runWeir(['query', '--data', data, '--type', 'up']).code, 2);
  assert.equal(runWeir(['query', '--data', data, '--group-by', 'colour']).code, 2);
  assert.notEqual(runWeir(['query', '--data', join(data, 'none')]).code, 0);
  assert.ok(!fs.existsSync(join(data, 'none')), 'a question makes no store');
});

test('verify in JSON', async (t) => {
  const data = tempDir(t);
  const server = await startWeir(t, { data });
  await load(server, records);
  const beside = await runWeirAsync(t, ['verify', '--data', data, '--json']);
  assert.equal(beside.code, 0, beside.stderr);
  const report = JSON.parse(beside.stdout);
  assert.equal(report.records, records.length);
  const rebuild = await runWeirAsync(t, ['verify', '--data', data, '--rebuild']);
  assert.equal(rebuild.code, 3, 'not while a server holds it');
  await server.stop();
  assert.equal(runWeir(['verify', '--data', data, '--rebuild', '--json']).code, 0);
  for (const more of [[], ['--rebuild']]) {
    assert.equal(runWeir(['verify', '--data', join(data, 'none'), ...more]).code, 2);
    assert.ok(!fs.existsSync(join(data, 'none')), 'it makes no store of its own to find in order');
  }
});

test('doctor', (t) => {
  const dir = tempDir(t);
  const done = runWeir(['doctor', '--data', join(dir, 'store')]);
  assert.ok([0, 1].includes(done.code), done.stderr);
  assert.match(done.stdout, /sync/i);
  assert.match(done.stdout, /disk|free/i);
  const json = runWeir(['doctor', '--data', join(dir, 'store'), '--json']);
  assert.equal(typeof JSON.parse(json.stdout), 'object');
});

test('tail prints what is there and what comes', async (t) => {
  const server = await startWeir(t);
  await load(server, records.slice(0, 5));
  const { spawn } = await import('node:child_process');
  const child = spawn(binary, ['tail', '--to', server.url, '--format', 'ndjson', '--after', '0'], { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
  atEnd(t, () => child.kill('SIGKILL'));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part) => { text += part; });
  const lines = () => text.split('\n').filter(Boolean);
  const waitFor = async (count) => {
    for (let i = 0; i < 400 && lines().length < count; i += 1) await new Promise((done) => setTimeout(done, 25));
    return lines().map((line) => JSON.parse(line));
  };
  await waitFor(5);
  await load(server, records.slice(5, 12));
  assert.deepEqual(await waitFor(12), await readFeed(server));
});

test('the load test of the reference runs', async (t) => {
  const server = await startWeir(t);
  const done = await runWeirAsync(t, ['bench', '--to', server.url, '--rate', '28', '--duration', '2', '--connections', '5', '--json']);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(typeof JSON.parse(done.stdout), 'object');
  const count = await countRecords(server);
  assert.ok(count >= 40 && count <= 80, `${count} records in two seconds`);
});
