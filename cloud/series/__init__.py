"""Where readings are kept: hot blocks, and the stores they are sealed into."""
