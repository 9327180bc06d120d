"""What a run keeps and tells while it goes on: its folder, checkpoints, losses, status and curves."""
