// Against the service that a team would write with Express and better-sqlite3 (bench/peers/express-sqlite), in turns.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { grouped, median, rate, times } from '../lib/figures.mjs';
import { load } from '../lib/load.mjs';
import { Server } from '../lib/server.mjs';

const PEER = 'bench/peers/express-sqlite';
const BATCH = 5000;
const CONNECTIONS = 2;

function install() {
  if (fs.existsSync(path.join(PEER, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node'))) return;
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: PEER, stdio: ['ignore', 'ignore', 'inherit'] });
}

const startPeer = (run, name) => Server.start('node', [path.join(PEER, 'server.js'), path.join(run.dir, `${name}.sqlite`)], { env: { NODE_ENV: 'production' }, log: path.join(run.dir, 'peer.log') });

async function singles(run) {
  const duration = run.quick ? 2 : 5;
  const rounds = run.quick ? 1 : 3;
  const peer = await startPeer(run, 'single');
  const server = await run.weir('express-single');
  const figures = { peer: [], weir: [] };
  const first = { peer: 0, weir: 0 };
  for (let round = 0; round < rounds; round++) {
    for (const [who, url] of [['peer', peer.url], ['weir', server.url]]) {
      const report = await load(url, { mode: 'single', connections: 64, duration, first: first[who] });
      first[who] += report.records.sent;
      figures[who].push(report.requestsPerSecond);
    }
  }
  await peer.stop();
  await server.stop();
  run.clean('express-single');
  return { peer: median(figures.peer), weir: median(figures.weir), figures };
}

// Both are filled to the same size first, by the fastest way that each has. What follows is measured.
async function arrays(run) {
  const before = run.records(2_000_000, 100_000);
  const batches = { mode: 'array', batch: BATCH, connections: CONNECTIONS, first: before };
  const peer = await startPeer(run, 'batch');
  const filling = await load(peer.url, { mode: 'array', batch: BATCH, connections: CONNECTIONS, records: before });
  const peerRate = (await load(peer.url, { ...batches, records: run.records(200_000, 50_000) })).records.perSecond;
  await peer.stop();
  const server = await run.weir('express-batch');
  await load(server.url, { mode: 'ndjson', records: before });
  const arrayRate = (await load(server.url, { ...batches, records: run.records(2_000_000, 200_000) })).records.perSecond;
  const streamRate = (await load(server.url, { mode: 'ndjson', first: before * 2 + 2_000_000, records: run.records(2_000_000, 500_000) })).records.perSecond;
  await server.stop();
  run.clean('express-batch');
  return { before, filling, peerRate, arrayRate, streamRate };
}

export async function expressSqlite(run) {
  try {
    install();
  } catch (error) {
    run.report.note(`skipped: its packages cannot be installed (${error.message.split('\n')[0]})`);
    return;
  }
  const single = await singles(run);
  const batch = await arrays(run);
  const at = `at ${grouped(batch.before)} rows`;
  const best = Math.max(batch.arrayRate, batch.streamRate);
  run.report.table([
    ['what', 'peer', 'Weir', 'ratio', 'target', 'reached'],
    ['single records, 64 connections', rate(single.peer), rate(single.weir), times(single.weir / single.peer), '≥ 25 ×', single.weir >= 25 * single.peer ? 'yes' : '**no**'],
    [`arrays of ${grouped(BATCH)} ${at}`, rate(batch.peerRate), rate(batch.arrayRate), times(batch.arrayRate / batch.peerRate)],
    [`its arrays, our NDJSON, ${at}`, rate(batch.peerRate), rate(batch.streamRate), times(batch.streamRate / batch.peerRate)],
    ['the better of the two', rate(batch.peerRate), rate(best), times(best / batch.peerRate), '≥ 20 ×', best >= 20 * batch.peerRate ? 'yes' : '**no**'],
  ]);
  run.report.note(`Single rounds, peer: ${single.figures.peer.map(grouped).join(', ')}; Weir: ${single.figures.weir.map(grouped).join(', ')}. The peer's first ${grouped(batch.before)} rows: ${batch.filling.millions.map(rate).join(', ')} by million.`);
}
