"""How many samples of each class there are in each split, and what training saw of them. No markup here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_ALL_UP_TO = 24  # classes that are shown whole; above, both ends of their order
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class ClassCount:
    """A class.

    Attributes:
        counts: samples in each split, in the order of the table.
        share: of the training samples, 0 to 1.
        length: 0 to 100, of the largest class: how long its bar is.
        augmented: augmented samples of it that training saw, all epochs together; None where that is not known.
    """

    name: str
    counts: tuple[int, ...]
    share: float
    length: float
    augmented: int | None


@dataclass(frozen=True, kw_only=True)
class ClassTable:
    """Classes by their training samples, the most frequent first.

    Attributes:
        hidden: classes between `first` and `last` that are left out.
        imbalance: how many times as many samples the most frequent class has as the rarest that has any.
    """

    splits: tuple[str, ...]
    first: tuple[ClassCount, ...]
    last: tuple[ClassCount, ...]
    hidden: int
    most: str
    fewest: str
    imbalance: float


def class_table(
    classes: Sequence[str], counts: Mapping[str, Mapping[str, int]], epochs: int | None
) -> ClassTable | None:
    """Samples by class and split.

    Args:
        classes: all of them, with samples or without.
        counts: split to class name to samples.
        epochs: how often training saw every sample augmented; None where that is not known.

    Returns:
        None where no training sample is counted.
    """
    train = counts.get("train", {})
    whole, largest = sum(train.values()), max(train.values(), default=0)
    if not largest:
        return None
    splits = tuple(split for split in _SPLITS if counts.get(split))
    order = sorted(classes, key=lambda name: -train.get(name, 0))  # of equal ones in their own order
    rows = [
        ClassCount(
            name,
            tuple(counts[split].get(name, 0) for split in splits),
            train.get(name, 0) / whole,
            round(100 * train.get(name, 0) / largest, 1),
            None if epochs is None else train.get(name, 0) * epochs,
        )
        for name in order
    ]
    ends = _ALL_UP_TO // 2
    first, last = (rows, []) if len(rows) <= _ALL_UP_TO else (rows[:ends], rows[-ends:])
    rarest = min((name for name in order if train.get(name, 0)), key=lambda name: train[name])
    return ClassTable(
        splits=splits,
        first=tuple(first),
        last=tuple(last),
        hidden=len(rows) - len(first) - len(last),
        most=order[0],
        fewest=rarest,
        imbalance=largest / train[rarest],
    )
