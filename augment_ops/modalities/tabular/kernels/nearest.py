"""The nearest rows of each of some rows, in a tree of boxes; `modalities.tabular.neighbours` has the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.kernels.compiled import entry, inner
from augment_ops.engine.kernels.types import F64, I64

Flags = NDArray[np.bool_]

# A bound is a sum of the same terms, none of them larger, in the same order, so it is no larger than the distance,
# but for the last bit that scaling by columns / compared columns may round off.
_LOOSE = 1 - 1e-12
_SAMPLED = 33  # rows whose median halves a node: of thousands, in parts of 35 and 65 percent nearly always


@inner
def _widest(rows: F64, order: I64, start: int, end: int, is_number: Flags) -> int:
    """The column in which rows differ most; -1 where they are all the same. A gap counts as much as a category."""
    widest, column = 0.0, -1
    for at in range(rows.shape[1]):
        low, high, gaps = np.inf, -np.inf, 0
        for place in range(start, end):
            value = rows[order[place], at]
            if np.isnan(value):
                gaps += 1
            else:
                low, high = min(low, value), max(high, value)
        differ = high - low if low < high else 0.0
        if not is_number[at]:
            differ = min(differ, 1.0)
        if 0 < gaps < end - start:
            differ = max(differ, 1.0)
        if differ > widest:
            widest, column = differ, at
    return column


@inner
def _halved(rows: F64, order: I64, start: int, end: int, column: int) -> int:
    """Rows up to a median first, in place; where the others begin. What is missing counts as the largest."""
    sampled = min(_SAMPLED, end - start)
    some = np.empty(sampled)
    for at in range(sampled):
        value = rows[order[start + at * (end - start) // sampled], column]
        some[at] = np.inf if np.isnan(value) else value
    some.sort()
    median = some[sampled // 2]
    for strict in (False, True):  # where no row is beyond the median, those below it come first
        middle = start
        for place in range(start, end):
            value = rows[order[place], column]
            if np.isnan(value):
                value = np.inf
            if value < median or (value == median and not strict):
                order[middle], order[place] = order[place], order[middle]
                middle += 1
        if start < middle < end:
            break
    return middle


@entry
def grow(rows: F64, is_number: Flags, leaf: int, order: I64, spans: I64, children: I64) -> tuple[int, int]:
    """Halve rows until no part has more than `leaf` that differ; how many nodes there are, and how many can wait.

    Args:
        rows: (n, F); order: (n,), filled with the rows by leaf; spans, children: (2n, 2), see `search`.
    """
    n, nodes, node, deepest = len(rows), 1, 0, 1
    depths = np.empty(len(spans), np.int32)
    for row in range(n):
        order[row] = row
    spans[0, 0], spans[0, 1], depths[0] = 0, n, 1
    while node < nodes:  # a node is made before its children, so every node is come by
        start, end = spans[node]
        children[node, 0] = children[node, 1] = -1
        column = _widest(rows, order, start, end, is_number) if end - start > leaf else -1
        if column >= 0:
            middle = _halved(rows, order, start, end, column)
            spans[nodes, 0], spans[nodes, 1], spans[nodes + 1, 0], spans[nodes + 1, 1] = start, middle, middle, end
            children[node, 0], children[node, 1] = nodes, nodes + 1
            depths[nodes] = depths[nodes + 1] = depths[node] + 1
            deepest, nodes = max(deepest, depths[nodes]), nodes + 2
        elif end - start > leaf:  # all the same: `search` leaves them at the first that comes too late
            same = order[start:end]
            same.sort()
        node += 1
    return nodes, deepest + 1  # of those on the way down, one each waits


@entry
def fill_boxes(rows: F64, spans: I64, lows: F64, highs: F64) -> None:
    """What each node's rows lie between, infinite where a value is missing, into lows and highs (nodes, F)."""
    for node in range(len(spans)):
        for column in range(rows.shape[1]):
            low, high = np.inf, -np.inf
            for row in range(spans[node, 0], spans[node, 1]):
                value = rows[row, column]
                if np.isnan(value):
                    low, high = -np.inf, np.inf
                    break
                low, high = min(low, value), max(high, value)
            lows[node, column], highs[node, column] = low, high


@inner
def _bound(query: F64, low: F64, high: F64, is_number: Flags) -> float:
    """Least squared distance of a row to anything in a box."""
    total = 0.0
    for column in range(len(query)):
        value = query[column]
        if value < low[column]:
            total += (low[column] - value) ** 2 if is_number[column] else 1.0
        elif value > high[column]:
            total += (value - high[column]) ** 2 if is_number[column] else 1.0
    return total


@inner
def _apart(query: F64, row: F64, is_number: Flags, enough: float) -> float:
    """Squared distance of two rows; anything beyond `enough` once it is known to be."""
    total, compared = 0.0, 0
    for column in range(len(query)):
        a, b = query[column], row[column]
        if np.isnan(a) or np.isnan(b):
            continue
        compared += 1
        if is_number[column]:
            total += (a - b) * (a - b)
        elif a != b:
            total += 1.0
        if total * _LOOSE > enough:
            return np.inf
    if compared == 0:
        return np.finfo(np.float64).max  # last, where there is nothing to compare
    return total * len(query) / compared


@inner
def _insert(apart: float, place: int, distances: F64, found: I64, at: int) -> None:
    """Among those that are sorted up to `at`, which is overwritten."""
    while at > 0 and (distances[at - 1] > apart or (distances[at - 1] == apart and found[at - 1] > place)):
        distances[at], found[at] = distances[at - 1], found[at - 1]
        at -= 1
    distances[at], found[at] = apart, place


@entry
def search(
    queries: F64,
    own: I64,
    rows: F64,
    places: I64,
    lows: F64,
    highs: F64,
    spans: I64,
    children: I64,
    is_number: Flags,
    leaf: int,
    most: int,
    distances: F64,
    found: I64,
) -> None:
    """Squared distances and places of the nearest rows of each query, into (q, k) each: the nearest first, and of
    equally near ones the first.

    Args:
        queries: (q, F); own: (q,), the place that is the query's own and no neighbour.
        rows: (n, F) in the order of the tree's leaves; places: (n,), what is found.
        lows, highs: (nodes, F), of the boxes; spans: (nodes, 2), first row and the one after the last; children:
            (nodes, 2), -1 of a leaf.
        leaf: a part of more rows holds the same row again and again, by place.
        most: nodes that wait at once.
    """
    k = found.shape[1]
    waiting, bounds = np.empty(most, np.int64), np.empty(most)
    for q in range(len(queries)):
        query, count = queries[q], 0
        waiting[0], bounds[0], depth = 0, 0.0, 1
        while depth:
            depth -= 1
            node = waiting[depth]
            worst = distances[q, k - 1] if count == k else np.inf
            if bounds[depth] * _LOOSE > worst:
                continue
            if children[node, 0] >= 0:
                near, far = children[node, 0], children[node, 1]
                to_near = _bound(query, lows[near], highs[near], is_number)
                to_far = _bound(query, lows[far], highs[far], is_number)
                if to_far < to_near:
                    near, far, to_near, to_far = far, near, to_far, to_near
                waiting[depth], bounds[depth] = far, to_far
                waiting[depth + 1], bounds[depth + 1] = near, to_near
                depth += 2
                continue
            all_same = spans[node, 1] - spans[node, 0] > leaf
            for row in range(spans[node, 0], spans[node, 1]):
                place = places[row]
                if place == own[q]:
                    continue
                worst = distances[q, k - 1] if count == k else np.inf
                apart = _apart(query, rows[row], is_number, worst)
                if count == k and (apart > worst or (apart == worst and place > found[q, k - 1])):
                    if all_same:
                        break
                    continue
                count = min(count + 1, k)
                _insert(apart, place, distances[q], found[q], count - 1)
