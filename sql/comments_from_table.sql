-- The comments among the rows that judged_rows.sql has judged, in their order.
SELECT
  id,
  parent_id,
  parent_kind,
  thread_id,
  subreddit,
  author,
  body,
  score,
  created_utc,
  is_submitter,
  distinguished,
  removal,
  month,
  source_row
FROM judged
WHERE fault IS NULL
ORDER BY source_row
