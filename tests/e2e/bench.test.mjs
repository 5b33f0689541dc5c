// The load generator: that it sends what it says, counts what it gets, and copes with a server that does not behave.
import test from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import { startWeir, runWeirAsync, runWeir, sleep } from './support/weir.mjs';
import { countRecords } from './support/client.mjs';

const START = '2026-01-01T00:00:00Z';

async function bench(t, url, ...flags) {
  const { code, stdout, stderr } = await runWeirAsync(t, ['bench', '--json', '--to', url, '--start', START, ...flags]);
  assert.notEqual(stdout, '', stderr);
  return { code, ...JSON.parse(stdout) };
}

// A server of one answer for each request: `answer(body, number)` returns bytes to send, or null to hang up.
async function serve(t, answer) {
  const sockets = new Set();
  let number = 0;
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    let pending = '';
    let busy = Promise.resolve();
    socket.on('data', (chunk) => {
      pending += chunk;
      for (let request; (request = takeRequest()) !== null;) {
        const body = request;
        busy = busy.then(async () => {
          const bytes = await answer(body, number++);
          if (bytes === null) socket.destroy();
          else socket.write(bytes);
        });
      }
    });
    function takeRequest() {
      const head = pending.indexOf('\r\n\r\n');
      const length = head < 0 ? NaN : Number(/content-length: *(\d+)/i.exec(pending.slice(0, head))[1]);
      if (!(pending.length >= head + 4 + length)) return null;
      const body = pending.slice(head + 4, head + 4 + length);
      pending = pending.slice(head + 4 + length);
      return body;
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

const created = 'HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}';

test('every mode sends the same records for the same seed, and the second time they are duplicates', async (t) => {
  const server = await startWeir(t);
  const single = await bench(t, server.url, '--mode', 'single', '--records', '300', '--connections', '7');
  assert.equal(single.code, 0);
  assert.deepEqual(single.statuses, { 201: 300 });
  assert.equal(single.records.created, 300);
  const array = await bench(t, server.url, '--mode', 'array', '--batch', '70', '--records', '300', '--connections', '2');
  assert.equal(array.requests, 5);
  assert.equal(array.records.duplicates, 300);
  const stream = await bench(t, server.url, '--mode', 'ndjson', '--records', '900', '--connections', '2', '--per-request', '200', '--threads', '2');
  assert.equal(stream.requests, 5);
  assert.deepEqual([stream.records.duplicates, stream.records.created], [300, 600]);
  const rate = await bench(t, server.url, '--rate', '400', '--duration', '0.5', '--seed', '2');
  assert.equal(rate.requests, 200);
  assert.equal(rate.records.created, 200);
  assert.ok(rate.seconds < 5);
  const repeats = await bench(t, server.url, '--mode', 'ndjson', '--records', '1000', '--repeats', '30', '--seed', '3');
  assert.equal(repeats.records.created + repeats.records.duplicates, 1000);
  assert.ok(repeats.records.duplicates > 200 && repeats.records.conflicts === 0);
  assert.equal(await countRecords(server), 900 + 200 + repeats.records.created);
});

test('a stream over all of a run ends properly when the time is up', async (t) => {
  const server = await startWeir(t);
  const stream = await bench(t, server.url, '--mode', 'ndjson', '--duration', '0.5', '--per-request', '0', '--connections', '2');
  assert.equal(stream.code, 0);
  assert.equal(stream.requests, 2);
  assert.equal(stream.records.created, stream.records.sent);
  assert.equal(await countRecords(server), stream.records.sent);
});

test('print writes the records that would be sent', async (t) => {
  const server = await startWeir(t);
  await bench(t, server.url, '--mode', 'single', '--records', '20', '--seed', '9', '--times', 'spread:2h');
  const printed = runWeir(['bench', '--print', '--records', '20', '--seed', '9', '--times', 'spread:2h', '--start', START]);
  const answer = await fetch(`${server.url}/api/records`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body: printed.stdout });
  assert.equal((await answer.json()).data.duplicates, 20);
});

test('a run without seed and start is a new one each time', async (t) => {
  const server = await startWeir(t);
  for (let run = 0; run < 2; run += 1) {
    const { code, stdout, stderr } = await runWeirAsync(t, ['bench', '--json', '--to', server.url, '--mode', 'single', '--records', '50']);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).records.created, 50);
  }
});

test('without --retry what fails is counted and the exit code says so', async (t) => {
  const url = await serve(t, (body, number) => (number % 3 === 0 ? null : number % 3 === 1 ? 'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n' : created));
  const report = await bench(t, url, '--mode', 'single', '--records', '9', '--connections', '1');
  assert.equal(report.code, 1);
  assert.deepEqual(report.statuses, { 201: 3, 503: 3 });
  assert.equal(report.failures.broken, 3);
  assert.equal(report.records.answered, 3);
});

test('with --retry every record arrives, under its own id', async (t) => {
  const taken = new Set();
  const url = await serve(t, (body, number) => {
    if (number % 5 === 0) return null;
    if (number % 5 === 1) return 'HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';
    taken.add(JSON.parse(body).recordId);
    return number % 2 ? created : 'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n';
  });
  const report = await bench(t, url, '--mode', 'single', '--records', '40', '--connections', '4', '--retry');
  assert.equal(report.statuses[201], 40);
  assert.equal(taken.size, 40);
});

test('a request that nothing answers is given up', async (t) => {
  const url = await serve(t, (body, number) => (number === 0 ? '' : created));
  const report = await bench(t, url, '--mode', 'single', '--records', '3', '--connections', '1', '--timeout', '0.5');
  assert.equal(report.failures.timeouts, 1);
  assert.equal(report.records.answered, 2);
});

// One stall of the server has to show in all requests that were due meanwhile, not in the one that met it.
test('at a fixed rate latency counts from when a request was due', async (t) => {
  const url = await serve(t, async (body, number) => {
    if (number === 20) await sleep(500);
    return created;
  });
  const report = await bench(t, url, '--rate', '100', '--duration', '1', '--connections', '1');
  assert.equal(report.requests, 100);
  assert.ok(report.latency.p90 > 200_000, `p90 is ${report.latency.p90} us`);
  assert.ok(report.service.p90 < 200_000, `p90 of the service alone is ${report.service.p90} us`);
});

test('what is not a server, and what is not a flag, is said', async (t) => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  const nobody = runWeir(['bench', '--to', `http://127.0.0.1:${port}`]);
  assert.equal(nobody.code, 3);
  assert.match(nobody.stderr, /nothing answers at 127\.0\.0\.1/);
  for (const flags of [['--to', 'ftp://x'], ['--mode', 'x'], ['--rate', '0'], ['--rate', 'fast'], ['--connections', '0'],
    ['--times', 'spread:30w'], ['--start', 'noon'], ['--flows', '5', '--destinations', '6'], ['--threads', '9', '--connections', '8']]) {
    assert.equal(runWeir(['bench', ...flags]).code, 2, flags.join(' '));
  }
  assert.match(runWeir(['bench', '--dry', '--records', '1000']).stdout, /1000 records made/);
});
