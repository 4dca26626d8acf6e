"""Loops that numba compiles: pixels and counters, no parameters and no policies. They release the GIL."""
