"""Who gets which transform: `p`, OneOf and SomeOf decided for a whole batch, from the key.

A node's decisions are the draws of its own stream for `DECISIONS`: first whether it applies, then what it chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.kernels.applies import ALL, ONE, SOME, SOME_AGAIN, fill_applies

Mask = NDArray[np.bool_]


class PolicyNode(Protocol):
    """A transform or container at its place in a policy, as far as its decisions go.

    Attributes:
        index: in the order of the file, containers included: the transform index of its random streams.
        name: of the transform or container.
        values: its parameters; `p` is among them, and `n` and `replace` of a SomeOf.
        children: of a container.
        applies_whole: whether its children apply to whatever it applies to, as those of AugMix do.
    """

    @property
    def index(self) -> int: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def values(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def children(self) -> Sequence[Self]: ...  # noqa: D102
    @property
    def applies_whole(self) -> bool: ...  # noqa: D102


class Requirement(NamedTuple):
    """What a draw of a node's stream has to be, that a leaf below it applies.

    Attributes:
        stream: the node's index.
        kind: ALL and ONE, where draw number `place` has to lie from `low` to below `high`; SOME and SOME_AGAIN, where
            the child at `place` has to be taken.
        parts: children of a SOME; of a SOME_AGAIN, children without their copies.
        takes: how many a SOME or SOME_AGAIN takes.
    """

    stream: int
    kind: int
    place: int
    low: float = 0.0
    high: float = 0.0
    parts: int = 0
    takes: int = 0


class Decisions:
    """The decisions of a forest of nodes, for any samples.

    Args:
        nodes: a plan's.
    """

    def __init__(self, nodes: Sequence[PolicyNode]) -> None:
        flat: list[_Flat] = []
        for node in nodes:
            _flatten(node, flat, parent=-1, forced=False)
        self._flat, self._indexes = flat, [each.stream for each in flat]
        self._shown = [m for m, each in enumerate(flat) if each.shown]
        children = [[m for m, each in enumerate(flat) if each.parent == parent] for parent in range(len(flat))]
        self._table = (
            _whole(each.kind for each in flat),
            _whole(self._indexes),
            _whole(each.parent for each in flat),
            _whole(map(len, children)),
            _whole(each.takes for each in flat),
            _whole(accumulate(map(len, children[:-1]), initial=0)) if flat else _whole([]),
            _whole(child for each in children for child in each),
            np.array([each.chance for each in flat], np.float64),
            np.array([edge for each in flat for edge in each.edges], np.float64),
        )

    def __call__(self, keys: NDArray[np.uint64]) -> Mapping[int, Mask]:
        """Which samples every leaf applies to.

        Args:
            keys: uint64 (N, 2).

        Returns:
            index of the leaf, or of what applies as a whole → bool (N,).
        """
        applies = np.empty((len(self._indexes), len(keys)), np.uint8)
        fill_applies(keys, *self._table, applies)
        masks = applies.view(np.bool_)
        return {self._indexes[m]: masks[m] for m in self._shown}

    def requirements(self) -> Mapping[int, list[Requirement]]:
        """The same as what each leaf needs, for a processor that asks for all of a sample's leaves at once."""
        needs: list[list[Requirement]] = []
        seen = [0] * len(self._flat)  # children so far
        for node in self._flat:
            found: list[Requirement] = []
            if node.parent >= 0:
                found += needs[node.parent]
                found += _taken(self._flat[node.parent], seen[node.parent])
                seen[node.parent] += 1
            if node.chance < 1:
                found.append(Requirement(node.stream, ALL, 0, high=node.chance))
            needs.append(found)
        return {self._indexes[m]: needs[m] for m in self._shown}


class _Flat(NamedTuple):
    """A node in a list of all: kind and number of children that it takes, the edges of a OneOf's (0 of others)."""

    stream: int
    parent: int
    kind: int
    takes: int
    chance: float
    edges: list[float]
    shown: bool


_KINDS = {"OneOf": ONE, "SomeOf": SOME}
_NOT_ASKED = 2.0


def _flatten(node: PolicyNode, flat: list[_Flat], *, parent: int, forced: bool) -> None:
    kind, p, children = _KINDS.get(node.name, ALL), float(node.values["p"]), node.children
    takes = int(node.values["n"]) if kind == SOME else 0
    edges = [0.0] * len(children)
    if kind == ONE:
        weights = np.array([float(child.values["p"]) for child in children])
        edges = np.cumsum(weights / weights.sum()).tolist()
    elif kind == SOME and node.values["replace"]:
        kind = SOME_AGAIN  # the plan has n copies of each child
    # Whoever chooses a child of OneOf has decided that it applies, except for a SomeOf, which asks its own p again.
    asks = p < 1 and (not forced or node.name == "SomeOf")
    here, shown = len(flat), not children or node.applies_whole
    flat.append(_Flat(node.index, parent, kind, takes, p if asks else _NOT_ASKED, edges, shown))
    for child in children:
        _flatten(child, flat, parent=here, forced=kind == ONE or node.applies_whole)


def _taken(parent: _Flat, place: int) -> list[Requirement]:
    """What has to be, that a node takes its child at `place`."""
    stream, children = parent.stream, len(parent.edges)
    if parent.kind == ONE:
        low = parent.edges[place - 1] if place else 0.0
        high = parent.edges[place] if place < children - 1 else 1.0  # the last edge is rounded
        return [Requirement(stream, ONE, 1, low=low, high=high)]
    if parent.kind == SOME:
        return [Requirement(stream, SOME, place, parts=children, takes=parent.takes)]
    if parent.kind == SOME_AGAIN:
        return [Requirement(stream, SOME_AGAIN, place, parts=children // parent.takes, takes=parent.takes)]
    return []


def _whole(numbers: Iterable[int]) -> NDArray[np.int64]:
    return np.array(list(numbers), np.int64)
