// Against PostgreSQL: COPY into a staging table, then ON CONFLICT, in transactions of 10,000 records from two sessions
// (bench/peers/postgres). The rows are handed over as COPY wants them: PostgreSQL reads no JSON and serves no HTTP.

import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { grouped, rate, times } from '../lib/figures.mjs';
import { load, WEIR } from '../lib/load.mjs';
import { pause } from '../lib/server.mjs';

const PEER = 'bench/peers/postgres';
const CHUNK = 10_000;
const SESSIONS = 2;
const SETTINGS = {
  listen_addresses: '', fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', shared_buffers: '2GB',
  work_mem: '64MB', wal_level: 'minimal', max_wal_senders: '0', max_wal_size: '8GB', wal_buffers: '64MB',
  checkpoint_timeout: '15min', wal_compression: 'lz4',
};

function programs() {
  const root = '/usr/lib/postgresql';
  const versions = fs.existsSync(root) ? fs.readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const dir = versions.map((version) => path.join(root, version, 'bin')).find((bin) => fs.existsSync(path.join(bin, 'initdb')));
  return dir ?? null;
}

// PostgreSQL refuses to run as root; then it runs as the user that its package made.
function asUser(command, args) {
  if (os.userInfo().uid !== 0) return [command, args];
  return ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', command, ...args]];
}

class Postgres {
  static async start(bin, dir) {
    const server = new Postgres();
    server.bin = bin;
    server.dir = dir;
    fs.mkdirSync(dir);
    if (os.userInfo().uid === 0) execFileSync('chown', ['postgres:', dir]);
    const [initdb, initArgs] = asUser(path.join(bin, 'initdb'), ['-D', path.join(dir, 'data'), '-A', 'trust', '-U', 'bench', '-E', 'UTF8', '--no-locale']);
    execFileSync(initdb, initArgs, { stdio: ['ignore', 'ignore', 'pipe'], cwd: dir });
    const settings = Object.entries({ ...SETTINGS, unix_socket_directories: dir }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const [postgres, args] = asUser(path.join(bin, 'postgres'), ['-D', path.join(dir, 'data'), ...settings]);
    server.child = spawn(postgres, args, { stdio: 'ignore', cwd: dir });
    server.ended = new Promise((resolve) => server.child.once('exit', resolve));
    process.on('exit', () => server.child.kill('SIGQUIT'));
    await server.#accepting();
    return server;
  }

  async #accepting() {
    for (let tries = 0; tries < 200; tries++) {
      await pause(50);
      try {
        this.ask('SELECT 1');
        return;
      } catch {
        // not up yet
      }
    }
    throw new Error('PostgreSQL does not come up');
  }

  psql(args) {
    return [path.join(this.bin, 'psql'), ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', this.dir, '-U', 'bench', '-d', 'postgres', ...args]];
  }

  ask(sql) {
    const [command, args] = this.psql(['-At', '-c', sql]);
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  }

  run(file) {
    const [command, args] = this.psql(['-f', file]);
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
      let problems = '';
      child.stderr.on('data', (chunk) => (problems += chunk));
      child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(problems.trim()))));
    });
  }

  async stop() {
    this.child.kill('SIGINT');
    await this.ended;
  }
}

// Files of CHUNK rows in COPY's text format; no value has a tab, a backslash or a line break.
async function writeChunks(dir, first, records) {
  const child = spawn(WEIR, ['bench', '--print', '--first', String(first), '--records', String(records)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const files = [];
  let rows = [];
  const flush = () => {
    if (rows.length === 0) return;
    const file = path.join(dir, `${first}-${files.length}.copy`);
    fs.writeFileSync(file, rows.join(''));
    files.push(file);
    rows = [];
  };
  for await (const line of readline.createInterface({ input: child.stdout })) {
    const r = JSON.parse(line);
    rows.push([r.recordId, r.time, r.sourceId, r.destinationId, r.type, r.value, r.unit, r.reference].join('\t') + '\n');
    if (rows.length === CHUNK) flush();
  }
  flush();
  return files;
}

function writeScript(file, chunks) {
  const take = fs.readFileSync(path.join(PEER, 'take.sql'), 'utf8');
  const columns = 'record_id text, time timestamptz, source_id text, destination_id text, type text, value numeric(15, 2), unit text, reference text';
  const parts = chunks.map((chunk) => `BEGIN;\n\\copy staging FROM '${path.resolve(chunk)}'\n${take}COMMIT;\n`);
  fs.writeFileSync(file, `CREATE TEMP TABLE staging (${columns}) ON COMMIT DELETE ROWS;\n${parts.join('')}`);
}

// Records a second of the records from `first` on.
async function takeIn(server, dir, first, records) {
  const chunks = await writeChunks(dir, first, records);
  const scripts = Array.from({ length: SESSIONS }, (_, session) => path.join(dir, `${first}-${session}.sql`));
  scripts.forEach((script, session) => writeScript(script, chunks.filter((_, index) => index % SESSIONS === session)));
  const began = performance.now();
  await Promise.all(scripts.map((script) => server.run(script)));
  const took = (performance.now() - began) / 1000;
  for (const file of [...chunks, ...scripts]) fs.unlinkSync(file);
  return records / took;
}

export async function postgres(run) {
  const bin = programs();
  if (!bin) {
    run.report.note('skipped: PostgreSQL is not installed (`scripts/deps.sh bench`)');
    return;
  }
  const part = run.records(1_000_000, 100_000);
  const parts = 2;
  const server = await Postgres.start(bin, path.resolve(run.dir, 'postgres'));
  const weir = await run.weir('postgres-weir');
  const peerRates = [];
  const ourRates = [];
  await server.run(path.join(PEER, 'schema.sql'));
  for (let i = 0; i < parts; i++) {
    peerRates.push(await takeIn(server, run.dir, i * part, part));
    ourRates.push((await load(weir.url, { mode: 'ndjson', first: i * part, records: part })).records.perSecond);
  }
  const kept = Number(server.ask('SELECT count(*) FROM records'));
  const version = server.ask('SHOW server_version');
  await server.stop();
  await weir.stop();
  run.clean('postgres-weir');
  if (kept !== part * parts) throw new Error(`PostgreSQL kept ${kept} of ${part * parts} records`);
  run.report.table([
    ['records', 'PostgreSQL', 'Weir, NDJSON', 'ratio', 'target', 'reached'],
    ...peerRates.map((peer, i) => [`${grouped(i * part)} – ${grouped((i + 1) * part)}`, rate(peer), rate(ourRates[i]), times(ourRates[i] / peer), '≥ 5 ×', ourRates[i] >= 5 * peer ? 'yes' : '**no**']),
  ]);
  run.report.note(`PostgreSQL ${version}, ${SESSIONS} sessions, ${grouped(CHUNK)} records a transaction, ${Object.entries(SETTINGS).map(([name, value]) => `${name}=${value || "''"}`).join(' ')}.`);
}
