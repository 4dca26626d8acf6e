"""`TableAugmenter`: from rows and ids to augmented rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.engine.decisions import decide
from augment_ops.engine.key import Ids, SampleIds, sample_key
from augment_ops.errors import TransformError, nearest
from augment_ops.modalities.tabular import catalogue
from augment_ops.modalities.tabular.schema import Rows
from augment_ops.modalities.tabular.training_table import TrainingTable
from augment_ops.modalities.tabular.transforms import Keys, jitter, smote
from augment_ops.policy.spec import Policy
from augment_ops.policy.steps import Transform

# Part of the lineage: raise it whenever the same key may give other bytes.
ENGINE = "tabular-1"


@dataclass(frozen=True)
class RowStep:
    """A transform or container at its place in the policy; see `augment_ops.engine.decisions.PolicyNode`."""

    index: int
    name: str
    values: Mapping[str, Any]
    children: tuple[RowStep, ...] = ()
    applies_whole: bool = False

    def leaves(self) -> list[RowStep]:
        """The transforms in the order of the file."""
        return [leaf for child in self.children for leaf in child.leaves()] if self.children else [self]


class TableAugmenter:
    """A policy and a seed, applied to batches of rows: a pure function of (policy digest, seed, epoch, sample id).

    And of the training split, which transforms look at (`training.digest`). The same key gives the same bytes whatever
    the batch, its order, the thread or the process. Thread-safe; picklable.

    Args:
        policy: what to apply.
        seed: any integer; other seeds give independent results.
        training: the training split of the snapshot that the rows are of.

    Raises:
        TransformError: the policy names columns that the table does not have, or that hold no numbers.
    """

    engine = ENGINE

    def __init__(self, policy: Policy, seed: int, training: TrainingTable) -> None:
        self.policy = policy
        self.seed = index(seed)
        self.training = training
        self._steps = _steps(policy.transforms, [0])
        self._columns = {leaf.index: _columns(leaf, training) for leaf in self._leaves if leaf.name == "Jitter"}

    def __call__(self, rows: Rows, ids: Ids | SampleIds, epoch: int = 0) -> Rows:
        """Augment a batch.

        Args:
            rows: float64 (N, F), NaN for what is missing; not modified.
            ids: N sample ids, integers or strings, distinct; 7 and "7" are the same id. `SampleIds` are hashed already.
            epoch: number of the epoch, or of the copy.

        Returns:
            float64 (N, F), a new array.

        Raises:
            TransformError: another shape or dtype, ids that do not match or repeat, infinite numbers.
            TypeError: an epoch that is not an integer: 3.0 would be another key than 3.
        """
        epoch = index(epoch)
        ids = self._checked(rows, ids)
        out = rows.copy()
        if self.policy.is_identity:
            return out
        keys = philox.derive(sample_key(self.policy.digest, self.seed, epoch), ids.words)
        masks = decide(self._steps, keys)
        for leaf in self._leaves:
            chosen = np.flatnonzero(masks[leaf.index])
            if leaf.name == "Jitter":
                out[chosen] = self._jitter(leaf, out[chosen], keys[chosen])
            else:
                self._smote(leaf, out, chosen, ids, keys)
        return out

    @cached_property
    def _leaves(self) -> list[RowStep]:
        return [leaf for step in self._steps for leaf in step.leaves()]

    def _jitter(self, leaf: RowStep, rows: Rows, keys: Keys) -> Rows:
        low, high = leaf.values["std_range"]
        columns = self._columns[leaf.index]
        return jitter(self.training.schema, rows, keys, leaf.index, columns=columns, std_range=(low, high))

    def _smote(self, leaf: RowStep, out: Rows, chosen: NDArray[np.int64], ids: SampleIds, keys: Keys) -> None:
        """In place; samples of the largest class, and those outside the training split, stay as they are."""
        table, k = self.training, int(leaf.values["k_neighbors"])
        places = table.places(ids)
        for label in table.rarer.tolist():
            here = chosen[(places[chosen] >= 0) & (table.labels[places[chosen]] == label)]
            if len(here):
                near = table.neighbours(label, k)[places[here]]
                out[here] = smote(table, out[here], near, keys[here], leaf.index)

    def _checked(self, rows: Rows, ids: Ids | SampleIds) -> SampleIds:
        width = len(self.training.schema)
        if not isinstance(rows, np.ndarray) or rows.dtype != np.float64 or rows.ndim != 2 or rows.shape[1] != width:
            found = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
            raise TransformError("rows", found, f"a float64 array (N, {width})", "pass rows of the training table")
        if len(ids) != len(rows):
            raise TransformError("ids", f"{len(ids)} ids for {len(rows)} rows", "one id a row", "match them")
        ids = ids if isinstance(ids, SampleIds) else SampleIds.of(ids)
        infinite = np.isinf(rows)
        if infinite.any():
            row, column = (int(place[0]) for place in np.nonzero(infinite))
            where = f"rows, sample {ids.names[row]}, column {self.training.schema.names[column]!r}"
            raise TransformError(where, str(rows[row, column]), "numbers, or NaN for missing", "mend the table")
        return ids

    def __getstate__(self) -> tuple[Policy, int, TrainingTable]:
        return self.policy, self.seed, self.training

    def __setstate__(self, state: tuple[Policy, int, TrainingTable]) -> None:
        self.__init__(*state)  # type: ignore[misc]


def _steps(transforms: Sequence[Transform], count: list[int]) -> tuple[RowStep, ...]:
    """Numbered in the order of the file, containers included.

    Args:
        count: one number, of the steps before; counted on.
    """
    steps = []
    for transform in transforms:
        number = count[0]
        count[0] += 1
        values = catalogue.resolved(transform.name, transform.params)
        steps.append(RowStep(number, transform.name, values, _steps(transform.children, count)))
    return tuple(steps)


def _columns(leaf: RowStep, training: TrainingTable) -> NDArray[np.int64]:
    """Columns that a Jitter works on: those that it names, or every number that is measured and not counted."""
    schema = training.schema
    if leaf.values["columns"] is None:
        return np.flatnonzero(schema.is_number & ~schema.is_whole)
    places = {name: place for place, name in enumerate(schema.names) if schema.is_number[place]}
    for name in leaf.values["columns"]:
        if name not in places:
            found = f"{name!r}, a category" if name in schema.names else f"{name!r}, which the table does not have"
            fix = f"correct the policy's columns.{nearest(name, places)}"
            raise TransformError("Jitter.columns", found, f"columns of numbers: {', '.join(places)}"[:300], fix)
    return np.array([places[name] for name in leaf.values["columns"]], np.int64)
