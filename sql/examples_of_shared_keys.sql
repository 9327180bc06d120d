-- The examples that have a shared key: those of part 0, and of others those that may be the first.
SELECT
  signature_keys.part,
  signature_keys.place,
  signature_keys.example_id,
  signature_keys.key,
  signature_keys.is_exact,
  signature_keys.created_utc = shared_keys.first_time AS at_first_time
FROM signature_keys
JOIN shared_keys ON signature_keys.key = shared_keys.key
WHERE signature_keys.part = 0 OR signature_keys.created_utc = shared_keys.first_time
