-- Comments that came more than once: which of them stays.
-- Pushshift's rescans overwrite text with tombstones, so an original body beats a tombstone (@prefer_original); among equals the
-- last read wins, as in the reference pipeline. One row an id that came more than once, so the table is small.
SELECT
  thread_id,
  id,
  COALESCE(MAX(IF(@prefer_original AND removal IS NULL, source_row, NULL)), MAX(source_row)) AS source_row
FROM comments
GROUP BY thread_id, id
HAVING COUNT(*) > 1
