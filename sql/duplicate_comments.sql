-- Comments that came more than once: which of them stays.
-- Pushshift's rescans overwrite text with tombstones, so an original body beats a tombstone (`prefer_original`); among equals the
-- last read wins, as in the reference pipeline: the later part (dataset), and there the later row. A part has fewer than 2^53
-- rows. A submission and a comment may have one id. One row an id that came more than once, so the table is small.
SELECT
  thread_id,
  id,
  parent_kind = 'none' AS is_submission,
  COALESCE(
    MAX(IF(@prefer_original AND removal IS NULL, part * 9007199254740992 + source_row, NULL)),
    MAX(part * 9007199254740992 + source_row)
  ) AS place
FROM comments
GROUP BY thread_id, id, is_submission
HAVING COUNT(*) > 1
