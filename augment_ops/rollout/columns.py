"""The columns of comparisons: their types, and what may stand in a file that anybody may have written."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augment_ops.errors import DataError
from augment_ops.rollout.rules import MOST_STEPS

FORMAT = "1"
ARMS = ("champion", "challenger", "shadow")
ASKED = {"champion": ("champion",), "challenger": ("challenger",), "shadow": ("champion", "challenger")}
SIDES = ("champion", "challenger")


@cache
def schema() -> pa.Schema:
    """Of a file."""
    required = [
        ("step", pa.int32()),
        ("request", pa.string()),
        ("subject", pa.string()),
        ("first", pa.bool_()),
        ("sample_id", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("arm", pa.string()),
    ]
    fields = [pa.field(name, kind, nullable=False) for name, kind in required]
    for side in SIDES:
        fields.append(pa.field(f"{side}_seconds", pa.float64()))
        fields.append(pa.field(f"{side}_prediction", pa.string()))
        fields.append(pa.field(f"{side}_confidence", pa.float32()))
    return pa.schema(fields, metadata={"format": FORMAT})


def checked(table: pa.Table, where: str) -> pa.Table:
    """The table, if it may be counted; columns that this version does not know are left out.

    Raises:
        DataError: another format, or columns, types and values that the log does not have; all faults at once.
    """
    said = (table.schema.metadata or {}).get(b"format", b"").decode("utf-8", "replace")
    if said != FORMAT:
        raise DataError(where, f"format {said[:20]!r}", f"format {FORMAT}", "read it with the version that wrote it")
    faults = list(_of_types(table))
    if not faults:
        table = table.select(schema().names)
        faults = list(_of_values(table))
    if faults:
        raise DataError(where, "; ".join(faults), "the columns of a comparison", "leave the file out, and count it")
    return table


def _of_types(table: pa.Table) -> Iterator[str]:
    for field in schema():
        places = table.schema.get_all_field_indices(field.name)
        if len(places) != 1:
            yield f"{len(places)} columns called {field.name}"
        elif table.schema.field(places[0]).type != field.type:
            yield f"{field.name} is {table.schema.field(places[0]).type}, and should be {field.type}"
        elif not field.nullable and table.column(places[0]).null_count:
            yield f"{field.name} has rows without a value"


def _of_values(table: pa.Table) -> Iterator[str]:
    if not table.num_rows:
        return
    ranges: dict[str, tuple[float, float]] = {"step": (0, MOST_STEPS - 1)}  # an index of arrays
    for side in SIDES:
        ranges |= {f"{side}_seconds": (0, 1e9), f"{side}_confidence": (0, 1)}
    for name, (low, high) in ranges.items():
        column = table.column(name)
        if _any(pc.invert(pc.and_(pc.greater_equal(column, low), pc.less_equal(column, high)))):  # NaN is neither
            yield f"{name} has values that do not lie within {low:g} and {high:g}"
    if not _all(pc.is_in(table.column("arm"), pa.array(ARMS))):
        yield f"arm has other values than {', '.join(ARMS)}"
    for arm, sides in ASKED.items():
        for side in sides:
            missing = pc.and_(pc.equal(table.column("arm"), arm), pc.is_null(table.column(f"{side}_seconds")))
            if _any(missing):
                yield f"{arm} answered, and {side}_seconds has no value"
    for side in SIDES:
        told = pc.is_valid(table.column(f"{side}_prediction"))
        if _any(pc.not_equal(told, pc.is_valid(table.column(f"{side}_confidence")))):
            yield f"{side} has predictions without confidences, or the other way round"
        if _any(pc.and_(told, pc.is_null(table.column(f"{side}_seconds")))):
            yield f"{side} has predictions and no seconds"


def _any(flags: Any) -> bool:
    return bool(pc.any(flags, min_count=0).as_py())


def _all(flags: Any) -> bool:
    return bool(pc.all(flags, min_count=0).as_py())
