-- The comments less those that the takedown ledger names (see taken_down.sql).
SELECT all_comments.*
FROM all_comments
LEFT JOIN taken_down ON all_comments.part = taken_down.part AND all_comments.source_row = taken_down.source_row
WHERE taken_down.part IS NULL
