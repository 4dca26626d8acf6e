"""Which samples a suite takes: those of the smallest keys, a random choice that no order of files can change."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import sample_key
from augment_ops.modalities import modality
from augment_ops.modalities.base import Payload
from augment_ops.modalities.corruptions import SEVERITIES
from augment_ops.stress.definition import SuiteSpec

Put = Callable[[bytes], str]


@dataclass(frozen=True, kw_only=True)
class OutOfScope:
    """Samples of no class, in keyed order.

    Attributes:
        objects: as a cell has them.
    """

    sample_ids: tuple[str, ...]
    objects: tuple[str, ...]


def chosen_rows(spec: SuiteSpec, ids: Sequence[str], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Rows of the suite's samples in keyed order, int64 (n,): a random choice that no order of files can change.

    Args:
        ids: of the whole split.
        shape: of one sample.
    """
    sample_bytes = int(np.prod(shape)) * modality(spec.modality).codec.dtype.itemsize
    cells = 1 + len(spec.corruptions) * len(SEVERITIES)
    affordable = int(spec.max_suite_gib * 2**30 / (cells * sample_bytes))
    return first_rows(spec, ids, max(1, min(spec.max_samples, affordable)))


def first_rows(spec: SuiteSpec, ids: Sequence[str], count: int) -> NDArray[np.int64]:
    """Rows of the smallest keys, those of all samples not being held at once."""
    chosen = heapq.nsmallest(count, range(len(ids)), lambda row: sample_key("stress-sample", spec.name, str(ids[row])))
    return np.array(chosen, np.int64)


def frozen_outside(
    spec: SuiteSpec, outside: tuple[Sequence[str], Payload] | None, batch: int, dtype: np.dtype[Any], put: Put
) -> OutOfScope | None:
    """The samples of no class that a suite takes; None where it asks for none, or there are none.

    Args:
        outside: their ids, and they.
        batch: how many samples an object holds.
        put: stores bytes and returns their sha256.
    """
    if outside is None or not spec.out_of_scope or not len(outside[0]):
        return None
    ids, samples = outside
    rows = first_rows(spec, ids, spec.out_of_scope)
    objects = [
        put(samples.take(rows[start : start + batch]).astype(dtype, copy=False).tobytes())
        for start in range(0, len(rows), batch)
    ]
    return OutOfScope(sample_ids=tuple(str(ids[row]) for row in rows), objects=tuple(objects))
