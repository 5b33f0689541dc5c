// What a store has to have after the rounds' kills: everything that was acknowledged, nothing twice, and of what was not acknowledged
// all or nothing; each record's notification and alerts, each event counted once, each batch of organizations done once under its key.
import assert from 'node:assert/strict';
import { getJson, readFeed, readFeedFrom, readPages, send } from '../e2e/support/client.mjs';
import { aggregateGroups, alerts, byTime, DEFAULT_RULE, notifications, shown } from '../e2e/support/model.mjs';
import { allOrganizations, finished, readAll } from '../e2e/support/organizations.mjs';

/** What alerts, beside the rule that is there: some records, and totals that cross their threshold to and fro. */
const RULES = [
  DEFAULT_RULE,
  { name: 'negative kWh', threshold: '400.00', unit: 'kWh', type: 'negative' },
  { name: 'total', threshold: '5000.00', measure: 'total_value', unit: 'EUR' },
  { name: 'net', threshold: '2000.00', measure: 'net_value' },
];

export class Ledger {
  known = new Map();   // every record that the store has for certain, by id
  plain = [];          // those of them that are no events
  meanings = [];       // of the events among them
  batches = [];        // {id, text, submission} of those that were answered
  unsure = [];         // what was sent and not answered
  areRulesMade = false;
  eventsSent = 0;      // as often as they were sent
  eventsDuplicate = 0; // as far as anybody was told
  // How far the feeds were read, and what was in them.
  notified = { after: 0, flows: new Map(), ids: new Set() };
  alerted = { after: 0, flows: new Map(), count: 0 };

  sent(submission) {
    this.eventsSent += submission.meanings?.length ?? 0;
  }

  /** What an answer says is there for good. */
  take(submission, answer) {
    assert.ok([200, 201, 202].includes(answer.status), answer.text.slice(0, 500));
    if (submission.key) {
      this.batches.push({ id: answer.json.batch_id, text: answer.text, submission });
      assert.equal(answer.json.organizations_count, submission.list.length);
    }
    submission.records.forEach((record, i) => {
      if (this.known.has(record.recordId)) return;
      this.known.set(record.recordId, record);
      if (submission.meanings) this.meanings.push(submission.meanings[i]);
      else this.plain.push(record);
    });
    if (submission.meanings) this.eventsDuplicate += answer.status === 201 ? 0 : answer.json.data.duplicates ?? 1;
  }

  /** What is there after a kill: all that is known, and of each unsure submission all, or a part only if it came as a stream. */
  async settle(server) {
    await this.settleRules(server);
    const possible = new Set(this.unsure.flatMap(({ records }) => records.map((record) => record.recordId)).filter((id) => !this.known.has(id)));
    const before = await count(server);
    assert.ok(before >= this.known.size && before <= this.known.size + possible.size,
      `${before} records; ${this.known.size} are certain, ${possible.size} possible`);
    let created = 0;
    for (; this.unsure.length > 0; this.unsure.shift()) created += await this.settleOne(server, this.unsure[0], possible);
    assert.equal(before + created, this.known.size, 'nothing was lost and nothing is there twice');
    assert.equal(await count(server), this.known.size);
    await this.settleBatches(server);
    await this.settleEvents(server);
    await this.readOn(server);
  }

  /** The rules are made before anything else; whether one is there that was not answered, the list says. */
  async settleRules(server) {
    const there = (await getJson(server, '/api/alert-rules')).data.map((rule) => rule.name);
    const names = RULES.map((rule) => rule.name);
    assert.deepEqual(there, names.slice(0, this.areRulesMade ? undefined : there.length));
    for (const rule of RULES.slice(there.length)) assert.equal((await send(server, '/api/alert-rules', rule)).status, 201);
    this.areRulesMade = true;
  }

  /** Sends it again, and answers how many of its records were not there. */
  async settleOne(server, submission, possible) {
    this.sent(submission);
    const answer = await submission.sendAgain(server);
    this.take(submission, answer);
    if (submission.key) return 0;
    const { received, created, duplicates } = answer.json.data;
    assert.equal(created + duplicates, received, 'what is sent again is created or known');
    const fresh = submission.records.filter((record) => possible.has(record.recordId)).length;
    assert.ok(!submission.isWhole || created === 0 || created === fresh, `an array of ${fresh} new records was left with ${fresh - created}`);
    return created;
  }

  /** Under its key the last batch is answered as it was. */
  async settleBatches(server) {
    const last = this.batches.at(-1);
    if (!last) return;
    const again = await last.submission.send(server);
    assert.deepEqual([again.status, again.text, again.headers.get('idempotent-replayed')], [202, last.text, 'true']);
  }

  /** Each event counts once; what was cut off may have come, and nothing else. */
  async settleEvents(server) {
    const { received, processed, duplicates, failed } = (await getJson(server, '/api/stats')).data;
    assert.deepEqual([processed, failed, received], [this.meanings.length, 0, processed + duplicates]);
    assert.ok(duplicates >= this.eventsDuplicate && received <= this.eventsSent,
      `${duplicates} duplicates, ${received} in all; ${this.eventsDuplicate} were answered, ${this.eventsSent} sent`);
  }

  /** What came into the feeds since they were last read: a notification for each record that has none, its alerts, in order, and no more. */
  async readOn(server) {
    const { notified, alerted } = this;
    const fresh = await readFeedFrom(server, 'notifications', notified.after);
    const raised = await readFeedFrom(server, 'alerts', alerted.after);
    const { inOrder, seqs } = this.orderOf(fresh.messages, notified.ids);
    assert.equal(notified.ids.size, this.known.size, 'each record has one notification');
    assert.deepEqual(fresh.messages, notifications(inOrder, seqs, notified.flows));
    assert.deepEqual(raised.messages, alerts(inOrder, seqs, RULES, alerted.flows), 'each alert is there once, in order');
    notified.after = fresh.after;
    alerted.after = raised.after;
    alerted.count += raised.messages.length;
  }

  /** The records that these notifications are of, each for the first time; `ids` has those of earlier ones. */
  orderOf(messages, ids) {
    const inOrder = messages.map(({ record: { record_id: id } }) => {
      assert.ok(this.known.has(id) && !ids.has(id), `${id} is known and was not notified before`);
      ids.add(id);
      return this.known.get(id);
    });
    return { inOrder, seqs: messages.map((message) => message.record.id) };
  }

  /** All of it, from the beginning. */
  async checkAll(server) {
    const records = [...this.known.values()];
    assert.deepEqual((await getJson(server, '/api/records/aggregate?records=false')).data.groups, aggregateGroups(records));
    const messages = await readFeed(server, 'notifications', 1000);
    const { inOrder, seqs } = this.orderOf(messages, new Set());
    assert.equal(messages.length, records.length);
    assert.deepEqual(messages, notifications(inOrder, seqs));
    assert.deepEqual(await readFeed(server, 'alerts', 1000), alerts(inOrder, seqs, RULES));
    const listed = await readPages(server, '', 1000);
    assert.deepEqual(listed.map(({ id, ...fields }) => fields), byTime(inOrder).map(shown));
    await this.checkOrganizations(server);
  }

  /** Each batch was done once, so that no organization was stored a second time, and each has completed. */
  async checkOrganizations(server) {
    const batches = await readAll(server, '/api/bulk-onboard');
    assert.deepEqual(batches.map((batch) => batch.id).sort(), this.batches.map((batch) => batch.id).sort());
    for (const { id, submission } of this.batches) assert.equal((await finished(server, id)).completed, submission.list.length);
    const there = await allOrganizations(server);
    const domains = this.batches.flatMap(({ submission }) => submission.list.map((organization) => organization.domain));
    assert.deepEqual(there.map((organization) => organization.domain).sort(), domains.sort());
    assert.deepEqual(there.filter((organization) => organization.version !== 1), []);
  }
}

async function count(server) {
  return (await getJson(server, '/api/records/aggregate?records=false')).data.count;
}
