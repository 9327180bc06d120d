-- How two releases differ, example by example: how many are in one only, or in both with other content, and the least id of each
-- kind. An example is known by its thread and its id; its content is a hash of the features that both releases have.
SELECT kind, COUNT(*) AS examples, MIN(example_id) AS first_id
FROM (
  SELECT
    CASE
      WHEN after.example_id IS NULL THEN 'only_before'
      WHEN before.example_id IS NULL THEN 'only_after'
      WHEN before.content != after.content THEN 'changed'
      ELSE 'same'
    END AS kind,
    COALESCE(before.example_id, after.example_id) AS example_id
  FROM examples_before AS before
  FULL JOIN examples_after AS after
    ON before.thread_id = after.thread_id AND before.example_id = after.example_id
)
GROUP BY kind
ORDER BY kind
