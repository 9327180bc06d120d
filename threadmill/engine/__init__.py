"""Runs a stage over its tasks, on this machine or (later engines) on many. Knows no domain."""
