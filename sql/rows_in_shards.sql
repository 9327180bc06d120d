-- Rows that know their place, each with its position in the order of all places (from 0), and with the shard that it goes to:
-- `shard_rows` rows a shard. Counted in blocks of places, as BigQuery sorts what a window sees on one machine.
WITH blocks AS (
  SELECT
    DIV(place, 65536) AS block,
    COUNT(*) AS row_count
  FROM placed_rows
  GROUP BY block
),
blocks_before AS (
  SELECT
    block,
    CAST(SUM(row_count) OVER (ORDER BY block) AS INT64) - row_count AS row_count
  FROM blocks
),
positioned AS (
  SELECT
    placed_rows.*,
    blocks_before.row_count + ROW_NUMBER() OVER (PARTITION BY blocks_before.block ORDER BY placed_rows.place) - 1 AS position
  FROM placed_rows
  JOIN blocks_before ON DIV(placed_rows.place, 65536) = blocks_before.block
)
SELECT
  *,
  DIV(position, @shard_rows) AS shard
FROM positioned
