"""Augmentation policies: typed YAML, canonical digest, domain limits."""
