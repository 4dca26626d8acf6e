"""The transforms that a policy of tables may name, a declaration each; see `modalities.catalogue.Catalogue`.

A new transform is a function of `Chosen`, the form of its parameters and an entry in `TRANSFORMS`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import Fault
from augment_ops.modalities.catalogue import Catalogue, Effect
from augment_ops.modalities.schema_catalogue import SchemaCatalogue
from augment_ops.modalities.tabular import copula, exchange, parameters, smote
from augment_ops.modalities.tabular.bounds import TableBounds, TableBudget, TableLimits
from augment_ops.modalities.tabular.declaration import Chosen, RowTransform, Values, misnamed, named_columns
from augment_ops.modalities.tabular.schema import Rows
from augment_ops.modalities.tabular.training_table import TrainingTable
from augment_ops.modalities.tabular.transforms import jitter

_JITTER, _MIXED, _RESAMPLED, _COPULA = "jitter", "mixed_share", "resampled_columns", "copula_rows"


def _jitter_columns(values: Values, table: TrainingTable) -> NDArray[np.int64]:
    """Columns that a Jitter works on: those that it names, or every number that is measured and not counted."""
    if values["columns"] is None or table.schema.invented:
        return np.flatnonzero(table.schema.is_number & ~table.schema.is_whole)
    return named_columns(values["columns"], table.schema)


def _jitter_misnamed(values: Values, table: TrainingTable) -> list[Fault]:
    return misnamed("Jitter.columns", values["columns"] or (), table.schema, numbers=True)


def _jittered(chosen: Chosen) -> Rows:
    low, high = chosen.values["std_range"]
    columns = _jitter_columns(chosen.values, chosen.table)
    return jitter(chosen.table, chosen.rows, chosen.keys, chosen.index, columns=columns, std_range=(low, high))


TRANSFORMS: Mapping[str, RowTransform] = {
    "BorderlineSmote": RowTransform(
        parameters=parameters.BorderlineSmote,
        apply=smote.moved_at_the_border,
        looks_at_others=True,
        check=smote.enough_rows,
        others=lambda values: int(values["k_neighbors"]),
        others_named="k_neighbors",
    ),
    "ConditionalBootstrap": RowTransform(
        parameters=parameters.ConditionalBootstrap,
        apply=exchange.resampled,
        looks_at_others=True,
        check=exchange.bootstrap_misnamed,
        others=lambda values: 1,
        strengths={_RESAMPLED: ("columns", lambda values: float(len(values["columns"])))},
    ),
    "GaussianCopula": RowTransform(
        parameters=parameters.GaussianCopula,
        apply=copula.drawn,
        looks_at_others=True,
        strengths={_COPULA: ("min_rows", lambda values: 1 / values["min_rows"])},
    ),
    "Jitter": RowTransform(
        parameters=parameters.Jitter,
        apply=_jittered,
        check=_jitter_misnamed,
        strengths={_JITTER: ("std_range", lambda values: float(values["std_range"][1]))},
        teaches=lambda values: ("noise",) if values["std_range"][1] > 0 else (),
    ),
    "RowMix": RowTransform(
        parameters=parameters.RowMix,
        apply=exchange.mixed,
        looks_at_others=True,
        check=exchange.mixed_misnamed,
        others=lambda values: 1,
        strengths={_MIXED: ("share_range", lambda values: float(values["share_range"][1]))},
    ),
    "Smote": RowTransform(
        parameters=parameters.Smote,
        apply=smote.moved,
        looks_at_others=True,
        others=lambda values: int(values["k_neighbors"]),
        others_named="k_neighbors",
    ),
}


def _rows(strength: float) -> float:
    """Of the smallest class that a copula is made of; 0 where there is no copula."""
    return 1 / strength if strength else 0.0


class _TableCatalogue(SchemaCatalogue):
    schemas = {name: declared.parameters for name, declared in TRANSFORMS.items()}  # noqa: RUF012, never modified
    budget = TableBudget
    bounds = TableBounds
    limits = TableLimits
    effects = (
        Effect(
            name=_JITTER,
            key="max_jitter_std",
            expected=lambda limit: f"at most {limit:g} of a value",
            joint=lambda strengths: math.sqrt(sum(strength**2 for strength in strengths)),
        ),
        Effect(
            name=_MIXED,
            key="max_mixed_share",
            expected=lambda limit: f"at most {limit:g} of the columns",
            joint=lambda strengths: 1 - math.prod(1 - strength for strength in strengths),
        ),
        Effect(
            name=_RESAMPLED,
            key="max_resampled_columns",
            expected=lambda limit: f"at most {limit:g} columns",
        ),
        Effect(  # the fewer rows, the more of what a copula draws is their noise
            name=_COPULA,
            key="min_copula_rows",
            limit=lambda least: 1 / least,
            expected=lambda least: f"at least {least} rows of the class",
            joint=lambda strengths: max(strengths, default=0.0),
            shown=lambda strength: f"{_rows(strength):g} rows",
            reached=_rows,
        ),
    )

    def needs_population(self, name: str) -> bool:
        """Every one: what is much of a column, its rows say."""
        return True

    def strengths(self, name: str, values: Mapping[str, Any], effect: str) -> Mapping[str, float]:
        declared = TRANSFORMS[name].strengths
        if effect not in declared:
            return {}
        parameter, strength = declared[effect]
        return {parameter: strength(values)}

    def teaches(self, name: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        return TRANSFORMS[name].teaches(values) if values["p"] > 0 else ()


CATALOGUE: Catalogue = _TableCatalogue()
