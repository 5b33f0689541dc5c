// What the rounds send while the server is killed: records, events in many spellings, and organizations under a key. Each submission
// can be sent, and sent again when it is not known what became of it.
import { post, postLines, send } from '../e2e/support/client.mjs';
import { instant, money, random, randomRecords } from '../e2e/support/model.mjs';
import { onboard, organizations } from '../e2e/support/organizations.mjs';
import { canonical, sha256, spellEvent } from '../e2e/support/spelling.mjs';

const AGAIN_OF = 200, AGAIN_MAX = 12; // of the latest records and events some come again

/** One record, an array or lines. */
class Records {
  constructor(records) {
    this.records = records;
    this.isWhole = records.length === 1 || records.length % 2 === 1; // lines may be there in part
  }

  send(server) {
    const { records } = this;
    if (records.length === 1) return post(server, records[0]);
    return this.isWhole ? post(server, records, '?results=none') : postLines(server, records, '?results=none');
  }

  sendAgain(server) { return post(server, { records: this.records }, '?results=none'); }
}

/** One event or an array, spelled anew when it is sent again. */
class Events {
  constructor(meanings, rand) {
    this.meanings = meanings;
    this.records = meanings.map(recordOf);
    this.isWhole = true;
    this.first = meanings.map((meaning) => spellEvent(meaning, rand));
    this.other = meanings.map((meaning) => spellEvent(meaning, rand));
  }

  send(server) { return send(server, '/api/events', this.first.length === 1 ? this.first[0] : `[${this.first}]`); }

  sendAgain(server) { return send(server, '/api/events?results=none', `[${this.other}]`); }
}

/** A batch of organizations; what it is sent again under is its key. */
class Onboarding {
  records = [];

  constructor(key, list) {
    this.key = key;
    this.list = list;
  }

  send(server) { return onboard(server, this.list, '', { 'idempotency-key': this.key }); }

  sendAgain(server) { return this.send(server); }
}

/** The record that becomes of an event. */
function recordOf(meaning) {
  const isNegative = meaning.negative && meaning.cents > 0;
  return {
    recordId: `sha256:${sha256(canonical(meaning))}`, time: instant(meaning.ms), sourceId: meaning.client, destinationId: meaning.client,
    type: isNegative ? 'negative' : 'positive', value: money(BigInt(meaning.cents)), unit: meaning.unit, reference: meaning.metric,
  };
}

/** Draws submissions: new ones, with some in them of what is known to be there. */
export class Traffic {
  recordCount = 0; eventCount = 0; organizationCount = 0;

  /** The same number draws the same, but for what was there before and the numbers in ids. */
  begin(number) { this.rand = random(number); }

  draw(ledger) {
    const kind = this.rand.below(12);
    if (kind === 0) return this.drawOnboarding();
    return kind <= 3 ? this.drawEvents(ledger) : this.drawRecords(ledger);
  }

  drawRecords(ledger) {
    const { rand } = this;
    const fresh = randomRecords(rand, 1 + rand.below(rand.pick([1, 20, 200])), { days: 3 });
    for (const record of fresh) record.recordId = `k-${(this.recordCount += 1)}`;
    return new Records(rand.shuffle([...fresh, ...this.someOf(ledger.plain)]));
  }

  drawEvents(ledger) {
    const { rand } = this;
    const fresh = Array.from({ length: 1 + rand.below(rand.pick([1, 20])) }, () => this.drawMeaning());
    return new Events(rand.shuffle([...fresh, ...this.someOf(ledger.meanings)]), rand);
  }

  /** No two mean the same, since no two have the same time. */
  drawMeaning() {
    const { rand } = this;
    return {
      client: `client-${rand.below(4)}`, metric: `metric-${rand.below(3)}`, cents: rand.below(250_000), negative: rand.below(4) === 0,
      unit: rand.pick(['EUR', 'none']), ms: Date.UTC(2025, 0, 1) + (this.eventCount += 1) * 1000, micro: 0,
    };
  }

  drawOnboarding() {
    const count = 1 + this.rand.below(20), from = this.organizationCount;
    this.organizationCount += count;
    return new Onboarding(`from ${from}`, organizations(count, from));
  }

  /** Draws as often for a short list as for a long one. */
  someOf(list) {
    const places = Array.from({ length: this.rand.below(AGAIN_MAX) }, () => this.rand.below(Math.min(list.length, AGAIN_OF)));
    return list.length === 0 ? [] : [...new Set(places)].map((place) => list.at(-1 - place));
  }
}
