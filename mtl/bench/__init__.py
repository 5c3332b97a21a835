"""What it costs and what it brings, measured beside what people would use instead: `--job=bench`."""
