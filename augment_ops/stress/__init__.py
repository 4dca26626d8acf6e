"""Stress tests: frozen, content-addressed corruptions of held-out images, and models evaluated on them."""
