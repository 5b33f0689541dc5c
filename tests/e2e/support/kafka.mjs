// A real Apache Kafka (KRaft, no ZooKeeper) for tests: its jars come from Maven Central once, into a cache outside the tree, and
// brokers run on free ports of this machine on directories of their own.
//
//   const kafka = await startKafka(t, { brokers: 3 });     // null when there can be none: the test was skipped, with the reason
//   kafka.bootstrap                                        // "127.0.0.1:40001,127.0.0.1:40002,127.0.0.1:40003"
//   await kafka.brokers[0].kill(); await kafka.brokers[0].start();
//
// With { secure: { pem, user, password } } brokers listen a second time, at kafka.secure: over TLS (pem: a file with key and certificate)
// and for that user alone, by SCRAM-SHA-512 or PLAIN.
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { atEnd, binary, environment, sleep } from './weir.mjs';

const pom = join(dirname(fileURLToPath(import.meta.url)), '../../support/kafka/pom.xml');
const FETCH_MS_MAX = 240_000;
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;

// ---- Jars -----------------------------------------------------------------------------------------------------------

function cacheDir() {
  const root = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const version = createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12);
  return join(root, 'weir-kafka', version);
}

const has = (program) => spawnSync(program, ['-version'], { stdio: 'ignore' }).error === undefined;

/** The directory with the jars, or the reason why there are none: {jars} or {missing}. */
export function kafkaJars() {
  const jars = cacheDir();
  if (!has('java')) return { missing: 'there is no java (Debian: default-jre-headless)' };
  if (existsSync(jars)) return { jars };
  if (!has('mvn')) return { missing: 'there is no mvn to fetch Kafka with (Debian: maven)' };
  mkdirSync(dirname(jars), { recursive: true });
  const temporary = mkdtempSync(`${jars}-`);
  const args = ['-B', '-q', '-f', pom, `-Dmaven.repo.local=${join(temporary, 'repository')}`, `-DoutputDirectory=${join(temporary, 'jars')}`,
    'dependency:copy-dependencies'];
  const fetched = spawnSync('mvn', args, { encoding: 'utf8', timeout: FETCH_MS_MAX });
  try {
    if (fetched.status !== 0) {
      const why = /\[ERROR\] (.*)/.exec(fetched.stdout)?.[1] ?? `no answer within ${FETCH_MS_MAX / 1000} s`;
      return { missing: `Maven did not fetch Kafka: ${why.slice(0, 300)}` };
    }
    renameSync(join(temporary, 'jars'), jars); // Whole or not at all; who comes second finds a directory that is not empty.
  } catch (error) {
    if (!existsSync(jars)) throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return { jars };
}

// ---- Brokers --------------------------------------------------------------------------------------------------------

/** Ports that nobody listens on, all different. */
async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise((done, failed) => {
    const server = createServer().once('error', failed).listen(0, '127.0.0.1', () => done(server));
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

function answers(port) {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => { socket.destroy(); done(true); }).once('error', () => done(false));
  });
}

class Broker {
  constructor(cluster, id, port, controllerPort, securePort) {
    Object.assign(this, { cluster, id, port, controllerPort, securePort, child: null });
    this.dir = join(cluster.dir, `broker-${id}`);
    this.log = join(cluster.dir, `broker-${id}.log`);
    this.properties = join(cluster.dir, `broker-${id}.properties`);
  }

  /** What comes to the properties for the second listener. */
  secureProperties() {
    const { pem, user, password } = this.cluster.secureOptions;
    const own = `listener.name.secure`, at = `SECURE://127.0.0.1:${this.securePort}`, module = 'org.apache.kafka.common.security';
    return {
      'listeners': `PLAINTEXT://127.0.0.1:${this.port},${at},CONTROLLER://127.0.0.1:${this.controllerPort}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${this.port},${at}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT',
      [`${own}.sasl.enabled.mechanisms`]: 'SCRAM-SHA-512,PLAIN',
      [`${own}.scram-sha-512.sasl.jaas.config`]: `${module}.scram.ScramLoginModule required;`,
      [`${own}.plain.sasl.jaas.config`]: `${module}.plain.PlainLoginModule required user_${user}="${password}";`,
      [`${own}.ssl.keystore.type`]: 'PEM',
      [`${own}.ssl.keystore.location`]: pem,
    };
  }

  writeProperties() {
    const { size, settings } = this.cluster;
    const voters = this.cluster.brokers.map((b) => `${b.id}@127.0.0.1:${b.controllerPort}`).join(',');
    const most = Math.min(2, size);
    const all = {
      'process.roles': 'broker,controller',
      'node.id': this.id,
      'controller.quorum.voters': voters,
      'controller.listener.names': 'CONTROLLER',
      'listeners': `PLAINTEXT://127.0.0.1:${this.port},CONTROLLER://127.0.0.1:${this.controllerPort}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${this.port}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
      'log.dirs': this.dir,
      'num.partitions': 4,
      'default.replication.factor': size,
      'min.insync.replicas': most,
      'offsets.topic.replication.factor': size,
      'offsets.topic.num.partitions': 4,
      'transaction.state.log.replication.factor': size,
      'transaction.state.log.min.isr': most,
      'transaction.state.log.num.partitions': 4,
      'broker.heartbeat.interval.ms': 500,
      'broker.session.timeout.ms': 3000, // A killed broker's partitions move soon.
      'group.initial.rebalance.delay.ms': 0,
      ...(this.securePort ? this.secureProperties() : {}),
      ...settings,
    };
    writeFileSync(this.properties, Object.entries(all).map(([name, value]) => `${name}=${value}\n`).join(''));
  }

  java(mainClass, args, stdio) {
    return spawn('java', ['-Xmx384m', '-Xms64m', '-XX:+UseSerialGC', ...this.cluster.javaArgs, '-cp', join(this.cluster.jars, '*'),
      `-Dlog4j.configuration=file:${join(this.cluster.dir, 'log4j.properties')}`, mainClass, ...args], { stdio });
  }

  async format() {
    const out = openSync(this.log, 'a');
    const child = this.java('kafka.tools.StorageTool', ['format', '-t', this.cluster.id, '-c', this.properties,
      ...this.cluster.scramArgs], ['ignore', out, out]);
    closeSync(out);
    const code = await new Promise((done) => child.once('close', done));
    if (code !== 0) throw new Error(`Kafka's storage was not formatted:\n${readFileSync(this.log, 'utf8').slice(-2000)}`);
  }

  /** Returns once it listens. */
  async start() {
    const out = openSync(this.log, 'a');
    this.child = this.java('kafka.Kafka', [this.properties], ['ignore', out, out]);
    closeSync(out);
    let gone = false;
    this.exited = new Promise((done) => this.child.once('close', () => { gone = true; done(); }));
    const { child } = this;
    process.once('exit', () => child.kill('SIGKILL')); // A test that is cut short leaves no broker behind.
    for (const end = Date.now() + START_MS_MAX; !gone && Date.now() < end; await sleep(100)) {
      if (await answers(this.port)) return;
    }
    await this.kill();
    throw new Error(`a Kafka broker does not listen:\n${readFileSync(this.log, 'utf8').slice(-3000)}`);
  }

  /** SIGKILL. */
  async kill() {
    this.child?.kill('SIGKILL');
    await this.exited;
    this.child = null;
  }

  /** In good order: leaders move, logs are closed. */
  async stop() {
    const killer = setTimeout(() => this.child?.kill('SIGKILL'), STOP_MS_MAX);
    this.child?.kill('SIGTERM');
    await this.exited;
    clearTimeout(killer);
    this.child = null;
  }
}

class Cluster {
  constructor(jars, { brokers = 1, settings = {}, javaArgs = ['-XX:TieredStopAtLevel=1'], secure } = {}) {
    Object.assign(this, { jars, size: brokers, settings, javaArgs, secureOptions: secure });
    this.scramArgs = secure ? ['--add-scram', `SCRAM-SHA-512=[name=${secure.user},password=${secure.password}]`] : [];
    this.dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'));
    const id = randomBytes(16);
    id[0] &= 0x7f; // The text must not begin with a dash: the storage tool would take it for an option.
    this.id = id.toString('base64url');
  }

  get bootstrap() { return this.brokers.map((broker) => `127.0.0.1:${broker.port}`).join(','); }

  get secure() { return this.brokers.map((broker) => `127.0.0.1:${broker.securePort}`).join(','); }

  async start() {
    const ports = await freePorts(3 * this.size);
    this.brokers = Array.from({ length: this.size }, (_, i) => new Broker(this, i + 1, ports[3 * i], ports[3 * i + 1],
      this.secureOptions ? ports[3 * i + 2] : 0));
    writeFileSync(join(this.dir, 'log4j.properties'), 'log4j.rootLogger=WARN, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n'
      + 'log4j.appender.out.layout=org.apache.log4j.PatternLayout\nlog4j.appender.out.layout.ConversionPattern=%d %p %c: %m%n\n');
    for (const broker of this.brokers) broker.writeProperties();
    await Promise.all(this.brokers.map((broker) => broker.format()));
    await Promise.all(this.brokers.map((broker) => broker.start()));
  }

  async end() {
    await Promise.all((this.brokers ?? []).map((broker) => broker.kill()));
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A running cluster that ends with the test. Without java or jars the test is skipped, the reason said, and the answer is null. */
export async function startKafka(t, options) {
  const { jars, missing } = kafkaJars();
  if (missing) {
    t.skip(`needs a real Kafka: ${missing}`);
    return null;
  }
  const cluster = new Cluster(jars, options);
  atEnd(t, () => cluster.end());
  await cluster.start();
  return cluster;
}

/** Runs a program of tests/contract on a real broker of its own; those of its tests that need one have to have run. */
export async function contractOnKafka(t, program, names) {
  const kafka = await startKafka(t, { brokers: 1 });
  if (!kafka) return;
  const child = spawn(join(dirname(binary), 'tests/contract', program),
    { env: { ...environment, KAFKA_FOR_TESTS: kafka.bootstrap, CMOCKA_MESSAGE_OUTPUT: 'tap' } });
  atEnd(t, () => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (data) => { said += data; });
  child.stderr.on('data', (data) => { said += data; });
  const code = await new Promise((done) => child.once('close', done));
  assert.equal(code, 0, said);
  assert.match(said, /on a real Kafka/);
  for (const name of names) assert.match(said, new RegExp(`^ok \\d+ - ${name}$`, 'm'));
}
