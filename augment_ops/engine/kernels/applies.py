"""Who gets which transform, sample by sample; `augment_ops.engine.decisions` documents it."""

from __future__ import annotations

import numpy as np

from augment_ops.engine.kernels.compiled import entry
from augment_ops.engine.kernels.philox import DECISIONS, stream_uniforms
from augment_ops.engine.kernels.types import F64, I64, U8, U64

ALL, ONE, SOME, SOME_AGAIN = 0, 1, 2, 3  # what a node does with its children


@entry
def fill_applies(
    keys: U64,
    kinds: I64,
    indexes: I64,
    parents: I64,
    counts: I64,
    chosen: I64,
    first: I64,
    children: I64,
    chances: F64,
    edges: F64,
    out: U8,
) -> None:
    """Whether each node applies to each sample.

    Args:
        keys: uint64 (N, 2).
        kinds: int64 (M,), ALL, ONE, SOME or SOME_AGAIN, parents before their children.
        indexes: int64 (M,), of their streams.
        parents: int64 (M,), -1 where there is none.
        counts: int64 (M,), of children.
        chosen: int64 (M,), how many a SOME or SOME_AGAIN takes.
        first: int64 (M,), where a node's children begin in `children`, and their edges in `edges`.
        children: int64 (K,); edges: float64 (K,), below which number a ONE takes a child.
        chances: float64 (M,), 2 where a node is not asked.
        out: uint8 (M, N).
    """
    most = 1
    for m in range(len(counts)):
        most = max(most, counts[m] + 1)
    draws, offered = np.empty(most), np.empty(len(kinds), np.uint8)
    for i in range(len(keys)):
        for m in range(len(kinds)):
            parent, kind = parents[m], kinds[m]
            out[m, i] = 0
            if parent >= 0 and not (out[parent, i] and offered[m]):
                continue
            if kind != ALL or chances[m] < 1:
                many = 1 if kind == ALL else counts[m] + 1
                stream_uniforms(keys[i, 0], keys[i, 1], indexes[m], DECISIONS, draws[:many])
                if draws[0] >= chances[m]:
                    continue
            out[m, i] = 1
            ours = children[first[m] : first[m] + counts[m]]
            if kind == ALL:
                for c in range(len(ours)):
                    offered[ours[c]] = 1
            elif kind == ONE:
                taken = 0
                while taken < len(ours) - 1 and edges[first[m] + taken] <= draws[1]:
                    taken += 1
                for c in range(len(ours)):
                    offered[ours[c]] = c == taken
            elif kind == SOME:
                for c in range(len(ours)):
                    before = 0
                    for other in range(len(ours)):
                        before += draws[1 + other] < draws[1 + c] or (draws[1 + other] == draws[1 + c] and other < c)
                    offered[ours[c]] = before < chosen[m]
            else:  # so many copies of each child: of one that is taken k times, k apply
                copies = chosen[m]
                kinds_of_child = len(ours) // copies
                for c in range(len(ours)):
                    taken = 0
                    for draw in range(copies):
                        taken += np.int64(draws[1 + draw] * kinds_of_child) == c // copies
                    offered[ours[c]] = c % copies < taken
