-- Keys that more than one example has, few of all keys, and the time of the first that has it.
SELECT
  key,
  MIN(created_utc) AS first_time
FROM signature_keys
GROUP BY key
HAVING COUNT(*) > 1
