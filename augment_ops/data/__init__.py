"""Sources, splits, and immutable content-addressed snapshots of samples."""
