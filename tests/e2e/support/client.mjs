// What a client does: calls over HTTP, and bytes over a bare socket where a library is too well-behaved.
import http from 'node:http';
import net from 'node:net';
import { Readable } from 'node:stream';
import assert from 'node:assert/strict';

export const JSON_TYPE = 'application/json';
export const NDJSON_TYPE = 'application/x-ndjson';
export const CSV_TYPE = 'text/csv';
export const PROBLEM_TYPE = 'application/problem+json';

const agent = new http.Agent({ keepAlive: true });
const ANSWER_MS_MAX = 60_000;

/**
 * {status, type, headers, text, json}; json is undefined where the answer is none. Fails when the connection does. Over
 * node:http, since fetch may wait for ever on a connection that was reset.
 */
export async function call(server, path, { method = 'GET', headers = {}, body } = {}) {
  const { response, text } = await exchange(server.url + path, { method, headers, agent }, body);
  const type = (response.headers['content-type'] ?? '').split(';')[0];
  const json = /\bjson$/.test(type) && type !== NDJSON_TYPE ? parse(text, path) : undefined;
  return { status: response.statusCode, type, headers: { get: (name) => response.headers[name] ?? null }, text, json };
}

function exchange(url, options, body) {
  return new Promise((done, fail) => {
    const request = http.request(url, options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', fail);
      response.on('end', () => done({ response, text: Buffer.concat(parts).toString() }));
    });
    request.on('error', fail); // after an early answer this comes too late to matter
    request.setTimeout(ANSWER_MS_MAX, () => request.destroy(new Error(`nothing moved for ${ANSWER_MS_MAX} ms`)));
    if (body instanceof ReadableStream) Readable.fromWeb(body).on('error', fail).pipe(request);
    else request.end(body);
  });
}

function parse(text, path) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} did not answer JSON (${error.message}): ${text.slice(0, 500)}`);
  }
}

export const get = (server, path, headers = {}) => call(server, path, { headers });

/** The JSON of a call that has to succeed. */
export async function getJson(server, path) {
  const answer = await get(server, path);
  assert.equal(answer.status, 200, `${path}: ${answer.text.slice(0, 500)}`);
  return answer.json;
}

/** Sends `body`: text and bytes as they are, anything else as JSON. */
export function send(server, path, body, { method = 'POST', type = JSON_TYPE, headers = {} } = {}) {
  const raw = typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream;
  return call(server, path, {
    method,
    headers: { ...(type ? { 'content-type': type } : {}), ...headers },
    body: raw ? body : JSON.stringify(body),
  });
}

export const post = (server, body, query = '') => send(server, `/api/records${query}`, body);
export const postLines = (server, records, query = '') =>
  send(server, `/api/records${query}`, records.map((r) => JSON.stringify(r) + '\n').join(''), { type: NDJSON_TYPE });

/** Takes in all of `records`, in this order, and checks that each is new. */
export async function load(server, records) {
  const answer = await postLines(server, records, '?results=problems');
  assert.equal(answer.status, 200, answer.text.slice(0, 500));
  assert.equal(answer.json.data.created, records.length, answer.text.slice(0, 500));
}

/** How many records there are, asked of the aggregate. */
export async function countRecords(server) {
  return (await getJson(server, '/api/records/aggregate?records=false')).data.count;
}

/** Every message of a feed, page by page. */
export async function readFeed(server, kind = 'notifications', limit = 1000) {
  return (await readFeedFrom(server, kind, 0, limit)).messages;
}

/** Those behind `after`, and how far the feed was read. */
export async function readFeedFrom(server, kind, after, limit = 1000) {
  const messages = [];
  for (;;) {
    const page = await getJson(server, `/api/${kind}?after=${after}&limit=${limit}`);
    messages.push(...page.data);
    if (page.data.length === 0) return { messages, after };
    assert.ok(page.nextAfter > after, 'nextAfter moves on with every page that holds something');
    after = page.nextAfter;
  }
}

/** Every record of the list, page by page. */
export async function readPages(server, query = '', limit = 100) {
  const records = [];
  for (let cursor = null; ;) {
    const page = await getJson(server, `/api/records?limit=${limit}${query && `&${query}`}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    records.push(...page.data);
    assert.ok(page.data.length <= limit, 'a page holds no more than was asked for');
    if (!page.nextCursor) return records;
    cursor = page.nextCursor;
  }
}

/** Checks the form of an error answer (RFC 9457 and `message`), and answers its JSON. */
export function assertProblem(answer, status) {
  assert.equal(answer.status, status, answer.text.slice(0, 500));
  assert.equal(answer.type, PROBLEM_TYPE);
  const problem = answer.json;
  assert.equal(problem.status, status);
  for (const member of ['type', 'title', 'detail', 'instance', 'message']) {
    assert.equal(typeof problem[member], 'string', `${member} is a text in ${answer.text}`);
    assert.notEqual(problem[member], '', member);
  }
  return problem;
}

/** A 422 that says something about each of these fields, and of no others. */
export function assertInvalid(answer, fields) {
  const problem = assertProblem(answer, 422);
  assert.deepEqual(Object.keys(problem.errors ?? {}).sort(), [...fields].sort(), answer.text.slice(0, 800));
  for (const field of fields) {
    assert.ok(problem.errors[field].length >= 1 && problem.errors[field].every((p) => typeof p === 'string' && p.length > 3),
      `${field}: ${JSON.stringify(problem.errors[field])}`);
  }
  return problem;
}

/**
 * Sends bytes over a bare socket and collects what comes back until the server closes or `ms` are over.
 * `parts` are sent one after another, a number among them being a pause in milliseconds. {text, closed, status}
 */
export function raw(server, parts, { ms = 3000, end = false } = {}) {
  return new Promise((done, fail) => {
    const socket = net.connect(server.port, '127.0.0.1');
    const received = [];
    const finish = (closed) => {
      clearTimeout(timer);
      socket.destroy();
      const text = Buffer.concat(received).toString('latin1');
      done({ text, closed, status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0) });
    };
    const timer = setTimeout(() => finish(false), ms);
    socket.on('data', (bytes) => received.push(bytes));
    socket.on('error', () => finish(true)); // a reset is a way of closing
    socket.on('close', () => finish(true));
    (async () => {
      for (const part of [parts].flat()) {
        if (socket.destroyed) return;
        if (typeof part === 'number') await new Promise((go) => setTimeout(go, part));
        else socket.write(part);
      }
      if (end && !socket.destroyed) socket.end();
    })().catch(fail);
  });
}

/** Server-sent events as they come: `next(ms)` answers {id, event, data}, `comments` counts heartbeats. */
export async function eventStream(t, server, path, headers = {}) {
  const abort = new AbortController();
  t.after(() => abort.abort());
  const response = await fetch(server.url + path, { headers: { accept: 'text/event-stream', ...headers }, signal: abort.signal });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type').split(';')[0], 'text/event-stream');
  return new EventStream(response.body.getReader(), abort);
}

class EventStream {
  constructor(reader, abort) {
    this.abort = abort;
    this.ready = [];
    this.waiting = [];
    this.comments = 0;
    this.ended = false;
    this.pump(reader).catch(() => {}).finally(() => {
      this.ended = true;
      for (const waiter of this.waiting.splice(0)) waiter(null);
    });
  }

  async pump(reader) {
    const decoder = new TextDecoder();
    let text = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true }).replaceAll('\r\n', '\n');
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        this.take(text.slice(0, end));
        text = text.slice(end + 2);
      }
    }
  }

  take(block) {
    const event = { id: undefined, event: 'message', data: undefined };
    for (const line of block.split('\n')) {
      if (line.startsWith(':')) this.comments += 1;
      const match = /^(id|event|data): ?(.*)$/.exec(line);
      if (match) event[match[1]] = match[2];
    }
    if (event.data === undefined) return;
    const waiter = this.waiting.shift();
    if (waiter) waiter(event);
    else this.ready.push(event);
  }

  async next(ms = 5000) {
    if (this.ready.length > 0) return this.ready.shift();
    assert.ok(!this.ended, 'the stream is still open');
    let timer;
    const event = await new Promise((done) => {
      this.waiting.push(done);
      timer = setTimeout(() => done(null), ms);
    });
    clearTimeout(timer);
    assert.ok(event, `an event within ${ms} ms`);
    return event;
  }

  close() { this.abort.abort(); }
}
