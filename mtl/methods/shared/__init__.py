"""What several methods share, and nothing that is a method."""
