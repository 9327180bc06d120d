"""Stages joined into one pass: the same shards as one after the other, with nothing written in between."""
