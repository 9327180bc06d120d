-- How many examples of the other splits (parts 1 and on) share a key with an example of the first (part 0).
WITH others AS (
  SELECT DISTINCT key
  FROM signature_keys
  WHERE part > 0
),
shared AS (
  SELECT DISTINCT signature_keys.key
  FROM signature_keys
  JOIN others ON signature_keys.key = others.key
  WHERE signature_keys.part = 0
)
SELECT COUNT(DISTINCT signature_keys.place) AS examples
FROM signature_keys
JOIN shared ON signature_keys.key = shared.key
WHERE signature_keys.part > 0
