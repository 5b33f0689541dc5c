// What a store of ten million records answers, and how soon it stands again. The scenarios share one store, made by the
// first that needs it: records of 30 days, 1,000 destinations, a million flows.

import { execFileSync } from 'node:child_process';
import { grouped, median, mib, ms, random, rate, seconds } from '../lib/figures.mjs';
import { load, startLoad, WEIR } from '../lib/load.mjs';
import { get, pause } from '../lib/server.mjs';

const DAY_MS = 86_400_000;
const DAYS = 30;
const RANGES = 20;
const SEED = 20;
const SETTLE_MS = 2000;

async function filled(run) {
  const records = run.records(10_000_000, 1_000_000);
  const server = await run.weir('questions');
  if (!run.filled) {
    run.filled = { records, end: new Date() };
    await load(server.url, { mode: 'ndjson', records, times: `spread:${DAYS}d`, start: run.filled.end.toISOString() });
    await pause(SETTLE_MS);
  }
  return server;
}

const toSecond = (date) => date.toISOString().replace(/\.\d+Z$/, 'Z');

// Ranges that begin and end at any second, from an hour to all of the days.
function ranges(end) {
  const next = random(SEED);
  return Array.from({ length: RANGES }, () => {
    const length = (1 / 24 + next() * (DAYS - 1 / 24)) * DAY_MS;
    const from = end.getTime() - DAYS * DAY_MS + next() * (DAYS * DAY_MS - length);
    return [new Date(from), new Date(from + length)];
  });
}

const aggregateUrl = (server, [from, to], more = '') =>
  `${server.url}/api/records/aggregate?records=false&startTime=${toSecond(from)}&endTime=${toSecond(to)}${more}`;

async function timed(url, options) {
  const answer = await get(url, options);
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${answer.body.slice(0, 200)}`);
  return answer;
}

async function askAll(server, end, between = 0) {
  const totals = [];
  for (const range of ranges(end)) {
    totals.push((await timed(aggregateUrl(server, range))).total);
    await pause(between);
  }
  return totals;
}

const spread = (numbers) => `median ${ms(median(numbers))}, longest ${ms(Math.max(...numbers))}`;

export async function aggregate(run) {
  const server = await filled(run);
  const { records, end } = run.filled;
  const all = [new Date(end.getTime() - (DAYS + 1) * DAY_MS), new Date(end.getTime() + DAY_MS)];
  const whole = await timed(aggregateUrl(server, all));
  const groups = JSON.parse(whole.body).data.groups;
  const counted = groups.reduce((sum, group) => sum + group.recordCount, 0);
  if (counted !== records) throw new Error(`the groups count ${counted} records of ${records}`);
  const idle = await askAll(server, end);
  const other = await timed(aggregateUrl(server, all, '&groupBy=sourceId'));
  const percentiles = await timed(aggregateUrl(server, all, '&measures=p50,p99'));
  const stream = startLoad(server.url, { mode: 'ndjson', duration: 3600, seed: 2 });
  await pause(SETTLE_MS);
  const busy = await askAll(server, end, 100);
  stream.stop();
  const ingested = await stream.done;
  await server.stop();
  const perSecond = (answer) => records / (answer.total / 1000);
  run.report.measures([
    [`${RANGES} ranges to the second, idle`, spread(idle), '< 50 ms', median(idle) < 50],
    [`the same while ${rate(ingested.records.perSecond)} come in`, spread(busy), '< 150 ms', median(busy) < 150],
    ['all of it', `${ms(whole.total)}, ${groups.length} groups`],
    ['another grouping (sourceId), which scans', `${ms(other.total)}, ${rate(perSecond(other))} rows`, '≥ 3,000,000/s', perSecond(other) >= 3e6],
    ['percentiles, which scan', `${ms(percentiles.total)}, ${rate(perSecond(percentiles))} rows`, '≥ 3,000,000/s', perSecond(percentiles) >= 3e6],
  ]);
}

export async function listing(run) {
  const server = await filled(run);
  const rounds = run.quick ? 3 : 7;
  const first = async (path, headers = {}) => {
    const times = [];
    for (let i = 0; i < rounds; i++) times.push((await timed(server.url + path, { headers, bytesMax: 0 })).first);
    return median(times);
  };
  const full = await first('/api/records/aggregate');
  const page = await first('/api/records?limit=100');
  const streamed = await timed(`${server.url}/api/records`, { headers: { Accept: 'application/x-ndjson' }, msMax: 5000 });
  const line = streamed.body.indexOf('\n') + 1;
  await server.stop();
  run.report.measures([
    ['full listing with its groups, first byte', ms(full), '< 50 ms', full < 50],
    ['a page of 100, first byte', ms(page)],
    ['NDJSON of everything', `first byte ${ms(streamed.first)}, about ${rate(streamed.bytes / line / (streamed.total / 1000))} rows`],
  ]);
}

// How long it takes from the start of the process to a /ready that answers 200: after kill -9 while idle, and midway.
export async function restart(run) {
  const server = await filled(run);
  await server.kill('SIGKILL');
  const again = await filled(run);
  const idle = await again.readyMilliseconds();
  const stream = startLoad(again.url, { mode: 'ndjson', duration: 3600, seed: 3, timeout: 1 });
  await pause(SETTLE_MS);
  await again.kill('SIGKILL');
  stream.stop();
  await stream.done;
  const third = await filled(run);
  const busy = await third.readyMilliseconds();
  const anonymous = third.anonymousBytes();
  await third.stop();
  run.report.measures([
    ['ready after kill -9, idle', ms(idle), '< 3 s', idle < 3000],
    ['ready after kill -9 while records come in', ms(busy), '< 3 s', busy < 3000],
    ['anonymous memory then', mib(anonymous)],
  ]);
}

function verify(dir, flags) {
  const began = performance.now();
  const report = JSON.parse(execFileSync(WEIR, ['verify', '--json', '--data', dir, ...flags], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }));
  return { ...report, milliseconds: performance.now() - began };
}

// `weir verify --rebuild` makes everything derived anew and verifies it; verifying alone is measured first and taken off.
export async function rebuild(run) {
  const server = await filled(run);
  await server.stop();
  const dir = run.storeDir('questions');
  const plain = verify(dir, []);
  const anew = verify(dir, ['--rebuild']);
  const took = (anew.milliseconds - plain.milliseconds) / 1000;
  run.report.measures([
    [`everything derived, of ${grouped(anew.records)} records`, `${seconds(took)}, ${rate(anew.records / took)}`, '≥ 1,000,000/s', anew.records / took >= 1e6],
    ['verifying every record, total and index', `${seconds(plain.milliseconds / 1000)}, ${rate(plain.records / (plain.milliseconds / 1000))}`],
    ['problems found', grouped(plain.problems + anew.problems), '0', plain.problems + anew.problems === 0],
  ]);
}
