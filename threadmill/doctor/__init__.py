"""The doctor: is this deployment ready to run? Each check passes, fails with the command that mends it, or is skipped."""
