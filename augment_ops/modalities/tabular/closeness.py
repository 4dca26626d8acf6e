"""The checks of how near augmented rows are to others: to other people's, to held-out ones, to those of other classes.

Each compares augmented rows with what the originals already have, so a table in which everybody is near everybody is no
fault of its policy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.tabular.crowd import MOST_ROWS, Crowd, Space, drawn
from augment_ops.modalities.tabular.schema import Rows, schema_of
from augment_ops.quality.composition import contents
from augment_ops.quality.pairs import Pairs
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged

ROWS_AT_ONCE = 100_000  # of 20 columns, 16 MB
_MOST_QUERIES = 5_000  # augmented rows whose neighbours are looked for: shares to half a percent
_NEAR = 0.05  # the share of the originals that counts as near: the 5th percentile of synthetic data's privacy metrics
_NEIGHBOURS = 5  # that a row's class is told by; SMOTE's own number
_LEAST = 50  # rows of a class whose share is judged: below, its standard error is over 7 points
_NONE = np.int64(-1)


def distance_to_closest_record(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented rows as near to somebody else's row as the nearest 5% of training rows are to each other.

    Beyond the share of the training rows that are. Their own original does not count: it is in training anyway. Source:
    the distance to the closest record and its 5th percentile, Platzer & Reutterer 2021, "Holdout-Based Empirical
    Assessment of Mixed-Type Synthetic Data", Frontiers in Big Data 4, doi 10.3389/fdata.2021.679939.
    """
    crowd = Crowd.of(_space(pairs), pairs.train.payload)
    if len(crowd.rows) <= _NEIGHBOURS:
        return _too_few("distance-to-closest-record", rule)
    some = pairs.some(drawn(len(pairs.labels), "privacy", _MOST_QUERIES))
    places = drawn(len(crowd.rows), "privacy", _MOST_QUERIES)
    before = crowd.nearest(crowd.values[places], crowd.rows[places], 1)[0][:, 0]
    after = crowd.nearest(some.augmented, some.train.places, 1)[0][:, 0]
    what = "as near to a training row that is not their original as {before:.1%} of the training rows are to each other"
    remedy = "let the policy move rows further from the ones they are mixed with, or draw from more of them"
    return _excess("distance-to-closest-record", rule, some, before, after, what, remedy)


def copies_of_others(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented rows that equal a training row of another subject, and their original did not.

    Where the data set names no subjects, a row that is not their original. All training rows are looked at.
    """
    made, own = contents(pairs.augmented), contents(pairs.originals)
    wanted: dict[bytes, list[int]] = {}
    for row, (after, before) in enumerate(zip(made, own, strict=True)):
        if after != before:
            wanted.setdefault(after, []).append(row)
    bad = np.zeros(len(made), np.bool_)
    subjects = pairs.train.subjects
    for start in range(0, len(pairs.train.payload), ROWS_AT_ONCE):
        part = np.arange(start, min(start + ROWS_AT_ONCE, len(pairs.train.payload)))
        for place, found in zip(part.tolist(), contents(pairs.train.payload.take(part)), strict=True):
            for row in wanted.get(found, ()):
                mine = subjects is not None and subjects[place] is not None
                bad[row] |= not mine or subjects[place] != subjects[pairs.train.places[row]]  # type: ignore[index]
    remedy = "report it as a bug of the transform: it gives out somebody's row as an invented one"
    return pairs.share("copies-of-others", rule, bad, "equal the row of somebody else in every value", remedy)


def near_held_out_leakage(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented rows as near to a held-out row as the nearest 5% of their originals; beyond those 5%."""
    crowd = Crowd.of(_space(pairs), pairs.held_out)
    some = pairs.some(drawn(len(pairs.labels), "held out", _MOST_QUERIES))
    nobody = np.full(len(some.labels), _NONE)
    before, after = (crowd.nearest(rows, nobody, 1)[0][:, 0] for rows in (some.originals, some.augmented))
    what = "as near to a held-out row as {before:.1%} of their originals are"
    remedy = "find out how held-out rows got into training before anything is measured on them"
    return _excess("near-held-out-leakage", rule, some, before, after, what, remedy)


def other_class_neighbours(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented rows whose nearest training rows are mostly of another class; beyond their originals'.

    In the class where that is most. Neighbours are looked for among as many rows of each class, so that a rare one has
    a say: what is compared is where a class's rows lie, and not how many it has. Source: the neighbourhoods of
    borderline SMOTE, Han et al. 2005, doi 10.1007/11538059_91.
    """
    labels = pairs.train.labels
    classes = np.flatnonzero(np.bincount(labels))
    found, measured = "train has one class, so no row lands among another's", 0.0
    if len(classes) > 1:
        found, measured = f"no class has {_LEAST} rows among those compared", np.nan
    for label, before, after in _landing(pairs, labels, np.ones(len(labels), np.bool_)):
        moved = float(after.mean() - before.mean())
        if np.isnan(measured) or moved > measured:
            measured = max(0.0, moved)
            found = (
                f"the nearest training rows are mostly of another class for {after.mean():.1%} of the augmented rows "
                f"of class {pairs.class_name(label)}, and for {before.mean():.1%} of their originals"
            )
    remedy = "weaken the transforms that move rows: the label no longer follows from the row"
    return judged("other-class-neighbours", rule, measured, "share", found, remedy)


def other_group_neighbours(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of a group's augmented rows whose nearest rows of their class are mostly of another group; beyond before.

    In the group (of a column that is kept beside the rows) and class where that is most: what a model learns of the few
    is then learnt of the many. Two standard errors of the difference are taken off, so that of many small groups the
    one that chance moved most is no fault; those of McNemar 1947, doi 10.1007/BF02295996, for the same rows twice.
    """
    found, measured = "no group of a column beside the rows has its rows moved among another's", 0.0
    for column, names in pairs.train.groups.items():
        known = np.array([name is not None for name in names])
        groups, kinds = np.unique(np.where(known, names, "").astype(str), return_inverse=True)
        for label in np.flatnonzero(np.bincount(pairs.train.labels)).tolist():
            for kind, before, after in _landing(pairs, kinds, known & (pairs.train.labels == label)):
                moved = after.mean() - before.mean() - 2 * np.sqrt((before != after).sum()) / len(after)
                if moved > measured:
                    measured = float(moved)
                    found = (
                        f"the nearest rows of class {pairs.class_name(label)} are mostly of another group for "
                        f"{after.mean():.1%} of the augmented rows of {column} {groups[kind]}, and for "
                        f"{before.mean():.1%} of their originals"
                    )
    remedy = "let rows be mixed within their group, or weaken the transforms that move them"
    return judged("other-group-neighbours", rule, measured, "share", found, remedy)


def _landing(
    pairs: Pairs, kinds: NDArray[np.int64], within: NDArray[np.bool_]
) -> Iterator[tuple[int, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Of each kind, which of its originals, and of their augmented rows, are mostly among rows of another kind.

    Args:
        kinds: int64 (M,), of the training rows.
        within: bool (M,), those to look at; as many of each kind are neighbours.

    Yields:
        A kind with enough rows among the pairs, and bool (n,) twice.
    """
    there = np.unique(kinds[within]).tolist()
    if len(there) < 2:
        return
    members = [np.flatnonzero(within & (kinds == kind)) for kind in there]
    share = max(_LEAST, min(MOST_ROWS // len(there), *map(len, members)))
    even = [some[drawn(len(some), f"kind {k}", share)] for k, some in zip(there, members, strict=True)]
    crowd = Crowd.of(_space(pairs), pairs.train.payload, np.concatenate(even))
    mine, looked = kinds[pairs.train.places], within[pairs.train.places]
    for kind in there:
        rows = np.flatnonzero(looked & (mine == kind))
        if len(rows) >= _LEAST:
            some = pairs.some(rows[drawn(len(rows), f"kind {kind}", max(_LEAST, _MOST_QUERIES // len(there)))])
            before, after = (_among_others(crowd, kinds, kind, some, part) for part in (some.originals, some.augmented))
            yield kind, before, after


def _among_others(crowd: Crowd, kinds: NDArray[np.int64], kind: int, some: Pairs, rows: Rows) -> NDArray[np.bool_]:
    near = crowd.nearest(rows, some.train.places, _NEIGHBOURS)[1]
    mostly: NDArray[np.bool_] = 2 * (kinds[near] != kind).sum(axis=1) > near.shape[1]
    return mostly


def _excess(
    name: str,
    rule: Ceiling,
    some: Pairs,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    what: str,
    remedy: str,
) -> CheckResult:
    """Of the share of `after` that is as small as the smallest 5% of `before`, what is beyond the share of `before`."""
    near = float(np.quantile(before, _NEAR))
    close = after <= near
    share, had = float(close.mean()), float((before <= near).mean())
    found = f"{share:.1%} of the augmented rows are {what.format(before=had)} (a distance of {near:.3g})"
    shown = tuple(some.ids[row] for row in np.flatnonzero(close))
    return judged(name, rule, max(0.0, share - had), "share", found, remedy, shown)


def _too_few(name: str, rule: Ceiling) -> CheckResult:
    return judged(name, rule, np.nan, "share", "train has too few rows to compare with", "give more rows")


def _space(pairs: Pairs) -> Space:
    schema = schema_of(pairs.schema, pairs.originals.shape[1])
    rows = drawn(len(pairs.train.payload), "space", MOST_ROWS)
    return Space.of(schema, pairs.train.payload.take(rows))
