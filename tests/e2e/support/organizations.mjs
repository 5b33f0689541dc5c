// Organizations to onboard, and the calls that all tests of onboarding make.
import assert from 'node:assert/strict';
import { eventually } from './weir.mjs';
import { getJson, send } from './client.mjs';

export const MESSAGE = 'Bulk onboarding initiated successfully';
export const ENDED = ['completed', 'failed', 'cancelled'];
const STATES = ['pending', 'processing', ...ENDED];

export const organization = (i, changes = {}) => ({ name: `Organization ${i}`, domain: `o${i}.example.com`, contact_email: `contact@o${i}.example.com`, ...changes });
export const organizations = (count, from = 0) => Array.from({ length: count }, (_, i) => organization(from + i));

export const onboard = (server, list, query = '', headers = {}) => send(server, `/api/bulk-onboard${query}`, { organizations: list }, { headers });

/** The id of the batch of a call that has to succeed. */
export async function onboarded(server, list, query = '', headers = {}) {
  const answer = await onboard(server, list, query, headers);
  assert.equal(answer.status, 202, answer.text.slice(0, 500));
  assert.match(answer.json.batch_id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  return answer.json.batch_id;
}

/** How far a batch is; whenever it is asked, its counts add up. */
export async function batchOf(server, id) {
  const { data } = await getJson(server, `/api/bulk-onboard/${id}`);
  assert.equal(data.id, id);
  assert.equal(STATES.reduce((sum, state) => sum + data[state], 0), data.total, JSON.stringify(data));
  const ended = ENDED.reduce((sum, state) => sum + data[state], 0);
  assert.equal(data.percentage, data.total ? Math.floor((ended * 1000) / data.total) / 10 : 100, JSON.stringify(data));
  assert.equal(data.finishedAt !== null, ended === data.total, JSON.stringify(data));
  return data;
}

export const finished = (server, id, ms = 20_000) => eventually(async () => {
  const batch = await batchOf(server, id);
  return batch.finishedAt ? batch : undefined;
}, `batch ${id} is finished`, ms);

/** Every page of a list. */
export async function readAll(server, path, limit = 1000) {
  const all = [];
  for (let cursor = null; ;) {
    const page = await getJson(server, `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${cursor ? `&cursor=${cursor}` : ''}`);
    all.push(...page.data);
    assert.ok(page.data.length <= limit, 'a page holds no more than was asked for');
    if (!page.nextCursor) return all;
    cursor = page.nextCursor;
  }
}

export const allOrganizations = (server, query = '') => readAll(server, `/api/organizations${query}`);
export const itemsOf = (server, id, query = '') => readAll(server, `/api/bulk-onboard/${id}/items${query}`);
