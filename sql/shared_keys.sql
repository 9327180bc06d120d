-- Keys that more than one example has: few of all keys.
SELECT key
FROM signature_keys
GROUP BY key
HAVING COUNT(*) > 1
