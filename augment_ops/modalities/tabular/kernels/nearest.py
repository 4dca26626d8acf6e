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
_LEAST = np.finfo(np.float64).tiny  # of rows that differ, whatever their variance is rounded to
_OF_A_FLAG = 0.25
_MEASURED = 3  # columns between two looks at whether any row is still near enough; 2 and 4 take as long
_TOGETHER = 32  # queries that go through the tree as one; 16 take a tenth longer, 64 as long
_SAMPLED = 33  # rows whose median halves a node: of thousands, in parts of 35 and 65 percent nearly always


@inner
def _widest(rows: F64, order: I64, start: int, end: int, is_number: Flags) -> int:
    """The column of the largest variance; -1 where rows are all the same.

    Not the one of the largest range, which in columns with long tails is that of a few rows: halving it there tells
    little of the many. A category has the variance of a flag at most, and so has which rows lack a value.
    """
    widest, column = 0.0, -1
    for at in range(rows.shape[1]):
        first, total, squares, gaps, differ = np.nan, 0.0, 0.0, 0, 0.0
        for place in range(start, end):
            value = rows[order[place], at]
            if np.isnan(value):
                gaps += 1
                continue
            if np.isnan(first):
                first = value
            if value != first:
                differ = _LEAST
            total += value - first
            squares += (value - first) ** 2
        known = end - start - gaps
        if differ > 0:
            variance = (squares - total * total / known) / known
            if variance > differ:  # which it is not where squares are beyond all numbers
                differ = variance if is_number[at] else min(variance, _OF_A_FLAG)
        if 0 < gaps < end - start:
            differ = max(differ, gaps * known / (end - start) ** 2)
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
def lay_out(rows: F64, order: I64, spans: I64, children: I64, columns: F64, lows: F64, highs: F64) -> None:
    """Rows (n, F) by leaf, and of each leaf column by column, into columns (n * F,); what each node's rows lie between,
    infinite where a value is missing, into lows and highs (nodes, F).
    """
    for node in range(len(spans) - 1, -1, -1):  # a node is made before its children
        start, end = spans[node]
        one, other = children[node]
        if one >= 0:
            for column in range(rows.shape[1]):
                lows[node, column] = min(lows[one, column], lows[other, column])
                highs[node, column] = max(highs[one, column], highs[other, column])
            continue
        leaf = _leaf(columns, start, end, rows.shape[1])
        for column in range(rows.shape[1]):
            low, high, gaps = np.inf, -np.inf, False
            for row in range(end - start):
                value = rows[order[start + row], column]
                leaf[column, row] = value
                if np.isnan(value):
                    gaps = True
                else:
                    low, high = min(low, value), max(high, value)
            lows[node, column], highs[node, column] = (-np.inf, np.inf) if gaps else (low, high)


@inner
def _leaf(columns: F64, start: int, end: int, features: int) -> F64:
    """The rows of a leaf: (F, n), a view."""
    return columns[start * features : end * features].reshape((features, end - start))


@inner
def _bound(query: F64, low: F64, high: F64, is_number: Flags) -> float:
    """Least squared distance of a row to anything in a box."""
    total = 0.0
    for column in range(len(query)):
        below, above = low[column] - query[column], query[column] - high[column]
        outside = below if below > 0 else above if above > 0 else 0.0
        total += outside * outside if is_number[column] else 1.0 if outside > 0 else 0.0
    return total


@inner
def _add_squares(value: float, values: F64, sums: F64) -> None:
    """Of numbers; a gap adds nothing. A loop of its own, as are the next two: else they are not vectorised."""
    for row in range(len(sums)):
        square = (values[row] - value) ** 2
        sums[row] += 0.0 if np.isnan(square) else square


@inner
def _add_differing(value: float, values: F64, sums: F64) -> None:
    """Of categories."""
    for row in range(len(sums)):
        sums[row] += 1.0 if values[row] != value and not np.isnan(values[row]) else 0.0


@inner
def _count_near(sums: F64, enough: float) -> int:
    near = 0
    for row in range(len(sums)):
        near += 1 if sums[row] * _LOOSE <= enough else 0
    return near


@entry
def _any_near(query: F64, order: I64, leaf: F64, is_number: Flags, enough: float, sums: F64) -> bool:
    """Whether any row of a leaf (F, n) may be as near as `enough`; into sums (n,), of each what was measured by then.

    A column at a time, of all rows, and columns in which the query stands out first: they put most leaves aside. Sums
    are in another order than distances: `_LOOSE` is for that too.
    """
    sums[:] = 0
    for at in range(len(order)):
        column = order[at]
        if not np.isnan(query[column]):
            if is_number[column]:
                _add_squares(query[column], leaf[column], sums)
            else:
                _add_differing(query[column], leaf[column], sums)
        if at % _MEASURED == _MEASURED - 1 and _count_near(sums, enough) == 0:
            return False
    return True


@inner
def _apart(query: F64, leaf: F64, row: int, is_number: Flags, enough: float) -> float:
    """Squared distance to a row of a leaf (F, n); anything beyond `enough` once it is known to be."""
    total, compared = 0.0, 0
    for column in range(len(query)):
        a, b = query[column], leaf[column, row]
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


@inner
def _meet(
    query: F64, own: int, order: I64, leaf: F64, places: I64, is_number: Flags, sums: F64, distances: F64, found: I64
) -> None:
    """Rows of a leaf (F, n) take the places of those among the nearest, (k,) each, that are farther."""
    last, all_same = len(found) - 1, leaf.shape[1] > len(sums)
    sums = sums[: leaf.shape[1]]
    if not all_same and not _any_near(query, order, leaf, is_number, distances[last], sums):
        return
    for row in range(leaf.shape[1]):
        place, worst = places[row], distances[last]
        if place == own or (not all_same and sums[row] * _LOOSE > worst):
            continue
        apart = _apart(query, leaf, row, is_number, worst)
        if apart < worst or (apart == worst and place < found[last]):
            _insert(apart, place, distances, found, last)
        elif all_same:
            break


@entry
def descend(queries: F64, lows: F64, highs: F64, children: I64, is_number: Flags, leaves: I64) -> None:
    """The leaf that each query (q, F) comes to by the nearer child of each node, into leaves (q,)."""
    for q in range(len(queries)):
        node = 0
        while children[node, 0] >= 0:
            one, other = children[node]
            to_one = _bound(queries[q], lows[one], highs[one], is_number)
            node = one if to_one <= _bound(queries[q], lows[other], highs[other], is_number) else other
        leaves[q] = node


@entry
def search(
    queries: F64,
    own: I64,
    orders: I64,
    columns: F64,
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

    Some queries go through the tree together, so that what is read of it serves them all, each only into those nodes
    that may hold rows that are near enough. Which are near enough gets less at every leaf, and sooner where queries
    that follow each other are near each other.

    Args:
        queries: (q, F); own: (q,), the place that is the query's own and no neighbour.
        orders: (q, F), in which order a query's columns are measured first.
        columns: (n * F,), see `lay_out`; places: (n,), what is found.
        lows, highs: (nodes, F), of the boxes; spans: (nodes, 2), first row and the one after the last; children:
            (nodes, 2), -1 of a leaf.
        leaf: a part of more rows holds the same row again and again, by place.
        most: nodes that wait at once.
    """
    last, features = found.shape[1] - 1, queries.shape[1]
    distances[:], found[:] = np.inf, np.iinfo(np.int64).max
    waiting, bounds, sums = np.empty(most, np.int64), np.empty((most, _TOGETHER)), np.empty(leaf)
    for first in range(0, len(queries), _TOGETHER):
        together = range(min(_TOGETHER, len(queries) - first))
        waiting[0], bounds[0], depth = 0, 0.0, 1
        while depth:
            depth -= 1
            node = waiting[depth]
            one, other = children[node]
            if one < 0:
                start, end = spans[node]
                rows, named = _leaf(columns, start, end, features), places[start:end]
                for at in together:
                    q = first + at
                    if bounds[depth, at] * _LOOSE <= distances[q, last]:
                        _meet(queries[q], own[q], orders[q], rows, named, is_number, sums, distances[q], found[q])
                continue
            wanted, votes = False, 0
            for at in together:
                q, to_one, to_other = first + at, np.nan, np.nan  # which are no longer near enough, whatever is
                if bounds[depth, at] * _LOOSE <= distances[q, last]:
                    to_one = _bound(queries[q], lows[one], highs[one], is_number)
                    to_other = _bound(queries[q], lows[other], highs[other], is_number)
                    wanted, votes = True, votes + (to_one < to_other) - (to_other < to_one)
                bounds[depth, at], bounds[depth + 1, at] = to_other, to_one
            if not wanted:
                continue
            waiting[depth], waiting[depth + 1] = other, one
            if votes < 0:  # the nearer for most of them comes first
                waiting[depth], waiting[depth + 1] = one, other
                for at in together:
                    bounds[depth, at], bounds[depth + 1, at] = bounds[depth + 1, at], bounds[depth, at]
            depth += 2
