"""The warehouse shuffles: joins, grouping, splits and deduplication are SQL, in GoogleSQL under sql/."""
