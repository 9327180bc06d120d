-- Examples of part 0 that share a key with an earlier example (by created_utc, then example_id), kept or not, in the order of
-- their places. Whose whole text an earlier one has is an exact duplicate. An example that came twice is not its own duplicate,
-- so equal ones have equal ranks.
WITH ranked AS (
  SELECT
    signature_keys.part,
    signature_keys.place,
    signature_keys.is_exact,
    RANK() OVER (
      PARTITION BY signature_keys.key ORDER BY signature_keys.created_utc, signature_keys.example_id
    ) AS rank_in_time
  FROM signature_keys
  JOIN shared_keys ON signature_keys.key = shared_keys.key
)
SELECT
  place,
  LOGICAL_OR(is_exact) AS is_exact
FROM ranked
WHERE part = 0 AND rank_in_time > 1
GROUP BY place
ORDER BY place
