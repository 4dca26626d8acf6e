"""Which column of a table is what, as a run says it: `label=fraud,ignore=terminal;scenario`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from augment_ops.errors import DataError, nearest


def read_roles(
    text: str, *, single: Sequence[str], several: Sequence[str], example: str
) -> dict[str, str | tuple[str, ...]]:
    """Read `role=column,role=column;column,…`; blanks around names do not count.

    Args:
        text: as given; nothing names no role.
        single: roles that one column has.
        several: roles that columns share.
        example: a whole text that would do, for who wrote another.

    Returns:
        role → its column, or its columns.

    Raises:
        DataError: an unknown role, one given twice, or no column, or too many, for one.
    """
    known = (*single, *several)
    given: dict[str, str | tuple[str, ...]] = {}
    for item in filter(None, (piece.strip() for piece in text.split(","))):
        role, equals, names = (part.strip() for part in item.partition("="))
        columns = tuple(filter(None, (name.strip() for name in names.split(";"))))
        if role not in known or not equals:
            expected = f"role=column with a role of {', '.join(known)}"
            raise DataError("columns", repr(item)[:120], expected, f"write {example}.{nearest(role, known)}")
        if role in given:
            raise DataError("columns", f"{role} twice", "each role once", f"write {example}")
        if not columns or (role in single and len(columns) > 1):
            expected = "one column" if role in single else "one column or several with ; between them"
            raise DataError(f"columns: {role}", repr(names)[:120], expected, f"write {example}")
        given[role] = columns[0] if role in single else columns
    return given


def one_role_each(columns: Iterable[str]) -> None:
    """Refuse a column that has two roles.

    Args:
        columns: of all roles, those that have their column by default too.

    Raises:
        DataError: one of them stands there twice.
    """
    used = list(columns)
    twice = sorted({name for name in used if used.count(name) > 1})
    if twice:
        raise DataError("columns", f"{twice[0]!r} with two roles", "one role a column", "take one of them away")
