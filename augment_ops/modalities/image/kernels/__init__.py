"""Loops that numba compiles: pixels and counters, no parameters and no policies. They release the GIL."""

from __future__ import annotations

from pathlib import Path

from augment_ops.engine.kernels import load

_LOOPS = (
    "memory", "words", "blend", "lookup", "tables", "statistics", "hsv", "colour", "warp", "convolution", "noise",
    "holes", "matrices", "fused", "fields", "smear", "light", "sums",
)  # fmt: skip

CACHE = load(__name__, Path(__file__).parent, _LOOPS)  # the folder
