"""One self-contained HTML page from which an ML lead can decide: no network, no script, light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from augment_ops.gate.decision import Reason
from augment_ops.gate.explanation import Finding, Flip
from augment_ops.gate.grouping import grouped
from augment_ops.modalities import UNNAMED, modality
from augment_ops.modalities.base import Modality
from augment_ops.modalities.source import Samples, Schema
from augment_ops.report import brief, robustness, stress_summary
from augment_ops.report.charts import learning_chart, severity_panels
from augment_ops.report.formats import (
    chance,
    duration,
    interval,
    is_link,
    mark,
    number,
    percent,
    points,
    strength,
    tone,
    whole,
)
from augment_ops.report.inputs import FlippedPair, ReportInputs, to_json
from augment_ops.shown import seen
from augment_ops.stress.report import Role, StressReport
from augment_ops.training.result import TrainingResult

__all__ = ["render", "to_json"]

# How much is shown before a fold or a cut; the JSON beside the page holds everything.
_OPEN_REASONS = 12
_WORST_CLASSES = 8
_FLIPPED_SAMPLES = 64
_CONTACT_ROWS = 12
_FINDINGS = 12
_HEAT_CLASSES = 20
_MATRIX_CLASSES = 20
_HEAT_FULL_AT = 0.40  # a loss of 40 points gets the full colour
_GAIN_FULL_AT = 0.30

_SEVERITY_OF_OUTCOME = ("pass", "not-set", "warn", "investigate", "fail", "error")

# What the page knows of the plain dicts of the inputs; a field that is absent is left out.
_POLICY_FIELDS = (
    "name", "version", "digest", "description", "owner", "domain", "limitations", "budget", "text", "narrowed",
)  # fmt: skip
_SNAPSHOT_FIELDS = ("digest", "uri", "classes", "image_shape", "split_rule", "counts", "samples", "defective", "notes")
_DRIFT_FIELDS = ("status", "message", "features", "not_measured")


@dataclass(frozen=True)
class _Fact:
    """One headline number with what it is compared with."""

    name: str
    value: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Show:
    """Samples as pieces of the page, of their modality."""

    modality: Modality
    schema: Schema | None

    def __call__(self, samples: Samples, alt: list[str], against: Samples | None = None) -> list[Markup]:
        """A piece for each of (N, *shape); `against` (*shape) is what all of them were made of."""
        texts = [str(seen(text)) for text in alt]
        original = None if against is None else np.broadcast_to(against, (len(samples), *against.shape))
        pieces = self.modality.show(samples, texts, against=original, schema=self.schema, css_class="px")
        return [Markup(piece) for piece in pieces]

    def pair(self, clean: Samples, stressed: Samples, alt: tuple[str, str]) -> tuple[Markup, Markup]:
        """A sample, and what the model saw of it."""
        (before,), (after,) = self(clean[None], [alt[0]]), self(stressed[None], [alt[1]], clean)
        return before, after


def render(inputs: ReportInputs, of: str = UNNAMED, schema: Schema | None = None) -> str:
    """The page as one HTML document.

    The only addresses in it are the two links given; every text is escaped; nothing of a sample is loaded from
    elsewhere. A part that is None is said to be missing.

    Args:
        inputs: what it shows.
        of: name of the modality of the samples; schema: of their data set, where it has one.
    """
    show = _Show(modality(of), schema)
    stress, decision = inputs.stress, inputs.decision
    judged, measure = (inputs.judged.stress, inputs.judged.measure) if inputs.judged else (stress, "accuracy")
    reasons = decision.reasons if decision else ()
    groups = grouped(x for x in reasons if x.outcome != "pass")
    context = {
        "r": inputs,
        "policy": dict.fromkeys(_POLICY_FIELDS) | inputs.policy,
        "snapshot": dict.fromkeys(_SNAPSHOT_FIELDS) | inputs.snapshot,
        "drift": None if inputs.drift is None else dict.fromkeys(_DRIFT_FIELDS) | inputs.drift,
        "brief": None if inputs.brief is None else brief.rows(inputs.brief, whole=True)[1:],  # the verdict stands above
        "numbers": ([], []) if inputs.brief is None else brief.numbers(inputs.brief),
        "intervals": "" if inputs.brief is None else brief.intervals(inputs.brief),
        "verdict": decision.verdict if decision else "STOPPED",
        "next_step": _next_step(inputs),
        "facts": _facts(inputs, judged, measure),
        "measure": measure,
        "open_reasons": groups[:_OPEN_REASONS],
        "more_reasons": groups[_OPEN_REASONS:],
        "passed_reasons": grouped(x for x in reasons if x.outcome == "pass"),
        "marks_of_cells": _marks_of_cells(reasons),
        "panels": severity_panels(judged, _lowest_accepted(judged, reasons)) if judged else (),
        "heat": stress_summary.gap_table(judged, "candidate") if judged else None,
        "gains": _gains(judged),
        "worst_classes": stress_summary.worst_classes(stress, _WORST_CLASSES) if stress else (),
        "confusions": stress_summary.top_confusions(stress, _WORST_CLASSES) if stress else (),
        "matrix": _matrix(stress),
        "failing": _failing(inputs, show),
        "findings": _findings(inputs, show),
        "roles": robustness.roles_of(stress) if stress else (),
        "measures": robustness.measure_rows(stress) if stress else (),
        "class_heat": robustness.class_heat(stress, _HEAT_CLASSES) if stress else None,
        "class_rows": robustness.class_rows(stress, _HEAT_CLASSES) if stress else (),
        "destroyed": robustness.destroyed_table(stress) if stress else None,
        "unfit": {(x.corruption, x.severity): x.outcome for x in reasons if x.rule == "fitness" and x.severity},
        "group_tables": robustness.group_tables(stress) if stress else (),
        "contact": _contact(inputs, show),
        "kind": show.modality,
        "learning": learning_chart(_curves(inputs)),
        "costs": _costs(inputs),
        "links": [(n, u) for n, u in (("Airflow run", inputs.airflow_url), ("MLflow run", inputs.mlflow_url)) if u],
    }
    return environment().get_template("page.html.j2").render(context).lstrip()


@cache
def environment() -> jinja2.Environment:
    """What all pages are made by: templates, filters, and text that is escaped and bounded."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=seen,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., object]] = {
        "num": number,
        "pct": percent,
        "chance": chance,
        "points": points,
        "whole": whole,
        "duration": duration,
        "tone": tone,
        "mark": mark,
        "is_link": is_link,
        "short": lambda digest: str(digest)[:12],
        "ratio": lambda v: "—" if v is None else f"{v:.2f}",
        "interval": interval,
        "plain": _plain,
        "heat": lambda v: strength(v, _HEAT_FULL_AT),
        "gain": lambda v: strength(v, _GAIN_FULL_AT),
    }
    environment.filters.update(filters)
    return environment


def _next_step(inputs: ReportInputs) -> str:
    """What the verdict means for production; the summary has said what it means for the candidate."""
    if inputs.decision is None:
        return "The run stopped before the gate: nothing was decided and nothing is promoted."
    champion = inputs.stress.champion_version if inputs.stress else None
    if inputs.promoted is not None:
        kept = "is kept for rollback" if inputs.promoted else "stays"
        outcome = f"{inputs.outcome[:1].upper()}{inputs.outcome[1:].removesuffix('.')}."
        moves = champion and not (inputs.brief and inputs.brief.version == champion)
        return f"{outcome} Champion version {champion} {kept}." if moves else outcome
    if inputs.waits_for:
        until = f"Champion version {champion} stays until then" if champion else "Until then there is no champion"
        return f"Nothing is promoted yet: the run waits for the answer of {inputs.waits_for}. {until}."
    return ""


def _facts(inputs: ReportInputs, judged: StressReport | None, measure: str) -> list[_Fact]:
    facts: list[_Fact] = []
    stress, trained = inputs.stress, inputs.candidate
    if stress and judged:
        clean = judged.cell("candidate", "clean", 0)
        if clean is not None:
            low, high = stress_summary.share_range(clean.accuracy, clean.n)
            spread = f"95% interval {percent(low)} to {percent(high)}, n\u00a0=\u00a0{whole(clean.n)}"
            beside = _against(judged, stress_summary.clean_accuracy)
            facts.append(_Fact(f"Clean {measure}", percent(clean.accuracy), (spread, *beside)))
        mean = stress_summary.stressed_accuracy(judged, "candidate")
        cells = len([c for c in judged.cells if c.role == "candidate" and c.severity and c.n])
        note = f"mean of {cells} corruption × severity cells"
        facts.append(_Fact("Under stress", percent(mean), (note, *_against(judged, stress_summary.stressed_accuracy))))
        if (worst := stress_summary.worst_gap(judged)) is not None:
            where = f"{worst[0].replace('_', ' ')}, severity {worst[1]}"
            notes = (where, f"against its own clean {measure}")
            facts.append(_Fact("Largest loss", f"{points(worst[2], sign=False)} points", notes))
        # Where one class is judged alone it is the headline itself, and the lowest of all is told beside it.
        for row in stress_summary.worst_classes(judged if len(judged.classes) > 1 else stress, 1):
            where = f"{row.corruption.replace('_', ' ')}, severity {row.severity}, n\u00a0=\u00a0{whole(row.n)}"
            facts.append(_Fact("Lowest class recall", percent(row.worst), (f"class {row.name}", where)))
    if trained:
        budget = (inputs.policy.get("budget") or {}).get("p95_ms")
        limit = "the policy states no budget" if budget is None else f"budget {number(budget)} ms a sample"
        facts.append(_Fact("Augmentation p95", _milliseconds(trained.delivery.augment_p95_ms), (limit, trained.advice)))
    return facts


def _against(stress: StressReport, measure: Callable[[StressReport, Role], float | None]) -> list[str]:
    own = measure(stress, "candidate")
    others: tuple[Role, ...] = ("control", "champion")
    notes = []
    for role in others:
        other = measure(stress, role) if role in stress.models else None
        if own is not None and other is not None:
            notes.append(f"{points(own - other)} against {role} ({percent(other)})")
    return notes


def _marks_of_cells(reasons: tuple[Reason, ...]) -> dict[tuple[str, int], str]:
    """(corruption, severity) → the worst outcome that the gate gave that cell, as a whole or for one class in it."""
    marks: dict[tuple[str, int], str] = {}
    for reason in reasons:
        if reason.corruption is not None and reason.severity is not None:
            key = (reason.corruption, reason.severity)
            marks[key] = max(marks.get(key, "pass"), reason.outcome, key=_SEVERITY_OF_OUTCOME.index)
    return marks


def _lowest_accepted(stress: StressReport, reasons: tuple[Reason, ...]) -> float | None:
    """Accuracy below which the gate blocks any corruption, read back from the reasons that compared a gap with a limit.

    The page knows no gate rules; a reason is about a gap where it measured the very gap of its cell.
    """
    clean = stress_summary.clean_accuracy(stress, "candidate")
    table = stress_summary.gap_table(stress, "candidate")
    gaps = {(row.corruption, s): v for row in table.rows for s, v in zip(table.severities, row.values, strict=True)}
    limits = [
        x.threshold
        for x in reasons
        if x.outcome in ("pass", "fail") and x.corruption and x.severity and x.threshold and x.measured is not None
        if (gap := gaps.get((x.corruption, x.severity))) is not None and math.isclose(gap, x.measured, abs_tol=1e-9)
    ]
    return None if clean is None or not limits or clean <= max(limits) else clean - max(limits)


def _gains(stress: StressReport | None) -> list[tuple[Role, stress_summary.GapTable]]:
    if stress is None:
        return []
    others: tuple[Role, ...] = ("control", "champion")
    return [(role, stress_summary.gain_table(stress, role)) for role in others if role in stress.models]


def _matrix(stress: StressReport | None) -> list[tuple[str, list[tuple[int, int]]]]:
    """Rows of the candidate's confusion: true class, then (samples, colour strength) for each predicted class."""
    matrix = stress.confusion.get("candidate", ()) if stress else ()
    if stress is None or len(stress.classes) > _MATRIX_CLASSES:
        return []
    return [
        (name, [(count, strength(count / max(sum(row), 1), 1.0)) for count in row])
        for name, row in zip(stress.classes, matrix, strict=True)
    ]


def _failing(inputs: ReportInputs, show: _Show) -> list[tuple[str, list[tuple[FlippedPair, Markup, Markup]]]]:
    """Corruption → (sample, clean, stressed), in the order given."""
    groups: dict[str, list[tuple[FlippedPair, Markup, Markup]]] = {}
    for one in inputs.failing[:_FLIPPED_SAMPLES]:
        under = f"The same under {_plain(one.corruption)}, severity {one.severity}: taken for {one.predicted}"
        pair = show.pair(one.clean, one.stressed, (_clean(one.sample_id, one.label), under))
        groups.setdefault(one.corruption, []).append((one, *pair))
    return list(groups.items())


def _findings(inputs: ReportInputs, show: _Show) -> list[tuple[Finding, list[tuple[Flip, Markup, Markup]]]]:
    """What did not pass → (sample, clean, stressed), for the samples that are there."""
    if inputs.explanation is None:
        return []
    there = {(p.corruption, p.severity, p.sample_id): p for p in inputs.pictures}
    worst: dict[object, Finding] = {}  # of a corruption that fails at several severities the first is the worst
    for finding in inputs.explanation.findings:
        subject = None if finding.rule == "invariance" else finding.class_name
        worst.setdefault((finding.rule, finding.corruption, subject, finding.group), finding)
    shown = []
    for finding in worst.values():
        shots = []
        for flip in finding.flips:
            one = there.get((finding.corruption or "", finding.severity or 0, flip.sample_id))
            if one is not None:
                under = f"The same under {_plain(finding.corruption)}: taken for {flip.predicted}"
                shots.append((flip, *show.pair(one.clean, one.stressed, (_clean(flip.sample_id, flip.label), under))))
        if shots or finding.classes:
            shown.append((finding, shots))
    return shown[:_FINDINGS]


def _contact(inputs: ReportInputs, show: _Show) -> list[tuple[str, Markup, list[Markup]]]:
    """Label, original, copies."""
    sheet = inputs.augmented
    if sheet is None:
        return []
    shown = []
    for label, original, copies in list(zip(sheet.labels, sheet.originals, sheet.copies, strict=True))[:_CONTACT_ROWS]:
        (first,) = show(original[None], [f"Original, class {label}"])
        alt = [f"Augmented copy {number} of class {label}" for number in range(1, len(copies) + 1)]
        shown.append((label, first, show(copies, alt, original)))
    return shown


def _clean(sample_id: str, label: str) -> str:
    return f"Sample {sample_id}, class {label}, clean"


def _plain(name: object) -> str:
    return str(name).replace("_", " ")


def _curves(inputs: ReportInputs) -> dict[str, Any]:
    return {t.role: t.curve for t in (inputs.control, inputs.candidate) if t is not None and t.curve}


def _costs(inputs: ReportInputs) -> list[tuple[str, str, str, str]]:
    """Name, candidate, control, difference."""
    candidate, control = inputs.candidate, inputs.control
    if candidate is None:
        return []
    ms = _milliseconds
    measures: tuple[tuple[str, Callable[[TrainingResult], float], Callable[[float], str]], ...] = (
        ("Wall time", lambda t: t.wall_s, duration),
        ("Samples per second", lambda t: t.samples_per_s, whole),
        ("Waiting for data, share of wall time", lambda t: t.delivery.data_wait_share, percent),
        ("Augmentation per sample, p50", lambda t: t.delivery.augment_p50_ms, ms),
        ("Augmentation per sample, p95", lambda t: t.delivery.augment_p95_ms, ms),
        ("Peak memory", lambda t: t.peak_rss_mb, lambda v: f"{whole(v)} MB"),
    )
    rows = []
    for name, read, form in measures:
        own, other = read(candidate), None if control is None else read(control)
        shown = "—" if other is None else form(other)
        rows.append((name, form(own), shown, _difference(own, other, share=form is percent)))
    return rows


def _milliseconds(value: float) -> str:
    return f"{value:.2g} ms" if 0 < value < 1 else f"{number(value)} ms" if value else "none"  # timers are no finer


def _difference(own: float, other: float | None, *, share: bool) -> str:
    if not other or not math.isfinite(own):
        return ""
    if share:
        return f"{points(own - other)} points"
    change = round((own / other - 1) * 100)
    return f"{change:+d}%".replace("-", "−") if change else "the same"
