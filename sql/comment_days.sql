-- Comments and tombstones of each day (UTC) that has any, by the number of the day since 1970-01-01. Submissions are left out.
SELECT
  DIV(UNIX_MICROS(created_utc), 86400000000) AS day,
  COUNT(*) AS row_count,
  COUNT(removal) AS tombstones
FROM comments
WHERE created_utc IS NOT NULL AND (parent_kind IS NULL OR parent_kind != 'none')
GROUP BY day
ORDER BY day
