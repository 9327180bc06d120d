"""Opt-outs: which comments and authors must not be in a release, and how they leave those that are out."""
