"""The arguments of every delivery mode, held to one standard: counts, labels, sizes of batches, places in an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import InputError


def check_counts(where: str, sequences: Mapping[str, Sized | None]) -> int:
    """How many samples there are.

    Args:
        sequences: name → one of each sample; None where it is missing.

    Raises:
        InputError: not as many of each, or none at all.
    """
    counts = {name: 0 if values is None else len(values) for name, values in sequences.items()}
    if len(set(counts.values())) > 1 or not all(counts.values()):
        found = ", ".join(f"{number} {name}" for name, number in counts.items())
        raise InputError(where, found, "as many of each, one at least", "give every sample one of each")
    return next(iter(counts.values()))


def whole_labels(where: str, labels: NDArray[Any], classes: int | None = None) -> NDArray[np.int64]:
    """Labels as int64 (N,).

    Args:
        classes: how many there are; None where nobody knows, and no label is too large.

    Raises:
        InputError: labels that are not whole numbers from 0 to `classes` - 1, one a sample.
    """
    found = np.asarray(labels)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        told = f"{found.dtype} {found.shape}"
    else:
        wrong = found[(found < 0) | (found >= (np.inf if classes is None else classes))]
        if not wrong.size:
            return found.astype(np.int64, copy=False)
        told = f"the label {wrong[0]}"
    expected = "whole numbers from 0" + ("" if classes is None else f" to {classes - 1}")
    raise InputError(f"{where}: labels", told, f"{expected}, one a sample", "correct the labels")


def check_batch_size(where: str, batch_size: int) -> None:
    """Raise InputError for batches without a sample."""
    if batch_size < 1:
        raise InputError(f"{where}: batch_size", f"{batch_size}", "1 or more", "correct the number")


def check_place(start: int, step: int) -> None:
    """Raise InputError for a place in an epoch that would count from its end."""
    if start < 0 or step < 1:
        found = f"start {start}, step {step}"
        raise InputError("epoch", found, "start 0 or more, step 1 or more", "correct the numbers")
