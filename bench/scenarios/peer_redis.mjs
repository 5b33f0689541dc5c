// Against Redis as a queue: XADD with appendfsync always. It only keeps the bytes; nothing is checked, counted or indexed.

import { execFileSync, spawn } from 'node:child_process';
import path from 'node:path';
import { grouped, median, rate, times } from '../lib/figures.mjs';
import { load, WEIR } from '../lib/load.mjs';
import { found, startRedis } from '../lib/redis.mjs';

// Entries a second. The field is a record as Weir gets it.
function xadd(port, { count, connections, pipeline, record }) {
  return new Promise((resolve, reject) => {
    const args = ['-p', String(port), '-n', String(count), '-c', String(connections), '-P', String(pipeline), '--csv',
      'XADD', 'records', '*', 'record', record];
    const child = spawn('redis-benchmark', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.once('close', () => {
      const figures = /"([\d.]+)"(?:,"[\d.]+")*\s*$/.exec(output.trim());
      if (figures) resolve(Number(figures[1]));
      else reject(new Error(`redis-benchmark: ${output}`));
    });
  });
}

export async function redis(run) {
  if (!found('redis-server') || !found('redis-benchmark')) {
    run.report.note('skipped: redis-server or redis-benchmark is not installed (`scripts/deps.sh bench`)');
    return;
  }
  const rounds = run.quick ? 1 : 3;
  const record = execFileSync(WEIR, ['bench', '--print', '--records', '1'], { encoding: 'utf8' }).trim();
  const { port, child } = await startRedis(path.join(run.dir, 'redis'), 'always');
  const server = await run.weir('redis');
  const figures = { single: [], weirSingle: [], pipelined: [], weirStream: [] };
  let first = 0;
  const weir = async (flags) => {
    const report = await load(server.url, { ...flags, first });
    first += report.records.sent;
    return report.records.perSecond;
  };
  for (let round = 0; round < rounds; round++) {
    figures.single.push(await xadd(port, { count: run.records(400_000, 100_000), connections: 64, pipeline: 1, record }));
    figures.weirSingle.push(await weir({ mode: 'single', connections: 64, duration: run.quick ? 2 : 5 }));
    figures.pipelined.push(await xadd(port, { count: run.records(2_000_000, 300_000), connections: 8, pipeline: 500, record }));
    figures.weirStream.push(await weir({ mode: 'ndjson', records: run.records(2_000_000, 500_000) }));
  }
  child.kill('SIGTERM');
  await server.stop();
  run.clean('redis');
  const row = (what, peer, ours) => [what, rate(median(peer)), rate(median(ours)), times(median(ours) / median(peer)), '≥ 1 ×', median(ours) >= median(peer) ? 'yes' : '**no**'];
  run.report.table([
    ['what', 'Redis', 'Weir', 'ratio', 'target', 'reached'],
    row('one at a time, 64 connections', figures.single, figures.weirSingle),
    row('pipelined (500 on 8 connections), our NDJSON', figures.pipelined, figures.weirStream),
  ]);
  run.report.note(`Rounds: ${Object.entries(figures).map(([name, all]) => `${name} ${all.map(grouped).join(', ')}`).join('; ')}. ${execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).trim()}.`);
}
