"""What augmentation makes of the mix of a training set: its classes, groups within them, and how much is invented.

It need not know what a sample looks like. Two augmented samples that are equal, of originals that are not, are one
sample: what was different before has become the same, and counts once. So a class, or a group of customers, that a
policy presses together, or of which fewer samples are made than of others, loses its share and is seen to.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.source import Samples
from augment_ops.quality.pairs import Pairs
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged

_LEAST = 20  # samples of a class or group whose share is judged: of fewer, one more or less is a twentieth


def class_share(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Part of its share that the class loses which loses most: a rare class that is washed out."""
    before, after = _counts(pairs, pairs.labels)
    large = np.flatnonzero(before >= min(_LEAST, before.max(initial=1)))  # the largest of small ones in any case
    shares = [counts / max(counts.sum(), 1) for counts in (before, after)]
    lost = 1 - shares[1][large] / shares[0][large]
    worst = int(large[lost.argmax()])
    found = (
        f"class {pairs.class_name(worst)} is {shares[0][worst]:.2%} of the {pairs.modality.plural} before augmentation "
        f"and {shares[1][worst]:.2%} after it"
    )
    remedy = "look what the policy makes of that class: its samples are too few, or have become the same"
    return judged("class-share", rule, max(0.0, float(lost.max())), "share", found, remedy)


def group_share(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """How far the share of a group within a class moves, as a part of it, where it moves most: bias amplified.

    Groups are those of the columns that are kept beside the samples; a group and class of fewer than 20 are left out.
    """
    found = "no column beside the samples has groups of enough samples, so none was found to gain or lose"
    measured = 0.0
    for column, names in pairs.train.groups.items():
        groups = names[pairs.train.places]
        known = np.array([name is not None for name in groups])
        keys, cells = _cells(pairs.labels[known], groups[known].tolist())
        before, after = _counts(pairs.some(np.flatnonzero(known)), cells)
        of_class = np.array([label for label, _ in keys])
        for place in np.flatnonzero(before >= _LEAST).tolist():
            same = of_class == of_class[place]
            shares = [counts[place] / max(counts[same].sum(), 1) for counts in (before, after)]
            moved = abs(shares[1] / shares[0] - 1)
            if moved >= measured:
                measured = float(moved)
                label, name = keys[place]
                found = (
                    f"{column} {name} is {shares[0]:.1%} of class {pairs.class_name(label)} before augmentation and "
                    f"{shares[1]:.1%} after it"
                )
    remedy = "look what the policy makes of that group: what a model learns of the class is then learnt of the others"
    return judged("group-share", rule, measured, "share", found, remedy)


def over_augmentation(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Invented samples that training sees for each real one, in the class with most of them.

    Only those count that differ from their original: a class that the policy leaves alone has none.
    """
    counts = np.bincount(pairs.labels)
    changed = np.bincount(pairs.labels, weights=~pairs.unchanged(), minlength=len(counts)) / np.maximum(counts, 1)
    worst = int(changed.argmax())
    measured = pairs.copies * float(changed[worst])
    found = (
        f"training sees {measured:.1f} invented {pairs.modality.plural} for each real one of class "
        f"{pairs.class_name(worst)} ({pairs.copies} times augmented, {changed[worst]:.0%} changed)"
    )
    remedy = "lower --epochs, or the probabilities of the transforms: what a model learns is the policy's invention"
    return judged("over-augmentation", rule, measured, "samples", found, remedy)


def _counts(pairs: Pairs, cells: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Samples of each cell before augmentation, and after it without those that have become the same."""
    number = int(cells.max(initial=-1)) + 1
    first = np.unique(np.array(pairs.ids, dtype=object).astype(str), return_index=True)[1]
    before = np.bincount(cells[first], minlength=number).astype(np.float64)
    originals, augmented = contents(pairs.originals), contents(pairs.augmented)
    after = np.bincount(cells, minlength=number).astype(np.float64)
    met: dict[tuple[int, bytes], set[bytes]] = {}
    for cell, own, made in zip(cells.tolist(), originals, augmented, strict=True):
        met.setdefault((cell, made), set()).add(own)
    for (cell, _), owns in met.items():
        after[cell] -= len(owns) - 1
    return before, after


def contents(samples: Samples) -> list[bytes]:
    """Of each sample what equal ones have in common: minus zero is zero, and what is missing is missing."""
    plain = np.where(np.isnan(samples), np.nan, samples + 0.0) if samples.dtype.kind == "f" else samples
    return [hashlib.blake2b(sample.tobytes(), digest_size=16).digest() for sample in plain]


def _cells(labels: NDArray[np.int64], groups: Sequence[str]) -> tuple[list[tuple[int, str]], NDArray[np.int64]]:
    """The pairs of class and group that there are, and the place among them of each sample's, int64 (n,)."""
    both = list(zip(labels.tolist(), groups, strict=True))
    keys = sorted(Counter(both))
    places = {key: place for place, key in enumerate(keys)}
    return keys, np.array([places[key] for key in both], np.int64)
