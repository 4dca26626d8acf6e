"""Keyed augmentation: images and ids in, images out, a pure function of the key (law 1)."""
