"""Datasets: a folder of shards and one manifest.json, written last. Knows nothing of any domain."""
