-- Comments and submissions that the takedown ledger names, by their id or by the hash of their author's name (in lower case).
-- An id's prefix tells a comment (t1_) from a submission (t3_), which may have equal ids. Each name is hashed once.
WITH names AS (
  SELECT DISTINCT author
  FROM all_comments
),
authors AS (
  SELECT names.author
  FROM names
  JOIN ledger ON ledger.value = TO_HEX(SHA256(LOWER(names.author)))
  WHERE ledger.kind = 'author'
),
ids AS (
  SELECT value
  FROM ledger
  WHERE kind = 'id'
)
SELECT
  all_comments.part,
  all_comments.source_row
FROM all_comments
LEFT JOIN authors ON all_comments.author = authors.author
LEFT JOIN ids ON CONCAT(IF(COALESCE(all_comments.parent_kind, '') = 'none', 't3_', 't1_'), all_comments.id) = ids.value
WHERE authors.author IS NOT NULL OR ids.value IS NOT NULL
