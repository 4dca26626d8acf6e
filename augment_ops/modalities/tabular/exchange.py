"""`RowMix` and `ConditionalBootstrap`: cells of a row from another row of its class in the training split.

Source of RowMix: Somepalli et al. 2021, SAINT, arXiv:2106.01342, section 3.3 (CutMix of rows), here within a class, so
that labels hold. ConditionalBootstrap is the random hot deck within adjustment cells of survey statistics: Andridge and
Little 2010, doi 10.1111/j.1751-5823.2010.00103.x, section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.errors import Fault
from augment_ops.modalities.tabular.declaration import Chosen, Values, misnamed, named_columns, taken
from augment_ops.modalities.tabular.schema import Rows
from augment_ops.modalities.tabular.training_table import TrainingTable

_MISSING = -2  # -1 is the code of an unknown category


def mixed(chosen: Chosen) -> Rows:
    """A share of the columns, drawn from `share_range`, from another row of the class, all from the same one."""
    table, (low, high) = chosen.table, chosen.values["share_range"]
    columns = _mixed_columns(chosen.values, table)
    draws = philox.uniforms(chosen.keys, chosen.index, philox.PARAMETERS, 2)
    order = philox.uniforms(chosen.keys, chosen.index, philox.VALUES, len(columns)).argsort(axis=1, kind="stable")
    count = np.clip(np.rint((low + (high - low) * draws[:, 1]) * len(columns)), 1, len(columns))
    cells = np.zeros(chosen.rows.shape, np.bool_)
    np.put_along_axis(cells, columns[order], np.arange(len(columns)) < count[:, None], axis=1)
    others = np.empty(len(cells), np.int64)
    for label, here, samples in chosen.by_class():
        members = table.members(label)
        own = np.searchsorted(members, samples.places)
        drawn = _picked(draws[here, 0], len(members) - 1)
        others[here] = members[drawn + (drawn >= own)]  # a class of one has its own row, the last
    return taken(chosen.rows, table.rows[others], cells)


def mixed_misnamed(values: Values, table: TrainingTable) -> list[Fault]:
    """Columns that a RowMix names and the table does not have."""
    return misnamed("RowMix.columns", values["columns"] or (), table.schema)


def _mixed_columns(values: Values, table: TrainingTable) -> NDArray[np.int64]:
    """Columns that a RowMix takes a share of: those that it names, or all."""
    if values["columns"] is None or table.schema.invented:
        return np.arange(len(table.schema))
    return named_columns(values["columns"], table.schema)


def resampled(chosen: Chosen) -> Rows:
    """The named columns, all from one row of the class that is in the same bin of the column `given`.

    A row whose bin nobody of its class is in stays as it is: one whose category the training split does not have.
    """
    table, values = chosen.table, chosen.values
    columns, given = _bootstrap_columns(values, table)
    cells = np.zeros(chosen.rows.shape, np.bool_)
    cells[:, columns] = True
    u = philox.uniforms(chosen.keys, chosen.index, philox.PARAMETERS, 1)[:, 0]
    others = chosen.places.copy()
    for label, here, samples in chosen.by_class():
        bins = _bins(table, label, given, int(values["bins"]))
        start, end = bins.span(samples.rows[:, given])
        there = np.flatnonzero(end > start)
        others[here[there]] = bins.members[start[there] + _picked(u[here[there]], (end - start)[there])]
    cells &= (others != chosen.places)[:, None]
    return taken(chosen.rows, table.rows[others], cells)


def bootstrap_misnamed(values: Values, table: TrainingTable) -> list[Fault]:
    """Columns that a ConditionalBootstrap names and the table does not have."""
    faults = misnamed("ConditionalBootstrap.columns", values["columns"], table.schema)
    return [*faults, *misnamed("ConditionalBootstrap.given", [values["given"]], table.schema)]


def _bootstrap_columns(values: Values, table: TrainingTable) -> tuple[NDArray[np.int64], int]:
    """Columns that a ConditionalBootstrap resamples, and the one that its bins are of."""
    if table.schema.invented:
        return np.arange(1, len(table.schema)), 0
    columns, (given,) = (named_columns(names, table.schema) for names in (values["columns"], [values["given"]]))
    return columns, int(given)


@dataclass(frozen=True, eq=False, kw_only=True)
class Bins:
    """Rows of a class by the bin of one column.

    Attributes:
        edges: float64 (bins - 1,), between bins of numbers; empty for a category, whose codes are bins.
        numbers: whether the column holds such.
        ordered: int64 (n,), the bin of each of `members`, ascending.
        members: int64 (n,), rows of the table.
    """

    edges: NDArray[np.float64]
    numbers: bool
    ordered: NDArray[np.int64]
    members: NDArray[np.int64]

    def span(self, values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the members of the bins of values (n,) begin and end: int64 (n,) each."""
        number = bin_of(values, self.edges, self.numbers)
        return np.searchsorted(self.ordered, number, "left"), np.searchsorted(self.ordered, number, "right")


def bin_of(values: NDArray[np.float64], edges: NDArray[np.float64], numbers: bool) -> NDArray[np.int64]:
    """Bin of each value: int64 (n,); what is missing has one of its own."""
    found = np.searchsorted(edges, values, "right") if numbers else values
    return np.where(np.isnan(values), _MISSING, found).astype(np.int64)


def _bins(table: TrainingTable, label: int, column: int, bins: int) -> Bins:
    """Bins of numbers hold as many rows of the class each, but for ties."""

    def make() -> Bins:
        members, numbers = table.members(label), bool(table.schema.is_number[column])
        values = table.rows[members, column]
        known = values[~np.isnan(values)]
        inner = np.linspace(0, 1, bins + 1)[1:-1]
        edges = np.unique(np.quantile(known, inner)) if numbers and len(known) else np.empty(0)
        number = bin_of(values, edges, numbers)
        order = np.argsort(number, kind="stable")
        return Bins(edges=edges, numbers=numbers, ordered=number[order], members=members[order])

    return table.once(("bins", label, column, bins), make)


def _picked(u: NDArray[np.float64], count: int | NDArray[np.int64]) -> NDArray[np.int64]:
    """One of `count` places by a uniform number: int64 (n,); -1 of none."""
    found: NDArray[np.int64] = np.minimum((u * count).astype(np.int64), np.asarray(count) - 1)  # u * count may round up
    return found
