// What the service takes of the machine's memory: bounded while it works, given back when it is quiet.
import test from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { startWeir, sleep, eventually } from './support/weir.mjs';
import { get, load } from './support/client.mjs';
import { record } from './support/model.mjs';

const MIB = 1 << 20;
const MANY_GROUPS = '/api/records/aggregate?records=false&groupBy=reference,destinationId';

/** Records of so many groups that their totals take 30 MiB and more. */
async function loadManyGroups(server) {
  const records = Array.from({ length: 150_000 }, (_, i) => record({ recordId: `r-${i}`, reference: `a-reference-${i}`, destinationId: `d-${i}` }));
  await load(server, records);
}

function anonymous(server) {
  const status = fs.readFileSync(`/proc/${server.pid}/status`, 'utf8');
  return Number(/^RssAnon:\s*(\d+) kB$/m.exec(status)[1]) << 10;
}

/** A sanitizer's allocator keeps what was freed, to find those who use it. */
function isSanitized(server) {
  return /lib(asan|tsan)|san\.so/.test(fs.readFileSync(`/proc/${server.pid}/maps`, 'utf8')) ||
    Number(/^VmSize:\s*(\d+) kB$/m.exec(fs.readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) > 1 << 30;
}

test('aggregates together have a limit; beyond it clients are told to come back', async (t) => {
  const server = await startWeir(t, { args: ['--set', 'query.groups_bytes_max=64MiB'] });
  await loadManyGroups(server);
  const answers = await Promise.all(Array.from({ length: 12 }, () => get(server, MANY_GROUPS)));
  const refused = answers.filter((answer) => answer.status !== 200);
  assert.ok(refused.length > 0, 'twelve do not fit');
  for (const answer of refused) {
    assert.equal(answer.status, 503, answer.text.slice(0, 300));
    assert.ok(answer.headers.get('retry-after'));
  }
  const alone = await get(server, MANY_GROUPS);
  assert.equal(alone.status, 200, 'one fits');
  assert.equal(alone.json.data.groups.length, 150_000);
  assert.match((await get(server, '/metrics')).text, /^weir_http_groups_bytes 0$/m);
});

test('what questions took is given back when it is quiet', async (t) => {
  const server = await startWeir(t);
  if (isSanitized(server)) return t.skip('skipped: a sanitizer keeps what is freed');
  await loadManyGroups(server);
  await sleep(7000); // what the load took is given back
  const before = anonymous(server);
  await Promise.all(Array.from({ length: 6 }, () => get(server, MANY_GROUPS)));
  await eventually(() => anonymous(server) < before + 32 * MIB, `about ${before >> 20} MiB again`, 20_000);
});
