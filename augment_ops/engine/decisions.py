"""Who gets which transform: `p`, OneOf and SomeOf decided for a whole batch, from the key.

A node's decisions are the draws of its own stream for `DECISIONS`: first whether it applies, then what it chooses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox

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


def decide(nodes: Sequence[PolicyNode], keys: NDArray[np.uint64]) -> Mapping[int, Mask]:
    """Which samples every leaf applies to.

    Args:
        nodes: a plan's.
        keys: uint64 (N, 2).

    Returns:
        index of the leaf → bool (N,).
    """
    masks: dict[int, Mask] = {}
    everyone = np.ones(len(keys), np.bool_)
    for node in nodes:
        _decide(node, everyone, keys, masks, forced=False)
    return masks


def _decide(node: PolicyNode, mask: Mask, keys: NDArray[np.uint64], masks: dict[int, Mask], *, forced: bool) -> None:
    name, p = node.name, float(node.values["p"])
    choices = len(node.children) if name in ("OneOf", "SomeOf") else 0
    # Whoever chooses a child of OneOf has decided that it applies, except for a SomeOf, which asks its own p again.
    asks = p < 1 and (not forced or name == "SomeOf")
    draws = None
    if asks or choices:
        draws = philox.uniforms(keys, node.index, philox.DECISIONS, 1 + choices)
    if asks:
        assert draws is not None
        mask = mask & (draws[:, 0] < p)
    if not node.children or node.applies_whole:
        masks[node.index] = mask
        for child in node.children:
            _decide(child, mask, keys, masks, forced=True)
    elif name == "OneOf":
        assert draws is not None
        weights = np.array([float(child.values["p"]) for child in node.children])
        edges = np.cumsum(weights / weights.sum())
        chosen = np.minimum(np.searchsorted(edges, draws[:, 1], side="right"), choices - 1)
        for i, child in enumerate(node.children):
            _decide(child, mask & (chosen == i), keys, masks, forced=True)
    elif name == "SomeOf":
        assert draws is not None
        n = int(node.values["n"])
        if node.values["replace"]:  # the plan has n copies of each child: of one chosen k times, k apply
            kinds = choices // n
            chosen = (draws[:, 1 : n + 1] * kinds).astype(np.int64)
            taken = (chosen[:, :, None] == np.arange(kinds)).sum(axis=1)
            applies = (taken[:, :, None] > np.arange(n)).reshape(len(keys), choices)
        else:
            applies = draws[:, 1:].argsort(axis=1, kind="stable").argsort(axis=1) < n
        for i, child in enumerate(node.children):
            _decide(child, mask & applies[:, i], keys, masks, forced=False)
    else:
        for child in node.children:
            _decide(child, mask, keys, masks, forced=False)
