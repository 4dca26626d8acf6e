"""The checks of interactions before augmentation: time, repetitions, users and items of whom nothing is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.interactions.augmented_checks import AUGMENTED
from augment_ops.modalities.interactions.check_rules import AugmentedInteractionRules, InteractionDataRules
from augment_ops.modalities.interactions.histories import TELLING, Histories, in_order, lengths
from augment_ops.modalities.interactions.items import Items
from augment_ops.quality import duplicates, neutral
from augment_ops.quality.checks import Checks
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged
from augment_ops.quality.samples import SEEN_BEFORE, CheckedSamples, ids, listed, share

_AT_ONCE = 50_000  # histories of 32 items, 13 MB


def catalogue(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Items of the catalogue that are no class, and the reverse: a model would score one and mean another."""
    names = () if samples.schema is None else Items.read(samples.schema).names
    differ = sorted(set(names) ^ set(samples.classes))
    found = f"{len(differ)} items are in the catalogue or among the classes, and not in both"
    found += f": {listed(differ)}" if differ else ""
    measured = len(differ) if names == samples.classes or differ else len(names)
    remedy = "ingest all interactions of the table: leave max_samples out"
    return judged("catalogue", rule, measured, "items", found, remedy)


def time_order(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the usable histories in which an item comes before an older one, or after the moment."""
    usable = samples.usable
    bad = usable[~np.concatenate([in_order(part) for part in _parts(samples, None)] or [np.zeros(0, bool)])]
    found = f"{len(bad)} of {len(usable)} histories are not in the order of time"
    remedy = "ingest the table again, which sorts it; report it as a bug if this stays"
    return judged("time-order", rule, share(len(bad), len(usable)), "share", found, remedy, ids(bad))


def repeated_interactions(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the usable interactions that are there already: the same user, item and time."""
    usable = samples.usable
    bad = usable[usable.duplicated(["subject", "label", "time"])]
    found = f"{len(bad)} of {len(usable)} interactions repeat the user, item and time of another"
    remedy = "take the repetitions out: an event that was sent twice counts twice"
    return judged("repeated-interactions", rule, share(len(bad), len(usable)), "share", found, remedy, ids(bad))


def exact_between(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of a held-out split whose histories, of five items and more, are in an earlier split to the second."""
    long = np.concatenate([lengths(part) >= TELLING for part in _parts(samples, None)] or [np.zeros(0, bool)])
    leaked = {name: np.flatnonzero(duplicates.repeats(samples, name) & long) for name in SEEN_BEFORE}
    how = "repeat the items and ages of"
    return duplicates.leakage(samples, "exact-duplicates-between-splits", rule, leaked, how)


def single_interaction_users(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the users who did one thing: nothing is known of them before it, and nothing is learnt after."""
    counts = samples.usable["subject"].value_counts()
    single = sorted(map(str, counts.index[counts == 1]))
    found = f"{len(single)} of {len(counts)} users have one interaction" + (f": {listed(single)}" if single else "")
    remedy = "look whether users keep their name from one visit to the next"
    return judged("single-interaction-users", rule, share(len(single), len(counts)), "share", found, remedy)


def unseen_items(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the interactions of test with an item that nobody had in train: no model of interactions finds it."""
    usable = samples.usable
    test = usable[usable["split"] == "test"]
    bad = test[~test["label"].isin(usable.loc[usable["split"] == "train", "label"])]
    found = f"{len(bad)} of {len(test)} interactions of test are with an item that nobody had in train"
    remedy = "recommend new items by what they are (genre, text), or train on what is newer"
    return judged("unseen-items", rule, share(len(bad), len(test)), "share", found, remedy, ids(bad))


def length_shift(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """How far the average length of a history of test is from that of train, in standard deviations of train."""
    train, test = (
        np.concatenate([lengths(part) for part in _parts(samples, split)] or [np.zeros(0, np.int64)])
        for split in ("train", "test")
    )
    measured, found = np.nan, "train or test has no interactions"
    if len(train) and len(test):
        measured = abs(float(test.mean() - train.mean())) / (float(train.std()) or 1.0)
        found = f"a history of train has {train.mean():.1f} items on average, and one of test {test.mean():.1f}"
    remedy = "look whether test has other users than train: new ones, or a few with thousands of items"
    return judged("length-shift", rule, measured, "standard deviations", found, remedy)


def popularity_shift(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """How far the share of the most frequent tenth of the items moves from train to test."""
    counts = samples.class_counts
    train, test = (counts.loc[split].to_numpy(np.float64) for split in ("train", "test"))
    measured, found = np.nan, "train or test has no interactions"
    if train.sum() and test.sum():
        head = np.argsort(-train, kind="stable")[: max(1, int((train > 0).sum()) // 10)]
        before, after = train[head].sum() / train.sum(), test[head].sum() / test.sum()
        measured = abs(after - before)
        found = f"the most frequent tenth of the items of train has {before:.0%} of train and {after:.0%} of test"
    remedy = "look whether the catalogue turned over, and train on what is newer"
    return judged("popularity-shift", rule, measured, "share", found, remedy)


def _parts(samples: CheckedSamples, split: str | None) -> Iterator[Histories]:
    """Usable histories in the order of the index: of a split, or all."""
    usable = samples.usable
    rows: NDArray[np.int64] = (usable if split is None else usable[usable["split"] == split])["row"].to_numpy(np.int64)
    for start in range(0, len(rows), _AT_ONCE):
        yield samples.payload.take(rows[start : start + _AT_ONCE])


CHECKS = Checks(
    data_rules=InteractionDataRules,
    data={
        "unreadable": neutral.unreadable,
        "label_range": neutral.label_range,
        "catalogue": catalogue,
        "time_order": time_order,
        "repeated_interactions": repeated_interactions,
        "label_conflict": duplicates.label_conflict,
        "exact_duplicates_between_splits": exact_between,
        "single_interaction_users": single_interaction_users,
        "unseen_items": unseen_items,
        "length_shift": length_shift,
        "popularity_shift": popularity_shift,
        "missing_class": neutral.missing_class,
        "class_balance": neutral.balance,
        "train_samples_per_class": neutral.train_size,
        "test_samples_per_class": neutral.test_size,
    },
    augmented_rules=AugmentedInteractionRules,
    augmented=AUGMENTED,
    contents="items and ages",
    records="rows",
)
