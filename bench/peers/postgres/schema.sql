-- The same promises in PostgreSQL: a unique id, a summary per flow, a notification in an outbox.
CREATE TABLE records (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  record_id text NOT NULL UNIQUE,
  time timestamptz NOT NULL,
  source_id text NOT NULL,
  destination_id text NOT NULL,
  type text NOT NULL CHECK (type IN ('positive', 'negative')),
  value numeric(15, 2) NOT NULL CHECK (value >= 0),
  unit text NOT NULL,
  reference text NOT NULL);
CREATE INDEX ON records (time);

CREATE TABLE summaries (
  destination_id text NOT NULL,
  reference text NOT NULL,
  unit text NOT NULL,
  positive_count bigint NOT NULL,
  negative_count bigint NOT NULL,
  positive_total numeric NOT NULL,
  negative_total numeric NOT NULL,
  PRIMARY KEY (destination_id, reference, unit));

CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL, payload json NOT NULL);
