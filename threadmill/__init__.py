"""Threadmill turns raw text into trained language models, month after month."""

from threadmill.kernel_cache import find_kernel_cache

__version__ = "0.1.0"

find_kernel_cache()
