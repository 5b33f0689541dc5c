// Rounds of kill -9 on one store: at named points (see killer.c) and at random moments, while records, events and organizations come
// in (traffic.mjs). After each the server is started again, and what it has is counted through its API: everything that was
// acknowledged, nothing twice, and of what was not acknowledged nothing in part (ledger.mjs). Every so often, and at the end, all of it
// is compared with a model.
//
//     node rounds.mjs [--rounds N] [--seed N]      WEIR_BIN names another binary than build/weir
//                                                  without a seed one is drawn; the first line says how to have it again
//     node rounds.mjs --self-test                  the server crashes instead of being killed, and each round has to see that
//
// Ends with how often each point was drawn and reached, and "N passed, N failed". Of enough rounds each point has to have been reached
// in one: a file that has another name by now would make of its points kills at any moment.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { assertEnding, binary, environment, runWeir, sleep, IN_ORDER, KILLED } from '../e2e/support/weir.mjs';
import { random } from '../e2e/support/model.mjs';
import { Ledger } from './ledger.mjs';
import { Traffic } from './traffic.mjs';

const { values: options } = parseArgs({
  options: { rounds: { type: 'string', default: '1000' }, seed: { type: 'string' }, 'self-test': { type: 'boolean' } },
});
const rounds = Number(options.rounds);
const seed = Number(options.seed ?? randomInt(1, 2 ** 31));
const program = process.env.WEIR_BIN ? `WEIR_BIN=${process.env.WEIR_BIN} ` : '';
const again = `${program}node tests/crash/rounds.mjs --rounds ${rounds} --seed ${seed}`;
const rand = random(seed); // for points and moments alone, as what is sent depends on the time that a round takes
const CHECK_EVERY = 100;
const STORE_EVERY = 200; // rounds on one store
const SELF_TESTS = 6;
const POINTS_NEEDED_AFTER = 200; // rounds, in which each point is drawn often enough for one to be reached
const TURNS_MAX = 4;
const END_SIGNAL = options['self-test'] ? 'SIGABRT' : 'SIGKILL';
const START_MS_MAX = 60_000;

// What is done to which files: the log's transactions, checkpoints, the writing, listing and removing of runs. The number says how
// often a start and a turn or two of load call it, so that the last of them are reached with some more turns, and few are missed.
const CALLS = [
  ['write', '.db-wal', 400], ['sync', '.db-wal', 24], ['write', '/weir.db', 60], ['sync', '/weir.db', 2],
  ['open', '.run', 10], ['write', '.run', 40], ['sync', '.run', 10], ['sync', '/index', 10], ['remove', '.run', 16],
];
const POINTS = CALLS.flatMap(([call, name, most]) =>
  (call === 'write' ? ['before', 'after', 'torn'] : ['before', 'after']).map((when) => ({ call, name, most, when })));
const RANDOM_MOMENTS = 7; // for each time that all points come up
const killer = join(dirname(binary), 'tests/crash/libkiller.so');
let data = newStore();
let ledger = new Ledger();
const traffic = new Traffic();
let deck = [];
const drawn = new Map(), reached = new Map();
let server = null; // of this round

function newStore() { return mkdtempSync(join(os.tmpdir(), 'weir-crash-')); }

function emptyStore() {
  rmSync(data, { recursive: true });
  data = newStore();
  ledger = new Ledger();
}

/** Each point comes up as often as any other; null is a random moment. */
function drawPoint() {
  if (deck.length === 0) deck = rand.shuffle([...POINTS, ...Array(RANDOM_MOMENTS).fill(null)]);
  const point = deck.pop();
  if (!point) return null;
  const { call, name, most, when } = point;
  return `${call}:${name}:${1 + rand.below(most)}:${when}`;
}

/** What the thread sanitizer needs stays loaded; the address sanitizer wants to be loaded first, and need not be. */
function killingAt(point) {
  return {
    KILL_AT: point, LD_PRELOAD: [killer, environment.LD_PRELOAD].filter(Boolean).join(':'),
    ASAN_OPTIONS: `${environment.ASAN_OPTIONS}:verify_asan_link_order=0`,
  };
}

/** Starts the server; it has no `url` when it was killed before it listened. */
async function start(point, crashMs = null) {
  const env = { ...environment, ...(point ? killingAt(point) : {}) };
  const child = spawn(binary, ['serve', '--data', data, '--listen', '127.0.0.1:0', '--set', 'store.publish_records=300'],
    { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const server = {
    child, stderr: '', dead: false, wasEnded: false,
    end() { server.wasEnded = true; child.kill(END_SIGNAL); },
    wasAt: (where) => (where ? server.stderr.includes(`killed at ${where}\n`) : server.wasEnded),
  };
  if (crashMs !== null) setTimeout(server.end, crashMs);
  server.exited = new Promise((done) => child.on('close', (code, signal) => { server.dead = true; done({ code, signal }); }));
  child.stderr.setEncoding('utf8').on('data', (text) => { server.stderr += text; });
  await new Promise((done, fail) => {
    let said = '';
    const timer = setTimeout(() => fail(new Error(`the server does not start:\n${server.stderr}`)), START_MS_MAX);
    child.stdout.setEncoding('utf8').on('data', (text) => {
      said += text;
      server.url ??= /listening on (http:\S+)/.exec(said)?.[1];
      if (server.url) { clearTimeout(timer); done(); }
    });
    server.exited.then(() => { clearTimeout(timer); done(); });
  });
  return server;
}

/** Sends until the server dies or enough is sent. */
async function client(server, submissions) {
  for (const submission of submissions) {
    if (server.dead) return;
    ledger.unsure.push(submission);
    ledger.sent(submission);
    try {
      const answer = await submission.send(server);
      ledger.unsure.splice(ledger.unsure.indexOf(submission), 1);
      ledger.take(submission, answer);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return; // the connection broke: nothing is known of this submission
    }
  }
}

const settle = (server) => ledger.settle(server);

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

const countOne = (map, name) => map.set(name, (map.get(name) ?? 0) + 1);

function countPoint(point, server) {
  const name = point ? point.replace(/:\d+:/, ' ') : 'at a random moment';
  countOne(drawn, name);
  if (server.wasAt(point)) countOne(reached, name);
}

/** Load until the point is reached, or a random moment, or enough was sent. */
async function load(server, point, moment) {
  for (let turn = 0; turn < TURNS_MAX && !server.dead; turn += 1) {
    const clients = Array.from({ length: 3 }, () => client(server, Array.from({ length: 5 }, () => traffic.draw(ledger))));
    if (!point) { await sleep(moment); server.end(); }
    await Promise.all(clients);
    if (!server.dead) await Promise.race([server.exited, sleep(150)]); // housekeeping may still get there
  }
}

async function round(crashMs = null) {
  const point = options['self-test'] ? null : drawPoint();
  const moment = rand.below(60);
  traffic.begin(seed + number);
  server = await start(point, crashMs);
  if (server.url && await outlives(server, settle)) await load(server, point, moment);
  if (!server.dead) server.end();
  assertEnding(await server.exited, KILLED, server.stderr);
  assert.ok(server.wasEnded || server.wasAt(point), `somebody else killed it:\n${server.stderr}`);
  countPoint(point, server);
}

/** All of it is compared with the model, by a server that nobody kills. */
async function checkStore() {
  server = await start(null);
  await settle(server);
  await ledger.checkAll(server);
  server.child.kill('SIGTERM');
  assertEnding(await server.exited, IN_ORDER, server.stderr);
  const verified = runWeir(['verify', '--data', data]);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  const { known, meanings, batches, alerted } = ledger;
  console.log(`${number} rounds: ${known.size} records (${meanings.length} from events), ${alerted.count} alerts, ${batches.length} batches of organizations, each once; `
    + 'totals, feeds, lists and indexes are right');
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
  console.log(' drawn  reached');
  for (const [name, times] of [...drawn].sort()) console.log(`${String(times).padStart(6)} ${String(reached.get(name) ?? 0).padStart(8)}  ${name}`);
  const missed = POINTS.map(({ call, name, when }) => `${call}:${name} ${when}`).filter((name) => !reached.has(name));
  if (rounds >= POINTS_NEEDED_AFTER) assert.deepEqual(missed, [], 'points that were never reached');
}

if (!options['self-test']) console.log(`again: ${again}`);
assert.ok(existsSync(killer), `${killer} is missing: build it with ninja`);
let number = 0;
try {
  await (options['self-test'] ? selfTest() : allRounds());
  rmSync(data, { recursive: true });
  console.log('1 passed, 0 failed');
} catch (error) {
  console.log(`FAIL round ${number} of: ${again} (the store is left in ${data}): ${error.stack}`);
  console.log(`The last that the server said:\n${server?.stderr.slice(-4000)}`);
  server?.child.kill('SIGKILL');
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
}
process.exit();
