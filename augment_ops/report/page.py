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
from augment_ops.quantities import chance, milliseconds
from augment_ops.report import brief, robustness, stress_summary, units
from augment_ops.report.allowance import Allowance
from augment_ops.report.calibration import reliability
from augment_ops.report.card import card_of
from augment_ops.report.charts import learning_chart, reliability_chart, severity_panels
from augment_ops.report.class_counts import class_table
from augment_ops.report.conclusions import conclusions
from augment_ops.report.confusion import confused, matrices
from augment_ops.report.formats import (
    duration,
    is_link,
    mark,
    moment,
    number,
    percent,
    points,
    strength,
    tone,
    whole,
)
from augment_ops.report.headline import tiles
from augment_ops.report.inputs import CorruptedSample, FlippedPair, ReportInputs, to_json
from augment_ops.shown import seen
from augment_ops.stress.cell_detail import CellDetail
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
_CONFUSIONS = 12
_HEAT_FULL_AT = 0.40  # a loss of 40 points gets the full colour
_GAIN_FULL_AT = 0.30

# Bytes of pictures by section, each as text of the page: with a table of twenty classes for every heading that has one,
# the rest of a page takes less than 0.5 MB, and MLflow and mail programs show 2 MB without a wait.
_CORRUPTED_BYTES, _FINDING_BYTES, _FLIPPED_BYTES, _CONTACT_BYTES = 500_000, 350_000, 350_000, 300_000

_SEVERITY_OF_OUTCOME = ("pass", "not-set", "warn", "investigate", "fail", "error")

_CONTENTS = (
    ("reasons", "Reasons"), ("trained", "What was trained on what"), ("class-counts", "Class distribution"),
    ("stress", "Clean against stressed"), ("classes", "Worst classes, and confusion under stress"),
    ("calibration", "Calibration"), ("augmented", "Augmented samples"), ("quality", "Data quality"),
    ("drift", "Drift"), ("cost", "Cost"), ("card", "Model card"), ("lineage", "Lineage"),
)  # fmt: skip

# What the page knows of the plain dicts of the inputs; a field that is absent is left out.
_POLICY_FIELDS = (
    "name", "version", "digest", "description", "owner", "domain", "limitations", "budget", "text", "narrowed",
)  # fmt: skip
_SNAPSHOT_FIELDS = ("digest", "uri", "classes", "image_shape", "split_rule", "counts", "samples", "defective", "notes")
_DRIFT_FIELDS = ("status", "message", "features", "not_measured")


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
    lowest = _lowest_accepted(judged, reasons) if judged else None
    classes = inputs.snapshot.get("classes") or ()
    context = {
        "r": inputs,
        "contents": _CONTENTS,
        "policy": dict.fromkeys(_POLICY_FIELDS) | inputs.policy,
        "snapshot": dict.fromkeys(_SNAPSHOT_FIELDS) | inputs.snapshot,
        "drift": None if inputs.drift is None else dict.fromkeys(_DRIFT_FIELDS) | inputs.drift,
        "brief": None if inputs.brief is None else brief.rows(inputs.brief, whole=True)[1:],  # the verdict stands above
        "numbers": ([], []) if inputs.brief is None else brief.numbers(inputs.brief),
        "intervals": "" if inputs.brief is None else brief.intervals(inputs.brief),
        "verdict": decision.verdict if decision else "STOPPED",
        "next_step": _next_step(inputs),
        "conclusions": _conclusions(inputs, judged),
        "facts": tiles(inputs, judged, measure),
        "measure": measure,
        "open_reasons": groups[:_OPEN_REASONS],
        "more_reasons": groups[_OPEN_REASONS:],
        "passed_reasons": grouped(x for x in reasons if x.outcome == "pass"),
        "marks_of_cells": _marks_of_cells(reasons),
        "panels": severity_panels(judged, lowest) if judged else (),
        "lowest": lowest,
        "corrupted": _corrupted(inputs, show),
        "heat": stress_summary.gap_table(judged, "candidate") if judged else None,
        "gains": _gains(judged),
        "worst_classes": stress_summary.worst_classes(stress, _WORST_CLASSES) if stress else (),
        **_detailed(inputs),
        "class_table": class_table(classes, inputs.snapshot.get("counts") or {}, inputs.epochs),
        "failing": _failing(inputs, show),
        "findings": _findings(inputs, show),
        "roles": robustness.roles_of(stress) if stress else (),
        "measures": robustness.measure_rows(stress) if stress else (),
        "class_heat": robustness.class_heat(stress, _HEAT_CLASSES) if stress else None,
        "class_rows": robustness.class_rows(stress, _HEAT_CLASSES) if stress else (),
        "destroyed": robustness.destroyed_table(stress) if stress else None,
        "unfit": {(x.corruption, x.severity): x.outcome for x in reasons if x.rule == "fitness" and x.severity},
        "recommends": inputs.judged.ranking if inputs.judged else (),
        "group_tables": robustness.group_tables(judged) if judged else (),
        "contact": _contact(inputs, show),
        "kind": show.modality,
        "learning": learning_chart(_curves(inputs), _entry(inputs)),
        "entry": _entry(inputs),
        "costs": _costs(inputs),
        "card": card_of(inputs, show.modality),
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
        "milliseconds": milliseconds,
        "points": points,
        "whole": whole,
        "duration": duration,
        "moment": moment,
        "tone": tone,
        "mark": mark,
        "is_link": is_link,
        "short": lambda digest: str(digest)[:12],
        "ratio": lambda v: "—" if v is None else f"{v:.2f}",
        "cell_name": cell_name,
        "measured": units.measured,
        "limit": units.limit,
        "ends": units.ends,
        "quantity": units.quantity,
        "plain": _plain,
        "heat": lambda v: strength(v, _HEAT_FULL_AT),
        "gain": lambda v: strength(v, _GAIN_FULL_AT),
    }
    environment.filters.update(filters)
    environment.tests["is_link"] = is_link
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


def _conclusions(inputs: ReportInputs, judged: StressReport | None) -> object:
    if inputs.decision is None or inputs.brief is None:
        return None
    return conclusions(inputs.decision, inputs.brief, judged)


def _detailed(inputs: ReportInputs) -> dict[str, Any]:
    """What the page shows of the cells that are known in detail; nothing of those of a run that did not keep them."""
    cells, stress = inputs.details, inputs.stress
    if stress is None or not cells:
        return {"details": (), "confusions": (), "matrices": (), "calibration": (), "reliability": None}
    rows = reliability(*cells)
    return {
        "details": cells,
        "confusions": confused(stress.classes, cells[0], cells[-1], _CONFUSIONS),
        "matrices": matrices(stress.classes, *cells),
        "calibration": rows,
        "reliability": reliability_chart(rows, [cell_name(cell) for cell in cells]),
    }


def cell_name(cell: CellDetail) -> str:
    """`clean`, or corruption and severity."""
    return _plain(cell.corruption) if not cell.severity else f"{_plain(cell.corruption)}, severity {cell.severity}"


def _corrupted(inputs: ReportInputs, show: _Show) -> dict[str, list[tuple[CorruptedSample, Markup, list[Markup]]]]:
    """Corruption → (sample, clean, at each severity), as far as they fit the page."""
    shown: dict[str, list[tuple[CorruptedSample, Markup, list[Markup]]]] = {}
    allowance = Allowance(_CORRUPTED_BYTES)
    for one in inputs.corrupted:
        name = _plain(one.corruption)
        alts = [
            f"The same under {name}, severity {level.severity}: taken for {level.predicted or 'no class'}"
            for level in one.levels
        ]
        (clean,) = show(one.clean[None], [_clean(one.sample_id, one.label)])
        pieces = show(np.stack([level.sample for level in one.levels]), alts, one.clean)
        if allowance.takes(clean, *pieces):
            shown.setdefault(one.corruption, []).append((one, clean, pieces))
    return shown


def _failing(inputs: ReportInputs, show: _Show) -> list[tuple[str, list[tuple[FlippedPair, Markup, Markup]]]]:
    """Corruption → (sample, clean, stressed), in the order given."""
    allowance = Allowance(_FLIPPED_BYTES)
    groups: dict[str, list[tuple[FlippedPair, Markup, Markup]]] = {}
    for one in inputs.failing[:_FLIPPED_SAMPLES]:
        under = f"The same under {_plain(one.corruption)}, severity {one.severity}: taken for {one.predicted}"
        pair = show.pair(one.clean, one.stressed, (_clean(one.sample_id, one.label), under))
        if allowance.takes(*pair):
            groups.setdefault(one.corruption, []).append((one, *pair))
    return list(groups.items())


def _findings(inputs: ReportInputs, show: _Show) -> list[tuple[Finding, list[tuple[Flip, Markup, Markup]]]]:
    """What did not pass → (sample, clean, stressed), for the samples that are there."""
    if inputs.explanation is None:
        return []
    there, allowance = {(p.corruption, p.severity, p.sample_id): p for p in inputs.pictures}, Allowance(_FINDING_BYTES)
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
                pair = show.pair(one.clean, one.stressed, (_clean(flip.sample_id, flip.label), under))
                if allowance.takes(*pair):
                    shots.append((flip, *pair))
        if shots or finding.classes:
            shown.append((finding, shots))
    return shown[:_FINDINGS]


def _contact(inputs: ReportInputs, show: _Show) -> list[tuple[str, Markup, list[Markup]]]:
    """Label, original, copies."""
    sheet, allowance = inputs.augmented, Allowance(_CONTACT_BYTES)
    if sheet is None:
        return []
    shown = []
    for label, original, copies in list(zip(sheet.labels, sheet.originals, sheet.copies, strict=True))[:_CONTACT_ROWS]:
        (first,) = show(original[None], [f"Original, class {label}"])
        alt = [f"Augmented copy {number} of class {label}" for number in range(1, len(copies) + 1)]
        augmented = show(copies, alt, original)
        if allowance.takes(first, *augmented):
            shown.append((label, first, augmented))
    return shown


def _clean(sample_id: str, label: str) -> str:
    return f"Sample {sample_id}, class {label}, clean"


def _plain(name: object) -> str:
    return str(name).replace("_", " ")


def _curves(inputs: ReportInputs) -> dict[str, Any]:
    return {t.role: t.curve for t in (inputs.control, inputs.candidate) if t is not None and t.curve}


def _entry(inputs: ReportInputs) -> str:
    """What each point of a learning curve stands for: of trees, which see the samples once, a round of boosting."""
    entries = len(inputs.candidate.curve) if inputs.candidate else 0
    return "epoch" if inputs.epochs in (None, entries) else "round"


def _costs(inputs: ReportInputs) -> list[tuple[str, str, str, str]]:
    """Name, candidate, control, difference."""
    candidate, control = inputs.candidate, inputs.control
    if candidate is None:
        return []
    measures: tuple[tuple[str, Callable[[TrainingResult], float], Callable[[float], str]], ...] = (
        ("Wall time", lambda t: t.wall_s, duration),
        ("Samples per second", lambda t: t.samples_per_s, whole),
        ("Waiting for data, share of wall time", lambda t: t.delivery.data_wait_share, percent),
        ("Augmentation per sample, p50", lambda t: t.delivery.augment_p50_ms, _taken),
        ("Augmentation per sample, p95", lambda t: t.delivery.augment_p95_ms, _taken),
        ("Peak memory", lambda t: t.peak_rss_mb, lambda v: f"{whole(v)} MB"),
    )
    rows = []
    for name, read, form in measures:
        own, other = read(candidate), None if control is None else read(control)
        shown = "—" if other is None else form(other)
        rows.append((name, form(own), shown, _difference(own, other, share=form is percent)))
    return rows


def _taken(ms: float) -> str:
    """A time of augmenting: of a policy that changes nothing there is none."""
    return milliseconds(ms) if ms else "none"


def _difference(own: float, other: float | None, *, share: bool) -> str:
    if not other or not math.isfinite(own):
        return ""
    if share:
        return f"{points(own - other)} points"
    change = round((own / other - 1) * 100)
    return f"{change:+d}%".replace("-", "−") if change else "the same"
