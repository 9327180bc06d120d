"""What training reads: records, their features, batches of them, and masking on the way."""
