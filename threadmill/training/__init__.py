"""Training: model sizes, input, loop with exact resume, evaluation and export. TensorFlow is loaded in child processes only."""
