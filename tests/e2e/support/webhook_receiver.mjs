// An endpoint that takes webhooks and behaves as badly as a test wants it to.
//
//   const receiver = await startReceiver(t, { secrets: [secret] });   // receiver.url
//   receiver.plan = (delivery) => delivery.attempt === 1 ? { status: 503 } : {};
//   await receiver.until(() => receiver.taken.size === 100, 'a hundred messages');
//   receiver.problems                                                 // what was wrong with any request: must stay empty
//
// A plan is asked once a request, with {id, attempt, body, headers, path}, and answers what to do: {status, headers, body} with
// 204 as the default, and besides
//   delayMs     answers so late
//   stall       never answers
//   close       'before': ends the connection instead of an answer; 'middle': in the middle of its body
//   twice       sends the answer a second time on the same connection, which nobody asked for
//   endless     a body that goes on until the other side has had enough
import http from 'node:http';
import https from 'node:https';
import http2 from 'node:http2';
import { createHmac, timingSafeEqual } from 'node:crypto';
import { atEnd, eventually } from './weir.mjs';

/** The package that receivers use, or null when npm did not answer: then `skipWithoutLibrary` says so. */
export const library = await import('standardwebhooks').then((it) => it.Webhook, () => null);
export const skipWithoutLibrary = library ? false : 'npm did not answer: standardwebhooks is not installed (scripts/deps.sh check)';

export const newSecret = (seed) => `whsec_${createHmac('sha256', 'a test').update(String(seed)).digest('base64')}`;

/** By the specification's words, for tests that run where the package is not. */
export function isSigned(secret, headers, body) {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const expected = createHmac('sha256', key).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`).update(body).digest();
  return headers['webhook-signature'].split(' ').some((each) => {
    const given = Buffer.from(each.replace(/^v1,/, ''), 'base64');
    return each.startsWith('v1,') && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

class Receiver {
  constructor(secrets) {
    this.secrets = secrets;
    this.plan = () => ({});
    this.deliveries = []; // every request, in the order in which they came
    this.attempts = new Map(); // id → how many
    this.taken = new Map(); // id → how often it was answered with 2xx
    this.problems = [];
    this.connections = 0;
  }

  check(delivery) {
    const { headers, body } = delivery;
    if (!this.secrets.every((secret) => isSigned(secret, headers, body))) this.problems.push(`${delivery.id}: not signed with each secret`);
    const age = Date.now() / 1000 - Number(headers['webhook-timestamp']);
    if (!(age > -5 && age < 60)) this.problems.push(`${delivery.id}: the attempt is ${age} s old`);
    if (headers['content-type'] !== 'application/json') this.problems.push(`${delivery.id}: ${headers['content-type']}`);
    try {
      delivery.message = JSON.parse(body);
    } catch (error) {
      this.problems.push(`${delivery.id}: ${error.message}`);
    }
  }

  async take(request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    const headers = request.headers;
    const id = headers['webhook-id'];
    const attempt = (this.attempts.get(id) ?? 0) + 1;
    this.attempts.set(id, attempt);
    const delivery = { id, attempt, headers, path: request.url, body: Buffer.concat(parts).toString(), at: Date.now(), version: request.httpVersion };
    this.deliveries.push(delivery);
    this.check(delivery);
    await this.answer(response, delivery, (await this.plan(delivery)) ?? {});
  }

  async answer(response, delivery, { status = 204, headers = {}, body = '', delayMs = 0, stall, close, twice, endless }) {
    delivery.status = status;
    const socket = response.socket;
    if (stall) return;
    if (delayMs) await new Promise((done) => setTimeout(done, delayMs));
    if (close === 'before') return void socket.destroy();
    if (status >= 200 && status < 300 && close !== 'middle') this.taken.set(delivery.id, (this.taken.get(delivery.id) ?? 0) + 1);
    if (close === 'middle') {
      response.writeHead(status, { 'content-length': 100 });
      response.write('half of', () => socket.destroy());
    } else if (endless) {
      response.writeHead(status, headers);
      const more = () => { while (!response.destroyed && response.write('x'.repeat(65536))); };
      response.on('drain', more).on('error', () => {});
      more();
    } else {
      response.writeHead(status, headers);
      response.end(body);
      if (twice) socket.write(`HTTP/1.1 ${status} Again\r\ncontent-length: 0\r\n\r\n`);
    }
  }

  /** The messages that were taken, as the bodies have them. */
  messages() {
    return this.deliveries.filter((each) => each.status >= 200 && each.status < 300).map((each) => each.message);
  }

  async until(ask, what, ms = 20_000) {
    try {
      return await eventually(ask, what, ms);
    } catch (error) {
      error.message += `: ${this.deliveries.length} requests came, ${this.taken.size} messages were taken`;
      throw error;
    }
  }
}

/** Options: secrets (each request has to be signed with all of them), port, tls ({key, cert}: speaks HTTP/2 where asked to). */
export async function startReceiver(t, { secrets, port = 0, tls } = {}) {
  const receiver = new Receiver(secrets);
  const take = (request, response) => receiver.take(request, response).catch((error) => receiver.problems.push(String(error)));
  const server = !tls ? http.createServer(take) : tls.http1 ? https.createServer(tls, take) : http2.createSecureServer({ ...tls, allowHTTP1: true }, take);
  const sockets = new Set();
  server.keepAliveTimeout = 60_000;
  server.on(tls ? 'secureConnection' : 'connection', (socket) => {
    receiver.connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
  });
  receiver.listen = (at) => new Promise((done, fail) => server.once('error', fail).listen(at, '127.0.0.1', () => done()));
  /** Nobody is there any more; `listen(receiver.port)` brings it back. */
  receiver.leave = () => new Promise((done) => {
    server.close(() => done());
    for (const socket of sockets) socket.destroy();
  });
  await receiver.listen(port);
  receiver.port = server.address().port;
  receiver.url = `${tls ? 'https' : 'http'}://127.0.0.1:${receiver.port}/hook`;
  atEnd(t, async () => { if (server.listening) await receiver.leave(); });
  return receiver;
}
