"""CelebA in parquet files, as the hub has it."""
