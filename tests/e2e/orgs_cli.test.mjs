// weir orgs: organizations from files, in batches, as often as it takes.
import test from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { runWeir, runWeirAsync, startWeir, tempDir } from './support/weir.mjs';
import { getJson } from './support/client.mjs';
import { allOrganizations, onboarded, organization, organizations, readAll } from './support/organizations.mjs';

function file(t, name, content) {
  const path = join(tempDir(t), name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const csv = (list) => `name,domain,contact_email\n${list.map((each) => `${each.name},${each.domain},${each.contact_email}\n`).join('')}`;
const orgs = (server, ...args) => runWeir(['orgs', ...args, '--to', server.url]);
const json = (server, ...args) => {
  const { code, stdout, stderr } = orgs(server, ...args, '--json');
  return { code, stderr, data: stdout ? JSON.parse(stdout).data : undefined };
};

for (const [name, content] of [['customers.json', (list) => ({ organizations: list })], ['array.json', (list) => list], ['customers.csv', csv]]) {
  test(`${name}: 2,500 organizations go in three batches, and once`, async (t) => {
    const server = await startWeir(t);
    const path = file(t, name, content(organizations(2500)));
    const first = json(server, 'import', path, '--wait');
    assert.equal(first.code, 0, first.stderr);
    assert.deepEqual([first.data.organizations, first.data.stored, first.data.skipped, first.data.refused], [2500, 2500, 0, 0]);
    assert.deepEqual(first.data.batches.map((batch) => [batch.total, batch.completed, batch.failed]), [[1000, 1000, 0], [1000, 1000, 0], [500, 500, 0]]);
    const list = await allOrganizations(server);
    assert.equal(list.length, 2500);
    const again = orgs(server, 'import', path, '--wait');
    assert.equal(again.code, 0, again.stderr);
    assert.match(again.stdout, /^2,500 stored in 3 batches, 3 of the batches were stored before, 2,500 completed$/m);
    assert.ok((await allOrganizations(server)).every((each) => each.version === 1), 'nothing was done twice');
    assert.equal(orgs(server, 'import', path, '--again').code, 0);
    assert.equal((await readAll(server, '/api/bulk-onboard')).length, 6);
    const history = (await getJson(server, '/api/organizations/o7.example.com/history')).data;
    assert.deepEqual(history.at(-1).who, 'cli');
  });
}

test('An import that is interrupted is run again', async (t) => {
  const server = await startWeir(t);
  const path = file(t, 'many.csv', csv(organizations(20_000)));
  const importing = runWeirAsync(t, ['orgs', 'import', path, '--to', server.url]);
  while ((await getJson(server, '/api/bulk-onboard')).data.length < 3) ;
  await server.kill();
  const port = server.port;
  const after = await startWeir(t, { data: server.data, port });
  const done = await importing; // it waits for the server, and goes on
  assert.equal(done.code, 0, done.stderr);
  const again = json(after, 'import', path, '--wait');
  assert.equal(again.code, 0, again.stderr);
  assert.equal(again.data.batches.length, 20);
  const list = await allOrganizations(after);
  assert.equal(list.length, 20_000);
  assert.ok(list.every((each) => each.version === 1));
  assert.equal((await readAll(after, '/api/bulk-onboard')).length, 20);
});

test('What is wrong is named by its place in the file', async (t) => {
  const server = await startWeir(t);
  const list = organizations(1500);
  list[1203] = organization(1203, { domain: 'nothing' });
  const refused = orgs(server, 'import', file(t, 'bad.csv', csv(list)));
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^line 1205: domain must /m);
  assert.match(refused.stdout, /^nothing was stored: 1 problem$/m);
  assert.deepEqual(await allOrganizations(server), [], 'all are checked before the first is stored');
  const path = file(t, 'bad.json', list);
  const dry = orgs(server, 'import', path, '--dry-run');
  assert.match(dry.stderr, /^organization 1203: domain must /m);
  assert.match(dry.stdout, /^nothing would be stored: 1 problem$/m);
  assert.deepEqual(json(server, 'import', path, '--dry-run').data.stored, 0);
  const partial = json(server, 'import', path, '--mode', 'partial');
  assert.deepEqual([partial.code, partial.data.stored, partial.data.refused, partial.data.batches.length], [1, 1499, 1, 2]);
  const skip = orgs(server, 'import', path, '--mode', 'partial', '--on-duplicate', 'skip');
  assert.match(skip.stdout, /^0 stored in 2 batches, 1,499 skipped, 1 refused$/m);
  const fail = orgs(server, 'import', file(t, 'taken.json', [organization(7)]), '--on-duplicate', 'fail');
  assert.deepEqual([fail.code, /organization 0: domain is there already/.test(fail.stderr)], [1, true], fail.stderr);
  assert.match(fail.stdout, /^0 stored in 0 batches; the next batch was refused, and what is behind it was not sent$/m);
  // What is wrong with the file or the call is told once, not of each batch.
  const header = orgs(server, 'import', file(t, 'header.csv', csv(list).replace('name,domain', 'name;domain')));
  assert.deepEqual([header.code, header.stdout], [2, '']);
  assert.match(header.stderr, /^weir orgs: the server answered 422: body cannot be taken in: the CSV header has no column name$/m);
  const limit = orgs(server, 'import', path, '--limit', '5');
  assert.deepEqual([limit.code, limit.stderr.match(/limit is not known here/g)?.length], [2, 1], limit.stderr);
});

test('Files that are none', async (t) => {
  const server = await startWeir(t);
  for (const [name, content] of [['empty.csv', ''], ['header.csv', 'name,domain,contact_email\n'], ['none.json', '{"organizations":[]}'], ['broken.json', '{"organizations":[']]) {
    const { code, stderr } = orgs(server, 'import', file(t, name, content));
    assert.deepEqual([name, code], [name, 2], stderr);
    assert.notEqual(stderr, '');
  }
  assert.equal(orgs(server, 'import', '/nowhere.csv').code, 2);
  assert.equal(orgs(server, 'import').code, 2);
  assert.equal(orgs(server, 'improt', 'x').code, 2);
  assert.equal(orgs(server, 'list', 'x').code, 2);
  const input = runWeir(['orgs', 'import', '-', '--to', server.url], { input: csv(organizations(2)) });
  assert.deepEqual([input.code, (await allOrganizations(server)).length], [0, 2], input.stderr);
  const away = runWeir(['orgs', 'import', file(t, 'one.json', organizations(1)), '--to', 'http://127.0.0.1:9']);
  assert.equal(away.code, 3, away.stderr);
});

test('However many are bad, they are told, and with mode=partial the good ones behind them are stored', async (t) => {
  const server = await startWeir(t);
  const bad = organizations(1000).map((each) => ({ ...each, domain: `${each.domain}..`, contact_email: 'nobody' }));
  const path = file(t, 'bad.csv', csv([...bad, ...organizations(2000).slice(1000)]));
  const all = orgs(server, 'import', path);
  assert.equal(all.code, 1, all.stderr);
  assert.match(all.stderr, /^line 2: domain /m);
  assert.match(all.stderr, /^and [\d,]+ more$/m);
  const partial = json(server, 'import', path, '--mode', 'partial', '--wait');
  assert.equal(partial.code, 1, partial.stderr);
  assert.deepEqual([partial.data.stored, partial.data.refused], [1000, 1000]);
  assert.equal((await allOrganizations(server)).length, 1000);
});

test('A server that is away for a while is waited for, however many batches there are', async (t) => {
  const BATCHES = 300;
  let posted = 0, away;
  const server = http.createServer((request, response) => {
    request.resume().on('end', () => {
      const is_dry = request.url.includes('dryRun');
      if (request.method === 'GET') {
        away ??= Date.now() + 3000;
        if (Date.now() < away) return request.socket.destroy();
        return response.end(JSON.stringify({ total: 1, completed: 1, failed: 0, cancelled: 0 }));
      }
      posted += is_dry ? 0 : 1;
      response.statusCode = 202;
      return response.end(JSON.stringify({ batch_id: `00000000-0000-4000-8000-${String(posted).padStart(12, '0')}`, organizations_count: 1 }));
    });
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const path = file(t, 'many.csv', csv(organizations(BATCHES * 1000)));
  const done = await runWeirAsync(t, ['orgs', 'import', path, '--wait', '--to', `http://127.0.0.1:${server.address().port}`]);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(posted, BATCHES);
});

test('Lists, single ones and batches are shown', async (t) => {
  const server = await startWeir(t);
  const id = await onboarded(server, [...organizations(2), organization(5, { name: 'Zeta' })]);
  const table = orgs(server, 'list', '--limit', '2');
  assert.match(table.stdout, /^id +domain +name +contact +status/);
  assert.match(table.stdout, /^more: --cursor \d+$/m);
  assert.deepEqual(json(server, 'list', '--search', 'zeta').data.map((each) => each.domain), ['o5.example.com']);
  assert.equal(json(server, 'list', '--batch', id, '--status', 'completed').data.length, 3);
  assert.deepEqual(json(server, 'list', '--deleted').data, []);
  assert.match(orgs(server, 'show', 'O5.example.com').stdout, /^domain +o5\.example\.com$/m);
  assert.equal(orgs(server, 'show', 'nobody.com').code, 2);
  assert.match(orgs(server, 'history', 'o5.example.com').stdout, /created +1 +api/);
  assert.match(orgs(server, 'batches').stdout, new RegExp(`${id} +completed +3`));
  assert.equal(json(server, 'batch', id).data.completed, 3);
  assert.match(orgs(server, 'retry', id).stdout, /^0 tried again$/m);
  assert.match(orgs(server, 'cancel', id, '--dry-run').stdout, /^0 would be cancelled$/m);
  assert.equal(orgs(server, 'batch').code, 2);
  assert.equal(orgs(server, 'batch', 'nothing').code, 2);
});
