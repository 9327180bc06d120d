-- Rows of monthly tables (all columns as text) as rows of the table of comments, each with what is wrong with it, if anything is.
-- The rules are those of threadmill/corpora/reddit/rows.py. A table has no order of its own, so rows are numbered by time, id and
-- whatever else tells them apart: in their minute, after the rows of all minutes before it, as BigQuery sorts what a window sees
-- on one machine, which holds a minute's rows but not a month's. A row with a title and no body is a submission. All rows must be
-- of `month` ('' for any); `first_row` is added to a row's number (from 1) to give its source_row.
WITH timed AS (
  SELECT
    *,
    COALESCE(
      SAFE_CAST(REGEXP_EXTRACT(TRIM(created_utc), r'^([0-9]{1,18})(?:[.][0-9]*)?$') AS INT64),
      DIV(UNIX_MICROS(SAFE_CAST(created_utc AS TIMESTAMP)), 1000000)
    ) AS seconds
  FROM table_rows
),
plain AS (
  SELECT
    *,
    CASE WHEN seconds IS NULL THEN -1 WHEN seconds < 0 THEN 0 ELSE DIV(seconds, 60) END AS minute,
    body IS NULL AND title IS NOT NULL AS is_submission,
    REGEXP_CONTAINS(link_id, r'^t[0-9]_') AS is_link_prefixed,
    REGEXP_REPLACE(link_id, r'^t[0-9]_', '') AS link,
    NULLIF(parent_id, '') AS given_parent
  FROM timed
),
minutes AS (
  SELECT
    minute,
    COUNT(*) AS row_count
  FROM plain
  GROUP BY minute
),
minutes_before AS (
  SELECT
    minute,
    CAST(SUM(row_count) OVER (ORDER BY minute) AS INT64) - row_count AS row_count
  FROM minutes
),
-- A parent in base 10, as a number of a base-36 id: with a fraction of 0, or as digits beside a link with its prefix.
numbered AS (
  SELECT
    *,
    IF(
      REGEXP_CONTAINS(given_parent, r'^[0-9]{1,18}[.]0$')
      OR (is_link_prefixed AND REGEXP_CONTAINS(given_parent, r'^[0-9]{1,18}$')),
      SAFE_CAST(REGEXP_REPLACE(given_parent, r'[.]0$', '') AS INT64),
      NULL
    ) AS parent_number,
    IF(seconds >= 1119484800 AND seconds < 4102444800, TIMESTAMP_SECONDS(seconds), NULL) AS created,
    '0123456789abcdefghijklmnopqrstuvwxyz' AS digits,
    ROW_NUMBER() OVER (
      PARTITION BY minute
      ORDER BY
        seconds, id, link_id, parent_id, author, subreddit, body, title, selftext, score, created_utc, is_submitter, distinguished
    ) AS row_of_minute
  FROM plain
),
converted AS (
  SELECT
    numbered.*,
    minutes_before.row_count + row_of_minute AS row_number,
    IF(
      parent_number IS NULL,
      given_parent,
      COALESCE(
        NULLIF(
          LTRIM(
            CONCAT(
              SUBSTR(digits, MOD(DIV(parent_number, 131621703842267136), 36) + 1, 1),
              SUBSTR(digits, MOD(DIV(parent_number, 3656158440062976), 36) + 1, 1),
              SUBSTR(digits, MOD(DIV(parent_number, 101559956668416), 36) + 1, 1),
              SUBSTR(digits, MOD(DIV(parent_number, 2821109907456), 36) + 1, 1),
              SUBSTR(digits, MOD(DIV(parent_number, 78364164096), 36) + 1, 1),
              SUBSTR(digits, MOD(DIV(parent_number, 2176782336), 36) + 1, 1),
              SUBSTR(digits, MOD(DIV(parent_number, 60466176), 36) + 1, 1),
              SUBSTR(digits, MOD(DIV(parent_number, 1679616), 36) + 1, 1),
              SUBSTR(digits, MOD(DIV(parent_number, 46656), 36) + 1, 1),
              SUBSTR(digits, MOD(DIV(parent_number, 1296), 36) + 1, 1),
              SUBSTR(digits, MOD(DIV(parent_number, 36), 36) + 1, 1),
              SUBSTR(digits, MOD(parent_number, 36) + 1, 1)
            ),
            '0'
          ),
          ''
        ),
        '0'
      )
    ) AS parent,
    FORMAT_TIMESTAMP('%Y-%m', created, 'UTC') AS month,
    CASE IF(is_submission, title, body)
      WHEN '[deleted]' THEN 'author'
      WHEN '[removed]' THEN 'moderator'
      WHEN '[ Removed by Reddit ]' THEN 'reddit'
      WHEN '[ Removed by reddit in response to a copyright notice. ]' THEN 'copyright'
      WHEN '[deleted by user]' THEN 'author'
    END AS removal,
    COALESCE(
      selftext IN (
        '',
        '[deleted]',
        '[removed]',
        '[ Removed by Reddit ]',
        '[ Removed by reddit in response to a copyright notice. ]',
        '[deleted by user]'
      ),
      TRUE
    ) AS is_title_alone
  FROM numbered
  JOIN minutes_before ON numbered.minute = minutes_before.minute
)
SELECT
  id,
  IF(is_submission, NULL, COALESCE(REGEXP_REPLACE(parent, r'^t[0-9]_', ''), link)) AS parent_id,
  CASE
    WHEN is_submission THEN 'none'
    WHEN STARTS_WITH(parent, 't1_') THEN 'comment'
    WHEN REGEXP_CONTAINS(parent, r'^t[0-9]_') OR COALESCE(parent, link) = link THEN 'submission'
    ELSE 'comment'
  END AS parent_kind,
  IF(is_submission, id, link) AS thread_id,
  subreddit,
  author,
  CASE
    WHEN NOT is_submission THEN body
    WHEN is_title_alone OR removal IS NOT NULL THEN REGEXP_REPLACE(title, r'[\r\n]', ' ')
    ELSE CONCAT(REGEXP_REPLACE(title, r'[\r\n]', ' '), '\n\n', selftext)
  END AS body,
  SAFE_CAST(REGEXP_EXTRACT(TRIM(score), r'^(-?[0-9]{1,19})(?:[.][0-9]*)?$') AS INT64) AS score,
  created AS created_utc,
  CASE LOWER(is_submitter) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END AS is_submitter,
  distinguished,
  removal,
  month,
  @first_row + row_number AS source_row,
  row_number,
  CASE
    WHEN id IS NULL THEN 'no id'
    WHEN link_id IS NULL AND NOT is_submission THEN 'no link_id'
    WHEN created_utc IS NULL THEN 'no created_utc'
    WHEN body IS NULL AND NOT is_submission THEN 'no body'
    WHEN NOT REGEXP_CONTAINS(id, r'^[0-9a-z]{1,13}$') THEN 'malformed id'
    WHEN NOT is_submission AND NOT REGEXP_CONTAINS(link, r'^[0-9a-z]{1,13}$') THEN 'malformed link_id'
    WHEN NOT is_submission AND NOT REGEXP_CONTAINS(parent, r'^(t[0-9]_)?[0-9a-z]{1,13}$') THEN 'malformed parent_id'
    WHEN created IS NULL THEN 'absurd time'
    WHEN @month != '' AND month != @month THEN 'wrong month'
  END AS fault,
  CONCAT(
    'id ', COALESCE(id, 'NULL'),
    ', link_id ', COALESCE(link_id, 'NULL'),
    ', parent_id ', COALESCE(parent_id, 'NULL'),
    ', created_utc ', COALESCE(created_utc, 'NULL'),
    ', text ', COALESCE(body, title, 'NULL')
  ) AS given_text,
  link_id AS given_link_id,
  parent_id AS given_parent_id,
  created_utc AS given_created_utc
FROM converted
