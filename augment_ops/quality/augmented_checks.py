"""Checks of augmented images beside their originals: whether the label is still in the picture, and nothing leaked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from augment_ops.data.payload import Images, payload_of
from augment_ops.modalities.image.near import Gallery, near_copies
from augment_ops.modalities.image.pixels import best_correlation, clipped_share, contrast, features
from augment_ops.quality.report import CheckResult, QualityReport
from augment_ops.quality.rules import AugmentedRules, Ceiling, QualityRules, judged

Pixels = npt.NDArray[np.uint8]

_MIN_STD = 1.0  # grey levels: a feature that hardly varies is not measured in units smaller than one level
_MIN_CLASS = 10  # samples from which a class is named as the worst; fewer say nothing about a class
_STANDS_OUT = 1.5  # times the share of all classes: below, the classes suffer alike and naming one would mislead


def check_augmented(
    originals: Pixels,
    augmented: Pixels,
    ids: Sequence[str],
    labels: npt.NDArray[np.int64],
    held_out: Images,
    rules: QualityRules,
    subject_digest: str,
    *,
    identity: bool = False,
    classes: Sequence[str] = (),
) -> QualityReport:
    """Measure augmented images against their originals and judge them by the thresholds.

    Where nothing can be compared (no samples, other shapes or dtypes, counts that differ) every check fails (law 2).

    Args:
        originals, augmented: uint8 (N, H, W, C), row by row the same samples; few enough to be held in memory.
        ids: N sample ids.
        labels: int64 (N,); used to name the class that suffers most.
        held_out: M images that the model will be measured on; read once, a bounded part at a time.
        subject_digest: digest of the augmented plan or shards.
        identity: the policy is meant to change nothing, so identical images are no surprise.
        classes: class names; a label without one is named by its number.
    """
    fault = _incomparable(originals, augmented, ids, labels, held_out)
    if fault:
        checks = tuple(
            judged(name.replace("_", "-"), getattr(rules.check_augmented, name), np.nan, "share", fault, _MEASURE_AGAIN)
            for name in AugmentedRules.model_fields
        )
    else:
        names = tuple(str(sample) for sample in ids)
        pairs = _Pairs(
            originals=originals,
            augmented=augmented,
            ids=names,
            labels=labels,
            held_out=held_out,
            classes=tuple(classes),
            identity=identity,
        )
        checks = tuple(check(pairs, rules.check_augmented) for check in _CHECKS)
    return QualityReport("check_augmented", subject_digest, rules.digest, checks)


_MEASURE_AGAIN = "augment the snapshot again, and report a bug if this stays"


@dataclass(frozen=True, eq=False, kw_only=True)
class _Pairs:
    originals: Pixels
    augmented: Pixels
    ids: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    held_out: Images
    classes: tuple[str, ...]
    identity: bool

    def share(self, name: str, rule: Ceiling, bad: npt.NDArray[np.bool_], found: str, remedy: str) -> CheckResult:
        """A result over the share of `bad` samples; `found` follows the count."""
        shown = tuple(self.ids[i] for i in np.flatnonzero(bad))
        text = f"{int(bad.sum())} of {len(bad)} augmented images {found}{self._worst_class(bad)}"
        return judged(name, rule, float(bad.mean()), "share", text, remedy, shown)

    def _worst_class(self, bad: npt.NDArray[np.bool_]) -> str:
        counts = np.bincount(self.labels, minlength=len(self.classes))
        hits = np.bincount(self.labels, weights=bad, minlength=len(self.classes))
        shares = np.where(counts >= _MIN_CLASS, hits / np.maximum(counts, 1), 0)
        worst = int(shares.argmax())
        if shares[worst] <= _STANDS_OUT * bad.mean():
            return ""
        name = self.classes[worst] if worst < len(self.classes) else str(worst)
        return f", most often in class {name} ({shares[worst]:.0%})"


def _incomparable(
    originals: Pixels, augmented: Pixels, ids: Sequence[str], labels: npt.NDArray[np.int64], held_out: Images
) -> str:
    """What keeps the images from being compared, or an empty text."""
    if not len(originals):
        return "there are no samples to compare"
    if originals.shape != augmented.shape or originals.dtype != np.uint8 or augmented.dtype != np.uint8:
        return (
            f"augmented images are {augmented.dtype} {augmented.shape} beside originals of "
            f"{originals.dtype} {originals.shape}"
        )
    if len(ids) != len(originals) or len(labels) != len(originals) or labels.min() < 0:
        return f"{len(ids)} ids and {len(labels)} labels for {len(originals)} images, or a label below 0"
    dtype = held_out.dtype if isinstance(held_out, np.ndarray) else np.dtype(np.uint8)
    shape = (len(held_out), *payload_of(held_out).shape)
    if not len(held_out) or shape[1:] != originals.shape[1:] or dtype != np.uint8:
        return f"held-out images are {dtype} {shape} beside originals of {originals.shape}"
    return ""


def _skew(pairs: _Pairs, rules: AugmentedRules) -> CheckResult:
    before, after = features(pairs.originals), features(pairs.augmented)
    shifts = {
        name: float((after[name].mean() - values.mean()) / max(float(values.std()), _MIN_STD))
        for name, values in before.items()
    }
    worst = max(shifts, key=lambda name: abs(shifts[name]))
    all_shifts = ", ".join(f"{name} {shift:+.1f}" for name, shift in shifts.items())
    return judged(
        "feature-skew",
        rules.feature_skew,
        abs(shifts[worst]),
        "standard deviations",
        f"augmentation moves the average {worst} by {shifts[worst]:+.1f} standard deviations of the originals "
        f"({all_shifts})",
        "weaken the transforms that act on it, or centre their ranges on no change",
    )


def _blank(pairs: _Pairs, rules: AugmentedRules) -> CheckResult:
    rule = rules.blank
    # What was blank before is check_data's to report.
    bad = (contrast(pairs.augmented) < rule.min_contrast) & (contrast(pairs.originals) >= rule.min_contrast)
    return pairs.share(
        "blank",
        rule,
        bad,
        f"show nothing any more (contrast below {rule.min_contrast:g} grey levels)",
        "weaken brightness, contrast, translation or dropout",
    )


def _saturated(pairs: _Pairs, rules: AugmentedRules) -> CheckResult:
    rule = rules.saturated
    growth = clipped_share(pairs.augmented) - clipped_share(pairs.originals)
    return pairs.share(
        "saturated",
        rule,
        growth > rule.clipped_growth,
        f"have over {rule.clipped_growth:.0%} more of their values at 0 or 255 than before",
        "narrow the brightness and contrast ranges",
    )


def _over_augmented(pairs: _Pairs, rules: AugmentedRules) -> CheckResult:
    rule = rules.over_augmentation
    alike = best_correlation(pairs.originals, pairs.augmented, rule.max_shift_share)
    return pairs.share(
        "over-augmentation",
        rule,
        alike < rule.min_correlation,
        f"are hardly recognisable (correlation with the original below {rule.min_correlation:g} at every small shift)",
        "look at the contact sheet and weaken the strongest transform",
    )


def _identical(pairs: _Pairs, rules: AugmentedRules) -> CheckResult:
    # One by one: all truth values at once would be as large as the images.
    same = np.array([np.array_equal(*pair) for pair in zip(pairs.augmented, pairs.originals, strict=True)])
    if pairs.identity:
        found = f"the policy changes nothing by design: {int(same.sum())} of {len(same)} images are identical"
        warn_at, fail_at = rules.identical.bounds
        return CheckResult(
            name="identical",
            status="ok",
            measured=float(same.mean()),
            unit="share",
            warn_at=warn_at,
            fail_at=fail_at,
            message=f"{found}.",
        )
    return judged(
        "identical",
        rules.identical,
        float(same.mean()),
        "share",
        f"{int(same.sum())} of {len(same)} augmented images are identical to their original",
        "raise the probabilities of the transforms: the candidate is trained like the control",
    )


def _leakage(pairs: _Pairs, rules: AugmentedRules) -> CheckResult:
    rule = rules.held_out_leakage
    copies = near_copies(Gallery.of(pairs.augmented), Gallery.of(pairs.held_out), rule.max_rms, rule.max_contrast_share)
    bad = np.zeros(len(pairs.augmented), np.bool_)
    bad[copies.queries] = True
    return pairs.share(
        "held-out-leakage",
        rule,
        bad,
        f"are within {rule.max_rms:g} grey levels RMS of a held-out image ({int((copies.rms == 0).sum())} equal one)",
        "find out how held-out images got into training before anything is measured on them",
    )


_CHECKS: tuple[Callable[[_Pairs, AugmentedRules], CheckResult], ...] = (
    _skew,
    _blank,
    _saturated,
    _over_augmented,
    _identical,
    _leakage,
)
