"""Replies and continuations from trained models."""
