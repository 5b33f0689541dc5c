// Request smuggling: bytes that two readers of HTTP would cut into requests at different places (RFC 9112 section 11.2). Each shape is
// sent to the real server with one record that a client means to send and, where there is room, a second request hidden behind or
// inside it. The table says what has to become of it; what is hidden is never seen as a request.
import test from 'node:test';
import assert from 'node:assert/strict';
import { startWeir } from './support/weir.mjs';
import { get, post, raw } from './support/client.mjs';
import { record } from './support/model.mjs';

const hex = (n) => n.toString(16);
const chunk = (size, data) => `${size}\r\n${data}\r\n`;
const LAST = '0\r\n\r\n';
const close = (text) => text.replace('\r\n', '\r\nConnection: close\r\n');

// What has to happen: the request is refused and the connection closed; or exactly one request is handled, and the record that it
// sends is taken in; or exactly one that sends none; or the hidden one is a part of a body that has not ended yet.
const REFUSED = 'refused', ONE = 'one', ONE_WITHOUT_RECORD = 'one without record', BODY = 'a body without end';

const START = 'POST /api/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
const head = (...lines) => START + lines.map((line) => `${line}\r\n`).join('') + '\r\n';

/** All shapes, with `SENT` for the record that is meant and `hidden` for the request that must not be seen. */
const shapes = (SENT, hidden) => {
  const N = SENT.length;
  const CHUNKED = chunk(hex(N), SENT) + LAST;
  const length = (value) => head(`Content-Length: ${value}`) + SENT + hidden;
  const coding = (value, body = CHUNKED) => head(`Transfer-Encoding: ${value}`) + body + hidden;
  const chunks = (body) => head('Transfer-Encoding: chunked') + body + hidden;
  const sized = (size) => chunks(chunk(size, SENT) + LAST);
  const ended = (end) => chunks(chunk(hex(N), SENT) + end);
  const carrying = (method, path, body = hidden) =>
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  return [
    // ---- Two lengths
    ['Content-Length, then chunked', REFUSED, head(`Content-Length: ${N}`, 'Transfer-Encoding: chunked') + CHUNKED + hidden],
    ['chunked, then Content-Length', REFUSED, head('Transfer-Encoding: chunked', `Content-Length: ${CHUNKED.length}`) + CHUNKED + hidden],
    ['Content-Length 0 and chunked', REFUSED, head('Content-Length: 0', 'Transfer-Encoding: chunked') + CHUNKED + hidden],
    ['Content-Length and an unknown coding', REFUSED, head(`Content-Length: ${N}`, 'Transfer-Encoding: x') + SENT + hidden],
    ['Content-Length and an empty coding', REFUSED, head(`Content-Length: ${N}`, 'Transfer-Encoding:') + SENT + hidden],
    ['Content-Length and identity', REFUSED, head(`Content-Length: ${N}`, 'Transfer-Encoding: identity') + SENT + hidden],
    ['the same length twice', REFUSED, head(`Content-Length: ${N}`, `Content-Length: ${N}`) + SENT + hidden],
    ['two lengths, the second shorter', REFUSED, head(`Content-Length: ${N + hidden.length}`, `Content-Length: ${N}`) + SENT + hidden],
    ['two lengths, spelled apart', REFUSED, head(`Content-Length: ${N + hidden.length}`, `CONTENT-LENGTH: ${N}`) + SENT + hidden],
    // ---- Content-Length
    ['a list of equal lengths', REFUSED, length(`${N}, ${N}`)],
    ['a list of different lengths', REFUSED, length(`${N},${N + 1}`)],
    ['two lengths with a space', REFUSED, length(`${N} ${N}`)],
    ['a negative length', REFUSED, length(`-${N}`)],
    ['minus zero', REFUSED, length('-0')],
    ['a length with a plus', REFUSED, length(`+${N}`)],
    ['a hexadecimal length', REFUSED, length(`0x${hex(N)}`)],
    ['an octal length', ONE, close(head(`Content-Length: 0${N}`)) + SENT],
    ['a length with many zeros in front', ONE, close(head(`Content-Length: ${'0'.repeat(30)}${N}`)) + SENT],
    ['a length with a fraction', REFUSED, length(`${N}.0`)],
    ['a length with an exponent', REFUSED, length(`${N}e0`)],
    ['a length that wraps around 64 bits', REFUSED, length((2n ** 64n + BigInt(N)).toString())],
    ['a length that wraps around 63 bits', REFUSED, length((2n ** 63n + BigInt(N)).toString())],
    ['a length that wraps around 32 bits', REFUSED, length((2n ** 32n + BigInt(N)).toString())],
    ['an empty length', REFUSED, length('')],
    ['a length with a letter', REFUSED, length(`${N}a`)],
    ['a length with a semicolon', REFUSED, length(`${N};`)],
    ['a length with an underscore', REFUSED, length(`${N}_`)],
    ['a length in quotes', REFUSED, length(`"${N}"`)],
    ['a length in other digits', REFUSED, length('\xd9\xa1\xd9\xa1')],
    ['a length with NUL behind', REFUSED, length(`${N}\0`)],
    ['a length with NUL inside', REFUSED, length(`${String(N)[0]}\0${String(N).slice(1)}`)],
    ['a length with a vertical tab', REFUSED, length(`\x0b${N}`)],
    ['a length with a form feed behind', REFUSED, length(`${N}\x0c`)],
    ['a length between blanks', REFUSED, length(`\t ${N} \t`)], // which RFC 9110 allows, but not the library
    // ---- Transfer-Encoding
    ['xchunked', REFUSED, coding('xchunked')],
    ['chunkedx', REFUSED, coding('chunkedx')],
    ['chunk', REFUSED, coding('chunk')],
    ['chunked in capitals', ONE, close(head('TRANSFER-ENCODING: CHUNKED')) + CHUNKED],
    ['a tab in front of chunked', ONE, close(head('Transfer-Encoding:\tchunked')) + CHUNKED],
    ['nothing in front of chunked', ONE, close(head('Transfer-Encoding:chunked')) + CHUNKED],
    ['a blank behind chunked', REFUSED, coding('chunked ')], // likewise
    ['a tab behind chunked', REFUSED, coding('chunked\t')],
    ['a vertical tab in front of chunked', REFUSED, coding('\x0bchunked')],
    ['a form feed behind chunked', REFUSED, coding('chunked\x0c')],
    ['a no-break space in front of chunked', REFUSED, coding('\xa0chunked')],
    ['NUL behind chunked', REFUSED, coding('chunked\0')],
    ['chunked in quotes', REFUSED, coding('"chunked"')],
    ['chunked with a parameter', REFUSED, coding('chunked;q=1')],
    ['chunked, chunked', REFUSED, coding('chunked, chunked')],
    ['a comma in front', REFUSED, coding(',chunked')],
    ['a comma behind', REFUSED, coding('chunked,')],
    ['gzip, chunked', REFUSED, coding('gzip, chunked')],
    ['chunked, gzip', REFUSED, coding('chunked, gzip')],
    ['identity, chunked', REFUSED, coding('identity, chunked')],
    ['chunked, identity', REFUSED, coding('chunked, identity')],
    ['identity', REFUSED, coding('identity', SENT)],
    ['chunked in two headers', REFUSED, head('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked') + CHUNKED + hidden],
    ['identity and chunked in two headers', REFUSED, head('Transfer-Encoding: identity', 'Transfer-Encoding: chunked') + CHUNKED + hidden],
    ['chunked and x in two headers', REFUSED, head('Transfer-Encoding: chunked', 'Transfer-Encoding: x') + CHUNKED + hidden],
    ['chunked over HTTP/1.0', REFUSED, coding('chunked').replace('HTTP/1.1', 'HTTP/1.0')],
    // ---- Headers
    ['a blank in front of the colon', REFUSED, head(`Content-Length : ${N}`) + SENT + hidden],
    ['a tab in front of the colon', REFUSED, head('Transfer-Encoding\t: chunked') + CHUNKED + hidden],
    ['a blank in front of the name', REFUSED, head('X: y', ` Content-Length: ${N}`) + SENT + hidden],
    ['a blank in front of the first name', REFUSED, `POST /api/records HTTP/1.1\r\n Host: localhost\r\nContent-Type: application/json\r\nContent-Length: ${N}\r\n\r\n${SENT}${hidden}`],
    ['a folded coding', REFUSED, head('Transfer-Encoding:', ' chunked') + CHUNKED + hidden],
    ['a folded length', REFUSED, head('Content-Length:', `\t${N}`) + SENT + hidden],
    ['a folded header in front of the length', REFUSED, head('X: y', ' z', `Content-Length: ${N}`) + SENT + hidden],
    ['a header without a name', REFUSED, head(`: ${N}`, `Content-Length: ${N}`) + SENT + hidden],
    ['a request behind a header without a name', REFUSED, `${START}: x\r\n${hidden}`],
    ['no colon', REFUSED, head('Content-Length', `Content-Length: ${N}`) + SENT + hidden],
    ['NUL in a name', REFUSED, head(`Content\0Length: 3`, `Content-Length: ${N}`) + SENT + hidden],
    ['NUL in a value', REFUSED, head('X: a\0b', `Content-Length: ${N}`) + SENT + hidden],
    ['DEL in a name', REFUSED, head(`X\x7f: a`, `Content-Length: ${N}`) + SENT + hidden],
    ['a name in brackets', REFUSED, head(`(X): a`, `Content-Length: ${N}`) + SENT + hidden],
    ['a bare LF that hides a length', REFUSED, head(`X: y\nContent-Length: ${N}`) + SENT + hidden],
    ['a bare LF that hides a coding', REFUSED, head(`X: y\nTransfer-Encoding: chunked`, `Content-Length: ${N}`) + SENT + hidden],
    ['a bare CR that hides a coding', REFUSED, head(`X: y\rTransfer-Encoding: chunked`, `Content-Length: ${N}`) + SENT + hidden],
    ['a bare CR behind a length', REFUSED, head(`Content-Length: ${N}\rX: y`) + SENT + hidden],
    ['CR CR LF', REFUSED, head(`Content-Length: ${N}\r`) + SENT + hidden],
    ['bare LF behind every line', REFUSED, head(`Content-Length: ${N}`).replaceAll('\r\n', '\n') + SENT + hidden],
    ['bare LF behind the request line', REFUSED, head(`Content-Length: ${N}`).replace('\r\n', '\n') + SENT + hidden],
    ['bare LF for the empty line', REFUSED, head(`Content-Length: ${N}`).replace(/\r\n$/, '\n') + SENT + hidden],
    ['bare LF behind the last header', REFUSED, `${START}Content-Length: ${N}\n\r\n${SENT}${hidden}`],
    ['bare CR for the empty line', REFUSED, `${START}Content-Length: ${N}\r\n\r${SENT}${hidden}`],
    ['two Hosts', REFUSED, head('Host: other', `Content-Length: ${N}`) + SENT + hidden],
    // ---- The request line
    ['two blanks behind the method', REFUSED, length(N).replace('POST /', 'POST  /')],
    ['a tab behind the method', REFUSED, length(N).replace('POST /', 'POST\t/')],
    ['a blank in front of the method', REFUSED, ` ${length(N)}`],
    ['two blanks in front of the version', REFUSED, length(N).replace(' HTTP/1.1', '  HTTP/1.1')],
    ['a blank behind the version', REFUSED, length(N).replace('HTTP/1.1\r', 'HTTP/1.1 \r')],
    ['no version', REFUSED, length(N).replace(' HTTP/1.1', '')],
    ['a version in small letters', REFUSED, length(N).replace('HTTP/1.1', 'http/1.1')],
    ['HTTP/1.10', REFUSED, length(N).replace('HTTP/1.1', 'HTTP/1.10')],
    ['HTTP/2.0', REFUSED, length(N).replace('HTTP/1.1', 'HTTP/2.0')],
    ['HTTP/0.9', REFUSED, length(N).replace('HTTP/1.1', 'HTTP/0.9')],
    ['the preface of HTTP/2', REFUSED, `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${hidden}`],
    ['a NUL in the address', REFUSED, length(N).replace('/api/records', '/api/records\0')],
    ['a CR in the address', REFUSED, length(N).replace('/api/records', '/api/records\r/x')],
    ['a method of two words', REFUSED, length(N).replace('POST', 'POST POST')],
    ['an empty line in front', ONE, `\r\n${close(head(`Content-Length: ${N}`))}${SENT}`],
    // ---- Other forms of address
    ['the absolute form', ONE, close(head(`Content-Length: ${N}`)).replace('/api', 'http://localhost/api') + SENT],
    ['the absolute form of another host', ONE, close(head(`Content-Length: ${N}`)).replace('/api', 'http://other:99/api') + SENT],
    ['the absolute form hidden in a relative one', REFUSED, length(N).replace('/api', 'x?y=http://h/api')],
    ['a scheme without a host', REFUSED, length(N).replace('/api', '://localhost/api')],
    ['an address without a slash', REFUSED, length(N).replace('/api', 'api')],
    ['CONNECT', REFUSED, `CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\nConnection: close\r\n\r\n${hidden}`],
    ['OPTIONS *', REFUSED, `OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n${hidden}`],
    // ---- Chunks
    ['a size in capitals', ONE, sized(hex(N).toUpperCase())],
    ['a size with zeros in front', ONE, sized(`0000${hex(N)}`)],
    ['a size with an extension', ONE, sized(`${hex(N)};a=b`)],
    ['a size with an extension in quotes', ONE, sized(`${hex(N)};a="b;c"`)],
    ['an extension with a bare LF', REFUSED, sized(`${hex(N)};a\nb`)],
    ['an extension with a bare CR', ONE, sized(`${hex(N)};a\rb`)], // the library takes it for the line's end
    ['a size with 0x', REFUSED, sized(`0x${hex(N)}`)],
    ['a size with a plus', REFUSED, sized(`+${hex(N)}`)],
    ['a size with a minus', REFUSED, sized(`-${hex(N)}`)],
    ['a size with a blank in front', REFUSED, sized(` ${hex(N)}`)],
    ['a size with a letter that is no digit', REFUSED, sized(`${hex(N)}g`)],
    ['a size with an underscore', REFUSED, sized(`${hex(N)}_`)],
    ['a size with a comma', REFUSED, sized(`${hex(N)},${hex(N)}`)],
    ['a size that wraps around 64 bits', REFUSED, sized(hex(2n ** 64n + BigInt(N)))],
    ['a size that wraps around 32 bits', BODY, sized(hex(2n ** 32n + BigInt(N)))],
    ['a size of 2^64-1', BODY, sized('f'.repeat(16))],
    ['an empty size', REFUSED, sized('')],
    ['a size with NUL behind', REFUSED, sized(`${hex(N)}\0`)],
    ['a size line with a bare LF', ONE, chunks(`${hex(N)}\n${SENT}\r\n${LAST}`)], // likewise
    ['a size line with a bare CR', REFUSED, chunks(`${hex(N)}\r${SENT}\r\n${LAST}`)],
    ['a chunk that ends with a bare LF', ONE, chunks(`${hex(N)}\r\n${SENT}\n${LAST}`)],
    ['a chunk that ends with a bare CR', REFUSED, chunks(`${hex(N)}\r\n${SENT}\r${LAST}`)],
    ['a chunk that is longer than its size', REFUSED, sized(hex(N - 1))],
    ['a chunk that ends one byte too late', ONE, sized(hex(N + 1))], // inside CR LF, which is white space in JSON
    ['a chunk that ends too late', REFUSED, sized(hex(N + 4))],
    ['a chunk without its line end', REFUSED, chunks(`${hex(N)}\r\n${SENT}${LAST}`)],
    ['two bytes between chunks', REFUSED, chunks(`${hex(N)}\r\n${SENT}XX${LAST}`)],
    // ---- The end of chunks
    ['a last chunk of many zeros', ONE, ended('00000\r\n\r\n')],
    ['a last chunk with an extension', ONE, ended('0;x=y\r\n\r\n')],
    ['a trailer', ONE, ended('0\r\nX: y\r\n\r\n')],
    ['a length as trailer', ONE, ended('0\r\nContent-Length: 5\r\n\r\n')],
    ['a coding as trailer', ONE, ended('0\r\nTransfer-Encoding: x\r\n\r\n')],
    ['no empty line behind the last chunk', REFUSED, ended('0\r\n')],
    ['a trailer without a colon', REFUSED, ended('0\r\nX\r\n\r\n')],
    ['a last chunk with a bare LF', ONE, ended('0\n\n')],
    ['a last chunk that is minus zero', REFUSED, ended('-0\r\n\r\n')],
    // ---- Bodies where none is expected
    ['a request as the body of a GET', ONE_WITHOUT_RECORD, carrying('GET', '/health')],
    ['a request as the chunked body of a GET', ONE_WITHOUT_RECORD, `GET /health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunk(hex(hidden.length), hidden)}${LAST}`],
    ['a request as the body of a HEAD', ONE_WITHOUT_RECORD, carrying('HEAD', '/health')],
    ['a request as the body of a DELETE', ONE_WITHOUT_RECORD, carrying('DELETE', '/api/alert-rules/99')],
    ['a request as the body of one for nothing', ONE_WITHOUT_RECORD, carrying('POST', '/nothing')],
    ['a request as a body that is refused', ONE_WITHOUT_RECORD, close(head(`Content-Length: ${hidden.length}`)) + hidden],
    ['a request as a body of a kind that is refused', ONE_WITHOUT_RECORD, carrying('POST', '/api/records')],
    ['a request as a chunked body that is refused', ONE_WITHOUT_RECORD, head('Transfer-Encoding: chunked').replace('application/json', 'text/plain') + chunk(hex(hidden.length), hidden) + LAST],
    ['GET with both lengths', REFUSED, `GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n${LAST}${hidden}`],
    ['an upgrade to HTTP/2', ONE, close(head('Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__', `Content-Length: ${N}`)) + SENT],
  ];
};

/** Each row has ids of its own, all of one length. */
function shape(row) {
  const sent = JSON.stringify(record({ recordId: `sent-${row}` })), hidden = JSON.stringify(record({ recordId: `hidden-${row}` }));
  return shapes(sent, `POST /api/records HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`)[row - 100];
}

const has = async (server, id) => (await get(server, `/api/records/${id}`)).status === 200;

test('no shape of a request lets another one through', async (t) => {
  const server = await startWeir(t);
  const rows = shapes('', '').length;
  for (let row = 100; row < 100 + rows; row += 1) {
    const [label, expected, bytes] = shape(row);
    await t.test(label, async () => {
      const answer = await raw(server, Buffer.from(bytes, 'latin1'), { ms: expected === BODY ? 300 : 5000 });
      const heads = new Set(answer.text.match(/HTTP\/1\.1 \d+/g)); // libmicrohttpd 0.9.75 sends the head of its own refusals twice
      assert.ok(!(await has(server, `hidden-${row}`)), `the hidden request is not seen: ${answer.text.slice(0, 300)}`);
      assert.equal(await has(server, `sent-${row}`), expected === ONE, answer.text.slice(0, 300));
      assert.equal(answer.closed, expected !== BODY, 'whether the connection is closed');
      if (expected === REFUSED) {
        assert.ok(answer.status === 0 || (answer.status >= 400 && answer.status < 500) || [501, 505].includes(answer.status), `${answer.status}`);
        assert.ok(heads.size <= 1, answer.text);
      } else {
        assert.equal(answer.text.match(/HTTP\/1\.1 \d+/g)?.length ?? 0, expected === BODY ? 0 : 1, answer.text);
        if (expected === ONE) assert.equal(answer.status, 201, answer.text);
      }
    });
  }
  assert.equal((await post(server, record())).status, 201, 'the server goes on');
});
