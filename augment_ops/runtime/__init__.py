"""A registered artifact gives predictions: its file held against a grammar, and read in a process of its own."""
