"""The parameters of a run that only tables have.

It imports the standard library alone, so that a DAG file can read it, which Airflow parses every few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from augment_ops.parameter import DATA, About


@dataclass(frozen=True, kw_only=True)
class TableParameters:
    """How tables are read."""

    columns: Annotated[
        str,
        About(
            title="Columns of the table",
            section=DATA,
            max_length=4_000,
            help="Which column is what, such as label=fraud,subject=customer,time=moment,ignore=terminal;scenario. "
            "Roles: label, subject, apart, time, split, id, ignore, category; every other column is a feature. Empty: "
            "the column label holds the classes.",
            after="dataset_name",
        ),
    ] = ""


DECLARED = TableParameters
