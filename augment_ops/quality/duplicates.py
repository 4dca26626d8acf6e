"""Checks for samples that are there more than once: in a split, across splits, under two labels, or nearly."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from augment_ops.modalities.image.near import near_copies
from augment_ops.modalities.image.pixels import Rows
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, DataRules, judged
from augment_ops.quality.samples import SEEN_BEFORE, Samples, ids, listed, share

_REMEDY = "take them out of the earlier split: what is measured on them has been seen before"


def label_conflict(samples: Samples, rules: DataRules) -> CheckResult:
    """Share of usable samples whose pixels also occur under another label."""
    usable = samples.usable
    conflicting = usable.groupby("pixel_sha256")["label"].transform("nunique") > 1
    bad = usable[conflicting].sort_values("pixel_sha256", kind="stable")
    example = ""
    if not bad.empty:
        labels = dict.fromkeys(bad[bad["pixel_sha256"] == bad["pixel_sha256"].iloc[0]]["label"])
        example = f" (one is {listed([samples.classes[label] for label in labels])})"
    return judged(
        "label-conflict",
        rules.label_conflict,
        share(len(bad), len(usable)),
        "share",
        f"{len(bad)} of {len(usable)} samples have the pixels of a sample with another label{example}",
        "decide which label is right and remove the other copies",
        ids(bad),
    )


def exact_within(samples: Samples, rules: DataRules) -> CheckResult:
    """Share of usable samples that repeat an earlier one of their split, pixel for pixel."""
    usable = samples.usable
    bad = usable[usable.duplicated(["split", "pixel_sha256"])]
    return judged(
        "exact-duplicates-within-split",
        rules.exact_duplicates_within_split,
        share(len(bad), len(usable)),
        "share",
        f"{len(bad)} of {len(usable)} samples repeat the pixels of another one of their split",
        "remove the repetitions: they count twice in training and in every measured share",
        ids(bad),
    )


def exact_between(samples: Samples, rules: DataRules) -> CheckResult:
    """Share of a held-out split whose pixels were seen in an earlier split; the worst held-out split counts."""
    leaked = {held_out: np.flatnonzero(_repeats(samples, held_out)) for held_out in SEEN_BEFORE}
    rule = rules.exact_duplicates_between_splits
    return _leakage(samples, "exact-duplicates-between-splits", rule, leaked, "repeat the pixels of")


def near_between(samples: Samples, rules: DataRules) -> CheckResult:
    """Share of a held-out split that nearly repeats a sample of an earlier split; the worst held-out split counts.

    Exact copies are not counted again. Samples are shown closest pair first.
    """
    usable, rule = samples.usable, rules.near_duplicates_between_splits
    split = usable["split"].to_numpy()
    gallery = samples.gallery.members(np.flatnonzero(samples.labelled[samples.pictures.index]))
    leaked: dict[str, Rows] = {}
    capped = 0
    for held_out, seen in SEEN_BEFORE.items():
        queries = np.flatnonzero((split == held_out) & ~_repeats(samples, held_out))
        references = np.flatnonzero(np.isin(split, seen))
        copies = near_copies(
            gallery.members(queries), gallery.members(references), rule.max_rms, rule.max_contrast_share
        )
        leaked[held_out] = queries[copies.queries[np.argsort(copies.rms, kind="stable")]]
        capped += copies.capped
    note = f" (RMS within {rule.max_rms:g} grey levels and {rule.max_contrast_share:.0%} of the contrast)"
    if capped:
        note += f" ({capped} samples had so many look-alikes that only the closest were compared)"
    return _leakage(samples, "near-duplicates-between-splits", rule, leaked, "nearly repeat", note)


def _repeats(samples: Samples, held_out: str) -> npt.NDArray[np.bool_]:
    """Which usable samples are in `held_out` and have the pixels of a sample in a split seen before it."""
    split, pixels = samples.usable["split"], samples.usable["pixel_sha256"]
    seen = pixels[split.isin(SEEN_BEFORE[held_out])]
    return np.asarray((split == held_out) & pixels.isin(seen), np.bool_)


def _leakage(
    samples: Samples, name: str, rule: Ceiling, leaked: Mapping[str, Rows], how: str, note: str = ""
) -> CheckResult:
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
