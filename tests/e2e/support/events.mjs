// Events as tests send them, and what is asked about them.
import assert from 'node:assert/strict';
import { getJson, send } from './client.mjs';
import { sha256 } from './spelling.mjs';
import { runWeir } from './weir.mjs';

/** Of what an event means, its time without a fraction. */
export const hashOf = (client, metric, amount, time, unit = 'none', type = 'positive') =>
  sha256(JSON.stringify(['weir-event-1', client, metric, type, amount, unit, `${time}.000000Z`, {}]));
export const event = (changes = {}) => ({ client: 'c', metric: 'm', amount: 5, time: '2024-01-01', ...changes });

export const submit = (server, body, query = '', type = undefined) => send(server, `/api/events${query}`, body, type ? { type } : {});
export const stats = async (server) => (await getJson(server, '/api/stats')).data;
export const counts = ({ received, processed, duplicates, failed }) => ({ received, processed, duplicates, failed });
export const letters = async (server, query = '') => (await getJson(server, `/api/dead-letters${query}`)).data;

/** Ends in order, and nothing in the store contradicts anything else. */
export async function verified(server) {
  await server.stop();
  const { code, stdout, stderr } = runWeir(['verify', '--data', server.data]);
  assert.equal(code, 0, stdout + stderr);
}
