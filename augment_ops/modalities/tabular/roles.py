"""Which column of a table is what: the run parameter `columns`."""

from __future__ import annotations

from dataclasses import dataclass, fields

from augment_ops.data.sources.roles import one_role_each, read_roles
from augment_ops.errors import DataError

_EXAMPLE = "label=TX_FRAUD,subject=CUSTOMER_ID,time=TX_DATETIME,ignore=TERMINAL_ID;TX_FRAUD_SCENARIO"


@dataclass(frozen=True, kw_only=True)
class ColumnRoles:
    """The columns that are no features, by what they are; every other column is one.

    Attributes:
        label: the class; the one role that a table cannot do without.
        subject: the person or object that a row belongs to.
        apart: the subject, where no one's rows may be in two parts although time decides: for a model that is measured
            on subjects that it does not know.
        time: when it happened: dates in ISO 8601 (without a zone: UTC), or seconds.
        split: `train`, `validation` or `test`.
        id: unique; by default an id is made of the row's content.
        ignore: what the model may not see: other targets, names, what is known only afterwards.
        category: numbers that are codes and no quantities (a merchant's category, a post code).
    """

    label: str = "label"
    subject: str = ""
    apart: str = ""
    time: str = ""
    split: str = ""
    id: str = ""
    ignore: tuple[str, ...] = ()
    category: tuple[str, ...] = ()

    @property
    def single(self) -> dict[str, str]:
        """Role → column, of the roles that one column has and that are given."""
        return {role: column for role in SINGLE if (column := getattr(self, role))}

    @property
    def whose(self) -> str:
        """The column of the subjects; empty where there is none."""
        return self.subject or self.apart

    @classmethod
    def parse(cls, text: str) -> ColumnRoles:
        """Read `role=column,role=column;column,…`; blanks around names do not count.

        Raises:
            DataError: an unknown role, one given twice, no column for one, a column with two roles, or roles that do
                not go together.
        """
        given = read_roles(text, single=SINGLE, several=_SEVERAL, example=_EXAMPLE)
        roles = cls(**given)  # type: ignore[arg-type]
        one_role_each((*roles.single.values(), *roles.ignore, *set(roles.category)))
        if roles.apart and (roles.subject or roles.split or not roles.time):
            found = "apart without time" if not roles.time else f"apart and {'subject' if roles.subject else 'split'}"
            expected = "apart=… and time=…, which together decide the split, in place of subject and split"
            raise DataError("columns", found, expected, "write label=fraud,apart=customer,time=moment")
        return roles


_ROLES = tuple(one.name for one in fields(ColumnRoles))
_SEVERAL = ("ignore", "category")
SINGLE = tuple(name for name in _ROLES if name not in _SEVERAL)
