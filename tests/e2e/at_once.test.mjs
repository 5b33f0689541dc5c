// Clients that all send at the same moment and then wait for their answers.
import test from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { startWeir, atEnd, eventually } from './support/weir.mjs';
import { countRecords, getJson } from './support/client.mjs';
import { record } from './support/model.mjs';

const ROUNDS = 20;
const ANSWER_MS_MAX = 10_000; // far above what an answer takes, far below the idle time-out that ends a stall

/** A connection that is kept: `send` resolves with the status of the answer. */
class Client {
  constructor(server) {
    this.text = '';
    this.socket = net.connect(server.port, '127.0.0.1').setNoDelay(true).setEncoding('utf8');
    this.opened = new Promise((done, fail) => this.socket.once('connect', done).once('error', fail));
    this.socket.on('data', (text) => this.take(text)).on('close', () => this.fail?.(new Error('the server hung up')));
  }

  send(body) {
    return new Promise((done, fail) => {
      Object.assign(this, { done, fail, text: '' });
      this.socket.write(`POST /api/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
  }

  take(text) {
    this.text += text;
    const head = /^HTTP\/1\.1 (\d+)[^]*?content-length: (\d+)[^]*?\r\n\r\n/i.exec(this.text);
    if (head && this.text.length >= head[0].length + Number(head[2])) this.done(Number(head[1]));
  }
}

/** What all of them send is there before the server gets to see any of it: it is stopped meanwhile. */
async function sendAtOnce(server, clients) {
  server.child.kill('SIGSTOP');
  const answers = clients.map((client) => client.send(JSON.stringify(record())));
  await Promise.all(clients.map((client) => new Promise((done) => client.socket.write('', done))));
  server.child.kill('SIGCONT');
  return answers;
}

async function answered(answers, what) {
  let timer;
  let count = 0;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${what}: ${count} of ${answers.length} were answered after ${ANSWER_MS_MAX} ms`)), ANSWER_MS_MAX);
  });
  try {
    return await Promise.race([Promise.all(answers.map((answer) => answer.then((status) => { count++; return status; }))), late]);
  } finally {
    clearTimeout(timer);
  }
}

// The library asks the system for 128 events at a time, and a multiple of that is where it went wrong.
for (const [threads, connections] of [[1, 127], [1, 128], [1, 129], [1, 256], [2, 256]]) {
  test(`${connections} connections on ${threads} thread${threads > 1 ? 's' : ''} that send at once are all answered`, async (t) => {
    const server = await startWeir(t, { env: { WEIR_HTTP_THREADS: String(threads) } });
    const clients = Array.from({ length: connections }, () => new Client(server));
    atEnd(t, () => clients.forEach((client) => client.socket.destroy()));
    await Promise.all(clients.map((client) => client.opened));
    for (let round = 1; round <= ROUNDS; round++) {
      const statuses = await answered(await sendAtOnce(server, clients), `round ${round}`);
      assert.deepEqual([...new Set(statuses)], [201]);
    }
    assert.equal(await countRecords(server), connections * ROUNDS);
    await server.stop();
  });
}

test('connections beyond the limit of an address are closed, however many threads there are', async (t) => {
  const server = await startWeir(t, { env: { WEIR_HTTP_THREADS: '4', WEIR_HTTP_CONNECTIONS_PER_ADDRESS_MAX: '10' } });
  const clients = Array.from({ length: 40 }, () => new Client(server));
  atEnd(t, () => clients.forEach((client) => client.socket.destroy()));
  const statuses = await answered(clients.map((client) => client.send(JSON.stringify(record())).catch(() => 'closed')), 'all');
  assert.equal(statuses.filter((status) => status === 201).length, 10);
  assert.equal(statuses.filter((status) => status === 'closed').length, 30);
  clients.forEach((client) => client.socket.destroy());
  await eventually(async () => (await getJson(server, '/health').catch(() => null)), 'room for another connection');
  assert.equal(await countRecords(server), 10);
});
