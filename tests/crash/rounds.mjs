// Rounds of kill -9 on one store: at named points (see killer.c) and at random moments, while records, events and organizations come
// in (traffic.mjs). After each the server is started again, and what it has is counted through its API: everything that was
// acknowledged, nothing twice, and of what was not acknowledged nothing in part (ledger.mjs). Every so often, and at the end, all of it
// is compared with a model.
//
//     node rounds.mjs [--rounds N] [--seed N]      WEIR_BIN names another binary than build/weir
//                                                  without a seed one is drawn; the first line says how to have it again
//     node rounds.mjs --self-test                  the server crashes instead of being killed, and each round has to see that; and what
//                                                  is no number is refused, here and by run.sh
//
// Ends with how often each point was drawn and reached, and "N passed, N failed"; exit code 2 when nothing was run. Of enough rounds each
// point has to have been reached in one: a file that has another name by now would make of its points kills at any moment.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { assertEnding, binary, environment, eventually, needBuilt, runWeir, sleep, IN_ORDER, KILLED } from '../e2e/support/weir.mjs';
import { random, randomRecords } from '../e2e/support/model.mjs';
import { Ledger } from './ledger.mjs';
import { Traffic } from './traffic.mjs';

const ROUNDS_MAX = 1_000_000, SEED_MAX = 2 ** 32 - 1;
const options = readOptions({ rounds: { type: 'string' }, seed: { type: 'string' }, 'self-test': { type: 'boolean' } });
const rounds = readNumber('rounds', ROUNDS_MAX) ?? 1000;
const seed = readNumber('seed', SEED_MAX) ?? randomInt(1, 2 ** 31);
const program = process.env.WEIR_BIN ? `WEIR_BIN=${process.env.WEIR_BIN} ` : '';
const again = `${program}node tests/crash/rounds.mjs ${options['self-test'] ? '--self-test' : `--rounds ${rounds}`} --seed ${seed}`;
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
const here = dirname(fileURLToPath(import.meta.url));
const killer = join(dirname(binary), 'tests/crash/libkiller.so'), herd = join(dirname(binary), 'tests/crash/thundering');
for (const path of options['self-test'] ? [killer, herd] : [killer]) needBuilt(path);
let data = newStore();
let ledger = new Ledger();
const traffic = new Traffic();
let deck = [];
const drawn = new Map(), reached = new Map();
let server = null; // of this round

function refuse(why) {
  console.error(`rounds.mjs: ${why}`);
  process.exit(2);
}

/** Not by parseArgs's own strictness, which throws texts of several lines. */
function readOptions(known) {
  const { values, tokens } = parseArgs({ options: known, strict: false, tokens: true });
  for (const { kind, name, rawName, value } of tokens) {
    const isKnown = kind === 'option' && Object.hasOwn(known, name);
    if (!isKnown) refuse(`'${rawName ?? value ?? '--'}' is none of [--rounds N] [--seed N] [--self-test]`);
    if (known[name].type === 'boolean' && value !== undefined) refuse(`${rawName} takes no value`);
  }
  if (values['self-test'] && values.rounds !== undefined) refuse('--self-test has rounds of its own, and takes no --rounds');
  return values;
}

/** Undefined when the option is not there. */
function readNumber(name, max) {
  const text = options[name]; // true when it has no value
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= 1 && value <= max) return value;
  return refuse(`--${name} takes a number from 1 to ${max}${text === true ? '' : `, not '${text}'`}`);
}

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

/** What is no number, or too large a one, is refused with one line: else nothing might be done, and pass. */
function checkRefused() {
  const rounds = [process.execPath, fileURLToPath(import.meta.url)], run = [join(here, 'run.sh')];
  for (const [program, name, max] of [
    [rounds, '--rounds', ROUNDS_MAX], [rounds, '--seed', SEED_MAX],
    [run, '--clients', 10_000], [run, '--records', 65_535], [run, '--kills', 1000], [run, '--seed', SEED_MAX],
  ]) {
    for (const values of [[], [''], ['abc'], ['1e1x'], ['1.5'], ['0'], ['-3'], [`${max + 1}`]]) {
      assertRefused([...program, name, ...values], `${name} takes a number from 1 to ${max}`);
    }
  }
  for (const [program, more] of [[rounds, '--nope'], [rounds, 'more'], [run, '--nope']]) {
    assertRefused([...program, more], `'${more}' is none of `);
  }
  assertRefused([...rounds, '--self-test=1'], '--self-test takes no value');
  for (const [name, ...numbers] of [['CLIENTS', '-1', '1', '1'], ['KILLS', '1', '-1', '1'], ['SEED', '1', '1', '-1']]) {
    assertRefused([herd, binary, data, '/dev/null', ...numbers], `${name} is a number from 1 to `);
  }
}

function assertRefused([program, ...args], why) {
  const done = spawnSync(program, args, { encoding: 'utf8' });
  assert.equal(done.status, 2, `${program} ${args.join(' ')}\n${done.stdout}${done.stderr}`);
  assert.equal(done.stdout, '');
  assert.match(done.stderr, /^[^\n]*\n$/);
  assert.ok(done.stderr.includes(why), `${done.stderr} has "${why}"`);
}

/** A herd that is killed leaves no server that holds the store. */
async function checkHerdKilled() {
  const dir = newStore(), records = join(dir, 'records'), store = join(dir, 'data');
  const isRight = (...more) => runWeir(['verify', '--data', store, ...more]).code === 0;
  writeFileSync(records, randomRecords(rand, 2000).map((record) => `${JSON.stringify(record)}\n`).join(''));
  const child = spawn(herd, [binary, store, records, '100', '1000', '1'], { env: environment, stdio: 'ignore' });
  const ended = new Promise((done) => child.on('close', (code, signal) => done({ code, signal })));
  await eventually(isRight, 'the herd to make a store').finally(() => child.kill('SIGKILL'));
  assertEnding(await ended, KILLED, '');
  await eventually(() => isRight('--rebuild'), 'the server to be gone');
  rmSync(dir, { recursive: true });
}

/** A server that crashes, early in every other round, is seen to have crashed. */
async function selfTest() {
  checkRefused();
  await checkHerdKilled();
  for (number = 1; number <= SELF_TESTS; number += 1) {
    const failure = await round(number % 2 ? null : rand.below(40)).then(() => null, (error) => error);
    assert.match(`${failure}`, /it ended by itself: by SIGABRT/);
  }
  console.log(`${SELF_TESTS} crashes, each of them seen`);
}

async function allRounds() {
  let compared = 0;
  for (number = 1; number <= rounds; number += 1) {
    await round();
    if (number % CHECK_EVERY === 0 || number === rounds) {
      await checkStore();
      compared = number;
    }
    if (number % STORE_EVERY === 0) emptyStore();
  }
  assert.ok(compared > 0 && compared === rounds, `${rounds} rounds, and what there was after ${compared} is the last that was compared`);
  console.log(' drawn  reached');
  for (const [name, times] of [...drawn].sort()) console.log(`${String(times).padStart(6)} ${String(reached.get(name) ?? 0).padStart(8)}  ${name}`);
  const missed = POINTS.map(({ call, name, when }) => `${call}:${name} ${when}`).filter((name) => !reached.has(name));
  if (rounds >= POINTS_NEEDED_AFTER) assert.deepEqual(missed, [], 'points that were never reached');
}

if (!options['self-test']) console.log(`again: ${again}`);
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
