"""`Smote` and `BorderlineSmote`: which samples move towards which neighbours; `transforms.smote` moves them.

Source: Han, Wang and Mao 2005, "Borderline-SMOTE: A New Over-Sampling Method in Imbalanced Data Sets Learning", ICIC,
doi 10.1007/11538059_91: section 3, borderline-1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import Fault
from augment_ops.modalities.tabular.declaration import Chosen, Values
from augment_ops.modalities.tabular.neighbours import neighbour_tree
from augment_ops.modalities.tabular.schema import Rows
from augment_ops.modalities.tabular.training_table import TrainingTable
from augment_ops.modalities.tabular.transforms import smote


def moved(chosen: Chosen) -> Rows:
    """Each sample towards one of its nearest neighbours in its class, which each class has of its own."""
    out = chosen.rows.copy()
    for label, here, samples in chosen.by_class():
        near = chosen.table.nearest(label, int(chosen.values["k_neighbors"]))[samples.places]
        out[here] = smote(chosen.table, samples.rows, near, samples.keys, chosen.index)
    return out


def moved_at_the_border(chosen: Chosen) -> Rows:
    """As `moved`, samples in danger alone."""
    here = in_danger(chosen.table, int(chosen.values["m_neighbors"]))[chosen.places]
    out = chosen.rows.copy()
    if here.any():
        out[here] = moved(chosen.part(here))
    return out


def enough_rows(values: Values, table: TrainingTable) -> list[Fault]:
    """The fault of a split that has no more rows, of all classes, than neighbours that say which are at the border."""
    rows, m = len(table.labels), int(values["m_neighbors"])
    if rows > m:
        return []
    found, fix = f"{m}, of {rows:,} rows in the training part", f"m_neighbors: {rows - 1} or fewer, or more rows"
    return [Fault("BorderlineSmote.m_neighbors", found, "fewer neighbours than rows", fix)]


def in_danger(table: TrainingTable, m: int) -> NDArray[np.bool_]:
    """Which rows of the rarer classes are at their border: bool (N,), false for every other row. Looked for once.

    Half or more of their m nearest neighbours among all classes are of another, but not all: a row without any of its
    own class around it is taken for noise. Numbers are in units of their standard deviation in the whole split.
    """

    def look() -> NDArray[np.bool_]:
        found = np.zeros(len(table.labels), np.bool_)
        rows = np.flatnonzero(np.isin(table.labels, table.rarer))
        if len(rows):
            tree = neighbour_tree(table.rows, np.arange(len(found)), table.spread, table.schema.is_number)
            _, near = tree.nearest(table.rows[rows], rows, min(m, len(found) - 1))
            others = (table.labels[near] != table.labels[rows, None]).sum(axis=1)
            found[rows] = (2 * others >= near.shape[1]) & (others < near.shape[1])
        return found

    return table.once(("in danger", m), look)
