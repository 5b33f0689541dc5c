// Runs the measurements and writes bench/results/. See bench/README.md; scripts/bench.sh builds first and calls this.
//
//   node bench/run.mjs [SCENARIO…]      all of them without a name; BENCH_QUICK=1 for small ones, BENCH_DIR for where data goes

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { commit, describe } from './lib/machine.mjs';
import { WEIR } from './lib/load.mjs';
import { Report } from './lib/report.mjs';
import { Server } from './lib/server.mjs';
import { events } from './scenarios/events.mjs';
import { array, ndjson, single, steady } from './scenarios/ingest.mjs';
import { onboarding } from './scenarios/onboarding.mjs';
import { expressSqlite } from './scenarios/peer_express_sqlite.mjs';
import { postgres } from './scenarios/peer_postgres.mjs';
import { redis } from './scenarios/peer_redis.mjs';
import { aggregate, listing, rebuild, restart } from './scenarios/questions.mjs';
import { sinkDown, sinkKafka, sinkRedis, sinkWebhook } from './scenarios/sinks.mjs';
import { sourceKafka, sourceRedis } from './scenarios/sources.mjs';

const scenarios = {
  'ndjson-10m': ['NDJSON over HTTP, random ids, durable', ndjson],
  'single-64': ['Single records on 64 connections, durable', single],
  'array-500': ['Arrays of 500', array],
  events: ['Events in loose shapes, NDJSON over HTTP, durable', events],
  onboarding: ['Organizations by the thousand, and how far they are', onboarding],
  'rate-28': ["The reference's load test", steady],
  'aggregate-10m': ['Aggregates over 30 days and 1,000 destinations', aggregate],
  listing: ['Listings', listing],
  restart: ['Start after kill -9', restart],
  rebuild: ['Making everything derived anew', rebuild],
  'sink-redis': ['Messages into Redis streams while records come in', sinkRedis],
  'sink-kafka': ['Messages into Kafka while records come in', sinkKafka],
  'sink-webhook': ['Webhooks to one endpoint while records come in', sinkWebhook],
  'sink-down': ['What a sink that is down costs', sinkDown],
  'source-redis': ['Records from Redis, streams and lists', sourceRedis],
  'source-kafka': ['Records from a topic of Kafka', sourceKafka],
  'peer-express-sqlite': ['Against Express + better-sqlite3', expressSqlite],
  'peer-postgres': ['Against PostgreSQL, COPY + ON CONFLICT', postgres],
  'peer-redis': ['Against Redis, XADD with appendfsync always', redis],
};

// What a scenario is given.
class Run {
  constructor(dir, quick) {
    this.dir = dir;
    this.quick = quick;
    this.report = new Report();
  }

  records(usual, quick) {
    return this.quick ? quick : usual;
  }

  storeDir(name) {
    return path.join(this.dir, name);
  }

  // A server of ours on the store of that name.
  weir(name, args = []) {
    return Server.start(WEIR, ['serve', '--data', this.storeDir(name), '--listen', '127.0.0.1:0', ...args], { log: path.join(this.dir, 'weir.log') });
  }

  // Stores that no later scenario needs give their room back.
  clean(name) {
    fs.rmSync(this.storeDir(name), { recursive: true, force: true });
  }
}

function chosen(names) {
  const unknown = names.filter((name) => !(name in scenarios));
  if (unknown.length > 0) {
    console.error(`there is no scenario ${unknown.join(', ')}; there are ${Object.keys(scenarios).join(', ')}`);
    process.exit(2);
  }
  return names.length > 0 ? names : Object.keys(scenarios);
}

function writeResults(run, names, head) {
  const date = new Date().toISOString().slice(0, 10);
  const all = names.length === Object.keys(scenarios).length;
  const part = all ? '' : names.length === 1 ? `-${names[0]}` : '-part';
  const dir = run.quick ? 'build/bench-quick' : 'bench/results';
  const file = path.join(dir, `${date}-${commit()}${part}.md`);
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(file, run.report.text(`Measured on ${date}, commit ${commit()}${run.quick ? ' (quick: small counts, not for comparing)' : ''}`, head));
  console.log(`\nwritten to ${file}`);
}

async function main() {
  const names = chosen(process.argv.slice(2));
  const quick = Boolean(process.env.BENCH_QUICK) && process.env.BENCH_QUICK !== '0';
  const dir = fs.mkdtempSync(path.join(process.env.BENCH_DIR ?? 'build', 'bench-data-'));
  fs.chmodSync(dir, 0o711); // PostgreSQL runs as another user when we are root
  process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));
  const run = new Run(dir, quick);
  const machine = describe(dir);
  const command = `${quick ? 'BENCH_QUICK=1 ' : ''}scripts/bench.sh${process.argv.length > 2 ? ` ${names.join(' ')}` : ''}`;
  const head = ['| machine | |', '|---|---|', ...machine.map(([name, value]) => `| ${name} | ${value} |`), `| command | \`${command}\` |`];
  let failed = 0;
  for (const name of names) {
    const [title, scenario] = scenarios[name];
    run.report.heading(`${title} (${name})`);
    try {
      await scenario(run);
    } catch (error) {
      failed++;
      run.report.note(`**Failed**: ${error.message}`);
    }
  }
  run.report.note(`Load when it ended: ${os.loadavg().map((load) => load.toFixed(2)).join(' ')}.`);
  writeResults(run, names, head);
  process.exit(failed > 0 ? 1 : 0);
}

await main();
