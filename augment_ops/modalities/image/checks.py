"""The checks of images: contrast, channels, size, near copies; and what augmentation did to them."""

from __future__ import annotations

import numpy as np

from augment_ops.modalities.image.check_rules import (
    AugmentedImageRules,
    Blank,
    ImageDataRules,
    NearCopy,
    OverAugmented,
    Saturated,
)
from augment_ops.modalities.image.near import Gallery, near_copies
from augment_ops.modalities.image.pixels import Rows, best_correlation, clipped_share, contrast, features
from augment_ops.modalities.source import OUT_OF_SCOPE
from augment_ops.quality import duplicates, neutral
from augment_ops.quality.checks import Checks
from augment_ops.quality.composition import class_share, group_share
from augment_ops.quality.pairs import Pairs, identical
from augment_ops.quality.report import CheckResult
from augment_ops.quality.rules import Ceiling, judged
from augment_ops.quality.samples import SEEN_BEFORE, CheckedSamples, ids, listed, share

_MIN_STD = 1.0  # grey levels: a feature that hardly varies is not measured in units smaller than one level


def channels_converted(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of all images that were brought to the channels of the others."""
    converted = samples.reading.converted
    return judged(
        "channels-converted",
        rule,
        share(converted, len(samples.index)),
        "share",
        f"{converted} of {len(samples.index)} images were brought from grey to colour, or the other way round",
        "see that no class is told by it; --channels 1 or 3 decides, --channels as-is leaves them out",
    )


def blank_or_constant(samples: CheckedSamples, rule: Blank) -> CheckResult:
    """Share of the images that show nothing."""
    pictures = samples.readable
    bad = pictures[samples.once(_gallery).contrasts < rule.min_contrast]
    return judged(
        "blank-or-constant",
        rule,
        share(len(bad), len(pictures)),
        "share",
        f"{len(bad)} of {len(pictures)} images show nothing (contrast below {rule.min_contrast:g} grey levels)",
        "look at them and take out those that carry no picture",
        ids(bad),
    )


def shape_mismatch(samples: CheckedSamples, rule: Ceiling) -> CheckResult:
    """Share of all images that differ in size or channels from the most frequent shape."""
    odd = samples.defect[samples.defect.str.startswith("shape")]
    kinds = odd.value_counts()
    named = f" ({listed([f'{count} × {kind}' for kind, count in kinds.items()])})" if len(odd) else ""
    return judged(
        "shape-mismatch",
        rule,
        share(len(odd), len(samples.index)),
        "share",
        f"{len(odd)} of {len(samples.index)} images differ in size or channels from the rest{named[:160]}",
        "they are left out: bring all to one size (--image-size 64x64; in Airflow's form: Image size)",
        ids(samples.index.loc[odd.index]),
    )


def near_duplicates(samples: CheckedSamples, rule: NearCopy) -> CheckResult:
    """Share of a held-out split that nearly repeats a sample of an earlier split; the worst held-out split counts.

    Exact copies are not counted again. Samples are shown closest pair first.
    """
    split = samples.usable["split"].to_numpy()
    gallery = samples.once(_of_splits)
    leaked: dict[str, Rows] = {}
    capped = 0
    for held_out, seen in SEEN_BEFORE.items():
        queries = np.flatnonzero((split == held_out) & ~duplicates.repeats(samples, held_out))
        references = np.flatnonzero(np.isin(split, seen))
        copies = near_copies(
            gallery.members(queries), gallery.members(references), rule.max_rms, rule.max_contrast_share
        )
        leaked[held_out] = queries[copies.queries[np.argsort(copies.rms, kind="stable")]]
        capped += copies.capped
    note = f" (RMS within {rule.max_rms:g} grey levels and {rule.max_contrast_share:.0%} of the contrast)"
    note += _only_the_closest(capped)
    return duplicates.leakage(samples, "near-duplicates-between-splits", rule, leaked, "nearly repeat", note)


def out_of_scope_conflict(samples: CheckedSamples, rule: NearCopy) -> CheckResult:
    """Share of the images out of scope that repeat or nearly repeat one of a class."""
    apart = samples.once(_gallery).members(np.flatnonzero(samples.readable["split"] == OUT_OF_SCOPE))
    copies = near_copies(apart, samples.once(_of_splits), rule.max_rms, rule.max_contrast_share)
    labels = np.full(len(apart), np.nan)
    labels[copies.queries] = samples.usable["label"].to_numpy()[copies.references]
    how = f"repeat or nearly repeat one of a class{_only_the_closest(copies.capped)}"
    return duplicates.of_a_class(samples, rule, labels, how)


def _only_the_closest(capped: int) -> str:
    """A note to what was found, where there may be more; `capped` as in `Copies`."""
    return f" ({capped} samples had so many look-alikes that only the closest were compared)" if capped else ""


def _gallery(samples: CheckedSamples) -> Gallery:
    """The pictures, looked at once for every check that needs to."""
    return Gallery.of(samples.payload, samples.readable["row"].to_numpy(np.int64))


def _of_splits(samples: CheckedSamples) -> Gallery:
    """The pictures of `usable`, in its order."""
    return samples.once(_gallery).members(np.flatnonzero(samples.of_a_split[samples.readable.index]))


def feature_skew(pairs: Pairs, rule: Ceiling) -> CheckResult:
    """How far the average of a feature moves, in standard deviations of the originals; the worst feature counts."""
    before, after = features(pairs.originals), features(pairs.augmented)
    shifts = {
        name: float((after[name].mean() - values.mean()) / max(float(values.std()), _MIN_STD))
        for name, values in before.items()
    }
    worst = max(shifts, key=lambda name: abs(shifts[name]))
    all_shifts = ", ".join(f"{name} {shift:+.1f}" for name, shift in shifts.items())
    return judged(
        "feature-skew",
        rule,
        abs(shifts[worst]),
        "standard deviations",
        f"augmentation moves the average {worst} by {shifts[worst]:+.1f} standard deviations of the originals "
        f"({all_shifts})",
        "weaken the transforms that act on it, or centre their ranges on no change",
    )


def blank(pairs: Pairs, rule: Blank) -> CheckResult:
    """Share of augmented images that show nothing any more."""
    # What was blank before is check_data's to report.
    bad = (contrast(pairs.augmented) < rule.min_contrast) & (contrast(pairs.originals) >= rule.min_contrast)
    return pairs.share(
        "blank",
        rule,
        bad,
        f"show nothing any more (contrast below {rule.min_contrast:g} grey levels)",
        "weaken brightness, contrast, translation or dropout",
    )


def saturated(pairs: Pairs, rule: Saturated) -> CheckResult:
    """Share of augmented images that are newly burnt out or drowned."""
    growth = clipped_share(pairs.augmented) - clipped_share(pairs.originals)
    return pairs.share(
        "saturated",
        rule,
        growth > rule.clipped_growth,
        f"have over {rule.clipped_growth:.0%} more of their values at 0 or 255 than before",
        "narrow the brightness and contrast ranges",
    )


def over_augmentation(pairs: Pairs, rule: OverAugmented) -> CheckResult:
    """Share of augmented images that are hardly recognisable."""
    alike = best_correlation(pairs.originals, pairs.augmented, rule.max_shift_share)
    return pairs.share(
        "over-augmentation",
        rule,
        alike < rule.min_correlation,
        f"are hardly recognisable (correlation with the original below {rule.min_correlation:g} at every small shift)",
        "look at the contact sheet and weaken the strongest transform",
    )


def held_out_leakage(pairs: Pairs, rule: NearCopy) -> CheckResult:
    """Share of augmented images that nearly repeat one held out."""
    copies = near_copies(Gallery.of(pairs.augmented), Gallery.of(pairs.held_out), rule.max_rms, rule.max_contrast_share)
    bad = np.zeros(len(pairs.augmented), np.bool_)
    bad[copies.queries] = True
    return pairs.share(
        "held-out-leakage",
        rule,
        bad,
        f"are within {rule.max_rms:g} grey levels RMS of a held-out image ({int((copies.rms == 0).sum())} equal one)"
        f"{_only_the_closest(copies.capped)}",
        "find out how held-out images got into training before anything is measured on them",
    )


CHECKS = Checks(
    data_rules=ImageDataRules,
    data={
        "classes_without_samples": neutral.empty_classes,
        "files_left_out": neutral.files_left_out,
        "channels_converted": channels_converted,
        "unreadable": neutral.unreadable,
        "blank_or_constant": blank_or_constant,
        "shape_mismatch": shape_mismatch,
        "label_range": neutral.label_range,
        "label_conflict": duplicates.label_conflict,
        "exact_duplicates_within_split": duplicates.exact_within,
        "exact_duplicates_between_splits": duplicates.exact_between,
        "near_duplicates_between_splits": near_duplicates,
        "out_of_scope_conflict": out_of_scope_conflict,
        "subject_leakage": neutral.subjects,
        "missing_class": neutral.missing_class,
        "class_balance": neutral.balance,
        "train_samples_per_class": neutral.train_size,
        "test_samples_per_class": neutral.test_size,
    },
    augmented_rules=AugmentedImageRules,
    augmented={
        "feature_skew": feature_skew,
        "blank": blank,
        "saturated": saturated,
        "over_augmentation": over_augmentation,
        "identical": identical,
        "held_out_leakage": held_out_leakage,
        "class_share": class_share,
        "group_share": group_share,
    },
    contents="pixels",
    records="files",
)
