"""What a record may hold, held against it once: where it is written, and where files of any maker are read.

One value has one form. Class names and ids are text, and 1, 1.0 and "1" are the same one, because services, databases
and tables write it differently; a moment has a zone; a column of a table is numbers or text. What has no such form is
refused with its column, row and value, instead of being made into something.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import DataError, Fault

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 60  # characters of a value
_EXACT = 2**53  # up to here a float64 holds every whole number
_LARGEST = 2**63 - 1  # of an integer that Parquet, databases and NumPy all hold
_ONE = 1 + 1e-6  # a probability that was rounded in float32 may lie so far above 1

_NAMES = "text, whole numbers or truth values, and None where there is none"
_MOMENTS = "moments with a time zone"
_VALUES = "numbers, truth values, dates or text, and None where there is none"


def texts(column: str, values: Sequence[Any], *, required: bool = False, blank: bool = False) -> list[str | None]:
    """Class names or ids as text; None where there is none.

    Args:
        blank: whether a text of no characters is one, as in files that earlier versions wrote.

    Raises:
        DataError: a value that is no name, or (where it is required) none at all.
    """
    found: list[str | None] = []
    for row, value in enumerate(values):
        if type(value) is str and value and value.isascii():  # nearly all of them
            found.append(value)
            continue
        if is_missing(value):
            if required:
                raise _fault(column, row, "nothing", _NAMES.partition(",")[0], "give every record one")
            found.append(None)
            continue
        text = _text(value)
        if text is None or not (text or blank):
            raise _fault(column, row, _shown(value), _NAMES, "pass the name as text, and None where there is none")
        found.append(text)
    return found


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: None, NaN, pandas' NaT and NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, (float, np.floating, np.datetime64)) and bool(value != value)  # noqa: PLR0124


def moments(column: str, values: Sequence[Any]) -> list[datetime]:
    """Moments in UTC, to the microsecond.

    Raises:
        DataError: one without a zone, none at all, or a number, of which nobody knows whether it counts milliseconds.
    """
    fix = "pass datetime.now(UTC), or datetime.fromtimestamp(seconds, UTC) for a number"
    found = []
    for row, value in enumerate(values):
        if is_missing(value):
            raise _fault(column, row, "nothing", _MOMENTS, fix)
        if not isinstance(value, datetime):
            raise _fault(column, row, _shown(value), _MOMENTS, fix)
        if value.utcoffset() is None:
            raise _fault(column, row, f"{value.isoformat()}, without a time zone", _MOMENTS, fix)
        # A Timestamp of pandas counts nanoseconds, which the log does not.
        pandas_own: Any = value
        plain = pandas_own.replace(nanosecond=0).to_pydatetime() if hasattr(value, "nanosecond") else value
        try:
            found.append(plain.astimezone(UTC))
        except OverflowError as error:
            raise _fault(column, row, value.isoformat(), "a year from 1 to 9999 in UTC", fix) from error
    return found


def stamps(column: str, array: pa.ChunkedArray, *, required: bool = False) -> NDArray[np.datetime64]:
    """A column of moments as datetime64 in UTC; NaT where there is none.

    Raises:
        DataError: another type, no zone, or (where it is required) no moment.
    """
    import pyarrow as pa

    kind, fix = array.type, "write timestamps with the zone UTC (pandas: tz_localize or tz_convert)"
    if required and array.null_count:
        first = int(np.argmax(array.is_null().to_numpy()))
        raise _fault(column, first, "nothing", "timestamps with a time zone", fix)
    if pa.types.is_null(kind):
        return np.full(len(array), "NaT", dtype="datetime64[us]")
    if not pa.types.is_timestamp(kind) or kind.tz is None:
        zone = ", without a time zone" if pa.types.is_timestamp(kind) else ""
        raise _fault(column, None, f"{kind}{zone}{_first(array)}", "timestamps with a time zone", fix)
    try:
        utc = array.cast(pa.timestamp("us", tz="UTC"), safe=kind.unit != "ns")  # nanoseconds are cut off
    except pa.ArrowException as error:
        raise _fault(column, None, str(error)[:200], "moments that a calendar has", fix) from error
    found: NDArray[np.datetime64] = utc.to_numpy().astype("datetime64[us]")
    return found


def feature(column: str, values: Any) -> NDArray[Any]:
    """A column of a table as float64 (NaN for missing) or objects of text (None for missing); see `column_of`.

    Raises:
        DataError: lists, structures, bytes, or integers beyond 63 bits.
    """
    import pyarrow as pa

    values = values.tolist() if isinstance(values, np.ma.MaskedArray) else values
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise _fault(column, None, f"an array of shape {values.shape}", _VALUES, _ONE_A_CELL)
    if not _is_typed(values):  # without a type of its own: a list, say
        return _cells(column, values)
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):  # complex numbers, text that is none
        return _cells(column, list(values))
    return column_of(column, pa.chunked_array([array]))


def _is_typed(values: Any) -> bool:
    """Whether all cells are of one type that is known, as in arrays and columns of pandas; a list may hold anything."""
    return hasattr(values, "dtype") and values.dtype.kind != "O"


def column_of(column: str, array: pa.ChunkedArray) -> NDArray[Any]:
    """What `feature` makes of values, of a column of Arrow's; dates are seconds since 1970, without a zone as in UTC.

    Raises:
        DataError: of a type that is neither numbers nor text, or integers beyond 63 bits.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    is_, kind = pa.types, array.type
    if is_.is_null(kind):
        return np.full(len(array), np.nan)
    if is_.is_uint64(kind) and len(array) and (pc.max(array).as_py() or 0) > _LARGEST:
        row = int(np.flatnonzero(pc.greater(array, pa.scalar(_LARGEST, kind)).fill_null(False).to_numpy())[0])
        raise _fault(column, row, str(array[row].as_py()), "integers of at most 63 bits", _AN_ID)
    if is_.is_date(kind) or is_.is_timestamp(kind) or is_.is_duration(kind):
        fine = pa.duration("us") if is_.is_duration(kind) else pa.timestamp("us", getattr(kind, "tz", None))
        return _numbers(array.cast(fine, safe=False).cast(pa.int64())) / 1e6
    if is_.is_boolean(kind):
        return _numbers(array.cast(pa.int8()))
    if is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind):
        return _numbers(array)
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return np.array([*array.to_pylist(), None], dtype=object)[:-1]
    if is_.is_binary(kind) or is_.is_large_binary(kind):  # how some write text to Parquet
        raise _fault(column, None, f"{kind}{_first(array)}", _VALUES, "write it as text (UTF-8)")
    raise _fault(column, None, f"{kind}{_first(array)}", _VALUES, _ONE_A_CELL)


def probabilities(scores: Any, classes: Sequence[str], n: int) -> list[list[float] | None]:
    """(N, K) probabilities as rows; a row of NaN, or None, is a record without any.

    Raises:
        DataError: not one a class, or what is no probability.
    """
    rows = [[math.nan] * len(classes) if row is None else row for row in scores]
    expected = f"{n} rows of {len(classes)} probabilities, in the order of `classes`"
    try:
        numbers = np.asarray(rows, dtype=np.float64).reshape(n, -1) if n else np.zeros((0, len(classes)))
    except (ValueError, TypeError) as error:
        raise _fault("scores", None, str(error)[:200], expected, "pass one row a record") from error
    if numbers.shape[1:] != (len(classes),) or not len(classes):
        found = f"{numbers.shape[1]} a record for {len(classes)} classes"
        raise _fault("scores", None, found, expected, "pass `classes`, one name a score")
    known = np.asarray(~np.isnan(numbers).all(axis=1))
    odd = np.flatnonzero(known & ~are_probabilities(numbers))
    if len(odd):
        found = str(numbers[odd[0]].tolist())[:_SHOWN]
        raise _fault(
            "scores", int(odd[0]), found, "probabilities from 0 to 1", "pass the softmax, or None for the record"
        )
    return [row.tolist() if there else None for row, there in zip(numbers, known, strict=True)]


def are_probabilities(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,): whether all of a row are."""
    return np.asarray(((scores >= 0) & (scores <= _ONE)).all(axis=-1))


def once(names: Sequence[str]) -> None:
    """Refuse columns of one name.

    Raises:
        DataError: a name that stands twice.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            found = f"{list(names).count(name)} columns of that name"
            raise _fault(name, None, found, "one", "rename or leave out the others: nobody can tell which is meant")
        seen.add(name)


def every(parts: Mapping[str, Callable[[], Any]], where: str) -> dict[str, Any]:
    """Make all parts of a batch.

    Raises:
        DataError: the faults of all that cannot be made, at once.
    """
    found: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, make in parts.items():
        try:
            found[name] = make()
        except DataError as error:
            faults += error.faults
    if faults:
        raise DataError.of(where, faults)
    return found


_ONE_A_CELL = "pass one value a record: a column for each part of it"
_AN_ID = "an id is text: pass it as such"


def _text(value: Any) -> str | None:
    """The one form of a name; None for what is none."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return None
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating, Decimal)):
        exact = Decimal(value) if isinstance(value, Decimal) else Decimal(float(value))
        whole = exact.is_finite() and abs(exact) <= _EXACT and exact == int(exact)
        return str(int(exact)) if whole else None
    return str(value) if isinstance(value, UUID) else None


def _cells(column: str, values: Sequence[Any]) -> NDArray[Any]:
    """Cells of any types: numbers and truth values are numbers, beside text all is text; dates are dates alone.

    Arrow would look at the first ones, and make dates of times and times of numbers without a word.
    """
    found: list[Any] = [None if is_missing(value) else value for value in values]
    kinds = {_kind(column, row, value) for row, value in enumerate(found) if value is not None}
    if "date" in kinds and len(kinds) > 1:
        raise _fault(column, None, f"dates beside {', '.join(sorted(kinds - {'date'}))}", _VALUES, _ONE_A_CELL)
    if "text" in kinds:
        return np.array([*(None if value is None else number_text(value) for value in found), None], dtype=object)[:-1]
    return np.array([math.nan if value is None else _number(value) for value in found], dtype=np.float64)


def _kind(column: str, row: int, value: Any) -> str:
    if isinstance(value, str):
        if _text(value) is None:
            raise _fault(column, row, _shown(value), "text that Unicode has", "mend its encoding")
        return "text"
    if isinstance(value, (int, np.integer)) and abs(int(value)) > _LARGEST:
        raise _fault(column, row, str(value)[:_SHOWN], "integers of at most 63 bits", _AN_ID)
    if isinstance(value, (int, float, Decimal, np.integer, np.floating, np.bool_)):
        return "numbers"
    if isinstance(value, date):  # a time is a date too
        return "date"
    raise _fault(column, row, _shown(value), _VALUES, _ONE_A_CELL)


def number_text(value: Any) -> str:
    """A value of a column as text: a number as it is written, so that 3.0 is 3."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    return f"{value:.15g}" if isinstance(value, (float, np.floating)) else str(value)


def _number(value: Any) -> float:
    if isinstance(value, date):
        at = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return float(value)


def _numbers(array: pa.ChunkedArray) -> NDArray[np.float64]:
    """As float64, NaN for null: large integers are rounded, which a distribution does not notice."""
    import pyarrow as pa

    array = array if pa.types.is_float16(array.type) else array.cast(pa.float64(), safe=False)
    return np.asarray(array.to_numpy(), dtype=np.float64)


def _first(array: pa.ChunkedArray) -> str:
    value = next((one.as_py() for one in array if one.is_valid), None)
    return "" if value is None else f", such as {_shown(value)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}"


def _fault(column: str, row: int | None, found: str, expected: str, fix: str) -> DataError:
    where = f"column {column!r}" if row is None else f"column {column!r}, row {row}"
    return DataError(where, found, expected, fix)
