"""What a transform of rows is: one declaration each, of which catalogue and augmenter are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import Fault, nearest
from augment_ops.modalities.schema_catalogue import TransformSchema
from augment_ops.modalities.tabular.schema import Rows, TableSchema
from augment_ops.modalities.tabular.training_table import TrainingTable
from augment_ops.modalities.tabular.transforms import Keys

Values = Mapping[str, Any]  # parameters, as `Catalogue.resolved` gives them


@dataclass(frozen=True, eq=False, kw_only=True)
class Chosen:
    """The samples of a batch that a step applies to.

    Attributes:
        table: the training split.
        rows: float64 (n, F), as the steps before left them; not to be modified.
        places: int64 (n,), their rows in `table`; -1 where they are not of it, which only a transform sees that looks
            at no others and changes every class.
        keys: uint64 (n, 2).
        index: of the step in its policy.
        values: its parameters.
    """

    table: TrainingTable
    rows: Rows
    places: NDArray[np.int64]
    keys: Keys
    index: int
    values: Values

    def part(self, here: NDArray[Any]) -> Chosen:
        """Some of them: those at places int64, or where bool (n,) is true."""
        return replace(self, rows=self.rows[here], places=self.places[here], keys=self.keys[here])

    def by_class(self) -> Iterator[tuple[int, NDArray[np.int64], Chosen]]:
        """Samples of the training split class by class: the class, where its samples are, int64 (c,), and they."""
        labels = self.table.labels[self.places]
        for label in np.unique(labels).tolist():
            here = np.flatnonzero(labels == label)
            yield label, here, self.part(here)


@dataclass(frozen=True, kw_only=True)
class RowTransform:
    """A transform that policies of tables may name.

    Attributes:
        parameters: their form, with defaults.
        apply: its samples → their new rows, float64 (n, F).
        looks_at_others: whether it draws on other rows of the training split. Then samples outside that split stay as
            they are. Those of the largest class are changed by a transform whose `sampling_strategy` is `all`.
        check: what is wrong with parameters that do not fit a table; before it has been asked, nothing is applied.
        others: parameters → how many other rows a class has to have, 0 where it can do without.
        others_named: the parameter that says so; empty where none does.
        strengths: effect that a domain may bound → parameter, and what the parameters make of it.
        teaches: parameters → the corruptions that it trains on; only asked where it applies at all.
    """

    parameters: type[TransformSchema]
    apply: Callable[[Chosen], Rows]
    looks_at_others: bool = False
    check: Callable[[Values, TrainingTable], list[Fault]] = lambda values, table: []
    others: Callable[[Values], int] = lambda values: 0
    others_named: str = ""
    strengths: Mapping[str, tuple[str, Callable[[Values], float]]] = field(default_factory=dict)
    teaches: Callable[[Values], tuple[str, ...]] = lambda values: ()


def columns_to_take(schema: TableSchema, *, numbers: bool = False) -> Mapping[str, int]:
    """The columns that a policy may name, and their places.

    Args:
        numbers: whether only columns of numbers will do.
    """
    return {name: place for place, name in enumerate(schema.names) if schema.is_number[place] or not numbers}


def misnamed(where: str, names: Sequence[str], schema: TableSchema, *, numbers: bool = False) -> list[Fault]:
    """Columns that a policy names and the table does not have, or that hold no numbers.

    Args:
        where: transform and parameter, for the fault.
        numbers: whether only columns of numbers will do.
    """
    if schema.invented:
        return []
    places, faults = columns_to_take(schema, numbers=numbers), []
    for name in names:
        if name not in places:
            found = f"{name!r}, a category" if name in schema.names else f"{name!r}, which the table does not have"
            fix = f"correct the policy's columns.{nearest(name, places)}"
            wanted = "columns of numbers" if numbers else "columns of the table"
            faults.append(Fault(where, found, f"{wanted}: {', '.join(places)}"[:300], fix))
    return faults


def named_columns(names: Sequence[str], schema: TableSchema) -> NDArray[np.int64]:
    """The places of columns that a policy names, int64 (C,); `misnamed` has none of them."""
    places = columns_to_take(schema)
    return np.array([places[name] for name in names], np.int64)


def taken(rows: Rows, others: Rows, cells: NDArray[np.bool_]) -> Rows:
    """Rows with some cells from others, as far as both have a value there.

    What is missing stays missing, and nothing else becomes so: which values are missing is a row's own, and often says
    more than they would.

    Args:
        rows: float64 (n, F); not modified.
        others: float64 (n, F).
        cells: bool (n, F).
    """
    return np.where(cells & ~np.isnan(rows) & ~np.isnan(others), others, rows)
