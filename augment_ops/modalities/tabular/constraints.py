"""What the columns of a table have to be, as a file of thresholds says it, in the names of pandera's own YAML.

They stand with the thresholds (policies/quality/<name>.yaml, `constraint-violations`), and so are reviewed, versioned,
chosen by a run and known by a digest as those are.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from augment_ops.quality.rules import Ceiling, Section

Relation = Literal["greater_than", "greater_than_or_equal_to", "less_than", "less_than_or_equal_to"]
Name = Annotated[str, Field(min_length=1)]


class ValueChecks(Section):
    """What each value of a column has to be; a missing one is no value.

    Attributes:
        greater_than, greater_than_or_equal_to, less_than, less_than_or_equal_to: of numbers.
        isin, notin: of categories, or of numbers.
    """

    greater_than: FiniteFloat | None = None
    greater_than_or_equal_to: FiniteFloat | None = None
    less_than: FiniteFloat | None = None
    less_than_or_equal_to: FiniteFloat | None = None
    isin: Annotated[tuple[str | FiniteFloat, ...], Field(min_length=1)] | None = None
    notin: Annotated[tuple[str | FiniteFloat, ...], Field(min_length=1)] | None = None


class ColumnConstraint(Section):
    """One column.

    Attributes:
        dtype: `float`; `int`, a float without a fraction; or `str`, a category.
        nullable: whether values may be missing.
        unique: whether no value may stand twice; asked of the data, not of what is augmented.
        checks: of its values.
    """

    dtype: Literal["float", "int", "str"]
    nullable: bool = False
    unique: bool = False
    checks: ValueChecks = ValueChecks()

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        bounds = self.checks.model_dump(exclude={"isin", "notin"}, exclude_none=True)
        if self.dtype == "str" and bounds:
            raise ValueError(f"isin or notin: a category is not {next(iter(bounds))} a number")
        listed = [*(self.checks.isin or ()), *(self.checks.notin or ())]
        if any(isinstance(value, str) != (self.dtype == "str") for value in listed):
            raise ValueError("texts for a str, and numbers for a float or an int, in isin and notin")
        return self


class ColumnRelation(Section):
    """What one column has to be beside another, in each row that has both.

    Attributes:
        column, of: names of columns of numbers.
        check: how the first compares with the second.
    """

    column: Name
    check: Relation
    of: Name


class Constraints(Ceiling):
    """How many violations there may be, of what.

    Attributes:
        columns: by name, of those that a model sees; a column that is not there is a violation of every row.
        relations: between columns of numbers.
        strict: whether the table may have no column that is not named here.
    """

    columns: Annotated[dict[Name, ColumnConstraint], Field(min_length=1)]
    relations: tuple[ColumnRelation, ...] = ()
    strict: bool = False

    @model_validator(mode="after")
    def _of_numbers(self) -> Self:
        for relation in self.relations:
            for name in (relation.column, relation.of):
                if name not in self.columns or self.columns[name].dtype == "str":
                    raise ValueError(f"a column of numbers that is among the columns in each relation, unlike {name}")
        return self
