"""What a run leaves on disk, written and read back; no torch."""
