// Bulk onboarding as a client sees it, where nothing has to be done for an organization (handler none).
import test from 'node:test';
import assert from 'node:assert/strict';
import { eventually, runWeir, sleep, startWeir } from './support/weir.mjs';
import { CSV_TYPE, assertInvalid, assertProblem, call, get, getJson, readFeed, send } from './support/client.mjs';
import { startReceiver } from './support/webhook_receiver.mjs';
import { MESSAGE, allOrganizations, batchOf, finished, itemsOf, onboard, onboarded, organization, organizations, readAll } from './support/organizations.mjs';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const REFERENCE = `{
    "organizations": [
        {
            "name": "Acme Corporation",
            "domain": "acme.com",
            "contact_email": "contact@acme.com"
        }
    ]
}`;

const UUID_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const counts = ({ status, total, completed, percentage }) => ({ status, total, completed, percentage });
const nothingStored = async (server) => {
  assert.deepEqual(await allOrganizations(server), []);
  assert.deepEqual((await getJson(server, '/api/bulk-onboard')).data, []);
};

async function verified(server) {
  await server.stop();
  const { code, stdout, stderr } = runWeir(['verify', '--data', server.data]);
  assert.equal(code, 0, stdout + stderr);
}

test('The request of the reference gets the answer of the reference', async (t) => {
  const server = await startWeir(t);
  for (const path of ['/api/bulk-onboard', '/api/v1/bulk-onboard']) {
    const answer = await send(server, path, REFERENCE);
    assert.equal(answer.status, 202, answer.text);
    assert.equal(answer.type, 'application/json');
    assert.deepEqual(Object.keys(answer.json), ['batch_id', 'message', 'organizations_count']);
    assert.match(answer.json.batch_id, UUID_7);
    assert.equal(answer.json.message, 'Bulk onboarding initiated successfully');
    assert.equal(answer.json.organizations_count, 1);
    assert.equal(answer.text, `{"batch_id":"${answer.json.batch_id}","message":"Bulk onboarding initiated successfully","organizations_count":1}`);
    assert.deepEqual(counts(await finished(server, answer.json.batch_id)), { status: 'completed', total: 1, completed: 1, percentage: 100 });
  }
  const [one, ...others] = await allOrganizations(server);
  assert.deepEqual(others, []);
  assert.deepEqual([one.name, one.domain, one.contact_email, one.metadata, one.status, one.deletedAt], ['Acme Corporation', 'acme.com', 'contact@acme.com', null, 'completed', null]);
  await verified(server);
});

test('0, 1, 1,000 and 1,001 organizations', async (t) => {
  const server = await startWeir(t);
  for (const body of [{ organizations: [] }, [], {}, { organizations: null }, { organizations: {} }, 7, '', 'null', '{"organizations":']) {
    assertProblem(await send(server, '/api/bulk-onboard', body), 422);
  }
  const many = assertProblem(await onboard(server, organizations(1001)), 422);
  assert.match(many.errors.organizations[0], /1,?000/);
  await nothingStored(server);

  const began = performance.now();
  const id = await onboarded(server, organizations(1000));
  const answered = performance.now();
  const batch = await finished(server, id);
  const ended = performance.now();
  t.diagnostic(`1,000 organizations: answered in ${(answered - began).toFixed(1)} ms, completed after ${(ended - began).toFixed(1)} ms`);
  assert.deepEqual(counts(batch), { status: 'completed', total: 1000, completed: 1000, percentage: 100 });
  assert.equal(batch.etaSeconds, 0);
  const items = await itemsOf(server, id);
  assert.deepEqual(items.map((item) => [item.index, item.status, item.organization.domain]), organizations(1000).map((each, i) => [i, 'completed', each.domain]));
  assert.deepEqual((await readAll(server, `/api/bulk-onboard/${id}/items?status=completed`, 300)).map((item) => item.index), items.map((item) => item.index));
  assert.deepEqual(await itemsOf(server, id, '?status=failed'), []);

  const array = await send(server, '/api/bulk-onboard', organizations(1, 5000));
  assert.equal(array.json.organizations_count, 1, array.text);
  assert.equal((await allOrganizations(server)).length, 1001);
  const batches = await readAll(server, '/api/bulk-onboard', 1);
  assert.deepEqual(batches.map((each) => each.id), [array.json.batch_id, id], 'the newest first');
  await verified(server);
});

test('One bad of 1,000 refuses all, or is left out', async (t) => {
  const server = await startWeir(t);
  const list = organizations(1000);
  list[3] = { name: '', domain: 'not a domain', contact_email: 'nobody' };
  const refused = await onboard(server, list);
  const problem = assertInvalid(refused, ['organizations.3.name', 'organizations.3.domain', 'organizations.3.contact_email']);
  assert.match(problem.detail, /^1 of 1000 organizations is not valid; nothing was stored$/);
  await nothingStored(server);

  const partial = await onboard(server, list, '?mode=partial');
  assert.equal(partial.status, 202, partial.text);
  const { batch_id: id, refused: left, ...rest } = partial.json;
  assert.deepEqual(rest, { message: MESSAGE, organizations_count: 999 });
  assert.deepEqual(left.map((each) => [each.index, Object.keys(each.errors).sort()]), [[3, ['contact_email', 'domain', 'name']]]);
  assert.equal((await batchOf(server, id)).total, 999);
  const items = await itemsOf(server, id);
  assert.equal(items.length, 999);
  assert.ok(!items.some((item) => item.index === 3));
  assertProblem(await onboard(server, [list[3]], '?mode=partial'), 422);
  assertInvalid(await onboard(server, list, '?mode=some&onDuplicate=perhaps&dryRun=x&mdoe=partial'), ['mode', 'onDuplicate', 'dryRun', 'mdoe']);
  assert.equal((await allOrganizations(server)).length, 999);
});

test('Many that are wrong in many ways are all named, and the answer under a key stays within its bound', async (t) => {
  const server = await startWeir(t);
  const list = [organization(0), ...Array.from({ length: 999 }, (_, i) => ({ name: i, domain: `${'x'.repeat(70)}.com`, contact_email: `a b${i}`, metadata: [] }))];
  const refused = await onboard(server, list);
  assertProblem(refused, 422);
  for (let i = 1; i < 1000; i += 1) {
    for (const field of ['name', 'domain', 'contact_email', 'metadata']) assert.ok(refused.json.errors[`organizations.${i}.${field}`], `${i} ${field}`);
  }
  const partial = await onboard(server, list, '?mode=partial', { 'idempotency-key': 'long' });
  assert.equal(partial.status, 202, partial.text.slice(0, 300));
  assert.deepEqual(partial.json.refused.map((each) => each.index), list.slice(1).map((_, i) => i + 1));
  const again = await onboard(server, list, '?mode=partial', { 'idempotency-key': 'long' });
  assert.deepEqual([again.text, again.headers.get('idempotent-replayed')], [partial.text, 'true']);
});

test('The same domain in other spellings is the same organization', async (t) => {
  const server = await startWeir(t);
  const spellings = ['acme.com', 'ACME.com', 'acme.com.', 'https://acme.com/about', ' http://Acme.COM '];
  for (const domain of spellings) await onboarded(server, [organization(1, { domain, name: domain })]);
  const list = await allOrganizations(server);
  assert.deepEqual(list.map((each) => each.domain), ['acme.com']);
  assert.equal(list[0].version, spellings.length);
  const idn = await onboarded(server, [organization(2, { domain: 'Bücher.example' })]);
  assert.equal((await itemsOf(server, idn))[0].organization.domain, 'xn--bcher-kva.example');
  assert.equal((await getJson(server, `/api/organizations/${encodeURIComponent('bücher.example')}`)).data.domain, 'xn--bcher-kva.example');

  const twice = [organization(3), organization(4), organization(5, { domain: 'https://O3.example.com/x' })];
  const problem = assertProblem(await onboard(server, twice), 422);
  assert.deepEqual(Object.keys(problem.errors), ['organizations.2.domain']);
  const partial = await onboard(server, twice, '?mode=partial');
  assert.deepEqual([partial.json.organizations_count, partial.json.refused.map((each) => each.index)], [2, [2]]);
});

test('Fields that nobody knows are told, or refused', async (t) => {
  const list = [organization(1, { phone: '1', plan: 'x' }), organization(2, { phone: 2 })];
  const server = await startWeir(t);
  const answer = await onboard(server, list);
  assert.deepEqual([answer.status, answer.json.warnings], [202, ['phone', 'plan']]);
  assertInvalid(await onboard(server, [organization(1, { name: undefined })]), ['organizations.0.name']);
  assertInvalid(await onboard(server, [7, null]), ['organizations.0', 'organizations.1']);
  const strict = await startWeir(t, { args: ['--set', 'intake.unknown_fields=refuse'] });
  assertInvalid(await onboard(strict, list), ['organizations.0.phone', 'organizations.0.plan', 'organizations.1.phone']);
});

test('Bytes that are no UTF-8, and metadata of 5 MB', async (t) => {
  const server = await startWeir(t);
  const bad = Buffer.concat([Buffer.from('{"organizations":[{"name":"'), Buffer.from([0xff, 0xfe]), Buffer.from('","domain":"a.com","contact_email":"a@a.com"}]}')]);
  assertProblem(await send(server, '/api/bulk-onboard', bad), 422);
  assertProblem(await send(server, '/api/bulk-onboard', Buffer.from([0xff, 0xfe, 0, 0]), { type: CSV_TYPE }), 422);
  const large = await onboard(server, [organization(1, { metadata: { text: 'x'.repeat(5 << 20) } })]);
  assertProblem(large, 413);
  assert.match(large.json.message, /larger than the 4194304 bytes that a batch may have; .* at most 65536 bytes of metadata each/);
  assertProblem(await onboard(server, organizations(80).map((each) => ({ ...each, metadata: { text: 'x'.repeat(64000) } }))), 413);
  const streamed = new ReadableStream({ start(controller) { for (let i = 0; i < 80; i += 1) controller.enqueue(Buffer.alloc(1 << 16, 32)); controller.close(); } });
  assertProblem(await send(server, '/api/bulk-onboard', streamed), 413);
  assertInvalid(await onboard(server, [organization(1, { metadata: { text: 'x'.repeat(70000) } })]), ['organizations.0.metadata']);
  await nothingStored(server);
  const metadata = { text: 'x'.repeat(64000), nested: { amount: 1.5, list: [1, null, true] } };
  await onboarded(server, [organization(1, { metadata })]);
  assert.deepEqual((await allOrganizations(server))[0].metadata, metadata);
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/json; charset=latin1', 'application/x-ndjson']) {
    assertProblem(await send(server, '/api/bulk-onboard', '{}', { type }), 415);
  }
});

test('What differs is replaced, skipped or refused', async (t) => {
  const server = await startWeir(t);
  const first = await onboarded(server, organizations(3));
  const changed = [organization(1, { name: 'Another name' }), organization(7)];

  const failed = assertProblem(await onboard(server, changed, '?onDuplicate=fail'), 409);
  assert.deepEqual([failed.domains, Object.keys(failed.errors)], [['o1.example.com'], ['organizations.0.domain']]);
  assertProblem(await onboard(server, changed, '?onDuplicate=fail&dryRun=true'), 409);
  assert.equal((await allOrganizations(server)).length, 3);

  const dry = await onboard(server, changed, '?dryRun=true');
  assert.deepEqual([dry.status, dry.json.dry_run, dry.json.created, dry.json.updated], [200, true, 1, 1]);
  const drySkip = await onboard(server, changed, '?dryRun=true&onDuplicate=skip');
  assert.deepEqual([drySkip.json.organizations_count, drySkip.json.skipped], [1, [{ index: 0, domain: 'o1.example.com' }]]);
  assert.equal((await allOrganizations(server)).length, 3);

  const skipped = await onboard(server, changed, '?onDuplicate=skip');
  assert.deepEqual([skipped.json.organizations_count, skipped.json.skipped], [1, [{ index: 0, domain: 'o1.example.com' }]]);
  assert.equal((await getJson(server, '/api/organizations?domain=o1.example.com')).data.name, 'Organization 1');
  const all = await onboard(server, changed, '?onDuplicate=skip');
  assert.equal(all.json.organizations_count, 0);
  assert.deepEqual(counts(await batchOf(server, all.json.batch_id)), { status: 'completed', total: 0, completed: 0, percentage: 100 });

  const second = await onboarded(server, changed);
  const { data } = await getJson(server, '/api/organizations?domain=O1.example.com');
  assert.deepEqual([data.name, data.version, data.batchId], ['Another name', 2, second]);
  assert.equal((await allOrganizations(server, `?batch=${first}`)).length, 3);
  const history = (await getJson(server, `/api/organizations/${data.id}/history`)).data;
  assert.deepEqual(history.map((each) => [each.action, each.version]), [['processed', 2], ['updated', 2], ['processed', 1], ['created', 1]]);
  assert.deepEqual(history[1].changed, { name: ['Organization 1', 'Another name'] });
  assert.equal(history[1].who, 'api');
  await verified(server);
});

test('A key makes a request happen once', async (t) => {
  const server = await startWeir(t);
  const key = { 'idempotency-key': 'order 66 ~!' };
  const list = organizations(2);
  const first = await onboard(server, list, '?onDuplicate=skip', key);
  assert.deepEqual([first.status, first.headers.get('idempotent-replayed')], [202, null]);
  for (const path of ['/api/bulk-onboard', '/api/v1/bulk-onboard']) {
    const again = await send(server, `${path}?onDuplicate=skip`, { organizations: list }, { headers: key });
    assert.deepEqual([again.status, again.text, again.headers.get('idempotent-replayed')], [202, first.text, 'true']);
  }
  for (const [body, query] of [[organizations(3), '?onDuplicate=skip'], [list, ''], [list, '?onDuplicate=skip&mode=partial']]) {
    assertInvalid(await onboard(server, body, query, key), ['Idempotency-Key']);
  }
  for (const bad of ['', 'x'.repeat(256), 'ümlaut', 'a\tb']) {
    const answer = await onboard(server, list, '', { 'idempotency-key': Buffer.from(bad).toString('latin1') });
    assertInvalid(answer, ['Idempotency-Key']);
  }
  assert.equal((await getJson(server, '/api/bulk-onboard')).data.length, 1);

  // The order of parameters says nothing.
  const params = { 'idempotency-key': 'params' };
  const either = await onboard(server, list, '?mode=partial&onDuplicate=skip', params);
  const turned = await onboard(server, list, '?onDuplicate=skip&mode=partial', params);
  assert.deepEqual([turned.status, turned.headers.get('idempotent-replayed'), turned.text], [202, 'true', either.text]);
  assertInvalid(await onboard(server, list, '?mode=skip&onDuplicate=partial', params), ['mode', 'onDuplicate']);
  assertInvalid(await onboard(server, list, '?mode=partial&onDuplicate=update', params), ['Idempotency-Key']); // the same names alone
  assertInvalid(await onboard(server, list, '?onDuplicate=skip', params), ['Idempotency-Key']);

  // What was refused is not kept: the same key may be used once it is mended.
  const other = { 'idempotency-key': 'x'.repeat(255) };
  assertProblem(await onboard(server, list, '?onDuplicate=fail', other), 409);
  assertProblem(await onboard(server, [organization(1, { domain: '?' })], '', other), 422);
  const mended = await onboard(server, list, '?onDuplicate=skip', other);
  assert.deepEqual([mended.status, mended.json.skipped.length], [202, 2]);
  const replayed = await onboard(server, list, '?onDuplicate=skip', other);
  assert.equal(replayed.text, mended.text, 'the answer of then, with what was skipped then');

  // Without a key a second identical request is another batch of the same organizations.
  const ids = new Set([await onboarded(server, list), await onboarded(server, list)]);
  assert.equal(ids.size, 2);
  assert.equal((await allOrganizations(server)).length, 2);

  // Many at once: one is done, and the others hear of it or are told to come again.
  const answers = await Promise.all(Array.from({ length: 20 }, () => onboard(server, organizations(500, 100), '', { 'idempotency-key': 'at once' })));
  const done = answers.filter((answer) => answer.status === 202);
  assert.ok(done.length >= 1);
  assert.equal(new Set(done.map((answer) => answer.text)).size, 1);
  assert.equal(done.filter((answer) => !answer.headers.get('idempotent-replayed')).length, 1);
  for (const answer of answers.filter((each) => each.status !== 202)) {
    assertProblem(answer, 409);
    assert.equal(answer.headers.get('retry-after'), '1');
  }
  assert.equal((await getJson(server, '/api/bulk-onboard')).data.length, 6);

  // Other requests under one key at once: one is done, the others are mistakes.
  const others = await Promise.all(Array.from({ length: 10 }, (_, i) => onboard(server, organizations(100, 1000 * (i + 1)), '', { 'idempotency-key': 'others' })));
  assert.deepEqual(others.map((answer) => answer.status).sort(), [202, ...Array.from({ length: 9 }, () => 422)]);
  assert.equal((await getJson(server, '/api/bulk-onboard')).data.length, 7);

  await server.kill();
  const after = await startWeir(t, { data: server.data });
  const kept = await onboard(after, list, '?onDuplicate=skip', key);
  assert.deepEqual([kept.status, kept.text, kept.headers.get('idempotent-replayed')], [202, first.text, 'true']);
  await verified(after);
});

test('Whoever is killed when, what is sent again under its key is done once', { timeout: 120_000 }, async (t) => {
  let server = await startWeir(t);
  const rounds = 6, each = 8;
  const batches = [];
  for (let round = 0; round < rounds; round += 1) {
    const one = (i) => onboard(server, organizations(300, (round * each + i) * 300), '', { 'idempotency-key': `round ${round}, ${i}` });
    const sent = Array.from({ length: each }, (_, i) => one(i).catch(() => undefined)); // the connection may go with the server
    await sleep(2 + 5 * round);
    await server.kill();
    const before = await Promise.all(sent);
    server = await startWeir(t, { data: server.data });
    for (let i = 0; i < each; i += 1) {
      const again = await one(i);
      assert.equal(again.status, 202, again.text);
      if (before[i]?.status === 202) assert.equal(again.text, before[i].text, 'what was acknowledged is there');
      batches.push(again.json.batch_id);
    }
  }
  assert.equal(new Set(batches).size, rounds * each);
  assert.deepEqual((await readAll(server, '/api/bulk-onboard')).map((batch) => batch.id).sort(), [...batches].sort());
  const list = await allOrganizations(server);
  assert.deepEqual([list.length, list.filter((one) => one.version !== 1)], [rounds * each * 300, []]);
  await verified(server);
});

// The answers of those that take too long are given up, while the store has them still.
test('Who is told to send it again under its key, because it took too long, has done it once', { timeout: 180_000 }, async (t) => {
  const server = await startWeir(t, { args: ['--set', 'http.request_timeout=1s'] });
  const many = 100;
  const one = (i) => onboard(server, organizations(1000, 1000 * i), '', { 'idempotency-key': `late ${i}` });
  const first = await Promise.all(Array.from({ length: many }, (_, i) => one(i).catch(() => undefined)));
  t.diagnostic(`${first.filter((answer) => answer?.status !== 202).length} of ${many} took too long`);
  const batches = new Set();
  for (let i = 0; i < many; i += 1) {
    const answer = await eventually(async () => {
      const again = await one(i).catch(() => undefined);
      return again?.status === 202 && again;
    }, `the answer to request ${i}`, 60_000);
    if (first[i]?.status === 202) assert.equal(answer.text, first[i].text);
    batches.add(answer.json.batch_id);
  }
  assert.deepEqual((await readAll(server, '/api/bulk-onboard')).map((batch) => batch.id).sort(), [...batches].sort());
  assert.equal(batches.size, many);
  await verified(server);
});

test('CSV is taken as JSON is', async (t) => {
  const server = await startWeir(t);
  const upload = (text, query = '') => send(server, `/api/bulk-onboard${query}`, text, { type: 'text/csv; charset=utf-8' });
  const good = '\ufeffdomain,name,metadata,contact_email\r\nAcme.com,"Acme, ""Inc"".","{""tier"":1.50}",contact@acme.com\r\n\r\nb.example,B,,b@b.example\r\n';
  const answer = await upload(good);
  assert.deepEqual([answer.status, answer.json.organizations_count], [202, 2], answer.text);
  const list = await allOrganizations(server);
  assert.deepEqual(list.map((each) => [each.domain, each.name, each.metadata]), [['b.example', 'B', null], ['acme.com', 'Acme, "Inc".', { tier: 1.5 }]]);
  const bad = 'name,domain,contact_email\nA,a.com,a@a.com\n,b,c\nC,c.com,c@c.com\n';
  assertInvalid(await upload(bad), ['lines.3.name', 'lines.3.domain', 'lines.3.contact_email']);
  const partial = await upload(bad, '?mode=partial');
  assert.deepEqual([partial.json.organizations_count, partial.json.refused.map((each) => [each.index, each.line])], [2, [[1, 3]]]);
  assertProblem(await upload('name,domain\nA,a.com\n'), 422);
  assertProblem(await upload('name,domain,contact_email\n'), 422);
});

test('What is searched for among 12,000 is found wherever it is', async (t) => {
  const server = await startWeir(t);
  const needles = [0, 4999, 5000, 5001, 11_999].map((i) => organization(i, { name: `Needle ${i}` }));
  for (let from = 0; from < 12_000; from += 1000) {
    await onboarded(server, organizations(1000, from).map((each) => needles.find((needle) => needle.domain === each.domain) ?? each));
  }
  const expected = needles.map((needle) => needle.domain).reverse();
  const domains = (list) => list.map((each) => each.domain);
  assert.deepEqual(domains(await allOrganizations(server, '?search=needle')), expected);
  for (const limit of [1, 2, 5]) assert.deepEqual(domains(await readAll(server, '/api/organizations?search=needle', limit)), expected);
  assert.deepEqual(domains(await allOrganizations(server, '?search=o4999')), ['o4999.example.com']);
  assert.deepEqual(await getJson(server, '/api/organizations?search=nothing'), { data: [], nextCursor: null });
  assert.equal((await readAll(server, '/api/organizations?status=completed', 700)).length, 12_000);
  assert.equal((await send(server, '/api/organizations/o1.example.com', undefined, { method: 'DELETE', type: null })).status, 204);
  assert.deepEqual(domains(await allOrganizations(server, '?deleted=true')), ['o1.example.com']);
});

test('Organizations are listed, changed, deleted and restored', async (t) => {
  const server = await startWeir(t);
  const id = await onboarded(server, [...organizations(5), organization(9, { name: 'Ångström & Söhne', domain: 'zeta.org' })]);
  const domains = async (query) => (await allOrganizations(server, query)).map((each) => each.domain);
  assert.deepEqual(await domains('?search=zeta'), ['zeta.org']);
  assert.deepEqual(await domains(`?search=${encodeURIComponent('https://ZETA.org/about')}`), ['zeta.org']);
  assert.deepEqual(await domains('?search=Organization%203'), ['o3.example.com']);
  assert.deepEqual(await domains('?search=o3.EXAMPLE'), ['o3.example.com']);
  assert.deepEqual(await domains('?status=failed'), []);
  assert.equal((await domains(`?status=completed&batch=${id}`)).length, 6);
  assert.deepEqual((await readAll(server, '/api/organizations', 2)).map((each) => each.domain), await domains(''));
  assertInvalid(await get(server, '/api/organizations?status=done&limit=0&cursor=x&deleted=maybe&saerch=x'), ['status', 'limit', 'cursor', 'deleted', 'saerch']);
  for (const path of ['/api/organizations/99', '/api/organizations/nobody.com', '/api/organizations/nothing', '/api/organizations?domain=nobody.com', '/api/organizations/99/history', '/api/bulk-onboard/nothing', '/api/bulk-onboard/nothing/items']) {
    assertProblem(await get(server, path), 404);
  }
  for (const path of ['/api/bulk-onboard/nothing/retry', '/api/bulk-onboard/nothing/cancel', '/api/bulk-onboard/nothing/retry?dryRun=true', '/api/organizations/nobody.com/restore']) {
    assertProblem(await send(server, path, undefined, { type: null }), 404);
  }

  const zeta = await get(server, '/api/organizations/zeta.org');
  assert.deepEqual([zeta.status, zeta.headers.get('etag'), zeta.json.data.version], [200, '"1"', 1]);
  const path = `/api/organizations/${zeta.json.data.id}`;
  const patch = (body, headers = {}) => send(server, path, body, { method: 'PATCH', headers });
  const changed = await patch({ name: 'Zeta', metadata: { a: 1 } }, { 'if-match': '"1"' });
  assert.deepEqual([changed.status, changed.headers.get('etag'), changed.json.data.name, changed.json.data.domain, changed.json.data.metadata], [200, '"2"', 'Zeta', 'zeta.org', { a: 1 }], changed.text);
  for (const tag of ['"1"', 'W/"2"', '"x"', '"1", "3"']) assertProblem(await patch({ name: 'Late' }, { 'if-match': tag }), 412);
  for (const tag of ['*', '"1", "3"', '"4"']) assert.equal((await patch({ name: `By ${tag}` }, { 'if-match': tag })).status, 200);
  assert.equal((await patch({ metadata: null })).json.data.metadata, null);
  const taken = assertProblem(await patch({ domain: 'O1.example.com' }), 409);
  assert.match(taken.detail, /domain/);
  assertInvalid(await patch({ contact_email: 'x', domain: '.' }), ['contact_email', 'domain']);
  assertProblem(await patch({}), 422);
  assertProblem(await patch({ nmae: 'x' }), 422);
  assert.deepEqual((await patch({ name: 'Zeta', nmae: 'x' })).json.warnings, ['nmae']);
  assertProblem(await patch('[]'), 422);

  const late = await call(server, path, { method: 'DELETE', headers: { 'if-match': '"1"' } });
  assertProblem(late, 412);
  const version = (await getJson(server, path)).data.version;
  assert.equal((await call(server, path, { method: 'DELETE', headers: { 'if-match': `"${version}"` } })).status, 204);
  assertProblem(await get(server, path), 404);
  assertProblem(await call(server, path, { method: 'DELETE' }), 404);
  assertProblem(await patch({ name: 'x' }), 404);
  assert.deepEqual(await domains('?search=zeta'), []);
  assert.deepEqual(await domains('?deleted=true'), ['zeta.org']);
  assert.notEqual((await getJson(server, `${path}?deleted=true`)).data.deletedAt, null);
  const restore = () => send(server, '/api/organizations/zeta.org/restore', undefined, { type: null });
  const restored = await restore();
  assert.deepEqual([restored.status, restored.json.data.deletedAt, restored.headers.get('etag')], [200, null, `"${version + 2}"`], restored.text);
  assertProblem(await restore(), 404);
  const history = await readAll(server, `${path}/history`, 3);
  assert.deepEqual(history.map((each) => each.action), ['restored', 'deleted', 'updated', 'updated', 'updated', 'updated', 'updated', 'updated', 'processed', 'created']);
  assert.ok(history.every((each) => each.who && each.time));

  // An update brings a deleted one back.
  assert.equal((await call(server, path, { method: 'DELETE' })).status, 204);
  await onboarded(server, [organization(9, { domain: 'zeta.org' })]);
  assert.deepEqual(await domains('?search=zeta'), ['zeta.org']);
  await verified(server);
});

test('Batches of which nothing waits and nothing failed have nothing to try again or to cancel', async (t) => {
  const server = await startWeir(t);
  const id = await onboarded(server, organizations(3));
  for (const [what, code] of [['retry', 202], ['cancel', 200]]) {
    const dry = await send(server, `/api/bulk-onboard/${id}/${what}`, { dryRun: true });
    assert.deepEqual([dry.status, dry.json], [200, { data: { dryRun: true, count: 0 } }]);
    const done = await send(server, `/api/bulk-onboard/${id}/${what}`, undefined, { type: null });
    assert.deepEqual([done.status, done.json], [code, { data: { dryRun: false, count: 0 } }]);
  }
  assert.deepEqual((await getJson(server, '/api/dead-letters?stage=job')).data, []);
  assertInvalid(await get(server, `/api/bulk-onboard/${id}/items?status=done&limit=1001&cursor=-1`), ['status', 'limit', 'cursor']);
  assertInvalid(await get(server, `/api/bulk-onboard/${id}?limit=1`), ['limit']);
  assert.deepEqual(await readFeed(server), [], 'organizations are no records');
});

test('What is answered is what the contract says', async (t) => {
  const server = await startWeir(t);
  const { schemas } = (await getJson(server, '/openapi.json')).components;
  const check = (name, value) => {
    const { properties, required } = schemas[name];
    assert.deepEqual(Object.keys(value).filter((key) => !(key in properties)), [], name);
    assert.deepEqual(required.filter((key) => !(key in value)), [], name);
  };
  const list = [...organizations(2), { name: 'bad' }];
  check('OnboardDryRun', (await onboard(server, list, '?dryRun=true&mode=partial')).json);
  const { json } = await onboard(server, list, '?mode=partial');
  check('OnboardAnswer', json);
  check('Batch', (await getJson(server, `/api/bulk-onboard/${json.batch_id}`)).data);
  check('Batch', (await getJson(server, '/api/bulk-onboard')).data[0]);
  check('BatchItem', (await itemsOf(server, json.batch_id))[0]);
  const { data } = await getJson(server, '/api/organizations?domain=o1.example.com');
  check('Organization', data);
  check('Organization', (await allOrganizations(server))[0]);
  check('OrganizationChange', (await getJson(server, `/api/organizations/${data.id}/history`)).data[0]);
});

test('Sinks hear of organizations and of batches, in order', async (t) => {
  const receiver = await startReceiver(t, { secrets: [SECRET] });
  receiver.plan = () => ({});
  const options = { type: 'webhook', url: receiver.url, secret: SECRET, allow_private: '127.0.0.1', in_flight_max: 1,
    messages: 'organization.created, organization.updated, organization.processed, organization.failed, batch.completed, batch.failed' };
  const server = await startWeir(t, { args: Object.entries(options).flatMap(([name, value]) => ['--set', `sinks.ops.${name}=${value}`]) });
  const first = await onboarded(server, organizations(2));
  const second = await onboarded(server, [organization(1, { name: 'Another' })]);
  await receiver.until(() => receiver.taken.size === 8, 'eight messages');
  const heard = receiver.messages().map(({ type, data }) => [type, data.batch?.batch_id ?? data.batch_id, data.organization?.domain ?? data.batch.completed]);
  assert.deepEqual(heard.filter(([, batch]) => batch === first).map(([type, , what]) => [type, what]).sort(), [
    ['batch.completed', 2],
    ['organization.created', 'o0.example.com'], ['organization.created', 'o1.example.com'],
    ['organization.processed', 'o0.example.com'], ['organization.processed', 'o1.example.com']]);
  assert.deepEqual(heard.filter(([, batch]) => batch === second).map(([type]) => type), ['organization.updated', 'organization.processed', 'batch.completed']);
  assert.equal(heard.findIndex(([type]) => type === 'batch.completed'), 4, 'the batch after all of its organizations');
  assert.deepEqual(receiver.problems, []);
});
