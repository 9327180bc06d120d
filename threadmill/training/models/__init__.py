"""The models, by their published sizes."""
