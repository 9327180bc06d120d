"""Reddit's comment dumps (RC_YYYY-MM) to the table of comments."""
