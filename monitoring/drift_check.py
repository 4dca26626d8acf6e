"""Production window against reference snapshot: a report, never an exception (law 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import DataError
from monitoring.image_features import image_features
from monitoring.psi import MISSING, Bin, PsiResult, PsiRules, psi_categorical, psi_numeric
from monitoring.rules import DriftRules

DriftStatus = Literal["ok", "warn", "drift", "insufficient", "no-window"]
_ORDER: tuple[DriftStatus, ...] = ("ok", "insufficient", "warn", "drift")


@dataclass(frozen=True)
class Sample:
    """One side of the comparison.

    Attributes:
        digest: digest of the snapshot or window.
        images: uint8 (N, H, W, C).
        labels: int64 (N,), -1 where there is none; None where the side has no labels at all.
    """

    digest: str
    images: NDArray[Any]
    labels: NDArray[Any] | None = None


@dataclass(frozen=True)
class FeatureDrift:
    """One feature of the report; fields as in `monitoring.psi.PsiResult`."""

    name: str
    status: DriftStatus
    psi: float
    psi_raw: float
    p_value: float
    n_reference: int
    n_window: int
    bins: tuple[Bin, ...]
    message: str


@dataclass(frozen=True)
class DriftReport:
    """What the drift check leaves behind.

    Attributes:
        status: the worst of the features; `no-window` where there is nothing to compare with yet.
        window_digest: None without a window.
        not_measured: features that the rules ask for and the data cannot give, with the reason.
        message: one sentence for a person.
    """

    status: DriftStatus
    rules: str
    rules_version: str
    rules_digest: str
    reference_digest: str
    window_digest: str | None
    n_reference: int
    n_window: int
    features: tuple[FeatureDrift, ...]
    not_measured: tuple[str, ...]
    message: str


def check_drift(
    reference: Sample, window: Sample | None, rules: DriftRules, classes: Sequence[str] = ()
) -> DriftReport:
    """Compare a production window with the reference.

    Args:
        reference: usually the training split of the snapshot.
        window: None where production has sent nothing yet, which the report says.
        rules: policies/drift/*.yaml.
        classes: names of the labels; a label outside them is shown as its number.

    Raises:
        DataError: images that are not uint8 (N, H, W, C), or labels that do not match the images in number.
    """
    _check_labels(reference, "reference")
    if window is None:
        return _report(rules, reference, None, (), (), "No production window yet: drift was not measured.")
    _check_labels(window, "window")
    results, not_measured = _measure(reference, window, rules, classes)
    features = tuple(_feature(name, result) for name, result in results.items())
    if reference.images.shape[1:] != window.images.shape[1:]:
        features = (_shape_drift(reference, window), *features)
    return _report(rules, reference, window, features, not_measured, _message(features, rules))


def _measure(
    reference: Sample, window: Sample, rules: DriftRules, classes: Sequence[str]
) -> tuple[dict[str, PsiResult], tuple[str, ...]]:
    # Bonferroni: `significance` holds over all features together.
    psi_rules = PsiRules(
        rules.bins,
        rules.tail_share,
        rules.min_n,
        rules.warn_psi,
        rules.drift_psi,
        rules.significance / len(rules.features),
    )
    before, after = image_features(reference.images), image_features(window.images)
    results: dict[str, PsiResult] = {}
    not_measured: list[str] = []
    for name in rules.features:
        if name != "class-mix":
            results[name] = psi_numeric(before[name], after[name], psi_rules)
        elif reference.labels is None or window.labels is None:
            side = "reference" if reference.labels is None else "window"
            not_measured.append(f"class-mix: the {side} has no labels")
        else:
            named = _names(reference.labels, classes), _names(window.labels, classes)
            results[name] = psi_categorical(*named, psi_rules)
    return results, tuple(not_measured)


def _feature(name: str, result: PsiResult) -> FeatureDrift:
    return FeatureDrift(
        name,
        result.status,
        result.psi,
        result.psi_raw,
        result.p_value,
        result.n_reference,
        result.n_window,
        result.bins,
        _explain(name, result),
    )


def _explain(name: str, result: PsiResult) -> str:
    if result.status == "insufficient":
        return f"{name}: {result.n_window} window and {result.n_reference} reference samples are too few to judge."
    if result.status == "ok":
        return f"{name}: no shift beyond chance (PSI {result.psi:.3f})."
    moved = max(result.bins, key=lambda b: abs(b.window_share - b.reference_share))
    place = "missing values" if moved.label == MISSING else f"the bin {moved.label}"
    return (
        f"{name}: PSI {result.psi:.3f}; most of it in {place}, from "
        f"{moved.reference_share:.1%} of the reference to {moved.window_share:.1%} of the window."
    )


def _shape_drift(reference: Sample, window: Sample) -> FeatureDrift:
    shapes = [" × ".join(str(int(v)) for v in side.images.shape[1:]) for side in (reference, window)]
    message = f"image-shape: the reference is {shapes[0]} (height × width × channels), the window {shapes[1]}."
    sizes = len(reference.images), len(window.images)
    return FeatureDrift("image-shape", "drift", math.nan, math.nan, math.nan, *sizes, (), message)


def _message(features: Sequence[FeatureDrift], rules: DriftRules) -> str:
    status = _worst(features)
    if status == "ok":
        return "The production window looks like the reference."
    if status == "insufficient":
        return f"Too few samples to judge drift; the rules ask for {rules.min_n} on each side."
    named = ", ".join(f.name for f in features if f.status == status)
    return f"Drift in {named}." if status == "drift" else f"A shift worth looking at in {named}."


def _worst(features: Sequence[FeatureDrift]) -> DriftStatus:
    # Nothing measured at all is not "ok".
    return max((f.status for f in features), key=_ORDER.index, default="insufficient")


def _report(
    rules: DriftRules,
    reference: Sample,
    window: Sample | None,
    features: tuple[FeatureDrift, ...],
    not_measured: tuple[str, ...],
    message: str,
) -> DriftReport:
    return DriftReport(
        status="no-window" if window is None else _worst(features),
        rules=rules.name,
        rules_version=rules.version,
        rules_digest=rules.digest,
        reference_digest=reference.digest,
        window_digest=None if window is None else window.digest,
        n_reference=len(reference.images),
        n_window=0 if window is None else len(window.images),
        features=features,
        not_measured=not_measured,
        message=message,
    )


def _names(labels: NDArray[Any], classes: Sequence[str]) -> list[str | None]:
    numbers = [int(v) for v in np.asarray(labels)]
    return [None if v < 0 else classes[v] if v < len(classes) else str(v) for v in numbers]


def _check_labels(side: Sample, name: str) -> None:
    if side.labels is not None and len(side.labels) != len(side.images):
        raise DataError(
            f"drift check, {name}",
            f"{len(side.labels)} labels for {len(side.images)} images",
            "one label per image (-1 where there is none), or no labels at all",
            "build the window again from one source",
        )
