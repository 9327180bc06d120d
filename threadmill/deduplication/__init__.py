"""Deduplication: an example goes when an earlier one, of any month, is its duplicate, exact or near."""
