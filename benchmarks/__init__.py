"""Programs that measure Threadmill against raw limits and named peers, in one run."""
