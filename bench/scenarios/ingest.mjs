// How fast records are taken in.

import os from 'node:os';
import { grouped, median, mib, rate, seconds, us } from '../lib/figures.mjs';
import { load } from '../lib/load.mjs';
import { pause, Server } from '../lib/server.mjs';

const SETTLE_MS = 2000;
const EMPTY_HANDLER = 'build/bench/empty_handler';

// NDJSON over one connection, in requests of a million records, each of which is answered when its last record is on disk.
// In two halves, so that the growth of memory can be told from what a store needs at any size.
export async function ndjson(run) {
  const half = run.records(5_000_000, 1_000_000);
  const records = 2 * half;
  const server = await run.weir('ndjson');
  const halves = [];
  for (const first of [0, half]) {
    halves.push(await server.measured(() => load(server.url, { mode: 'ndjson', first, records: half })));
    await pause(SETTLE_MS);
    halves.at(-1).settled = server.anonymousBytes();
  }
  await server.stop();
  run.clean('ndjson');
  const sum = (figure) => figure(halves[0]) + figure(halves[1]);
  const perSecond = records / sum((part) => part.result.seconds);
  const millions = halves.flatMap((part) => part.result.millions);
  const share = millions.at(-1) / millions[0];
  const peak = Math.max(...halves.map((part) => part.peak));
  const growth = (halves[1].settled - halves[0].settled) / half;
  const serverCpu = sum((part) => part.cpuSeconds);
  const clientCpu = sum((part) => part.result.clientCpuSeconds);
  const each = (cpu) => `${seconds(cpu)}, ${((cpu / records) * 1e6).toFixed(2)} µs a record`;
  run.report.measures([
    [`${grouped(records)} records`, rate(perSecond), '≥ 300,000/s', perSecond >= 300_000],
    ['slowest and fastest million', `${rate(Math.min(...millions))} – ${rate(Math.max(...millions))}`],
    ['last million : first million', `${rate(millions.at(-1))} : ${rate(millions[0])} = ${share.toFixed(2)}`, '≥ 0.80', share >= 0.8],
    ['anonymous memory, at most', mib(peak), '< 400 MiB', peak < 400 * 2 ** 20],
    ['… at rest after each half', halves.map((part) => mib(part.settled)).join(', ')],
    ['… growth over the second half', `${growth.toFixed(1)} bytes a record`, '≤ 2', growth <= 2],
    ['processor time, server', each(serverCpu)],
    ['processor time, client', each(clientCpu)],
  ]);
  run.report.note(`Records a second, million by million: ${millions.map(grouped).join(', ')}.`);
}

// One record a request on 64 connections, in turns with the same HTTP library doing nothing: with as many threads as Weir's
// server takes by itself, and with one a core.
export async function single(run) {
  const duration = run.quick ? 3 : 10;
  const rounds = run.quick ? 1 : 3;
  const cores = os.availableParallelism();
  const same = await Server.start(EMPTY_HANDLER, ['0', String((cores + 1) >> 1)]);
  const wide = await Server.start(EMPTY_HANDLER, ['0', String(cores)]);
  const server = await run.weir('single');
  const reports = { same: [], wide: [], weir: [] };
  let first = 0;
  for (let round = 0; round < rounds; round++) {
    reports.same.push(await load(same.url, { mode: 'single', connections: 64, duration }));
    reports.wide.push(await load(wide.url, { mode: 'single', connections: 64, duration }));
    reports.weir.push(await load(server.url, { mode: 'single', connections: 64, duration, first }));
    first += reports.weir[round].records.sent;
  }
  for (const each of [same, wide, server]) await each.stop();
  run.clean('single');
  const of = (who, figure) => median(reports[who].map(figure));
  const perSecond = (report) => report.requestsPerSecond;
  const weir = of('weir', perSecond);
  const baseline = of('same', perSecond);
  const p99 = of('weir', (report) => report.latency.p99);
  run.report.measures([
    ['single records', rate(weir), '≥ 60,000/s', weir >= 60_000],
    ['p50, p99, p99.9', [of('weir', (r) => r.latency.p50), p99, of('weir', (r) => r.latency.p999)].map(us).join(', '), 'p99 < 5 ms', p99 < 5000],
    ['empty handler, as many threads', rate(baseline)],
    ['share of it', (weir / baseline).toFixed(2), '≥ 0.60', weir >= 0.6 * baseline],
    ['empty handler, a thread a core', rate(of('wide', perSecond))],
  ]);
  const rounded = (who) => reports[who].map(perSecond).map(grouped).join(', ');
  run.report.note(`Medians of ${rounds} rounds of ${duration} s. Weir: ${rounded('weir')}; empty handler: ${rounded('same')}; with a thread a core: ${rounded('wide')}.`);
}

export async function array(run) {
  const records = run.records(5_000_000, 500_000);
  const server = await run.weir('array');
  const { result, cpuSeconds } = await server.measured(() => load(server.url, { mode: 'array', batch: 500, connections: 8, records }));
  await server.stop();
  run.clean('array');
  run.report.measures([
    [`arrays of 500 on 8 connections, ${grouped(records)} records`, rate(result.records.perSecond)],
    ['p50, p99 of an array', `${us(result.latency.p50)}, ${us(result.latency.p99)}`],
    ['processor time, server', `${seconds(cpuSeconds)}, ${((cpuSeconds / records) * 1e6).toFixed(2)} µs a record`],
  ]);
}

// The load test of the reference: 100,000 records an hour from 50 connections. Latency counts from when a request was due.
export async function steady(run) {
  const duration = run.quick ? 5 : 60;
  const server = await run.weir('steady');
  const report = await load(server.url, { rate: 28, connections: 50, duration });
  await server.stop();
  run.clean('steady');
  run.report.measures([
    [`28 requests a second for ${duration} s`, `${grouped(report.requests)} answered`, `${grouped(28 * duration)}`, report.requests === 28 * duration],
    ['p50, p99, max', [report.latency.p50, report.latency.p99, report.latency.max].map(us).join(', ')],
  ]);
}

