"""Report and video: read only what the runs wrote."""
