"""Checks for samples that are there more than once: in a split, across splits, or under two labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged
from augment_ops.quality.samples import CONTENT, SEEN_BEFORE, CheckedSamples, ids, listed, share

if TYPE_CHECKING:
    import pandas as pd

_REMEDY = "take them out of the earlier split: what is measured on them has been seen before"


def label_conflict(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of usable samples whose equals also occur under another label."""
    usable, contents = samples.usable, samples.modality.checks.contents
    conflicting = usable.groupby(CONTENT)["label"].transform("nunique") > 1
    bad = usable[conflicting].sort_values(CONTENT, kind="stable")
    example = ""
    if not bad.empty:
        labels = dict.fromkeys(bad[bad[CONTENT] == bad[CONTENT].iloc[0]]["label"])
        example = f" (one is {listed([samples.classes[label] for label in labels])})"
    return judged(
        "label-conflict",
        rule,
        share(len(bad), len(usable)),
        "share",
        f"{len(bad)} of {len(usable)} samples have the {contents} of a sample with another label{example}",
        "decide which label is right and remove the other copies",
        ids(bad),
    )


def exact_within(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of usable samples that equal an earlier one of their split."""
    usable, contents = samples.usable, samples.modality.checks.contents
    bad = usable[usable.duplicated(["split", CONTENT])]
    return judged(
        "exact-duplicates-within-split",
        rule,
        share(len(bad), len(usable)),
        "share",
        f"{len(bad)} of {len(usable)} samples repeat the {contents} of another one of their split",
        "remove the repetitions: they count twice in training and in every measured share",
        ids(bad),
    )


def exact_between(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of a held-out split whose equals are in an earlier split; the worst held-out split counts."""
    leaked = {held_out: np.flatnonzero(repeats(samples, held_out)) for held_out in SEEN_BEFORE}
    how = f"repeat the {samples.modality.checks.contents} of"
    return leakage(samples, "exact-duplicates-between-splits", rule, leaked, how)


def repeats(samples: CheckedSamples, held_out: str) -> npt.NDArray[np.bool_]:
    """Which usable samples, bool (M,), are in `held_out` and equal a sample in a split seen before it."""
    split, content = samples.usable["split"], samples.usable[CONTENT]
    seen = content[split.isin(SEEN_BEFORE[held_out])]
    return np.asarray((split == held_out) & content.isin(seen), np.bool_)


def out_of_scope(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of the samples out of scope that equal a sample of a class."""
    labels = labels_of(samples, samples.of_no_class[CONTENT], samples.usable[CONTENT])
    return of_a_class(samples, rule, labels, f"have the {samples.modality.checks.contents} of a sample of a class")


def labels_of(samples: CheckedSamples, asked: pd.Series[Any], classed: pd.Series[Any]) -> npt.NDArray[np.float64]:
    """The label of a sample of a class that each sample out of scope is the same as: float64 (n,), NaN for none.

    Args:
        asked, classed: equal where samples are the same, of `samples.of_no_class` and of `samples.usable` row by row.
    """
    alike = classed.isin(asked)
    labels = dict(zip(classed[alike], samples.usable.loc[alike, "label"], strict=True))
    found: npt.NDArray[np.float64] = asked.map(labels).to_numpy(np.float64)
    return found


def of_a_class(samples: CheckedSamples, rule: Ceiling, labels: npt.NDArray[np.float64], how: str) -> CheckResult:
    """The share of the samples out of scope that are of a class after all: a model that is sure of them is right.

    Args:
        labels: float64 (n,), of the class that each of `samples.of_no_class` is of; NaN for none.
        how: what they are to a sample of a class, in words.
    """
    asked, known = samples.of_no_class, ~np.isnan(labels)
    names = [samples.classes[int(label)] for label in dict.fromkeys(labels[known])]
    found = f"{known.sum()} of {len(asked)} samples out of scope {how}{': ' if names else ''}{listed(names)}"
    measured = float(known.sum()) / max(len(asked), 1)  # without any, none of them is of a class
    remedy = "decide whether they belong to it, and take the other copies out"
    return judged("out-of-scope-conflict", rule, measured, "share", found, remedy, ids(asked[known]))


def leakage(
    samples: CheckedSamples,
    name: str,
    rule: Ceiling,
    leaked: Mapping[str, npt.NDArray[np.int64]],
    how: str,
    note: str = "",
) -> CheckResult:
    """The share of a held-out split that was seen before; the worst held-out split counts.

    Args:
        leaked: held-out split → positions of its samples in `samples.usable`, int64 (n,), the worst first.
        how: what they do to a sample seen before, in words.
        note: by what it was measured.
    """
    sizes = samples.usable["split"].value_counts()
    shares = {held_out: share(len(rows), int(sizes.get(held_out, 0))) for held_out, rows in leaked.items()}
    # An empty held-out split has nothing to leak (missing-class reports it); NaN only where both are empty.
    measured = max((value for value in shares.values() if not np.isnan(value)), default=float("nan"))
    worst_first = sorted(leaked, key=lambda held_out: -np.nan_to_num(shares[held_out]))
    parts = [
        f"{len(leaked[held_out])} of {sizes.get(held_out, 0)} {held_out} samples {how} "
        f"{'train' if held_out == 'validation' else 'train or validation'} samples"
        for held_out in worst_first
        if len(leaked[held_out])
    ]
    found = (", ".join(parts) or f"no held-out samples {how} a sample seen before") + note
    rows = np.concatenate([leaked[held_out] for held_out in worst_first])
    return judged(name, rule, measured, "share", found, _REMEDY, ids(samples.usable.iloc[rows]))
