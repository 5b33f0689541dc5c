// The service that a team would write in an afternoon, as well as it is usually done: Express, better-sqlite3, WAL with
// synchronous=FULL, prepared statements, one transaction a request. For each new record: a row under a unique id, its flow's
// summary brought up to date, and its notification put in an outbox (and an alert, when it is above the threshold).
//
//   node server.js DATABASE [PORT]      prints "listening on http://127.0.0.1:PORT"

import Database from 'better-sqlite3';
import express from 'express';

const ALERT_ABOVE = 100_000; // 1,000.00 in minor units
const CACHE_KIB = 256 * 1024;

const [file, port = '0'] = process.argv.slice(2);
if (!file) {
  console.error('usage: node server.js DATABASE [PORT]');
  process.exit(2);
}

const db = new Database(file);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.pragma(`cache_size = -${CACHE_KIB}`);
db.exec(`
  CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY, record_id TEXT NOT NULL UNIQUE, time TEXT NOT NULL, source_id TEXT NOT NULL,
    destination_id TEXT NOT NULL, type TEXT NOT NULL, value INTEGER NOT NULL, unit TEXT NOT NULL, reference TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS records_time ON records (time);
  CREATE TABLE IF NOT EXISTS summaries (
    destination_id TEXT NOT NULL, reference TEXT NOT NULL, unit TEXT NOT NULL,
    positive_count INTEGER NOT NULL, negative_count INTEGER NOT NULL,
    positive_total INTEGER NOT NULL, negative_total INTEGER NOT NULL,
    PRIMARY KEY (destination_id, reference, unit)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, payload TEXT NOT NULL);`);

const insertRecord = db.prepare(`
  INSERT INTO records (record_id, time, source_id, destination_id, type, value, unit, reference)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (record_id) DO NOTHING`);
const findRecord = db.prepare('SELECT * FROM records WHERE record_id = ?');
const upsertSummary = db.prepare(`
  INSERT INTO summaries VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (destination_id, reference, unit) DO UPDATE SET
    positive_count = positive_count + excluded.positive_count, negative_count = negative_count + excluded.negative_count,
    positive_total = positive_total + excluded.positive_total, negative_total = negative_total + excluded.negative_total
  RETURNING positive_count, negative_count, positive_total, negative_total`);
const insertMessage = db.prepare('INSERT INTO outbox (kind, payload) VALUES (?, ?)');

const isText = (text) => typeof text === 'string' && text.length >= 1 && text.length <= 255;
const isTime = (text) =>
  typeof text === 'string' && /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?$/.test(text);
const isValue = (text) => typeof text === 'string' && /^\d{1,13}(\.\d{1,2})?$/.test(text);

function problemsOf(record) {
  const errors = {};
  for (const field of ['recordId', 'sourceId', 'destinationId', 'unit', 'reference']) {
    if (!isText(record?.[field])) errors[field] = ['must be a string of 1 to 255 characters'];
  }
  if (!isTime(record?.time)) errors.time = ['must be a time'];
  if (!isValue(record?.value)) errors.value = ['must be a decimal with at most two places'];
  if (record?.type !== 'positive' && record?.type !== 'negative') errors.type = ['must be positive or negative'];
  return Object.keys(errors).length > 0 ? errors : null;
}

function minorUnits(text) {
  const [whole, fraction = ''] = text.split('.');
  return Number(whole) * 100 + Number(fraction.padEnd(2, '0'));
}

const decimal = (minor) => (minor / 100).toFixed(2);

function shown(id, record) {
  return {
    id, record_id: record.recordId, time: record.time, source_id: record.sourceId, destination_id: record.destinationId,
    type: record.type, value: record.value, unit: record.unit, reference: record.reference,
  };
}

function emit(id, record, value, after) {
  const positive = record.type === 'positive';
  const positiveTotal = after.positive_total - (positive ? value : 0);
  const negativeTotal = after.negative_total - (positive ? 0 : value);
  const positiveCount = after.positive_count - (positive ? 1 : 0);
  const negativeCount = after.negative_count - (positive ? 0 : 1);
  insertMessage.run('notification', JSON.stringify({
    record: shown(id, record),
    summary: {
      destination_id: record.destinationId, reference: record.reference, unit: record.unit,
      count: positiveCount + negativeCount, total_value: decimal(positiveTotal + negativeTotal),
      net_value: decimal(positiveTotal - negativeTotal), positive_count: positiveCount, negative_count: negativeCount,
      positive_total: decimal(positiveTotal), negative_total: decimal(-negativeTotal),
    },
  }));
  if (value > ALERT_ABOVE) {
    insertMessage.run('alert', JSON.stringify({
      record: shown(id, record), threshold: 1000.0, exceeded_by: (value - ALERT_ABOVE) / 100,
      severity: value <= ALERT_ABOVE * 1.25 ? 'medium' : value <= ALERT_ABOVE * 1.5 ? 'high' : 'critical',
    }));
  }
}

const sameContent = (row, record, value) =>
  row.time === record.time && row.source_id === record.sourceId && row.destination_id === record.destinationId &&
  row.type === record.type && row.value === value && row.unit === record.unit && row.reference === record.reference;

// created, duplicate or conflict, and the row's id.
function take(record) {
  const value = minorUnits(record.value);
  const { recordId, time, sourceId, destinationId, type, unit, reference } = record;
  const inserted = insertRecord.run(recordId, time, sourceId, destinationId, type, value, unit, reference);
  if (inserted.changes === 0) {
    const row = findRecord.get(recordId);
    return { status: sameContent(row, record, value) ? 'duplicate' : 'conflict', id: row.id };
  }
  const positive = type === 'positive';
  const after = upsertSummary.get(destinationId, reference, unit, positive ? 1 : 0, positive ? 0 : 1,
    positive ? value : 0, positive ? 0 : value);
  emit(inserted.lastInsertRowid, record, value, after);
  return { status: 'created', id: inserted.lastInsertRowid };
}

const takeOne = db.transaction(take);
const takeMany = db.transaction((records) => {
  const counts = { received: records.length, created: 0, duplicates: 0, conflicts: 0, rejected: 0 };
  for (const record of records) {
    const outcome = problemsOf(record) ? 'rejected' : take(record).status;
    counts[outcome === 'duplicate' ? 'duplicates' : outcome === 'conflict' ? 'conflicts' : outcome] += 1;
  }
  return counts;
});

const codes = { created: 201, duplicate: 200, conflict: 409 };

const app = express();
app.disable('x-powered-by');
app.disable('etag');
app.use(express.json({ limit: '64mb' }));
app.post('/api/records', (request, response) => {
  if (Array.isArray(request.body)) {
    response.json({ message: 'Records processed', data: takeMany.immediate(request.body) });
    return;
  }
  const errors = problemsOf(request.body);
  if (errors) {
    response.status(422).json({ message: 'The record is not valid', errors });
    return;
  }
  const { status, id } = takeOne.immediate(request.body);
  response.status(codes[status]).json({
    message: status === 'created' ? 'Record processed successfully' : 'Record already processed (idempotent response)',
    data: { id, isDuplicate: status !== 'created', ...request.body },
  });
});

const server = app.listen(Number(port), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
process.on('SIGTERM', () => server.close(() => db.close()));
