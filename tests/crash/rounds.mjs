// Rounds of kill -9 on one store: at named points (see killer.c) and at random moments, while records come in. After each the
// server is started again, and what it has is counted through its API: everything that was acknowledged, nothing twice, and of
// what was not acknowledged nothing in part. Every so often, and at the end, all of it is compared with a model.
//
//     node rounds.mjs [--rounds N] [--seed N]      WEIR_BIN names another binary than build/weir
//     node rounds.mjs --self-test                  the server crashes instead of being killed, and each round has to see that
//
// Ends with a line that says how many kills came at which points, and "N passed, N failed".
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { assertEnding, binary, environment, runWeir, sleep, IN_ORDER, KILLED } from '../e2e/support/weir.mjs';
import { getJson, post, postLines, readFeed, readPages } from '../e2e/support/client.mjs';
import { aggregateGroups, byTime, notifications, random, randomRecords, shown } from '../e2e/support/model.mjs';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '1000' }, seed: { type: 'string', default: '1' }, 'self-test': { type: 'boolean' } },
});
const rounds = Number(options.rounds);
const rand = random(Number(options.seed));
const CHECK_EVERY = 100;
const STORE_EVERY = 200; // rounds on one store
const SELF_TESTS = 6;
const END_SIGNAL = options['self-test'] ? 'SIGABRT' : 'SIGKILL';
const START_MS_MAX = 60_000;

// What is done to which files: the log's transactions, checkpoints, the writing, listing and removing of runs. How often each
// is called in a round says how far the number of the fatal call may go.
const POINTS = [
  ['write', '.db-wal', 60], ['sync', '.db-wal', 20], ['write', '/weir.db', 60], ['sync', '/weir.db', 4],
  ['open', '.run', 12], ['write', '.run', 40], ['sync', '.run', 12], ['sync', '/index', 12], ['remove', '.run', 12],
];
const killer = join(dirname(binary), 'tests/crash/libkiller.so');
let data = newStore();
const known = new Map(); // every record that the store has for certain, by id
const kills = new Map();
let unsure = [];         // submissions that were sent and not answered: each whole or not at all
let sentCount = 0;

function newStore() { return mkdtempSync(join(os.tmpdir(), 'weir-crash-')); }

function emptyStore() {
  rmSync(data, { recursive: true });
  data = newStore();
  known.clear();
}

function drawPoint() {
  if (rand.below(4) === 0) return null;
  const [call, name, most] = rand.pick(POINTS);
  const when = rand.pick(call === 'write' ? ['before', 'after', 'torn'] : ['before', 'after']);
  return `${call}:${name}:${1 + rand.below(most)}:${when}`;
}

/** Starts the server; answers null when it was killed before it listened. */
async function start(point, crashMs = null) {
  const env = { ...environment, ...(point ? { LD_PRELOAD: killer, KILL_AT: point } : {}) };
  const child = spawn(binary, ['serve', '--data', data, '--listen', '127.0.0.1:0', '--set', 'store.publish_records=300'],
    { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const server = { child, stderr: '', dead: false };
  if (crashMs !== null) setTimeout(() => child.kill(END_SIGNAL), crashMs);
  server.exited = new Promise((done) => child.on('close', (code, signal) => { server.dead = true; done({ code, signal }); }));
  child.stderr.setEncoding('utf8').on('data', (text) => { server.stderr += text; });
  const url = await new Promise((done, fail) => {
    let said = '';
    const timer = setTimeout(() => fail(new Error(`the server does not start:\n${server.stderr}`)), START_MS_MAX);
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
      const match = /listening on (http:\S+)/.exec(said);
      if (match) { clearTimeout(timer); done(match[1]); }
    });
    server.exited.then(() => { clearTimeout(timer); done(null); });
  });
  if (url) return Object.assign(server, { url, port: Number(new URL(url).port) });
  assertEnding(await server.exited, KILLED, server.stderr);
  return null;
}

/** New records, and some that were sent before. */
function drawSubmission() {
  const fresh = randomRecords(rand, 1 + rand.below(rand.pick([1, 20, 200])), { days: 3 });
  for (const record of fresh) record.recordId = `k-${(sentCount += 1)}`;
  const again = [...known.values()].slice(-200).filter(() => rand.below(40) === 0);
  return rand.shuffle([...fresh, ...again]);
}

/** Sends until the server dies or enough is sent. */
async function client(server, submissions) {
  for (const records of submissions) {
    if (server.dead) return;
    unsure.push(records);
    try {
      const answer = records.length === 1 ? await post(server, records[0]) : records.length % 2 ? await post(server, records, '?results=none') : await postLines(server, records, '?results=none');
      assert.ok([200, 201].includes(answer.status), answer.text);
      unsure.splice(unsure.indexOf(records), 1);
      for (const record of records) known.set(record.recordId, record);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return; // the connection broke: nothing is known of this submission
    }
  }
}

async function count(server) {
  return (await getJson(server, '/api/records/aggregate?records=false')).data.count;
}

/** What is there after a kill: all that is known, and of each unsure submission all, or a part only if it came as a stream. */
async function settle(server) {
  const possible = new Set(unsure.flat().map((record) => record.recordId).filter((id) => !known.has(id)));
  const before = await count(server);
  assert.ok(before >= known.size && before <= known.size + possible.size, `${before} records; ${known.size} are certain, ${possible.size} possible`);
  let created = 0;
  while (unsure.length > 0) {
    const [records] = unsure;
    const { received, created: now, duplicates } = (await post(server, { records }, '?results=none')).json.data;
    assert.equal(now + duplicates, received, 'what is sent again is created or known');
    const isArray = records.length === 1 || records.length % 2 === 1;
    const fresh = records.filter((record) => possible.has(record.recordId)).length;
    assert.ok(!isArray || now === 0 || now === fresh, `an array of ${fresh} new records was left with ${fresh - now}`);
    created += now;
    for (const record of records) known.set(record.recordId, record);
    unsure.shift();
  }
  assert.equal(before + created, known.size, 'nothing was lost and nothing is there twice');
  assert.equal(await count(server), known.size);
}

async function checkAll(server) {
  const records = [...known.values()];
  assert.deepEqual((await getJson(server, '/api/records/aggregate?records=false')).data.groups, aggregateGroups(records));
  const messages = await readFeed(server, 'notifications', 1000);
  const inOrder = messages.map((message) => known.get(message.record.record_id));
  assert.equal(new Set(inOrder).size, records.length, 'each record has one notification');
  assert.equal(messages.length, records.length);
  assert.deepEqual(messages, notifications(inOrder, messages.map((message) => message.record.id)));
  const listed = await readPages(server, '', 1000);
  assert.deepEqual(listed.map(({ id, ...fields }) => fields), byTime(inOrder).map(shown));
}

/** False when the server was killed meanwhile. */
async function outlives(server, work) {
  try {
    await work(server);
    return true;
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    await Promise.race([server.exited, sleep(1000)]);
    if (!server.dead) throw error;
    return false;
  }
}

async function round(crashMs = null) {
  const point = options['self-test'] ? null : drawPoint();
  const server = await start(point, crashMs);
  let died = point;
  if (server && await outlives(server, settle)) {
    const clients = Array.from({ length: 3 }, () => client(server, Array.from({ length: 5 }, drawSubmission)));
    if (!point) { await sleep(rand.below(60)); server.child.kill(END_SIGNAL); }
    await Promise.all(clients);
    if (!server.dead) await Promise.race([server.exited, sleep(150)]); // housekeeping may still get there
    if (!server.dead) { died = null; server.child.kill(END_SIGNAL); }
  }
  if (server) assertEnding(await server.exited, KILLED, server.stderr);
  const name = died ? died.replace(/:\d+:/, ' ') : 'at a random moment';
  kills.set(name, (kills.get(name) ?? 0) + 1);
}

/** All of it is compared with the model, by a server that nobody kills. */
async function checkStore() {
  const calm = await start(null);
  await settle(calm);
  await checkAll(calm);
  calm.child.kill('SIGTERM');
  assertEnding(await calm.exited, IN_ORDER, calm.stderr);
  const verified = runWeir(['verify', '--data', data]);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  console.log(`${number} rounds: ${known.size} records, each once; totals, notifications, lists and indexes are right`);
}

/** A server that crashes, early in every other round, is seen to have crashed. */
async function selfTest() {
  for (number = 1; number <= SELF_TESTS; number += 1) {
    const failure = await round(number % 2 ? null : rand.below(40)).then(() => null, (error) => error);
    assert.match(`${failure}`, /it ended by itself: by SIGABRT/);
  }
  console.log(`${SELF_TESTS} crashes, each of them seen`);
}

async function allRounds() {
  for (number = 1; number <= rounds; number += 1) {
    await round();
    if (number % CHECK_EVERY === 0 || number === rounds) await checkStore();
    if (number % STORE_EVERY === 0) emptyStore();
  }
  for (const [name, times] of [...kills].sort()) console.log(`${String(times).padStart(6)}  ${name}`);
}

assert.ok(existsSync(killer), `${killer} is missing: build it with ninja`);
let number = 0;
try {
  await (options['self-test'] ? selfTest() : allRounds());
  rmSync(data, { recursive: true });
  console.log('1 passed, 0 failed');
} catch (error) {
  console.log(`FAIL round ${number} of --seed ${options.seed} (the store is left in ${data}): ${error.stack}`);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
}
process.exit();
