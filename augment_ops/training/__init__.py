"""Training of candidate and control under one seed and one budget."""
