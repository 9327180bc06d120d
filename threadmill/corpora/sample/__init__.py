"""A made-up Reddit: months of dumps with real thread shapes, drifting fields and a language that can be learned."""

from threadmill.corpora.sample.writing import write_sample

__all__ = ["write_sample"]
