-- Examples of part 0 that share a key with an earlier example (by created_utc, then example_id), kept or not, in the order of
-- their places. Whose whole text an earlier one has is an exact duplicate. An example that came twice is not its own duplicate.
-- Aggregates and joins alone, which can be larger than memory; a window's partition cannot, and one text can have millions.
WITH firsts AS (
  SELECT
    key,
    MIN(example_id) AS example_id
  FROM examples_of_shared_keys
  WHERE at_first_time
  GROUP BY key
)
SELECT
  examples_of_shared_keys.place,
  LOGICAL_OR(examples_of_shared_keys.is_exact) AS is_exact
FROM examples_of_shared_keys
JOIN firsts ON examples_of_shared_keys.key = firsts.key
WHERE
  examples_of_shared_keys.part = 0
  AND (NOT examples_of_shared_keys.at_first_time OR examples_of_shared_keys.example_id > firsts.example_id)
GROUP BY examples_of_shared_keys.place
ORDER BY examples_of_shared_keys.place
