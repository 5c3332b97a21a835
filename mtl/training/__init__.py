"""One run: its step, compiled or not, its loop, what it measures, its checkpoints."""
