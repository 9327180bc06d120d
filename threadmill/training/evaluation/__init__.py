"""What a model scores on held-out records, beside baselines."""
