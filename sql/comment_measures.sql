-- What the checks of comments measure, in one row. Submissions (parent_kind 'none') are counted, and then left out.
-- Rows of another month than the parameter's are counted where it names one ('' names none).
-- COUNT alone: COUNTIF becomes a SUM in DuckDB, which is NULL where there are no rows.
SELECT
  COUNT(*) AS row_count,
  COUNT(*) - COUNT(DISTINCT id) AS duplicate_ids,
  COUNT(*) - COUNT(id) AS null_ids,
  COUNT(*) - COUNT(thread_id) AS null_threads,
  COUNT(*) - COUNT(created_utc) AS null_times,
  COUNT(*) - COUNT(body) AS null_bodies,
  COUNT(*) - COUNT(author) AS null_authors,
  COUNT(*) - COUNT(subreddit) AS null_subreddits,
  COUNT(removal) AS tombstones,
  COUNT(IF(@month != '' AND month != @month, 1, NULL)) AS outside_month,
  (SELECT COUNT(*) FROM comments WHERE parent_kind = 'none') AS submissions
FROM comments
WHERE parent_kind IS NULL OR parent_kind != 'none'
