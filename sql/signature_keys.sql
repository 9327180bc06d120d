-- Each key of each example's signature: of its whole text (is_exact), and of each band of its MinHashes.
-- Part 0 is the month that is deduplicated; the others are earlier ones.
SELECT
  part,
  place,
  example_id,
  created_utc,
  exact_key AS key,
  TRUE AS is_exact
FROM signatures
UNION ALL
SELECT
  signatures.part,
  signatures.place,
  signatures.example_id,
  signatures.created_utc,
  key,
  FALSE AS is_exact
FROM signatures
CROSS JOIN UNNEST(signatures.band_keys) AS key
