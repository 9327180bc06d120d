-- Comments grouped by thread, with the split and the bucket (shard) of their thread, ordered as the shards are written.
-- Both come from the MD5 of thread_id, from digits of their own, so the split does not depend on the number of buckets.
-- A split's buckets are equal ranges of thread_position (44 bits), so its shards, one after the other, are in one order of all
-- threads, which is as good as shuffled. Comments of one thread are in the order of time.
WITH hashed AS (
  SELECT
    comments.*,
    TO_HEX(MD5(comments.thread_id)) AS thread_hash
  FROM comments
  LEFT JOIN duplicates
    ON comments.thread_id = duplicates.thread_id
    AND comments.id = duplicates.id
    AND (comments.parent_kind = 'none') = duplicates.is_submission
  WHERE duplicates.id IS NULL OR comments.part * 9007199254740992 + comments.source_row = duplicates.place
),
placed AS (
  SELECT
    *,
    CAST(CONCAT('0x', SUBSTR(thread_hash, @split_digit, @split_digits)) AS INT64) AS split_position,
    CAST(CONCAT('0x', SUBSTR(thread_hash, 16, 11)) AS INT64) AS thread_position
  FROM hashed
),
parted AS (
  SELECT
    *,
    CASE WHEN split_position < @train_edge THEN 0 WHEN split_position < @validation_edge THEN 1 ELSE 2 END AS split_index
  FROM placed
)
SELECT
  split_index,
  DIV(
    thread_position * CASE split_index WHEN 0 THEN @train_shards WHEN 1 THEN @validation_shards ELSE @test_shards END,
    17592186044416
  ) AS bucket,
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
  source_row,
  @month = '' OR month = @month AS is_new
FROM parted
ORDER BY split_index, thread_position, thread_id, created_utc, id, parent_kind
