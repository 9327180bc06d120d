"""Comments of a thread to context/response examples."""
