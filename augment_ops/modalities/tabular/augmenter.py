"""`TableAugmenter`: from rows and ids to augmented rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.decisions import Decisions
from augment_ops.engine.key import Ids, SampleIds
from augment_ops.engine.keys import Epoch, checked_epoch, keys_of
from augment_ops.errors import Fault, TransformError
from augment_ops.modalities.base import Population
from augment_ops.modalities.tabular.catalogue import CATALOGUE, TRANSFORMS
from augment_ops.modalities.tabular.declaration import Chosen
from augment_ops.modalities.tabular.schema import Rows, schema_of
from augment_ops.modalities.tabular.training_table import TrainingTable, training_table
from augment_ops.policy.containers import planned
from augment_ops.policy.spec import Policy
from augment_ops.policy.steps import Transform, values_of

# Part of the lineage: raise it whenever the same key may give other bytes.
ENGINE = "tabular-2"
_NAMED = 6  # classes in an error: a line that is read


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
        training: the training split of the snapshot that the rows are of. Without it a batch is taken for the whole:
            numbers alone, every third row of a rarer class. Then the result depends on the batch, which is good enough
            to time a policy.

    Raises:
        TransformError: the policy names columns that the table does not have, or that hold no numbers; the training
            split has one class alone, and a transform is for samples of a rarer one; or a class that a transform is for
            has fewer other rows than it draws on.
    """

    def __init__(self, policy: Policy, seed: int, training: TrainingTable | None = None) -> None:
        self.policy = policy
        self.seed = index(seed)
        self.training = training
        steps = _steps(policy.transforms, [0])
        self._decide = Decisions(steps)
        self._leaves = [leaf for step in steps for leaf in step.leaves()]
        if training is not None:
            faults = [fault for leaf in self._leaves for fault in _misfits(leaf, training)]
            if faults:
                raise TransformError.of(f"policy {policy.name}", faults)

    @property
    def engine(self) -> str:
        """What computes, and of what training split: every transform looks at it, Jitter at the range of its columns.
        Shards of one population are not those of another.
        """
        if self.training is None or self.policy.is_identity:
            return ENGINE
        return f"{ENGINE} of {self.training.digest[:16]}"

    @property
    def holds_the_interpreter(self) -> bool:
        """NumPy lets others run while it computes."""
        return False

    def __call__(self, rows: Rows, ids: Ids | SampleIds, epoch: Epoch = 0) -> Rows:
        """Augment a batch.

        Args:
            rows: float64 (N, F), NaN for what is missing; not modified.
            ids: N sample ids, integers or strings, distinct; 7 and "7" are the same id. `SampleIds` are hashed already.
            epoch: number of the epoch, or of the copy; or int64 (N,), that of each sample.

        Returns:
            float64 (N, F), a new array.

        Raises:
            TransformError: another shape or dtype, ids that do not match or repeat, infinite numbers.
            TypeError: an epoch that is not an integer: 3.0 would be another key than 3.
        """
        ids = self._checked(rows, ids)
        epoch = checked_epoch(epoch, len(ids))
        out = rows.copy()
        if self.policy.is_identity:
            return out
        table = self.training or _whole(rows, ids)
        keys = keys_of(self.policy.digest, self.seed, epoch, ids)
        masks = self._decide(keys)
        places = table.places(ids)
        for leaf in self._leaves:
            declared, chosen = TRANSFORMS[leaf.name], np.flatnonzero(masks[leaf.index])
            if declared.looks_at_others or not _of_all(leaf):
                chosen = chosen[_changed(leaf, table)[places[chosen]]]
            if len(chosen):
                out[chosen] = declared.apply(
                    Chosen(
                        table=table,
                        rows=out[chosen],
                        places=places[chosen],
                        keys=keys[chosen],
                        index=leaf.index,
                        values=leaf.values,
                    )
                )
        return out

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Rows keep their columns."""
        return shape

    def describe(self) -> list[str]:
        """One line: every step works on all columns of a batch at once."""
        return [] if self.policy.is_identity else [f"rows: {', '.join(leaf.name for leaf in self._leaves)}"]

    def _checked(self, rows: Rows, ids: Ids | SampleIds) -> SampleIds:
        wanted = "a float64 array (N, F)"
        if self.training is not None:
            wanted = f"a float64 array (N, {len(self.training.schema)})"
        fits = isinstance(rows, np.ndarray) and rows.dtype == np.float64 and rows.ndim == 2
        if not fits or (self.training is not None and rows.shape[1] != len(self.training.schema)):
            found = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
            raise TransformError("rows", found, wanted, "pass rows of the training table")
        if len(ids) != len(rows):
            raise TransformError("ids", f"{len(ids)} ids for {len(rows)} rows", "one id a row", "match them")
        ids = ids if isinstance(ids, SampleIds) else SampleIds.of(ids)
        infinite = np.argwhere(np.isinf(rows))
        if len(infinite):
            row, column = infinite[0].tolist()
            where = f"rows, sample {ids.names[row]}, column {column + 1}"
            raise TransformError(where, str(rows[row, column]), "numbers, or NaN for missing", "mend the table")
        return ids

    def __getstate__(self) -> tuple[Policy, int, TrainingTable | None]:
        return self.policy, self.seed, self.training

    def __setstate__(self, state: tuple[Policy, int, TrainingTable | None]) -> None:
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
        values = values_of(transform, CATALOGUE)
        steps.append(
            RowStep(number, transform.name, values, _steps(planned(transform.name, values, transform.children), count))
        )
    return tuple(steps)


def table_of(population: Population) -> TrainingTable:
    """The samples that a policy augments; their rows are read whole when a transform looks at the first."""
    payload = population.payload
    schema = schema_of(population.schema, payload.shape[0])
    return training_table(schema, payload, population.labels, population.ids, population.classes)


def _whole(rows: Rows, ids: SampleIds) -> TrainingTable:
    labels = (np.arange(len(rows)) % 3 == 0).astype(np.int64)
    return training_table(schema_of(None, rows.shape[1]), rows, labels, ids.names.tolist())


def _changed(leaf: RowStep, table: TrainingTable) -> NDArray[np.bool_]:
    """Whose samples a transform changes that looks at others, or is for the rarer classes, by row of the table: bool
    (N + 1,), the last for samples outside it (-1).
    """

    def look() -> NDArray[np.bool_]:
        return np.append(of_all | np.isin(table.labels, table.rarer), False)

    of_all = _of_all(leaf)
    return table.once(("changed", of_all), look)


def _of_all(leaf: RowStep) -> bool:
    """Whether a transform changes the samples of every class; one that says nothing of it is for the rarer ones."""
    return bool(leaf.values.get("sampling_strategy") == "all")


def _misfits(leaf: RowStep, table: TrainingTable) -> list[Fault]:
    """All that a table lacks for a transform."""
    return [*TRANSFORMS[leaf.name].check(leaf.values, table), *_one_class(leaf, table), *_few(leaf, table)]


def _one_class(leaf: RowStep, table: TrainingTable) -> list[Fault]:
    if _of_all(leaf) or np.count_nonzero(table.counts) >= 2:
        return []
    found = f"{len(table.ids):,} rows of one class"
    fix = f"look whether --columns names the right label, or take {leaf.name} out of the policy"
    return [Fault("training split", found, f"two classes: {leaf.name} is for the rarer ones", fix)]


def _few(leaf: RowStep, table: TrainingTable) -> list[Fault]:
    """The classes that a transform is for and that have too few rows for it, as one fault: it would do less than the
    policy says. The bound that helps the smallest helps all, but for a class of one row, which no bound helps.
    """
    declared, counts = TRANSFORMS[leaf.name], table.counts
    needed, parameter = declared.others(leaf.values), declared.others_named
    meant = (counts > 0) & (_of_all(leaf) | (counts < counts.max()))
    labels = np.flatnonzero(meant & (counts <= needed))
    labels = labels[np.argsort(counts[labels], kind="stable")]  # the smallest first
    if not len(labels):
        return []
    found = _listed([f"{_rows(counts[label])} of class {table.called(label)}" for label in labels.tolist()])
    found = f"{found} in the training part"
    where, fix = leaf.name, _left_out(table, labels)
    if parameter:
        where, found = f"{leaf.name}.{parameter}", f"{needed}, and {found}"
        bounded = labels[counts[labels] > 1]
        if len(bounded):
            bound = f"{parameter}: {counts[bounded[0]] - 1} or fewer"
            alone = labels[counts[labels] == 1]
            fix = f"{bound}, and {_left_out(table, alone)}" if len(alone) else f"{bound}, or {fix}"
    return [Fault(where, found, f"more than {_rows(needed)} of each class", fix)]


def _left_out(table: TrainingTable, labels: NDArray[np.int64]) -> str:
    names = _listed([table.called(label) for label in labels.tolist()])
    classes, them = ("class", "it") if len(labels) == 1 else ("classes", "them")
    return f"leave {classes} {names} out of the training part, or bring more rows of {them}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


def _rows(count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'}"
