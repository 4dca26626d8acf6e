"""The corruptions of rows: what happens to a table between the model's training and its use, at five severities.

- `missing_values`: cells are gone, each on its own (missing completely at random, Rubin 1976,
  doi 10.1093/biomet/63.3.581): a feed that drops fields, a join that finds nothing.
- `noise`: each number is off by normal noise relative to it: rounding, delay, another way of measuring.
- `rescaled_amounts`: the row's measured numbers (those that are not all whole) are a factor larger, or as much smaller:
  inflation, another currency, cents for units. Counts, hours and flags keep their values.

Every draw comes from a stream keyed by (corruption, severity, sample id), so a row is corrupted alike whatever batch it
stands in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.engine.key import sample_key
from augment_ops.errors import TransformError, nearest
from augment_ops.modalities.corruptions import SEVERITIES, Corrupter, Corruptions, Strengths
from augment_ops.modalities.source import Samples, Schema
from augment_ops.modalities.tabular.schema import Rows, TableSchema, rounded, schema_of
from augment_ops.modalities.tabular.transforms import Keys, factors

CAUSES = ("empty",)  # why nothing is left of a row
_EMPTY = CAUSES.index("empty") + 1

# Schema, rows (N, F), one strength, keys (N, 2) → a new array of that shape.
CorruptRows = Callable[[TableSchema, Rows, float, Keys], Rows]


@dataclass(frozen=True, kw_only=True)
class RowCorruption:
    """One nuisance of one strength, which rises with severity.

    Attributes:
        parameter: what a suite's file calls the strength.
        unit: of it, in words.
        least, most: a strength beyond them is refused: nothing happens, or nothing is left.
        strengths: by severity.
    """

    parameter: str
    unit: str
    least: float
    most: float
    corrupt: CorruptRows = field(repr=False)
    strengths: tuple[float, float, float, float, float]

    def fault(self, params: Strengths) -> str:
        """What is wrong with explicit strengths, as (expectation); empty where nothing is."""
        values = params.get(self.parameter, ())
        if set(params) != {self.parameter} or len(values) != len(SEVERITIES):
            return f"five strengths for {self.parameter} ({self.unit})"
        if not all(self.least <= value <= self.most for value in values):
            return f"{self.parameter} from {self.least:g} to {self.most:g} ({self.unit})"
        if not all(a < b for a, b in pairwise(values)):
            return f"{self.parameter} rising with severity ({self.unit})"
        return ""


def _missing(schema: TableSchema, rows: Rows, share: float, keys: Keys) -> Rows:
    gone = philox.uniforms(keys, 0, philox.PARAMETERS, len(schema)) < share
    return np.where(gone, np.nan, rows)


def _noise(schema: TableSchema, rows: Rows, std: float, keys: Keys) -> Rows:
    columns = np.flatnonzero(schema.is_number)
    out = rows.copy()
    out[:, columns] *= factors(std, keys, 0, len(columns))
    return rounded(schema, out, columns)


def _rescaled(schema: TableSchema, rows: Rows, factor: float, keys: Keys) -> Rows:
    up = philox.uniforms(keys, 0, philox.PARAMETERS, 1)[:, 0] < 0.5
    out = rows.copy()
    out[:, schema.is_number & ~schema.is_whole] *= np.where(up, factor, 1 / factor)[:, None]
    return out


CORRUPTIONS: Mapping[str, RowCorruption] = MappingProxyType(
    {
        # From a field that is optional to every second one gone.
        "missing_values": RowCorruption(
            parameter="share",
            unit="share of the cells",
            least=0.001,
            most=0.9,
            corrupt=_missing,
            strengths=(0.05, 0.10, 0.20, 0.35, 0.50),
        ),
        # The last is as far as the tabular policies' own limit (policies/limits/tabular.yaml) and half as much again.
        "noise": RowCorruption(
            parameter="std_share",
            unit="standard deviation, share of the value",
            least=0.001,
            most=1.0,
            corrupt=_noise,
            strengths=(0.02, 0.05, 0.10, 0.20, 0.30),
        ),
        # A year of inflation; a bad one; two currencies; euro and złoty are 4.3, but then no limit of amounts holds.
        "rescaled_amounts": RowCorruption(
            parameter="factor",
            unit="factor, or one over it",
            least=1.001,
            most=100.0,
            corrupt=_rescaled,
            strengths=(1.05, 1.10, 1.25, 1.50, 2.00),
        ),
    }
)


def apply(
    name: str,
    severity: int,
    schema: TableSchema,
    rows: Rows,
    ids: Sequence[str],
    *,
    params: Strengths | None = None,
) -> Rows:
    """Corrupt a batch.

    Args:
        name: a key of `CORRUPTIONS`.
        severity: 1 to 5.
        schema: of the rows.
        rows: float64 (N, F); not modified.
        ids: N sample ids; they key the randomness, so equal ids draw alike.
        params: the corruption's parameter → five strengths, as in a suite's file; None for the published ones.

    Returns:
        float64 (N, F), a new array.

    Raises:
        TransformError: unknown corruption or severity, strengths that do not fit it, or rows that it cannot work on.
    """
    if name not in CORRUPTIONS:
        fix = f"correct the name.{nearest(name, CORRUPTIONS)}"
        raise TransformError("corruption", repr(name), f"one of {', '.join(CORRUPTIONS)}", fix)
    if severity not in SEVERITIES:
        raise TransformError(f"{name}: severity", repr(severity), "an integer from 1 to 5", "correct the severity")
    if rows.dtype != np.float64 or rows.ndim != 2 or rows.shape[1] != len(schema) or len(ids) != len(rows):
        found = f"{rows.dtype} {rows.shape} and {len(ids)} ids"
        raise TransformError("rows", found, f"float64 (N, {len(schema)}) and N ids", "pass rows of the suite's table")
    corruption = CORRUPTIONS[name]
    fault = "" if params is None else corruption.fault(params)
    if params is not None and fault:
        raise TransformError(f"{name}: params", repr(dict(params))[:120], fault, "correct the strengths")
    strengths = corruption.strengths if params is None else params[corruption.parameter]
    keys = np.array([sample_key("stress", name, severity, sample_id) for sample_id in ids], np.uint64).reshape(-1, 2)
    return corruption.corrupt(schema, rows, float(strengths[severity - 1]), keys)


def destroyed(clean: Rows, corrupted: Rows) -> NDArray[np.uint8]:
    """Why nothing is left of each row: 0 where something is, else the place in `CAUSES`, from 1: uint8 (N,).

    `empty`: no cell that was there is there any more. A row that was empty before is not the corruption's doing.
    """
    empty = np.isnan(corrupted).all(axis=1) & ~np.isnan(clean).all(axis=1)
    return np.where(empty, _EMPTY, 0).astype(np.uint8)


class _TableCorruptions:
    """See `augment_ops.modalities.corruptions.Corruptions`."""

    names = tuple(CORRUPTIONS)
    causes = CAUSES

    def parameters(self, name: str) -> Mapping[str, str]:
        return {CORRUPTIONS[name].parameter: CORRUPTIONS[name].unit}

    def fault(self, name: str, params: Strengths) -> str:
        return CORRUPTIONS[name].fault(params)

    def in_levels(self, name: str) -> bool:
        return False

    def published(self, name: str, shape: tuple[int, ...]) -> Strengths:
        return {CORRUPTIONS[name].parameter: CORRUPTIONS[name].strengths}

    def published_content(self, name: str) -> object:
        return {CORRUPTIONS[name].parameter: CORRUPTIONS[name].strengths}

    def shape_fault(self, name: str, shape: tuple[int, ...]) -> str:
        return ""

    def bound(self, batches: Iterable[Samples], schema: Schema | None, of_levels: Sequence[str]) -> Corrupter:
        def corrupt(
            name: str, severity: int, samples: Samples, ids: Sequence[str], params: Strengths | None = None
        ) -> Samples:
            return apply(name, severity, schema_of(schema, samples.shape[1]), samples, ids, params=params)

        return corrupt

    def remains(self, name: str, clean: Samples, corrupted: Samples) -> NDArray[np.uint8]:
        return destroyed(clean, corrupted)


TABLE_CORRUPTIONS: Corruptions = _TableCorruptions()
