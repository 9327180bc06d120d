-- How many comments go because another of the same id stays (see duplicate_comments.sql).
SELECT COUNT(*) AS dropped
FROM comments
JOIN duplicates
  ON comments.thread_id = duplicates.thread_id
  AND comments.id = duplicates.id
  AND (comments.parent_kind = 'none') = duplicates.is_submission
WHERE comments.part * 9007199254740992 + comments.source_row != duplicates.place
