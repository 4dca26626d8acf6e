"""The parameters of the transforms of rows, as a policy's file may give them. Names and defaults after imbalanced-learn
where it has the transform.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from augment_ops.modalities.schema_catalogue import Share, TransformSchema

Strategy = Literal["not majority", "all"]  # of imbalanced-learn's, those that say something of single rows
_Neighbours = Annotated[int, Field(ge=1, le=100, strict=True)]


def _once(value: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if value is not None and len(set(value)) < len(value):
        raise ValueError("each column once")
    return value


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError("two numbers, the smaller first")
    return value


Columns = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_once)]
ShareRange = Annotated[tuple[Share, Share], AfterValidator(_ordered)]


class Jitter(TransformSchema):
    """Noise relative to each number, within what the column has held.

    Attributes:
        std_range: of its standard deviation, as a share of the value.
        columns: names of columns of numbers; by default all that are measured: whole numbers are counts, hours, flags.
        sampling_strategy: the samples of which classes are changed.
    """

    std_range: ShareRange = (0.01, 0.05)
    columns: Columns | None = None
    sampling_strategy: Strategy = "all"


class Smote(TransformSchema):
    """A sample of a rarer class moves towards one of its nearest neighbours of that class; see `transforms.smote`.

    Attributes:
        k_neighbors: how many neighbours it draws one from.
    """

    k_neighbors: _Neighbours = 5


class BorderlineSmote(Smote):
    """As `Smote`, but only samples at the border to other classes; see `smote.in_danger`.

    Attributes:
        m_neighbors: how many neighbours of all classes say whether it is at the border.
    """

    m_neighbors: _Neighbours = 10


class RowMix(TransformSchema):
    """Some columns of a sample come from another row of its class; see `exchange.mixed`.

    Attributes:
        share_range: of the columns; one at least.
        columns: that the share is of; by default all.
        sampling_strategy: the samples of which classes are changed.
    """

    share_range: ShareRange = (0.1, 0.3)
    columns: Columns | None = None
    sampling_strategy: Strategy = "not majority"


class ConditionalBootstrap(TransformSchema):
    """Columns that belong together come from a row of the same class and bin; see `exchange.resampled`.

    Attributes:
        columns: those that are resampled, all from one row.
        given: the column whose bin both rows are in: a category, or numbers in bins.
        bins: of numbers, as many with as many rows of the class each.
        sampling_strategy: the samples of which classes are changed.
    """

    columns: Columns
    given: str
    bins: Annotated[int, Field(ge=1, le=1000, strict=True)] = 10
    sampling_strategy: Strategy = "not majority"

    @field_validator("given")
    @classmethod
    def _apart(cls, value: str, info: ValidationInfo) -> str:
        if value in info.data.get("columns", ()):
            raise ValueError("a column that is not resampled itself")
        return value


class GaussianCopula(TransformSchema):
    """A sample becomes a draw from a model of its class; see `modalities.tabular.copula`.

    Attributes:
        min_rows: of a class in the training split; samples of one that has fewer stay as they are.
        sampling_strategy: the samples of which classes are changed.
    """

    min_rows: Annotated[int, Field(ge=2, strict=True)] = 100
    sampling_strategy: Strategy = "not majority"
