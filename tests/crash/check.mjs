// What the herd left behind: each record once, right totals, a notification for each, its alerts, gapless counts. Recomputed from the
// file of records that the clients sent.
//
//     node check.mjs DATA RECORDS
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startWeir } from '../e2e/support/weir.mjs';
import { getJson, postLines, readFeed, readPages } from '../e2e/support/client.mjs';
import { aggregateGroups, alerts, byTime, notifications, shown } from '../e2e/support/model.mjs';

const [data, path] = process.argv.slice(2);
const records = readFileSync(path, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
if (!existsSync(join(data, 'weir.db'))) { // a server would make one, and what looks at it later would find nothing wrong
  console.error(`there is no store in ${data}`);
  process.exit(1);
}
const cleanups = [];
const server = await startWeir({ after: (fn) => cleanups.push(fn) }, { data });
try {
  await check();
  await server.stop();
} finally {
  for (const cleanup of cleanups.reverse()) await cleanup();
}
console.log(`${records.length} records, totals, notifications, alerts and counts are right`);

async function check() {
  const { count, groups } = (await getJson(server, '/api/records/aggregate?records=false')).data;
  assert.equal(count, records.length, 'records in the aggregate');
  assert.deepEqual(groups, aggregateGroups(records));

  const messages = await readFeed(server, 'notifications', 1000);
  assert.equal(messages.length, records.length, 'notifications in the feed');
  const sent = new Map(records.map((r) => [r.recordId, r]));
  const inOrder = messages.map((m) => sent.get(m.record.record_id));
  assert.equal(new Set(inOrder).size, records.length, 'each record has one notification');
  const seqs = messages.map((m) => m.record.id);
  assert.deepEqual(messages, notifications(inOrder, seqs));
  assert.deepEqual(await readFeed(server, 'alerts', 1000), alerts(inOrder, seqs), 'each alert once, in order');

  const listed = await readPages(server, '', 1000);
  assert.deepEqual(listed.map(({ id, ...fields }) => fields), byTime(inOrder).map(shown));

  const again = await postLines(server, records, '?results=none');
  assert.equal(again.json.data.duplicates, records.length, 'every one of them is known');
}
