"""Rows held against the constraints of their columns, by pandera: every violation at once, some rows at a time.

The only module that imports pandera, and only when a file of thresholds asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.extras import require
from augment_ops.modalities.tabular.constraints import ColumnConstraint, Constraints
from augment_ops.modalities.tabular.schema import Rows, TableSchema, schema_of
from augment_ops.quality.pairs import Pairs
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import judged
from augment_ops.quality.samples import CheckedSamples

if TYPE_CHECKING:
    import pandas as pd
    from pandera.pandas import Check, DataFrameSchema

_ROWS_AT_ONCE = 100_000  # of 20 columns, 16 MB, and as much again as pandas has them
_NAME = "constraint-violations"
_WHOLE = {"column_in_dataframe": "is not there", "column_in_schema": "is not among the columns named"}
_SHOWN = 5  # rules, and rows, of a message

Part = tuple[Rows, Sequence[str]]  # float64 (n, F), and n sample ids


@dataclass
class Violations:
    """What was found, by column and rule, in the order in which it was met.

    Attributes:
        counts: (column, rule) → violations.
        first: (column, rule) → the first samples, and what they hold.
        samples: the first samples of all.
    """

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    first: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    samples: dict[str, None] = field(default_factory=dict)

    def add(self, column: str, rule: str, count: int, shown: Iterable[tuple[str, str]]) -> None:
        """More of one kind; `shown` are samples with what they hold."""
        key = (column, rule)
        self.counts[key] = self.counts.get(key, 0) + count
        for sample, value in shown:
            self.samples.setdefault(sample)
            if len(self.first.setdefault(key, [])) < _SHOWN:
                self.first[key].append(f"{sample} has {value}" if value else sample)

    @property
    def text(self) -> str:
        """The kinds with most violations, each with its first rows."""
        worst = sorted(self.counts, key=lambda key: -self.counts[key])
        kinds = [
            f"{column} {rule}".strip()
            + f": {self.counts[column, rule]}"
            + (f" ({', '.join(self.first[column, rule][:2])})" if (column, rule) in self.first else "")
            for column, rule in worst[:_SHOWN]
        ]
        rest = len(worst) - _SHOWN
        return "; ".join(kinds) + (f" and {rest} rules more" if rest > 0 else "")


def constraint_violations(samples: CheckedSamples, rule: Constraints) -> CheckResult:
    """Values, missing values, columns and relations that are not what the constraints say, in all usable rows."""
    schema = schema_of(samples.schema, samples.payload.shape[0])
    usable = samples.usable
    places, ids = usable["row"].to_numpy(np.int64), usable["sample_id"].astype(str).tolist()
    parts = (
        (samples.payload.take(places[start : start + _ROWS_AT_ONCE]), ids[start : start + _ROWS_AT_ONCE])
        for start in range(0, len(places), _ROWS_AT_ONCE)
    )
    unique = [place for place, name in enumerate(schema.names) if name in rule.columns and rule.columns[name].unique]
    kept: list[Rows] = []
    found = violations(schema, _keeping(parts, unique, kept), rule)
    for column, place in enumerate(unique):
        values = np.concatenate([part[:, column] for part in kept])
        again = np.flatnonzero(_repeats(values))
        shown = [(ids[row], _cell(schema, place, values[row])) for row in again[:_SHOWN]]
        if len(again):
            found.add(schema.names[place], "unique", len(again), shown)
    remedy = "mend the rows in the source, or the constraints where those are wrong"
    return _result(rule, found, len(places), "rows", remedy)


def augmented_violations(pairs: Pairs, rule: Constraints) -> CheckResult:
    """The same of augmented rows: there must be none, and what must be unique in the data is not asked of them."""
    schema = schema_of(pairs.schema, pairs.originals.shape[1])
    found = violations(schema, [(pairs.augmented, pairs.ids)], rule)
    remedy = "narrow the transforms that act on the column: a row that cannot be must not be learnt"
    return _result(rule, found, len(pairs.labels), "augmented rows", remedy)


def violations(schema: TableSchema, parts: Iterable[Part], rule: Constraints) -> Violations:
    """Every violation of some rows but repeated values."""
    require("pandera", "constraints of a table's columns")
    from pandera.errors import SchemaErrors

    asked, found = _asked(rule), Violations()
    for rows, ids in parts:
        table = _frame(schema, rows)
        try:
            asked.validate(table, lazy=True)
        except SchemaErrors as error:
            _tell(error.failure_cases, ids, found)
    return found


def _asked(rule: Constraints) -> DataFrameSchema:
    """The constraints as pandera has them."""
    import pandera.pandas as pa

    return pa.DataFrameSchema(
        columns={
            name: pa.Column(
                str if one.dtype == "str" else float, checks=_checks(one), nullable=one.nullable, required=True
            )
            for name, one in rule.columns.items()
        },
        checks=[_relation(one.column, one.check, one.of) for one in rule.relations],
        strict=rule.strict,
    )


def _checks(one: ColumnConstraint) -> list[Check]:
    import pandera.pandas as pa

    asked = one.checks.model_dump(exclude_none=True)
    found = [
        getattr(pa.Check, name)(list(value) if isinstance(value, tuple) else value) for name, value in asked.items()
    ]
    if one.dtype == "int":
        found.append(pa.Check(lambda values: values == np.rint(values), name="int", error="int"))
    return found


def _relation(column: str, check: str, of: str) -> Check:
    import pandera.pandas as pa

    compare = {
        "greater_than": np.greater,
        "greater_than_or_equal_to": np.greater_equal,
        "less_than": np.less,
        "less_than_or_equal_to": np.less_equal,
    }[check]

    def holds(table: pd.DataFrame) -> Any:
        if not {column, of} <= set(table.columns):  # which has a violation of its own
            return True
        return compare(table[column], table[of]) | table[column].isna() | table[of].isna()

    return pa.Check(holds, name=f"{column} {check} {of}", error=f"{column} {check} {of}")


def _frame(schema: TableSchema, rows: Rows) -> pd.DataFrame:
    """Numbers as float64, categories as text; `?` for one that the training file did not have."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for place, column in enumerate(schema.columns):
        values = rows[:, place]
        columns[column.name] = (
            values if column.kind == "number" else pd.Series(schema.texts(place, values), dtype=object)
        )
    return pd.DataFrame(columns)


def _tell(cases: pd.DataFrame, ids: Sequence[str], found: Violations) -> None:
    """Pandera's table of failures: a line a cell, one for each column of a row that breaks a relation."""
    for check, lines in cases.groupby("check", sort=False):
        whole = lines[lines["index"].isna()]
        for name in whole["failure_case"].astype(str):  # of a column, and so of every row
            found.add(name, _WHOLE.get(str(check), str(check)), len(ids), ())
        rest = lines[lines["index"].notna()]
        if (rest["schema_context"] == "DataFrameSchema").any():
            rest = rest[~rest["index"].duplicated()].assign(column="")
        for column, cells in rest.groupby("column", sort=False):
            shown = cells.head(_SHOWN)
            values = zip(shown["index"].astype(int), shown["failure_case"], strict=True)
            told = [(ids[row], "nothing" if _is_missing(value) else repr(value)) for row, value in values]
            found.add(str(column), str(check), len(cells), told if column else [(sample, "") for sample, _ in told])


def _is_missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN


def _keeping(parts: Iterable[Part], columns: list[int], kept: list[Rows]) -> Iterator[Part]:
    """The parts, of which those columns are kept: what may stand once in a table is seen when all of it was read."""
    for rows, ids in parts:
        kept.append(rows[:, columns].copy())
        yield rows, ids


def _repeats(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values (n,) stand at an earlier place too; what is missing repeats nothing."""
    import pandas as pd

    found: NDArray[np.bool_] = pd.Series(values).duplicated().to_numpy() & ~np.isnan(values)
    return found


def _cell(schema: TableSchema, column: int, value: float) -> str:
    if schema.is_number[column]:
        return repr(float(value))
    return repr(schema.texts(column, np.array([value]))[0])


def _result(rule: Constraints, found: Violations, rows: int, what: str, remedy: str) -> CheckResult:
    """NaN without a row to look at."""
    number = sum(found.counts.values())
    text = f"{number} violations of {len(rule.columns)} columns' constraints in {rows} {what}"
    measured = number if rows else np.nan
    told = f"{text}: {found.text}" if number else text
    return judged(_NAME, rule, measured, "violations", told, remedy, tuple(found.samples))
