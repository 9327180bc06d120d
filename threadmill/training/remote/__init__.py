"""Training and evaluation on accelerators of Google Cloud, Cloud TPU or Vertex AI, one attempt after the other."""
