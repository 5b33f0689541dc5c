// A Kafka sink whose process is killed again and again while it sends, to brokers that are killed and restarted, too: a consumer that
// reads committed messages then has each message once, in order for each key.
//
// KAFKA_KILLS=100 kills the sender so often (12 without it), and each of the three brokers (one without it).
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { assertEnding, atEnd, binary, environment, sleep, tempDir, IN_ORDER, KILLED } from './support/weir.mjs';
import { startKafka } from './support/kafka.mjs';

const program = join(dirname(binary), 'tests/crash/kafka_sender');
const KILLS = Number(process.env.KAFKA_KILLS ?? 12);
const LONG = KILLS >= 100;
const GROUP = 200;
const SEND_MS_MAX = 120_000;

/** A process that sends, with what it says. */
class Sender {
  constructor(t, kafka, state) {
    this.child = spawn(program, ['send', kafka.bootstrap, 'faults.', '1000000000', String(GROUP), state], { env: environment });
    atEnd(t, () => this.child.kill('SIGKILL'));
    this.said = '';
    this.child.stdout.on('data', (data) => { this.said += data; });
    this.child.stderr.on('data', (data) => { this.said += data; });
    this.exited = new Promise((done) => this.child.once('close', (code, signal) => done({ code, signal })));
  }

  get groups() { return this.said.match(/^at \d+$/mg)?.length ?? 0; }

  /** Until it has sent so many groups more. */
  async sends(groups) {
    const enough = this.groups + groups;
    for (const end = Date.now() + SEND_MS_MAX; this.groups < enough; await sleep(2)) {
      assert.ok(Date.now() < end && this.child.exitCode === null, `nothing is sent; it says:\n${this.said.slice(-2000)}`);
    }
  }

  async kill() {
    this.child.kill('SIGKILL');
    assertEnding(await this.exited, KILLED, this.said);
  }

  /** To the end of its group. Returns how many messages there have been in all. */
  async end() {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), SEND_MS_MAX);
    this.child.kill('SIGTERM');
    const ending = await this.exited;
    clearTimeout(timer);
    assertEnding(ending, IN_ORDER, this.said);
    return Number(/^ended at (\d+)/m.exec(this.said)[1]);
  }
}

async function readAll(t, kafka, count) {
  const child = spawn(program, ['read', kafka.bootstrap, 'faults.', String(count)], { env: environment });
  atEnd(t, () => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (data) => { said += data; });
  child.stderr.on('data', (data) => { said += data; });
  const code = await new Promise((done) => child.once('close', done));
  assert.equal(code, 0, said);
  assert.equal(said, `read ${count}: 0 missing, 0 twice, 0 out of order, 0 strange\n`);
}

/** In the middle of whatever it does: sending, or still connecting. Returns whether what it had noted of its place lagged behind the
 * brokers' when it began. */
async function runAndKill(t, kafka, state, sends) {
  const sender = new Sender(t, kafka, state);
  if (sends) await sender.sends(1);
  await sleep(Math.random() * (sends ? 60 : 500));
  await sender.kill();
  return /^theirs is/m.test(sender.said);
}

test('kills of the sender lose nothing and repeat nothing', { timeout: 1_800_000 }, async (t) => {
  const kafka = await startKafka(t, { brokers: 1 });
  if (!kafka) return;
  const state = join(tempDir(t), 'state');
  let behind = 0;
  for (let i = 0; i < KILLS; i++) behind += await runAndKill(t, kafka, state, i % 3 !== 2);
  const last = new Sender(t, kafka, state);
  await last.sends(1);
  const count = await last.end();
  await readAll(t, kafka, count);
  t.diagnostic(`${count} messages, ${KILLS} kills; after ${behind} of them the brokers had what the sender had not noted`);
});

test('brokers that are killed and restarted lose nothing and repeat nothing', { timeout: 1_800_000 }, async (t) => {
  const kafka = await startKafka(t, { brokers: 3 });
  if (!kafka) return;
  const state = join(tempDir(t), 'state');
  let sender = new Sender(t, kafka, state);
  for (const broker of kafka.brokers.slice(0, LONG ? 3 : 1)) {
    await sender.sends(5);
    await broker.kill();
    await sender.sends(5); // two of three are enough
    await sender.kill();
    sender = new Sender(t, kafka, state);
    await sender.sends(5);
    await broker.start();
  }
  await sender.sends(5);
  await Promise.all(kafka.brokers.map((broker) => broker.kill())); // Nobody is left.
  await sleep(3000);
  await Promise.all(kafka.brokers.map((broker) => broker.start()));
  await sender.sends(5);
  const count = await sender.end();
  await readAll(t, kafka, count);
  t.diagnostic(`${count} messages; it said: ${sender.said.replace(/^at .*\n/mg, '').trim().split('\n').join(' | ')}`);
});
