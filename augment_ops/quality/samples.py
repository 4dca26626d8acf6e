"""A snapshot's samples as the checks look at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from augment_ops.modalities.base import Modality, Payload
from augment_ops.modalities.codec import Reading
from augment_ops.modalities.source import OUT_OF_SCOPE, Schema

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

CONTENT = "content"  # as what the checks see the index's column of contents, which each modality calls its own way
COLUMNS = ("sample_id", "label", "split", "subject", "time", "defect", "row")  # of the index: what else is looked at
SPLITS = ("train", "validation", "test")
# A held-out split, and the splits that a model has seen before it is measured there. Validation steers training, so
# the test split must not repeat it either.
SEEN_BEFORE = {"validation": ("train",), "test": ("train", "validation")}
_SHOWN = 5  # names listed in a message, which is one sentence


@dataclass(frozen=True, eq=False, kw_only=True)
class CheckedSamples:
    """What every check of `check_data` reads.

    Attributes:
        index: at least the columns `COLUMNS` of `Snapshot.index`, and `CONTENT`: equal where samples are.
        payload: the samples that the index's `row` numbers.
        classes: class names; a label is an index into them.
        reading: how they were read.
        modality: of the samples.
        schema: of the data set, where its modality has one.
    """

    index: pd.DataFrame
    payload: Payload
    classes: tuple[str, ...]
    reading: Reading
    modality: Modality
    schema: Schema | None = None

    @cached_property
    def defect(self) -> pd.Series[Any]:
        """Text; empty where there is no defect."""
        return self.index["defect"].fillna("").astype(str)

    @cached_property
    def labelled(self) -> pd.Series[Any]:
        """Whether the label is one of the classes."""
        label = self.index["label"]
        return (label >= 0) & (label < len(self.classes))

    @cached_property
    def of_a_split(self) -> pd.Series[Any]:
        """Whether a row has content and a label, and is of a split."""
        used = self.index["split"].isin(SPLITS)  # what the source says is unused is compared with nothing
        return (self.index["row"] >= 0) & self.labelled & used

    @cached_property
    def usable(self) -> pd.DataFrame:
        """Rows with content and a label, of a split, numbered from 0 in the order of the index."""
        return self.index[self.of_a_split].reset_index(drop=True)

    @cached_property
    def of_no_class(self) -> pd.DataFrame:
        """Rows with content that the source says are out of scope, numbered from 0 in the order of the index."""
        apart = self.index["split"] == OUT_OF_SCOPE
        return self.index[(self.index["row"] >= 0) & apart].reset_index(drop=True)

    @cached_property
    def readable(self) -> pd.DataFrame:
        """Rows with content, with a label or without, in the order of the index."""
        return self.index[self.index["row"] >= 0]

    @cached_property
    def class_counts(self) -> pd.DataFrame:
        """Usable samples: a row a split, a column a label; 0 where there are none."""
        counts = self.usable.groupby(["split", "label"]).size().unstack(fill_value=0)
        return counts.reindex(index=list(SPLITS), columns=range(len(self.classes)), fill_value=0)

    def once(self, make: Callable[[CheckedSamples], T]) -> T:
        """What `make` makes of these samples: made when it is first asked for, and the same for every check."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast("T", self._made[make])

    @cached_property
    def _made(self) -> dict[Callable[[CheckedSamples], Any], Any]:
        return {}


def share(part: int, whole: int) -> float:
    """NaN where there is nothing to take a share of."""
    return part / whole if whole else float("nan")


def ids(rows: pd.DataFrame) -> tuple[str, ...]:
    """Sample ids of the first rows, more than a result can show."""
    return tuple(str(sample) for sample in rows["sample_id"].head(20))


def listed(names: Sequence[str]) -> str:
    """`a, b, c`, cut off after a few."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
