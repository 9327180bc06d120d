"""Raw sources to normalised tables and text shards."""
