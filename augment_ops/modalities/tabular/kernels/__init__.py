"""Loops that numba compiles: numbers of rows, no parameters and no policies. They release the GIL."""

from __future__ import annotations

from pathlib import Path

from augment_ops.engine.kernels import load

load(__name__, Path(__file__).parent, ("nearest", "scores"))
