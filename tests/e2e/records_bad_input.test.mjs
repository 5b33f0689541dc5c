// What is wrong with a record is said field by field, and none of it leaves a trace.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startWeir } from './support/weir.mjs';
import { post, send, get, countRecords, assertProblem, assertInvalid, NDJSON_TYPE } from './support/client.mjs';
import { record } from './support/model.mjs';

/** The body of a record in which one member's text is replaced by raw JSON text. */
function withRaw(field, text) {
  return JSON.stringify(record({ [field]: '\u0001RAW' })).replace('"\\u0001RAW"', text);
}

/** Runs a table of cases against one server, each a test of its own, and counts that nothing was taken in. */
function table(name, cases, check) {
  test(name, async (t) => {
    const server = await startWeir(t);
    for (const [label, ...rest] of cases) {
      await t.test(label, async () => check(server, ...rest));
    }
    assert.equal(await countRecords(server), 0, 'nothing was taken in');
  });
}

const VALUES = [
  '"1.005"', '"1.000"', '"-0"', '"-1"', '"+1"', '"1e2"', '"1E2"', '""', '" 1"', '"1 "', '"1,5"', '".5"', '"5."', '"0x10"', '"NaN"',
  '"Infinity"', '"١٢"', '"１２"', '"1_000"', '"9999999999999.999"', '"10000000000000.00"', '"99999999999999999999999999"',
  '-0', '-1', '-0.0', '1.005', '1e400', '1e-400', '1e-3', '1e13', '10000000000000', '123456789012345678901234567890', '1e999999999999999999999',
  'true', 'null', '[]', '{}', '["1.00"]', '{"value":"1.00"}',
];
table('bad values name the value', VALUES.map((v) => [v, v]), async (server, value) => {
  assertInvalid(await post(server, withRaw('value', value)), ['value']);
});

const TIMES = [
  '', 'yesterday', '2025-02-29 00:00:00', '1900-02-29 00:00:00', '2025-04-31 00:00:00', '2025-13-01 00:00:00', '2025-00-10 00:00:00',
  '2025-01-00 00:00:00', '2025-01-32 00:00:00', '0000-01-01 00:00:00', '10000-01-01 00:00:00', '9999-12-31T23:59:59-01:00',
  '0001-01-01T00:00:00+00:01', '2025-01-01 24:00:00', '2025-01-01 23:60:00', '2025-01-01 23:59:60', '2025-01-01', '10:00:00',
  '2025-01-01T10:00:00', '2025-01-01T10:00Z', '2025-01-01T10:00:00+24:00', '2025-01-01T10:00:00+02:60', '2025-01-01T10:00:00+0200',
  '2025-01-01T10:00:00.Z', '2025-01-01T10:00:00.1234567Z', '2025-1-1 10:00:00', ' 2025-01-01 10:00:00', '2025-01-01 10:00:00 ',
  '٢٠٢٥-01-01 10:00:00', '20250101T100000Z', '-2025-01-01 10:00:00', '1735725600',
];
table('bad times name the time', TIMES.map((v) => [v || 'empty', v]), async (server, time) => {
  assertInvalid(await post(server, record({ time })), ['time']);
});

const TEXTS = ['recordId', 'sourceId', 'destinationId', 'unit', 'reference'].flatMap((field) => [
  [`${field} empty`, field, ''], [`${field} of 256 characters`, field, 'x'.repeat(256)], [`${field} of 256 code points`, field, '𝄞'.repeat(256)],
  [`${field} with NUL`, field, 'a\u0000b'], [`${field} a number`, field, 12], [`${field} null`, field, null],
  [`${field} a list`, field, ['x']], [`${field} an object`, field, { x: 1 }], [`${field} true`, field, true],
]);
table('bad texts name their field', TEXTS, async (server, field, value) => {
  assertInvalid(await post(server, record({ [field]: value })), [field]);
});

table('bad types and times of other kinds', [
  ...['', 'Positive', 'POSITIVE', 'neutral', 'positive ', null, 1, true, ['positive']].map((v) => [`type ${JSON.stringify(v)}`, 'type', v]),
  ...[null, 1735725600, true, {}, []].map((v) => [`time ${JSON.stringify(v)}`, 'time', v]),
], async (server, field, value) => {
  assertInvalid(await post(server, record({ [field]: value })), [field]);
});

test('all bad fields are named, not the first', async (t) => {
  const server = await startWeir(t);
  const all = ['recordId', 'time', 'sourceId', 'destinationId', 'type', 'value', 'unit', 'reference'];
  assertInvalid(await post(server, {}), all);
  for (const field of all) {
    const partial = record();
    delete partial[field];
    const problem = assertInvalid(await post(server, partial), [field]);
    assert.match(problem.errors[field][0], /required|missing/i);
  }
  assertInvalid(await post(server, record({ value: '1.005', time: 'x', type: 'up', unit: '' })), ['value', 'time', 'type', 'unit']);
  assert.equal(await countRecords(server), 0);
});

const good = JSON.stringify(record());
const MALFORMED = [
  ['nothing', ''], ['space', '  \n '], ['cut off', good.slice(0, -1)], ['cut off in a text', good.slice(0, 20)],
  ['trailing comma', good.slice(0, -1) + ',}'], ['two values', good + good], ['trailing text', good + ' x'], ['single quotes', good.replaceAll('"', "'")],
  ['comment', `/* hi */${good}`], ['NaN', withRaw('value', 'NaN')], ['Infinity', withRaw('value', '-Infinity')], ['leading zero', withRaw('value', '01.5')],
  ['plus', withRaw('value', '+1')], ['bare point', withRaw('value', '.5')], ['point at the end', withRaw('value', '5.')], ['hexadecimal', withRaw('value', '0x10')],
  ['raw newline in a text', withRaw('unit', '"a\nb"')], ['raw NUL in a text', withRaw('unit', '"a\0b"')], ['NUL behind it', `${good}\0`],
  ['bad escape', withRaw('unit', '"\\x41"')], ['short escape', withRaw('unit', '"\\u12"')], ['lone high surrogate', withRaw('unit', '"\\ud800"')],
  ['lone low surrogate', withRaw('unit', '"\\udc00"')], ['swapped surrogates', withRaw('unit', '"\\udc00\\ud800"')],
  ['high surrogate and a letter', withRaw('unit', '"\\ud800x"')], ['UTF-8 cut off', bytes('unit', [0xc3])], ['overlong UTF-8', bytes('unit', [0xc0, 0xaf])],
  ['surrogate in UTF-8', bytes('unit', [0xed, 0xa0, 0x80])], ['beyond U+10FFFF', bytes('unit', [0xf4, 0x90, 0x80, 0x80])], ['Latin-1', bytes('unit', [0xe9])],
  ['lone continuation', bytes('unit', [0x80])], ['UTF-16', Buffer.from(`\ufeff${good}`, 'utf16le')], ['word', 'record'], ['open list', '['],
];

function bytes(field, list) {
  const [head, tail] = withRaw(field, '"\u0001"').split('\u0001');
  return Buffer.concat([Buffer.from(head), Buffer.from(list), Buffer.from(tail)]);
}

table('malformed JSON is refused with the position', MALFORMED, async (server, body) => {
  const problem = assertProblem(await post(server, body), 422);
  assert.match(problem.detail, /^body is not valid JSON: /);
  assert.equal(problem.detail, `body ${problem.errors.body[0]}`);
  if (body.length > 4) assert.match(problem.message + problem.detail, /line \d+|column \d+|position \d+|byte \d+|offset \d+/i);
});

table('a body that is well-formed but no record', [['null', 'null'], ['number', '12'], ['text', '"x"'], ['true', 'true']], async (server, body) => {
  assertProblem(await post(server, body), 422);
});

table('a key that comes twice is refused', [
  ['in the record', good.replace('{', '{"unit":"SEK",')], ['with the same value', good.replace('{', '{"unit":"EUR",')],
  ['spelled with an escape', good.replace('{', '{"\\u0075nit":"SEK",')], ['in something unknown', good.replace('{', '{"more":{"a":1,"a":1},')],
  ['deep in a list', good.replace('{', '{"more":[1,{"x":[{"k":1,"k":2}]}],')], ['unknown itself', good.replace('{', '{"a":1,"a":2,')],
], async (server, body) => {
  const problem = assertProblem(await post(server, body), 422);
  assert.match(JSON.stringify(problem), /twice|duplicate|more than once|repeated/i);
  const many = await post(server, `[${body}]`);
  assert.equal(many.status, 200, many.text);
  assert.equal(many.json.data.rejected, 1);
});

test('a key that comes twice around the records is refused too', async (t) => {
  const server = await startWeir(t);
  assertProblem(await post(server, `{"records":[${good}],"records":[]}`), 422);
  assertProblem(await send(server, '/api/alert-rules', '{"name":"r","threshold":"1","threshold":"2"}'), 422);
  assert.equal(await countRecords(server), 0);
});

const deep = (n, open, close) => withRaw('unit', '"EUR"').replace('{', `{"deep":${open.repeat(n)}1${close.repeat(n)},`);
test('depth below an unknown field costs nothing, up to the memory of a request', async (t) => {
  const server = await startWeir(t);
  for (const [open, close, most] of [['[', ']', 8_000_000], ['{"a":', '}', 2_700_000]]) { // 16 MB each
    assert.equal((await post(server, deep(50_000, open, close))).status, 201);
    assert.equal((await post(server, `[${deep(50_000, open, close)}]`)).json.data.created, 1);
    assert.equal((await post(server, deep(most / 8, open, close))).status, 201);
    const problem = assertProblem(await post(server, deep(most, open, close)), 422);
    assert.equal(problem.detail, 'body has too many values, or is nested too deep');
  }
  assert.equal(await countRecords(server), 6);
});

table('nesting bombs', [
  ['lists alone', '['.repeat(1_000_000)],
  ['closed lists', '['.repeat(1_000_000) + ']'.repeat(1_000_000)], ['objects', '{"a":'.repeat(500_000)],
], async (server, body) => {
  const answer = await post(server, body);
  assert.ok([413, 422].includes(answer.status) || (answer.status === 200 && answer.json.data.created === 0), `${answer.status} ${answer.text.slice(0, 200)}`);
  assert.equal((await get(server, '/health')).status, 200);
});

table('a coded body is 415', [['gzip', 'gzip'], ['br', 'br'], ['several', 'identity, gzip']], async (server, coding) => {
  assertProblem(await send(server, '/api/records', good, { headers: { 'content-encoding': coding } }), 415);
});

table('another content type is 415', [
  ['text/plain', 'text/plain'], ['form', 'application/x-www-form-urlencoded'], ['multipart', 'multipart/form-data; boundary=x'],
  ['XML', 'application/xml'], ['CSV', 'text/csv'], ['another charset', 'application/json; charset=utf-16'], ['almost', 'application/jsonx'],
], async (server, type) => {
  assertProblem(await send(server, '/api/records', good, { type }), 415);
});

test('content types that do fit', async (t) => {
  const server = await startWeir(t);
  for (const type of ['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;charset="UTF-8"']) {
    assert.equal((await send(server, '/api/records', record(), { type })).status, 201, type);
  }
  for (const type of [NDJSON_TYPE, `${NDJSON_TYPE}; charset=utf-8`]) {
    assert.equal((await send(server, '/api/records', JSON.stringify(record()), { type })).status, 200, type);
  }
  assert.equal((await post(server, `\ufeff${JSON.stringify(record())}`)).status, 422, 'a byte order mark is not JSON');
});

test('a line that never ends is refused early and takes no memory', async (t) => {
  const server = await startWeir(t);
  const part = Buffer.alloc(1 << 20, 0x61);
  let sent = 0;
  const body = new ReadableStream({
    pull(controller) {
      if (sent >= 1 << 30) return controller.close();
      sent += part.length;
      controller.enqueue(part);
    },
  });
  const answer = await send(server, '/api/records', body, { type: NDJSON_TYPE }).catch((error) => error);
  if (answer instanceof Error) assert.ok(sent < 1 << 30, 'the server closed before it had a gibibyte');
  else assert.ok(answer.status === 413 || answer.json.data.rejected === 1, answer.text.slice(0, 300));
  const peak = await memoryPeak(server);
  assert.ok(peak < 300 << 20, `${peak >> 20} MiB at the most`);
  assert.equal((await post(server, record())).status, 201, 'the server goes on');
});

async function memoryPeak(server) {
  const { readFile } = await import('node:fs/promises');
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
  const anonymous = /RssAnon:\s+(\d+) kB/.exec(status);
  return Number(anonymous[1]) * 1024;
}

test('a long line among good ones is one rejection', async (t) => {
  const server = await startWeir(t);
  const lines = [JSON.stringify(record()), JSON.stringify(record({ note: 'x'.repeat(8 << 20) })), JSON.stringify(record())];
  const answer = await send(server, '/api/records', lines.join('\n'), { type: NDJSON_TYPE });
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  assert.equal(answer.json.data.created, 2);
  assert.equal(answer.json.data.rejected, 1);
  assert.match(JSON.stringify(answer.json.data.results[0]), /long|bytes|exceeds/i);
});

test('a query parameter that is misspelt or bad', async (t) => {
  const server = await startWeir(t);
  const cases = [
    ['/api/records?starttime=2025-01-01T00:00:00Z', 'starttime', /startTime/], ['/api/records/aggregate?typ=positive', 'typ', /type/],
    ['/api/records/aggregate?type=up', 'type', /positive/], ['/api/records?limit=0', 'limit', /./], ['/api/records?limit=x', 'limit', /./],
    ['/api/records?limit=99999999999999999999', 'limit', /./], ['/api/records?startTime=2025-02-29T00:00:00Z', 'startTime', /./],
    ['/api/records?cursor=nonsense', 'cursor', /./], ['/api/records/aggregate?groupBy=colour', 'groupBy', /./],
    ['/api/records/aggregate?window=fortnight', 'window', /./], ['/api/records/aggregate?window=day&timeZone=Mars/Base', 'timeZone', /./],
    ['/api/records/aggregate?measures=sum,mode', 'measures', /./], ['/api/notifications?after=-1', 'after', /./],
    ['/api/notifications?wait=31', 'wait', /./], ['/api/notifications?limit=x', 'limit', /./], ['/api/alerts?aftr=1', 'aftr', /after/],
    ['/api/records?startTime=2025-02-01T00:00:00Z&endTime=2025-01-01T00:00:00Z', 'startTime', /later/],
    ['/records/aggregations?endtime=2025-01-01', 'endtime', /endTime/],
  ];
  for (const [path, field, hint] of cases) {
    const problem = assertInvalid(await get(server, path), [field]);
    assert.match(problem.errors[field].join(), hint, path);
  }
  assertInvalid(await get(server, '/api/records?typ=positive&limit=0&starttime=1'), ['typ', 'limit', 'starttime']);
  const doubled = await get(server, '/api/records?type=positive&type=negative');
  assert.equal(doubled.status, 422, 'a parameter given twice is not guessed at');
});

test('paths and methods that are not there', async (t) => {
  const server = await startWeir(t);
  assertProblem(await get(server, '/api/nothing'), 404);
  assertProblem(await get(server, '/api/recordsx'), 404);
  assertProblem(await get(server, '/nothing/../api'), 404);
  const wrong = await send(server, '/api/records', record(), { method: 'PUT' });
  assertProblem(wrong, 405);
  assert.match(wrong.headers.get('allow') ?? '', /GET.*POST|POST.*GET/);
  assertProblem(await send(server, '/api/records/aggregate', record()), 405);
});

test('bad text in a URL', async (t) => {
  const server = await startWeir(t);
  for (const path of ['/api/records?sourceId=%ff', '/api/records?sourceId=%c3', '/api/records?sourceId=a%00b', `/api/records?sourceId=${'x'.repeat(256)}`]) {
    assertInvalid(await get(server, path), ['sourceId']);
  }
  for (const path of ['/api/records/%ff', '/api/records/a%00b', `/api/records/${'x'.repeat(300)}`]) {
    const answer = await get(server, path);
    assert.ok([400, 404, 422].includes(answer.status), `${path.slice(0, 40)}: ${answer.status}`);
  }
});
