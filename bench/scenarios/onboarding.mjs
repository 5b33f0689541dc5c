// Organizations: how soon a thousand are stored and done, and what it costs to ask how far batches are.

import net from 'node:net';
import { grouped, median, ms, rate, seconds } from '../lib/figures.mjs';
import { get } from '../lib/server.mjs';

const CONNECTIONS = 16;
const ROUNDS = 10;
const TIMES = 20;

const organization = (i) => ({ name: `Organization ${i}`, domain: `o${i}.example.com`, contact_email: `contact@o${i}.example.com` });
const body = (count, from) => JSON.stringify({ organizations: Array.from({ length: count }, (_, i) => organization(from + i)) });

// One connection that is kept; the bodies of its answers, one after another.
class Line {
  constructor(url) {
    this.url = new URL(url);
    this.left = '';
    this.socket = net.connect(Number(this.url.port), this.url.hostname).setNoDelay().setEncoding('latin1');
    this.socket.on('data', (text) => this.take(text)).on('error', (error) => this.fail?.(error));
  }

  take(text) {
    this.left += text;
    const head = this.left.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.left.slice(0, head + 2))[1]);
    if (this.left.length < head + 4 + length) return;
    const answer = { status: Number(this.left.slice(9, 12)), body: this.left.slice(head + 4, head + 4 + length) };
    this.left = this.left.slice(head + 4 + length);
    this.done(answer);
  }

  ask(request) {
    return new Promise((done, fail) => {
      Object.assign(this, { done, fail });
      this.socket.write(request);
    });
  }

  post(path, text) {
    return this.ask(`POST ${path} HTTP/1.1\r\nHost: ${this.url.host}\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
  }

  get(path) {
    return this.ask(`GET ${path} HTTP/1.1\r\nHost: ${this.url.host}\r\n\r\n`);
  }
}

async function onLines(lines, count, work) {
  let next = 0;
  await Promise.all(lines.map(async (line) => {
    while (next < count) await work(line, next++);
  }));
}

async function store(line, count, from) {
  const answer = await line.post('/api/bulk-onboard', body(count, from));
  if (answer.status !== 202) throw new Error(`${answer.status}: ${answer.body.slice(0, 300)}`);
  return JSON.parse(answer.body).batch_id;
}

// A thousand, handler none: until the answer is there, and until a question says that all of them are done.
async function thousands(line) {
  const answered = [];
  const completed = [];
  for (let i = 0; i < TIMES; i++) {
    const text = body(1000, 1_000_000 + 1000 * i);
    const began = performance.now();
    const { batch_id: id } = JSON.parse((await line.post('/api/bulk-onboard', text)).body);
    answered.push(performance.now() - began);
    const { data } = JSON.parse((await line.get(`/api/bulk-onboard/${id}`)).body);
    if (data.completed !== 1000) throw new Error(`not all are done: ${JSON.stringify(data)}`);
    completed.push(performance.now() - began);
  }
  return { answered, completed };
}

// Each of them once a round, from a few connections, as fast as the answers come.
async function poll(lines, ids) {
  const latencies = [];
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    await onLines(lines, ids.length, async (line, i) => {
      const sent = performance.now();
      const answer = await line.get(`/api/bulk-onboard/${ids[i]}`);
      latencies.push(performance.now() - sent);
      if (answer.status !== 200 || !answer.body.includes('"percentage":100,')) throw new Error(`${answer.status}: ${answer.body}`);
    });
    rounds.push(performance.now() - began);
  }
  latencies.sort((a, b) => a - b);
  return { rounds, p99: latencies[Math.floor(latencies.length * 0.99)] };
}

export async function onboarding(run) {
  const batches = run.records(10_000, 2000);
  const server = await run.weir('onboarding');
  const lines = Array.from({ length: CONNECTIONS }, () => new Line(server.url));
  const thousand = await thousands(lines[0]);
  const ids = [];
  const began = performance.now();
  await onLines(lines, batches, async (line, i) => { ids[i] = await store(line, 1, i); });
  const stored = performance.now() - began;
  const polled = await server.measured(() => poll(lines, ids));
  for (const line of lines) line.socket.destroy();
  const listed = await get(`${server.url}/api/organizations?limit=1000`);
  await server.stop();
  run.clean('onboarding');
  const { rounds, p99 } = polled.result;
  const perSecond = batches / (median(rounds) / 1000);
  const cpu = (polled.cpuSeconds / (batches * ROUNDS)) * 1e6;
  run.report.measures([
    ['1,000 organizations, handler none: answered', ms(median(thousand.answered)), '< 50 ms', median(thousand.answered) < 50],
    ['… and all of them completed', ms(median(thousand.completed)), '< 1 s', median(thousand.completed) < 1000],
    [`${grouped(batches)} batches of one, on ${CONNECTIONS} connections`, rate(batches / (stored / 1000))],
    [`how far is it? ${grouped(batches)} batches, each once`, `${seconds(median(rounds) / 1000)}, ${rate(perSecond)}, p99 ${ms(p99)}`, '< 1 s', median(rounds) < 1000],
    ['processor time of the server for one', `${cpu.toFixed(1)} µs`],
    ['a list of 1,000 organizations', ms(listed.total)],
  ]);
}
