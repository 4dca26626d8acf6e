"""The checks of augmented texts beside their originals: whether the label holds, and how much is left of a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from augment_ops.modalities.text.texts import read, said
from augment_ops.modalities.text.vocabulary import Vocabulary
from augment_ops.modalities.text.words import SLOT, sentence
from augment_ops.quality.composition import class_share, group_share, over_augmentation
from augment_ops.quality.pairs import Pairs, identical
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged

_TEXTS_AT_ONCE = 10_000


def label_noise(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented texts that say what an original of another class says, and their own did not."""
    classes: dict[str, set[int]] = {}
    before = [said(text) for text in read(pairs.originals)]
    for text, label in zip(before, pairs.labels.tolist(), strict=True):
        classes.setdefault(text, set()).add(label)
    after = map(said, read(pairs.augmented))
    bad = np.array(
        [
            text != own and bool(classes.get(text, set()) - {label})
            for text, own, label in zip(after, before, pairs.labels.tolist(), strict=True)
        ]
    )
    remedy = "weaken the steps that leave words out or replace them: the label no longer follows from the text"
    return pairs.share("label-noise", rule, bad, "say what a text of another class says", remedy)


def protected_words(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented texts that lack a number, name, address or negation of their original."""
    bad = np.array(
        [
            bool(_protected(before) - Counter(_cores(after)))
            for before, after in zip(read(pairs.originals), read(pairs.augmented), strict=True)
        ]
    )
    remedy = "report it as a bug of the transform: none is to touch them"
    return pairs.share("protected-words", rule, bad, "lack a protected word of their original", remedy)


def words_changed(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the words of the originals that are not in their augmented texts, on average."""
    shares = [
        changed_share(before, after) for before, after in zip(read(pairs.originals), read(pairs.augmented), strict=True)
    ]
    measured = float(np.mean(shares))
    found = f"augmentation changes {measured:.1%} of the words of a text on average, and {max(shares):.0%} at most"
    return judged("words-changed", rule, measured, "share", found, "lower the shares or probabilities of the steps")


def vocabulary_shift(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the words of the augmented texts that no original has: misspelt ones, mostly."""
    known = {word for text in read(pairs.originals) for word in Vocabulary.words_of(text)}
    words = [word for text in read(pairs.augmented) for word in Vocabulary.words_of(text)]
    new = sum(word not in known for word in words)
    found = f"{new} of {len(words)} words of augmented texts are in no original"
    measured = new / len(words) if words else float("nan")
    return judged("vocabulary-shift", rule, measured, "share", found, "lower the shares of words that are misspelt")


def length_change(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """How much longer or shorter texts become, on average: the share of their characters."""
    lengths = np.array([[len(text) for text in read(some)] for some in (pairs.originals, pairs.augmented)], float)
    measured = float(np.mean(np.abs(lengths[1] - lengths[0]) / np.maximum(lengths[0], 1)))
    found = f"augmented texts are {measured:.1%} longer or shorter than their original on average"
    return judged("length-change", rule, measured, "share", found, "lower the shares of words left out or put in")


def held_out_leakage(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """Share of the augmented texts that say what a text says that the model will be measured on."""
    wanted = [said(text) for text in read(pairs.augmented)]
    found: set[str] = set()
    for start in range(0, len(pairs.held_out), _TEXTS_AT_ONCE):
        part = pairs.held_out.take(np.arange(start, min(start + _TEXTS_AT_ONCE, len(pairs.held_out))))
        found |= set(wanted).intersection(map(said, read(part)))
    bad = np.array([text in found for text in wanted], np.bool_)
    remedy = "find out how held-out texts got into training before anything is measured on them"
    return pairs.share("held-out-leakage", rule, bad, "say what a held-out text says", remedy)


def changed_share(before: str, after: str) -> float:
    """Share of the words of a text that are not in another, each as often as it stands there; 0 where it has none."""
    own = Counter(core.lower() for core in _cores(before))
    left = own - Counter(core.lower() for core in _cores(after))
    return left.total() / own.total() if own else 0.0


def _cores(text: str) -> list[str]:
    return [core for core in sentence(text).cores if core]


def _protected(text: str) -> Counter[str]:
    found = sentence(text)
    free = set(found.free)
    kept = (core for place, core in enumerate(found.cores) if place not in free and core)
    return Counter(core for core in kept if not SLOT.search(core))  # a slot is there to be filled


AUGMENTED: Mapping[str, Callable[[Pairs, Any], CheckResult]] = {
    "label_noise": label_noise,
    "protected_words": protected_words,
    "words_changed": words_changed,
    "vocabulary_shift": vocabulary_shift,
    "length_change": length_change,
    "identical": identical,
    "held_out_leakage": held_out_leakage,
    "class_share": class_share,
    "group_share": group_share,
    "over_augmentation": over_augmentation,
}
