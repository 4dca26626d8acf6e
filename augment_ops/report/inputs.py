"""All that a report shows, as one value. A part that a run did not reach is None, and the page says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.content import LATER, canonical_json, sha256_hex
from augment_ops.delivery.choice import Choice
from augment_ops.gate.decision import Decision
from augment_ops.gate.explanation import Explanation
from augment_ops.gate.phrasing import listed
from augment_ops.names import alert_named
from augment_ops.quality.report import QualityReport
from augment_ops.report.brief import Brief
from augment_ops.report.recommends import Baseline, Recommends, recommends
from augment_ops.stress.cell_detail import CellDetail
from augment_ops.stress.measures import cells
from augment_ops.stress.outcomes import Outcomes
from augment_ops.stress.report import StressReport
from augment_ops.stress.slices import slices
from augment_ops.training.result import TrainingResult


@dataclass(frozen=True)
class Augmented:
    """Originals beside what the policy makes of them.

    Attributes:
        originals: (N, *shape).
        copies: (N, K, *shape'), K augmented copies of each original.
        labels: class name of each original, N of them.
    """

    originals: NDArray[Any]
    copies: NDArray[Any]
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FlippedPair:
    """One sample that flips, as it is and as it was changed.

    Attributes:
        clean, stressed: (*shape).
        label, predicted: class names.
    """

    corruption: str
    severity: int
    sample_id: str
    label: str
    predicted: str
    clean: NDArray[Any]
    stressed: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class CorruptedLevel:
    """A sample at one severity.

    Attributes:
        sample: (*shape).
        predicted: class name; empty where the candidate gave none.
    """

    severity: int
    sample: NDArray[Any]
    predicted: str


@dataclass(frozen=True, kw_only=True)
class CorruptedSample:
    """What a corruption makes of one sample.

    Attributes:
        label: class name.
        clean: (*shape).
        levels: by severity, the lowest first.
    """

    corruption: str
    sample_id: str
    label: str
    clean: NDArray[Any]
    levels: tuple[CorruptedLevel, ...]


@dataclass(frozen=True)
class Judged:
    """What the gate judged, where it was not the accuracy of all samples.

    Attributes:
        measure: what the share of right samples is called.
        stress: the cells of the samples that were judged.
        ranking: of a ranking of items, what each model recommends, popularity alone, and other baselines.
    """

    measure: str
    stress: StressReport
    ranking: tuple[Recommends, ...] = field(default=(), metadata=LATER)


def judged_of(
    report: StressReport,
    outcomes: Outcomes,
    equivalent: Sequence[Sequence[str]],
    baselines: Sequence[Baseline] = (),
) -> Judged:
    """What a gate judged that looks for one class, or that judges some classes as one.

    Args:
        outcomes: those that the report follows from.
        equivalent: groups of classes that were judged as one.
        baselines: of a ranking, to show beside popularity alone.
    """
    asked, measure = outcomes.judged(), "accuracy" if outcomes.asked is None else outcomes.asked.measure
    if equivalent:
        asked = asked.alike(equivalent)
        measure += f" ({listed(tuple(' = '.join(group) for group in equivalent))} as one)"
    of_classes = dataclasses.replace(
        report, classes=asked.classes, cells=cells(asked), measures=(), confusion={}, flipped=(), slices=slices(asked)
    )
    return Judged(measure, of_classes, recommends(outcomes, baselines))


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One comparison that stood out in the window that started a training.

    Attributes:
        status, effect: then, against what the champion was compared by.
        status_now, effect_now: of the same window against what this run was trained on; None where it was not measured.
        limit: effect from which it is drift.
    """

    name: str
    detector: str
    status: str
    effect: float
    status_now: str | None
    effect_now: float | None
    limit: float


@dataclass(frozen=True, kw_only=True)
class AlertCompared:
    """The alert of production that started the run.

    Attributes:
        entry: number of its entry in the ledger; kind: `drift`, `age` or `policy`.
        found: what was found, in a sentence; window: the time that it is about, empty for none.
        page: address of the window's page, a link where it is http(s); empty for none.
        moved: what stood out then, the strongest first.
        compared: what comparing with this run's training data came to, or why it was not done; empty without a window.
    """

    entry: int
    kind: str
    found: str
    window: str
    page: str
    moved: tuple[Moved, ...] = ()
    compared: str = ""

    @property
    def named(self) -> str:
        """As people read of it."""
        return alert_named(self.kind, self.entry)


# Documents without them are what they were before there were these.
_LATER = ("judged", "alert", "corrupted", "details", "epochs", "delivery")


@dataclass(frozen=True, kw_only=True)
class ReportInputs:
    """One pipeline run.

    Attributes:
        created: ISO 8601 time in UTC.
        decision: None where the run stopped before the gate; `stopped_because` then says why.
        snapshot: fields of the snapshot's manifest: digest, uri, classes, image_shape, split_rule, samples, defective,
            counts (split → class → samples), notes (on how it was read), licence. What is absent is left out of the
            page, or said not to be stated.
        policy: name, version, digest, description, owner, domain, limitations, budget (p95_ms, at), text (the file),
            narrowed (what its domain cut from families or left out).
        run: how it was started: started by, environment, approval, delivery, git_commit, …; shown as given.
        drift: fields of a drift report: status, message, not_measured, and features with name, status, detector,
            effect, p_value, n_reference, n_window and message; None where it was not run.
        measured: more numbers that belong to the run's cost, name with unit as it is to be read → value.
        reused: stage, or part of one, as it is to be read → the earlier run whose work it found.
        lineage: name → digest or reference, in the order of the pipeline.
        explanation: what lies behind the reasons that did not pass.
        pictures: the samples that it names.
        judged: what headlines and curves are about, where that is not `stress`.
        alert: the alert that started the run, where one did.
        brief: what whoever decides is told first.
        waits_for: role whose answer the run waits for; empty where it waits for nobody.
        promoted: whether the candidate is champion now; None as long as that is open.
        outcome: what became of the candidate, a sentence without its stop; empty as long as that is open.
        corrupted: samples under every corruption, one after the other; those that fit the page are shown.
        details: of the candidate, clean and where it loses most; empty where that is not known.
        epochs: how often training saw every sample augmented; None where the policy changes nothing.
        delivery: where to augment, by what was measured; None where the run said it itself.
        airflow_url, mlflow_url: addresses of the runs; shown as links where they are http(s), as text otherwise.
    """

    run_id: str
    dataset: str
    created: str
    decision: Decision | None
    data_quality: QualityReport | None
    augmented_quality: QualityReport | None
    candidate: TrainingResult | None
    control: TrainingResult | None
    stress: StressReport | None
    snapshot: dict[str, Any]
    policy: dict[str, Any]
    drift: dict[str, Any] | None = None
    run: dict[str, str] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    reused: dict[str, str] = field(default_factory=dict)
    lineage: dict[str, str] = field(default_factory=dict)
    augmented: Augmented | None = None
    failing: tuple[FlippedPair, ...] = ()
    explanation: Explanation | None = None
    pictures: tuple[FlippedPair, ...] = ()
    airflow_url: str | None = None
    mlflow_url: str | None = None
    stopped_because: str = ""
    judged: Judged | None = None
    alert: AlertCompared | None = None
    brief: Brief | None = None
    waits_for: str = ""
    promoted: bool | None = None
    outcome: str = ""
    corrupted: tuple[CorruptedSample, ...] = ()
    details: tuple[CellDetail, ...] = ()
    epochs: int | None = None
    delivery: Choice | None = None


def to_json(inputs: ReportInputs) -> bytes:
    """The report as one canonical JSON document; samples appear as shape and sha256."""
    told = {f.name: getattr(inputs, f.name) for f in dataclasses.fields(inputs)}
    for later in _LATER:
        if told[later] in (None, ()):
            del told[later]
    return canonical_json({name: _without_samples(value) for name, value in told.items()})


def _without_samples(value: object) -> object:
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "sha256": sha256_hex(np.ascontiguousarray(value).tobytes())}
    if isinstance(value, tuple):
        return [_without_samples(item) for item in value]
    if isinstance(value, (Augmented, FlippedPair, CorruptedSample, CorruptedLevel)):
        return {f.name: _without_samples(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value
