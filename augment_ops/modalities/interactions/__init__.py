"""What users did with items, in the order of time: a sample is what one user did before a moment."""
