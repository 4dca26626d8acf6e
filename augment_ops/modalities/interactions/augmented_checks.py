"""The checks of augmented histories beside their originals: time, the answer, popularity, shares, what is held out.

Classes are items, thousands of them with a handful of histories each, so what is judged by class is judged by three
bands of them: the rarest items that make up a third of the training split, the most frequent that make up a third, and
those between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.interactions.histories import ITEM, TELLING, Histories, in_order, lengths, present
from augment_ops.modalities.interactions.items import Items
from augment_ops.modalities.interactions.show import share_changed
from augment_ops.quality import composition
from augment_ops.quality.pairs import Pairs, identical
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged

_AT_ONCE = 50_000  # histories
_BANDS = ("rare items", "items in between", "frequent items")


def label_noise(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented histories that became another user's, after which another item came.

    Of five items and more. What a user had done at an earlier moment is no noise: a run of a history begins as the
    history did, and it is true that this user went on with something else then. Histories without a user are each
    somebody's own.
    """
    own, labels = _sequences(pairs.originals), pairs.labels.tolist()
    users = [None] * len(own) if pairs.train.subjects is None else pairs.train.subjects[pairs.train.places].tolist()
    users = [row if user is None else user for row, user in enumerate(users)]
    came: dict[bytes, dict[int, set[object]]] = {}  # items → item that came next → of whom
    for items, label, user in zip(own, labels, users, strict=True):
        came.setdefault(items, {}).setdefault(label, set()).add(user)
    other = np.zeros(len(own), np.bool_)
    augmented = _sequences(pairs.augmented)
    for row in np.flatnonzero(lengths(pairs.augmented) >= TELLING).tolist():
        after = came.get(augmented[row], {}) if augmented[row] != own[row] else {}
        other[row] = any(
            label != labels[row] and (len(whose) > 1 or users[row] not in whose) for label, whose in after.items()
        )
    found = "have the items of another user's history, after which another item came"
    remedy = "weaken the steps that leave out, cut off or replace items: what they leave is what somebody else did"
    return pairs.share("label-noise", rule, other, found, remedy)


def class_share(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """See `augment_ops.quality.composition`: of bands of items, so that rare items are washed out where they lose."""
    return composition.class_share(_in_bands(pairs), rule)


def group_share(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """See `augment_ops.quality.composition`: of users who do little (`known_interactions`) as of any other group."""
    return composition.group_share(_in_bands(pairs), rule)


def over_augmentation(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """See `augment_ops.quality.composition`."""
    return composition.over_augmentation(_in_bands(pairs), rule)


def time_order(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented histories in which an item comes before an older one, or after the moment."""
    bad = ~in_order(pairs.augmented)
    remedy = "report it as a bug of the transform: none is to move time"
    return pairs.share("time-order", rule, bad, "are not in the order of time", remedy)


def unknown_items(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented histories with a code that is no item of the catalogue."""
    most = len(pairs.classes) if pairs.schema is None else len(Items.read(pairs.schema).names)
    codes = pairs.augmented[..., ITEM]
    bad = np.asarray(((codes < 0) | (codes > most)).any(axis=1), np.bool_)
    remedy = "report it as a bug of the transform: what it puts in was had by somebody"
    return pairs.share("unknown-items", rule, bad, "have an item that the catalogue has not", remedy)


def answer_leakage(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented histories that hold what came next, where their original did not."""
    codes = pairs.labels + 1
    bad = _holds(pairs.augmented, codes) & ~_holds(pairs.originals, codes)
    remedy = "report it as a bug of the transform: a model learns to find the answer in the history"
    return pairs.share("answer-leakage", rule, bad, "hold the item that comes next", remedy)


def items_changed(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the items of a history that are not in its augmented one in that order, on average."""
    both = zip(pairs.originals, pairs.augmented, strict=True)
    measured = float(np.mean([share_changed(before, after) for before, after in both]))
    found = f"augmentation changes {measured:.1%} of the items of a history on average"
    return judged("items-changed", rule, measured, "share", found, "lower the shares or probabilities of the steps")


def length_change(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """How much longer or shorter histories become, on average: the share of their items."""
    before, after = lengths(pairs.originals), lengths(pairs.augmented)
    measured = float(np.mean(np.abs(after - before) / np.maximum(before, 1)))
    found = f"augmented histories are {measured:.1%} longer or shorter than their original on average"
    return judged("length-change", rule, measured, "share", found, "lower the shares of items left out or put in")


def popularity_shift(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """By how much more often had the items of augmented histories are than those of the originals: 0 where less.

    Of the items in all histories, the average of how often each is in the originals, after over before, less one.
    """
    size = int(max(pairs.originals[..., ITEM].max(), pairs.augmented[..., ITEM].max())) + 1
    counts = np.bincount(pairs.originals[..., ITEM].ravel(), minlength=size)
    means = [
        float(counts[some[..., ITEM][present(some)]].mean()) if present(some).any() else 0.0
        for some in (pairs.originals, pairs.augmented)
    ]
    measured = max(0.0, means[1] / means[0] - 1) if means[0] else float(means[1] > 0)
    found = (
        f"an item of an augmented history is had {means[1]:.1f} times on average, and one of an original {means[0]:.1f}"
    )
    remedy = "raise `tail` of the steps that put items in: rare ones become rarer"
    return judged("popularity-shift", rule, measured, "share", found, remedy)


def held_out_leakage(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented histories with the items of a history that the model will be measured on, in that order.

    Of five items and more; where the original is no such history itself.
    """
    wanted, own = _sequences(pairs.augmented), _sequences(pairs.originals)
    found: set[bytes] = set()
    for start in range(0, len(pairs.held_out), _AT_ONCE):
        part = pairs.held_out.take(np.arange(start, min(start + _AT_ONCE, len(pairs.held_out))))
        found.update(set(_sequences(part)).intersection((*wanted, *own)))
    leaked, leaked_before = (np.array([text in found for text in some], np.bool_) for some in (wanted, own))
    long, long_before = (lengths(some) >= TELLING for some in (pairs.augmented, pairs.originals))
    # Who has done nothing yet is as all such are, in held-out histories too: that excuses nothing.
    bad = leaked & long & ~(leaked_before & long_before)
    remedy = "find out how held-out interactions got into training before anything is measured on them"
    return pairs.share("held-out-leakage", rule, bad, "have the items of a held-out history", remedy)


def _in_bands(pairs: Pairs) -> Pairs:
    """The same pairs as items without their ages, with the band of its item as each one's class.

    An age is the moment's alone, to the second: with it histories that have become the same would all differ.
    """
    counts = np.bincount(pairs.train.labels, minlength=int(pairs.labels.max()) + 1)
    order = np.argsort(counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    bands = np.empty(len(counts), np.int64)
    bands[order] = np.minimum(len(_BANDS) * before // max(int(counts.sum()), 1), len(_BANDS) - 1)
    return replace(
        pairs,
        originals=pairs.originals[..., ITEM],
        augmented=pairs.augmented[..., ITEM],
        labels=bands[pairs.labels],
        classes=_BANDS,
    )


def _holds(histories: Histories, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.asarray((histories[..., ITEM] == codes[:, None]).any(axis=1), np.bool_)


def _sequences(histories: Histories) -> list[bytes]:
    """The items of each history as bytes."""
    return [row.tobytes() for row in np.ascontiguousarray(histories[..., ITEM])]


AUGMENTED: Mapping[str, Callable[[Pairs, Any], CheckResult]] = {
    "time_order": time_order,
    "unknown_items": unknown_items,
    "answer_leakage": answer_leakage,
    "items_changed": items_changed,
    "length_change": length_change,
    "popularity_shift": popularity_shift,
    "identical": identical,
    "held_out_leakage": held_out_leakage,
    "label_noise": label_noise,
    "class_share": class_share,
    "group_share": group_share,
    "over_augmentation": over_augmentation,
}
