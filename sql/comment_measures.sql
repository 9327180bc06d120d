-- What the checks of comments measure, in one row.
-- Rows of another month than @month are counted where one is named ('' names none).
SELECT
  COUNT(*) AS row_count,
  COUNT(*) - COUNT(DISTINCT id) AS duplicate_ids,
  COUNTIF(id IS NULL) AS null_ids,
  COUNTIF(thread_id IS NULL) AS null_threads,
  COUNTIF(created_utc IS NULL) AS null_times,
  COUNTIF(body IS NULL) AS null_bodies,
  COUNTIF(author IS NULL) AS null_authors,
  COUNTIF(subreddit IS NULL) AS null_subreddits,
  COUNTIF(removal IS NOT NULL) AS tombstones,
  COUNTIF(@month != '' AND month IS NOT NULL AND month != @month) AS outside_month
FROM comments
