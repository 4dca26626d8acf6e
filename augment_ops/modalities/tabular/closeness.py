"""The checks of how near augmented rows are to others: to other people's, to held-out ones, to those of other classes.

Each compares augmented rows with what the originals already have, so a table in which everybody is near everybody is no
fault of its policy.
"""

from __future__ import annotations

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
    classes = np.flatnonzero(np.bincount(labels)).tolist()
    share = max(_LEAST, MOST_ROWS // max(1, len(classes)))
    members = [np.flatnonzero(labels == label) for label in classes]
    even = [some[drawn(len(some), f"class {k}", share)] for k, some in zip(classes, members, strict=True)]
    crowd = Crowd.of(_space(pairs), pairs.train.payload, np.concatenate(even))
    found, measured = "train has one class, so no row lands among another's", 0.0
    if len(classes) > 1:
        found, measured = f"no class has {_LEAST} rows among those compared", np.nan
    for label in classes if len(classes) > 1 else ():
        mine = np.flatnonzero(pairs.labels == label)
        if len(mine) < _LEAST:
            continue
        some = pairs.some(mine[drawn(len(mine), f"class {label}", max(_LEAST, _MOST_QUERIES // len(classes)))])
        before, after = (_among_others(crowd, labels, some, part) for part in (some.originals, some.augmented))
        if np.isnan(measured) or after - before > measured:
            measured = max(0.0, after - before)
            found = (
                f"the nearest training rows are mostly of another class for {after:.1%} of the augmented rows of "
                f"class {pairs.class_name(label)}, and for {before:.1%} of their originals"
            )
    remedy = "weaken the transforms that move rows: the label no longer follows from the row"
    return judged("other-class-neighbours", rule, measured, "share", found, remedy)


def _among_others(crowd: Crowd, labels: NDArray[np.int64], some: Pairs, rows: Rows) -> float:
    near = crowd.nearest(rows, some.train.places, _NEIGHBOURS)[1]
    others = (labels[near] != some.labels[:, None]).sum(axis=1)
    return float((2 * others > near.shape[1]).mean())


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
