"""Training and evaluation in processes of their own, which the heavy libraries and their memory leave with them."""
