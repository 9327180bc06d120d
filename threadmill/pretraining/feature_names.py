"""The two sets of names for BERT's features: google-research/bert's (v1), and TensorFlow Model Garden's (v2)."""

# Where they differ; all other features have one name.
V2_NAMES = {"input_ids": "input_word_ids", "segment_ids": "input_type_ids"}
V1_NAMES = {v2: v1 for v1, v2 in V2_NAMES.items()}
