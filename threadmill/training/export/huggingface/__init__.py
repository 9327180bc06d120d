"""Hugging Face's layout of a model: what transformers' classes load, written without transformers or torch."""
