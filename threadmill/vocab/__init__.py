"""Vocabularies: a deterministic sample of a dataset's lines, subword training, and text to ids."""
