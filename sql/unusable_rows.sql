-- The rows that judged_rows.sql has found to be no comments, in their order: what is wrong, what shows it, how each begins.
SELECT
  row_number,
  fault AS reason,
  COALESCE(
    CASE fault
      WHEN 'malformed id' THEN id
      WHEN 'malformed link_id' THEN given_link_id
      WHEN 'malformed parent_id' THEN given_parent_id
      WHEN 'absurd time' THEN given_created_utc
      WHEN 'wrong month' THEN month
    END,
    ''
  ) AS detail,
  SUBSTR(given_text, 1, 200) AS excerpt
FROM judged
WHERE fault IS NOT NULL
ORDER BY row_number
