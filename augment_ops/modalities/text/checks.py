"""The checks of texts before augmentation: texts that say the same, and what test has that train has not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.text.augmented_checks import AUGMENTED
from augment_ops.modalities.text.check_rules import AugmentedTextRules, TextDataRules
from augment_ops.modalities.text.texts import read, said
from augment_ops.modalities.text.vocabulary import Vocabulary
from augment_ops.quality import duplicates, neutral
from augment_ops.quality.checks import Checks
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged
from augment_ops.quality.samples import SEEN_BEFORE, CheckedSamples, ids, listed, share

if TYPE_CHECKING:
    import pandas as pd

_TEXTS_AT_ONCE = 10_000  # of 512 bytes, 5 MB


def near_label_conflict(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the usable texts that say what a text of another class says, case and punctuation aside."""
    usable = samples.usable
    says = samples.once(_said)
    bad = usable[usable["label"].groupby(says).transform("nunique") > 1]
    example = ""
    if not bad.empty:
        first = says.loc[bad.index[0]]
        labels = dict.fromkeys(usable.loc[says == first, "label"])
        example = f" (one is {listed([samples.classes[label] for label in labels])})"
    found = f"{len(bad)} of {len(usable)} texts say what a text with another label says{example}"
    remedy = "decide which label is right, and remove the other copies"
    return judged("near-label-conflict", rule, share(len(bad), len(usable)), "share", found, remedy, ids(bad))


def near_duplicates_between_splits(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of a held-out split that says what a text seen before says, case and punctuation aside."""
    split, says = samples.usable["split"], samples.once(_said)
    leaked = {
        held_out: np.flatnonzero((split == held_out) & says.isin(says[split.isin(SEEN_BEFORE[held_out])]))
        for held_out in SEEN_BEFORE
    }
    return duplicates.leakage(samples, "near-duplicates-between-splits", rule, leaked, "say what is said in")


def out_of_scope_conflict(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the texts out of scope that say what a text of a class says, case and punctuation aside."""
    labels = duplicates.labels_of(samples, _what(samples, samples.of_no_class), samples.once(_said))
    return duplicates.of_a_class(samples, rule, labels, "say what is said in a class")


def vocabulary_shift(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the words of test that no text of train has."""
    known = {word for text in _texts(samples, "train") for word in Vocabulary.words_of(text)}
    words = [word for text in _texts(samples, "test") for word in Vocabulary.words_of(text)]
    new = [word for word in words if word not in known]
    shown = f": {listed(sorted(set(new)))}" if new else ""
    found = f"{len(new)} of {len(words)} words of test are in no text of train{shown}"
    remedy = "look whether test is of another time, language or product than train"
    if not words:
        found, remedy = "no text of test has a word: they are of symbols or numbers alone", "look what was ingested"
    return judged("vocabulary-shift", rule, share(len(new), len(words)), "share", found, remedy)


def length_shift(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """How far the average length of test is from that of train, in standard deviations of train."""
    train, test = (np.array([len(text) for text in _texts(samples, split)], float) for split in ("train", "test"))
    measured, found = np.nan, "train or test has no texts"
    if len(train) and len(test):
        spread = float(train.std()) or 1.0
        measured = abs(float(test.mean() - train.mean())) / spread
        found = f"a text of train has {train.mean():.0f} characters on average, and one of test {test.mean():.0f}"
    remedy = "look whether both were gathered, cut and cleaned alike"
    return judged("length-shift", rule, measured, "standard deviations", found, remedy)


def _said(samples: CheckedSamples) -> pd.Series[Any]:
    """What each usable text says, by the index of `usable`."""
    return _what(samples, samples.usable)


def _what(samples: CheckedSamples, some: pd.DataFrame) -> pd.Series[Any]:
    """What each of some texts says, by their index."""
    import pandas as pd

    says = [said(text) for text in _read(samples, some["row"].to_numpy(np.int64))]
    return pd.Series(says, index=some.index, dtype=object)


def _texts(samples: CheckedSamples, split: str) -> Iterator[str]:
    usable = samples.usable
    return _read(samples, usable.loc[usable["split"] == split, "row"].to_numpy(np.int64))


def _read(samples: CheckedSamples, rows: NDArray[np.int64]) -> Iterator[str]:
    for start in range(0, len(rows), _TEXTS_AT_ONCE):
        yield from read(samples.payload.take(rows[start : start + _TEXTS_AT_ONCE]))


CHECKS = Checks(
    data_rules=TextDataRules,
    data={
        "unreadable": neutral.unreadable,
        "label_range": neutral.label_range,
        "label_conflict": duplicates.label_conflict,
        "near_label_conflict": near_label_conflict,
        "exact_duplicates_within_split": duplicates.exact_within,
        "exact_duplicates_between_splits": duplicates.exact_between,
        "near_duplicates_between_splits": near_duplicates_between_splits,
        "out_of_scope_conflict": out_of_scope_conflict,
        "subject_leakage": neutral.subjects,
        "vocabulary_shift": vocabulary_shift,
        "length_shift": length_shift,
        "missing_class": neutral.missing_class,
        "class_balance": neutral.balance,
        "train_samples_per_class": neutral.train_size,
        "test_samples_per_class": neutral.test_size,
    },
    augmented_rules=AugmentedTextRules,
    augmented=AUGMENTED,
    contents="bytes",
    records="rows",
    of_each_class=20,  # of many intents a thousand texts have a dozen each, and a share is judged from twenty on
)
