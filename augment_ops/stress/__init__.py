"""Stress tests: frozen, content-addressed corruptions of held-out samples, and models evaluated on them."""
