"""What a rollout is judged by: counts, which are added up over files, workers and replicas in any order.

Who keeps a tally of each file of comparisons can judge at any moment by adding them up, and whoever adds up the same
files has the same counts. Nothing of a sample is in it but its class.

A sample that comes twice counts twice: the tally is of the traffic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import reduce
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import InputError

Counts = NDArray[np.int64]

FORMAT = 1
SIDES = ("champion", "challenger")  # the order of every axis of two versions

# Seconds from a tenth of a millisecond to a quarter of an hour, 5% apart: so exactly is a latency known.
EDGES: NDArray[np.float64] = np.geomspace(1e-4, 1e3, 331)
# A mean of many is known much better than its values: rounding them to 0.02 moves it by less than 0.01.
DIFFERENCES: NDArray[np.float64] = np.linspace(-1, 1, 101)
PROBABILITIES: NDArray[np.float64] = np.linspace(0, 1, 51)


@dataclass(frozen=True, kw_only=True, eq=False)
class Tally:
    """Counts of the comparisons of a rollout with S steps. Pairs are of shadows, sides of canaries.

    Attributes:
        asked: (S,), samples that the challenger was asked.
        failed_pairs: (S, 3), requests by challenger failed less champion failed: −1, 0, 1.
        failed_sides: (S, 2, 2), requests by side: answered, failed.
        latency: (S, 2, len(EDGES) + 1), answered requests by side, between EDGES.
        agreement: class that the champion names → (2,), pairs in which the challenger names another, the same.
        confidence_pairs: (len(DIFFERENCES),), challenger's less champion's confidence.
        confidence_sides: (S, 2, len(PROBABILITIES)).
        right_pairs: label → (4,), pairs in which neither, the challenger, the champion, both have it right.
        right_sides: label → (S, 2, 2), by side: wrong, right.
        odd: rows that no step of the rules could have made; unreadable: files.
    """

    asked: Counts
    failed_pairs: Counts
    failed_sides: Counts
    latency: Counts
    confidence_pairs: Counts
    confidence_sides: Counts
    agreement: Mapping[str, Counts] = field(default_factory=dict)
    right_pairs: Mapping[str, Counts] = field(default_factory=dict)
    right_sides: Mapping[str, Counts] = field(default_factory=dict)
    odd: int = 0
    unreadable: int = 0

    @classmethod
    def nothing(cls, steps: int, *, unreadable: int = 0) -> Self:
        """Of no comparison; `unreadable` files are counted."""
        counts: dict[str, Any] = {name: np.zeros(shape, np.int64) for name, shape in _shapes(steps).items()}
        return cls(**counts, unreadable=unreadable)

    @property
    def steps(self) -> int:
        """Of the rollout."""
        return len(self.asked)

    def champion_answers(self, step: int) -> int:
        """Samples that the champion answered in a canary, as one of two sides."""
        return int(self.confidence_sides[step, 0].sum())

    def __add__(self, other: Tally) -> Tally:
        return Tally(**{one.name: _sum(getattr(self, one.name), getattr(other, one.name)) for one in fields(self)})

    def document(self) -> dict[str, Any]:
        """As JSON has it, with its format."""
        return {"format": FORMAT, **{one.name: _plain(getattr(self, one.name)) for one in fields(self)}}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Self:
        """What `document` made.

        Raises:
            InputError: another format, or counts that do not fit together.
        """
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']!r}")
            steps = len(document["asked"])
            read: dict[str, Any] = {name: _counts(document[name], shape) for name, shape in _shapes(steps).items()}
            for name, shape in _shapes_of_classes(steps).items():
                read[name] = {str(one): _counts(counts, shape) for one, counts in document[name].items()}
            return cls(**read, odd=int(document["odd"]), unreadable=int(document["unreadable"]))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            found = f"{type(error).__name__}: {error}"[:200]
            fix = "read it with the version that wrote it, or count the comparisons again"
            raise InputError("tally of a rollout", found, f"counts in format {FORMAT}", fix) from error


def added(tallies: Iterable[Tally], steps: int) -> Tally:
    """All of them together; of none, no comparison."""
    return reduce(Tally.__add__, tallies, Tally.nothing(steps))


def _shapes(steps: int) -> dict[str, tuple[int, ...]]:
    return {
        "asked": (steps,),
        "failed_pairs": (steps, 3),
        "failed_sides": (steps, 2, 2),
        "latency": (steps, 2, len(EDGES) + 1),
        "confidence_pairs": (len(DIFFERENCES),),
        "confidence_sides": (steps, 2, len(PROBABILITIES)),
    }


def _shapes_of_classes(steps: int) -> dict[str, tuple[int, ...]]:
    return {"agreement": (2,), "right_pairs": (4,), "right_sides": (steps, 2, 2)}


def _sum(one: Any, other: Any) -> Any:
    if not isinstance(one, Mapping):
        return one + other
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: counts.tolist() for name, counts in sorted(value.items())}
    return value.tolist() if isinstance(value, np.ndarray) else value


def _counts(value: Any, shape: tuple[int, ...]) -> Counts:
    found = np.asarray(value, np.int64)
    if found.shape != shape or (found < 0).any():
        raise ValueError(f"counts of shape {found.shape} for {shape}, or below 0")
    return found
