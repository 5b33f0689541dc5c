-- Takes the rows of `staging` in: one statement, so that its parts see the summaries as they were before.
-- Summaries are locked in the order of their keys, so that two sessions cannot wait for each other.
WITH new AS (
  INSERT INTO records (record_id, time, source_id, destination_id, type, value, unit, reference)
  SELECT record_id, time, source_id, destination_id, type, value, unit, reference FROM staging
  ON CONFLICT (record_id) DO NOTHING
  RETURNING *
), summarised AS (
  INSERT INTO summaries AS s
  SELECT destination_id, reference, unit,
    count(*) FILTER (WHERE type = 'positive'), count(*) FILTER (WHERE type = 'negative'),
    coalesce(sum(value) FILTER (WHERE type = 'positive'), 0), coalesce(sum(value) FILTER (WHERE type = 'negative'), 0)
  FROM new GROUP BY destination_id, reference, unit ORDER BY destination_id, reference, unit
  ON CONFLICT (destination_id, reference, unit) DO UPDATE SET
    positive_count = s.positive_count + excluded.positive_count,
    negative_count = s.negative_count + excluded.negative_count,
    positive_total = s.positive_total + excluded.positive_total,
    negative_total = s.negative_total + excluded.negative_total
), running AS (
  SELECT n.*,
    coalesce(s.positive_count, 0) + count(*) FILTER (WHERE type = 'positive') OVER before AS positive_count,
    coalesce(s.negative_count, 0) + count(*) FILTER (WHERE type = 'negative') OVER before AS negative_count,
    coalesce(s.positive_total, 0) + coalesce(sum(value) FILTER (WHERE type = 'positive') OVER before, 0) AS positive_total,
    coalesce(s.negative_total, 0) + coalesce(sum(value) FILTER (WHERE type = 'negative') OVER before, 0) AS negative_total
  FROM new n LEFT JOIN summaries s USING (destination_id, reference, unit)
  WINDOW before AS (PARTITION BY destination_id, reference, unit ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
), told AS (
  INSERT INTO outbox (kind, payload)
  SELECT 'notification', json_build_object(
    'record', json_build_object('id', id, 'record_id', record_id, 'time', time, 'source_id', source_id,
      'destination_id', destination_id, 'type', type, 'value', value::text, 'unit', unit, 'reference', reference),
    'summary', json_build_object('destination_id', destination_id, 'reference', reference, 'unit', unit,
      'count', positive_count + negative_count, 'total_value', (positive_total + negative_total)::text,
      'net_value', (positive_total - negative_total)::text, 'positive_count', positive_count,
      'negative_count', negative_count, 'positive_total', positive_total::text,
      'negative_total', (-negative_total)::text))
  FROM running ORDER BY id
)
INSERT INTO outbox (kind, payload)
SELECT 'alert', json_build_object('record', json_build_object('id', id, 'record_id', record_id, 'value', value::text),
  'threshold', 1000.00, 'exceeded_by', value - 1000)
FROM new WHERE value > 1000 ORDER BY id;
