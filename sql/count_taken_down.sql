-- How many comments and submissions the takedown ledger drops (see taken_down.sql).
SELECT COUNT(*) AS dropped
FROM taken_down
