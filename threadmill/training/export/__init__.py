"""Models as files that other software loads."""
