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
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.errors import TransformError
from augment_ops.modalities.corruptions import Corrupter, Corruptions, Strengths
from augment_ops.modalities.graded import GradedCorruption, GradedCorruptions, keys_of, strength_of
from augment_ops.modalities.source import Samples, Schema
from augment_ops.modalities.tabular.schema import Rows, TableSchema, rounded, schema_of
from augment_ops.modalities.tabular.transforms import Keys, factors

CAUSES = ("empty",)  # why nothing is left of a row
_EMPTY = CAUSES.index("empty") + 1

# Schema, rows (N, F), one strength, keys (N, 2) → a new array of that shape.
CorruptRows = Callable[[TableSchema, Rows, float, Keys], Rows]


@dataclass(frozen=True, kw_only=True)
class RowCorruption(GradedCorruption):
    """One nuisance of rows."""

    corrupt: CorruptRows = field(repr=False)


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
    strength = strength_of(CORRUPTIONS, name, severity, params)
    if rows.dtype != np.float64 or rows.ndim != 2 or rows.shape[1] != len(schema) or len(ids) != len(rows):
        found = f"{rows.dtype} {rows.shape} and {len(ids)} ids"
        raise TransformError("rows", found, f"float64 (N, {len(schema)}) and N ids", "pass rows of the suite's table")
    return CORRUPTIONS[name].corrupt(schema, rows, strength, keys_of(name, severity, ids))


def destroyed(clean: Rows, corrupted: Rows) -> NDArray[np.uint8]:
    """Why nothing is left of each row: 0 where something is, else the place in `CAUSES`, from 1: uint8 (N,).

    `empty`: no cell that was there is there any more. A row that was empty before is not the corruption's doing.
    """
    empty = np.isnan(corrupted).all(axis=1) & ~np.isnan(clean).all(axis=1)
    return np.where(empty, _EMPTY, 0).astype(np.uint8)


class _TableCorruptions(GradedCorruptions):
    """See `augment_ops.modalities.corruptions.Corruptions`."""

    corruptions = CORRUPTIONS
    causes = CAUSES

    def bound(self, batches: Iterable[Samples], schema: Schema | None, of_levels: Sequence[str]) -> Corrupter:
        def corrupt(
            name: str, severity: int, samples: Samples, ids: Sequence[str], params: Strengths | None = None
        ) -> Samples:
            return apply(name, severity, schema_of(schema, samples.shape[1]), samples, ids, params=params)

        return corrupt

    def remains(self, name: str, clean: Samples, corrupted: Samples) -> NDArray[np.uint8]:
        return destroyed(clean, corrupted)


TABLE_CORRUPTIONS: Corruptions = _TableCorruptions()
