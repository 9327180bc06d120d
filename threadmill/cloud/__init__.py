"""What all work on remote services has in common: whose it is, its name before it exists, how it is waited for and cancelled."""
