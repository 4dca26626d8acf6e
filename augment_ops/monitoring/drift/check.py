"""Production window against reference: all that the rules ask for, judged together; a report, never an exception.

What is compared falls into kinds (properties of samples, columns, embeddings, predictions, labels, answers). The rules'
significance is shared equally by the kinds that could be measured, and inside a kind Holm's correction shares it on, so
that the chance of a false alarm over the whole report stays below it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from augment_ops.monitoring.drift.detectors.base import MISSING, Bin, Measurement
from augment_ops.monitoring.drift.measure import NEW_COLUMN, SCHEMA, Measured, measure
from augment_ops.monitoring.drift.rules import DriftRules, EffectLimits
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.monitoring.drift.verdict import Status, can_be_judged, judge
from augment_ops.statistics import holm

DriftStatus = Literal["ok", "warn", "drift", "insufficient", "no-window"]
_ORDER: tuple[Status, ...] = ("ok", "insufficient", "warn", "drift")
# What a change of the schema is worth: what went missing is drift by itself, what is new is to be looked at.
_SCHEMA: dict[str, Status] = {NEW_COLUMN: "warn"}
_NO_LIMITS = EffectLimits(warn=1.0, drift=1.0)
_LISTED = 5  # names in one sentence


@dataclass(frozen=True, kw_only=True)
class DriftFinding:
    """One comparison, judged.

    Attributes:
        name: of the column or property; kind: what it belongs to (see `augment_ops.monitoring.drift.measure`).
        detector: by which it was compared.
        statistic, effect, p_value, low, high: see `augment_ops.monitoring.drift.detectors.base.Measurement`.
        corrected: the p-value after correction for everything in the report.
        limit: effect from which it is drift.
    """

    name: str
    kind: str
    detector: str
    status: Status
    statistic: float
    effect: float
    p_value: float
    corrected: float
    limit: float
    n_reference: int
    n_window: int
    bins: tuple[Bin, ...]
    low: float | None
    high: float | None
    message: str


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What a drift check leaves behind.

    Attributes:
        status: the worst of the findings; `no-window` where there is nothing to compare with yet.
        window_digest: None without a window.
        features: the findings, the strongest first.
        not_measured: what the rules ask for and the data cannot give, with the reason.
        faults: what was wrong with the window itself (corrupt files, repeated ids, clocks, late records).
        blind: whether monitoring could not do its work: production may have drifted, and nobody would know.
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
    features: tuple[DriftFinding, ...]
    not_measured: tuple[str, ...]
    message: str
    faults: tuple[str, ...] = ()
    blind: bool = False


def check_drift(
    reference: Sample, window: Sample | None, rules: DriftRules, faults: Sequence[str] = (), *, blind: bool = False
) -> DriftReport:
    """Compare a production window with the reference.

    Args:
        reference: see `policies/drift/*.yaml`, `reference`.
        window: None where production has sent nothing yet, which the report says.
        faults, blind: what reading the window has found; see `DriftReport`.
    """
    if window is None:
        message = "No production window yet: drift was not measured."
        return _report(rules, reference, None, (), (), message, faults, blind)
    measured, not_measured = measure(reference, window, rules)
    corrected = _corrected(measured)
    findings = [_finding(one, p_value, rules) for one, p_value in zip(measured, corrected, strict=True)]
    findings.sort(key=_strength, reverse=True)
    message = _message(findings, rules)
    return _report(rules, reference, window, tuple(findings), not_measured, message, faults, blind)


def _corrected(measured: Sequence[Measured]) -> list[float]:
    """The p-value of each measurement, corrected for all of them; NaN where there is none."""
    by_kind: dict[str, list[int]] = {}
    for place, one in enumerate(measured):
        if not math.isnan(one.measurement.p_value):
            by_kind.setdefault(one.kind, []).append(place)
    found = [math.nan] * len(measured)
    for places in by_kind.values():
        for place, p in zip(places, holm([measured[at].measurement.p_value for at in places]), strict=True):
            found[place] = min(1.0, p * len(by_kind))
    return found


def _finding(one: Measured, corrected: float, rules: DriftRules) -> DriftFinding:
    m = one.measurement
    if one.detector == SCHEMA:
        status, limits = _SCHEMA.get(one.note, "drift"), _NO_LIMITS
    else:
        limits = rules.limits[one.detector]
        status = judge(m, corrected, limits, rules.significance, _least(one.detector, rules))
    return DriftFinding(
        name=one.name,
        kind=one.kind,
        detector=one.detector,
        status=status,
        statistic=m.statistic,
        effect=m.effect,
        p_value=m.p_value,
        corrected=corrected,
        limit=limits.drift,
        n_reference=m.n_reference,
        n_window=m.n_window,
        bins=m.bins,
        low=m.low,
        high=m.high,
        message=_explain(one, status, corrected, limits, rules),
    )


def _least(detector: str, rules: DriftRules) -> int:
    """Samples that it needs on each side."""
    return rules.min_class_n if detector == "recall" else rules.min_n


def _explain(one: Measured, status: Status, corrected: float, limits: EffectLimits, rules: DriftRules) -> str:
    m = one.measurement
    if one.detector == SCHEMA:
        return f"{one.name}: {one.note}."
    if status == "insufficient":
        if can_be_judged(min(m.n_reference, m.n_window), m.effect, corrected, _least(one.detector, rules)):
            beyond = f"{one.detector} {m.effect:.3f} is beyond the limit of {limits.warn:g}"
            return f"{one.name}: {beyond}, but {m.n_window} samples are too few to tell it from chance."
        return f"{one.name}: {m.n_window} window and {m.n_reference} reference samples are too few to judge."
    if one.detector in ("accuracy", "recall", "estimated-accuracy"):
        before = m.statistic + m.effect
        fell = f"from {before:.1%} to " if m.effect > 0 else ""
        return f"{one.name}: {fell}{m.statistic:.1%} (95% interval {m.low or 0.0:.1%} to {m.high or 0.0:.1%})."
    if status == "ok":
        return f"{one.name}: no shift beyond its limits ({one.detector} {m.effect:.3f})."
    return f"{one.name}: {one.detector} {m.effect:.3f}{_place(m)}."


def _place(m: Measurement) -> str:
    if not m.bins:
        return ""
    moved = max(m.bins, key=lambda b: abs(b.window_share - b.reference_share))
    place = "missing values" if moved.label == MISSING else f"the bin {moved.label}"
    return (
        f"; most of it in {place}, from {moved.reference_share:.1%} of the reference to {moved.window_share:.1%} of "
        "the window"
    )


def _strength(finding: DriftFinding) -> tuple[int, float]:
    effect = finding.effect / finding.limit
    return _ORDER.index(finding.status), 0.0 if math.isnan(effect) else effect


def _message(findings: Sequence[DriftFinding], rules: DriftRules) -> str:
    status, unclear = _worst(findings), [f.name for f in findings if _may_be_chance(f, rules)]
    if status == "ok":
        but = f" Too few samples to tell of {_listed(unclear)}." if unclear else ""
        return f"The production window looks like the reference.{but}"
    if status == "insufficient":
        if unclear:
            return f"Too few samples to tell drift from chance in {_listed(unclear)}."
        return f"Too few samples to judge drift; the rules ask for {rules.min_n} on each side."
    named = _listed([f.name for f in findings if f.status == status])
    return f"Drift in {named}." if status == "drift" else f"A shift worth looking at in {named}."


def _may_be_chance(f: DriftFinding, rules: DriftRules) -> bool:
    """Whether it has moved beyond its limits, and there are too few samples to tell that from chance."""
    n = min(f.n_reference, f.n_window)
    return f.status == "insufficient" and can_be_judged(n, f.effect, f.corrected, _least(f.detector, rules))


def _listed(names: Sequence[str]) -> str:
    found = list(dict.fromkeys(names))
    return ", ".join(found[:_LISTED]) + (" and others" if len(found) > _LISTED else "")


def _worst(findings: Sequence[DriftFinding]) -> Status:
    """The worst that was judged. What had too few samples counts only where nothing at all could be judged."""
    judged = [f.status for f in findings if f.status != "insufficient"]
    return max(judged, key=_ORDER.index, default="insufficient")


def _report(
    rules: DriftRules,
    reference: Sample,
    window: Sample | None,
    features: tuple[DriftFinding, ...],
    not_measured: tuple[str, ...],
    message: str,
    faults: Sequence[str],
    blind: bool,
) -> DriftReport:
    return DriftReport(
        status="no-window" if window is None else _worst(features),
        rules=rules.name,
        rules_version=rules.version,
        rules_digest=rules.digest,
        reference_digest=reference.digest,
        window_digest=None if window is None else window.digest,
        n_reference=reference.size,
        n_window=0 if window is None else window.size,
        features=features,
        not_measured=not_measured,
        message=message,
        faults=tuple(faults),
        blind=blind,
    )
