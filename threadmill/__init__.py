"""Threadmill turns raw text into trained language models, month after month."""

__version__ = "0.1.0"
