"""Keyed augmentation: samples and ids in, samples out, a pure function of the key (law 1)."""
