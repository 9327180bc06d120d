"""Dialogue sets made elsewhere -> context/response examples, as the conversations stage writes them."""
