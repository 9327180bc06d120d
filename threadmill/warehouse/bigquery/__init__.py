"""BigQuery as the warehouse: jobs with names of their own, scratch tables that expire, and the table of comments."""
