"""The project's metrics: every name with its unit, labels and meaning, in one table.

Names follow OpenTelemetry (`augment_ops.stage.duration`, unit `s`). Prometheus' name follows from name, unit and kind,
as the OpenTelemetry collector derives it (`augment_ops_stage_duration_seconds`). docs/operations.md lists them all.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from augment_ops.names import looks_told, told_apart
from augment_ops.shown import plain

Series = tuple[str, tuple[str, ...]]  # Prometheus' name of the family, values of its labels in order
Metrics = dict[Series, float]  # oldest observation first

# Old versions are told apart on a chart by eye; Prometheus keeps what is dropped here for as long as it keeps anything.
KEPT_VERSIONS = 5
# Series of one metric. Each costs Prometheus about 3 kB of memory, and a data set may have any number of classes.
MOST_SERIES = 10_000
_LABEL = 300  # characters of a label's value: a run's id has at most 250
_VERSION = "model_version"
_UNITS = {"s": "_seconds", "By": "_bytes", "1": "_ratio"}


@dataclass(frozen=True, kw_only=True)
class Family:
    """One metric.

    Attributes:
        otel: OpenTelemetry's name.
        unit: UCUM: `s`, `By`, `1` for a share of 0 to 1, `{thing}` for a number of things, `{thing}/s`, or empty.
        labels: names of the labels, in order.
        scope: labels that say what an observation of a gauge is about: it replaces all that was known about that.
        buckets: upper bounds of a histogram, which only a process that lives long has (`serving/meters.py`).
    """

    otel: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    labels: tuple[str, ...]
    meaning: str
    scope: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """Prometheus' name."""
        rate = "_per_second" if self.unit.endswith("/s") else ""
        return self.otel.replace(".", "_") + _UNITS.get(self.unit, rate) + ("_total" if self.kind == "counter" else "")

    def set(self, value: float, **labels: str) -> Observation:
        """An observation that takes the place of the one before."""
        if self.kind != "gauge":
            raise ValueError(f"{self.name} counts: add to it")
        return Observation(self, self._values(labels), float(value), grows=False)

    def unknown(self, **scope: str) -> Observation:
        """The observation that nothing is known any more about what these labels, those of the scope, name."""
        return Observation(self, self._values(dict.fromkeys(self.labels, "") | scope), None, grows=False)

    def add(self, value: float, **labels: str) -> Observation:
        """An observation that is added to what was there."""
        return Observation(self, self._values(labels), float(value), grows=True)

    def _values(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        if set(labels) != set(self.labels):
            raise ValueError(f"{self.name} has the labels {', '.join(self.labels)}, not {', '.join(labels)}")
        return tuple(label_value(labels[name]) for name in self.labels)


@dataclass(frozen=True)
class Observation:
    """One observation: `labels` are values in the order of the family's labels; without a value, see `unknown`."""

    family: Family
    labels: tuple[str, ...]
    value: float | None
    grows: bool


def label_value(text: str) -> str:
    """A name as the value of a label: one line, nothing unseen in it, bounded.

    What had to be changed, or looks as if it had been, ends with eight hex digits of its own, so that names that differ
    stay apart.
    """
    line = plain(text, _LABEL)
    return line if line == text and not looks_told(line, "~") else told_apart(line, text, _LABEL, "~")


def fold(known: Metrics, samples: Iterable[Observation]) -> Metrics:
    """What is known after these observations. Series that were observed last stand last."""
    samples = list(samples)
    about = {_scope(s.family, s.labels) for s in samples if not s.grows}
    by_name = {sample.family.name: sample.family for sample in samples}
    new = {
        (name, labels): value
        for (name, labels), value in known.items()
        if name not in by_name or _scope(by_name[name], labels) not in about
    }
    for sample in samples:
        if sample.value is not None:
            series = (sample.family.name, sample.labels)
            before = new.pop(series, 0.0) if sample.grows else 0.0
            new[series] = before + sample.value
    return _bounded(_retired(new))


def _bounded(known: Metrics) -> Metrics:
    """Without the series of a metric, beyond the most that it may have, that were observed longest ago; said where."""
    counts = Counter(name for name, _ in known)
    over = {name: count - MOST_SERIES for name, count in counts.items() if count > MOST_SERIES}
    if not over:
        return known
    left: dict[str, int] = dict(over)
    kept: Metrics = {}
    for (name, labels), value in known.items():
        if left.get(name, 0) > 0:
            left[name] -= 1
        else:
            kept[name, labels] = value
    return kept | {(SERIES_DROPPED.name, (name,)): float(count) for name, count in over.items()}


def _scope(family: Family, labels: tuple[str, ...]) -> tuple[str, ...]:
    return (family.name, *(v for name, v in zip(family.labels, labels, strict=True) if name in family.scope))


def _retired(known: Metrics) -> Metrics:
    """Without the model versions of each family and data set that were observed longest ago."""
    newest: dict[tuple[str, str], dict[str, None]] = {}
    for name, labels in reversed(known):
        family = BY_NAME[name]
        if _VERSION in family.scope:
            versions = newest.setdefault((name, labels[family.labels.index("dataset")]), {})
            if len(versions) < KEPT_VERSIONS:
                versions[labels[family.labels.index(_VERSION)]] = None
    return {
        (name, labels): value
        for (name, labels), value in known.items()
        if _VERSION not in (family := BY_NAME[name]).scope
        or labels[family.labels.index(_VERSION)] in newest[name, labels[family.labels.index("dataset")]]
    }


def _counter(otel: str, unit: str, labels: tuple[str, ...], meaning: str) -> Family:
    return Family(otel=f"augment_ops.{otel}", kind="counter", unit=unit, labels=labels, meaning=meaning)


def _gauge(otel: str, unit: str, labels: tuple[str, ...], meaning: str, scope: tuple[str, ...] = ()) -> Family:
    return Family(
        otel=f"augment_ops.{otel}", kind="gauge", unit=unit, labels=labels, meaning=meaning, scope=scope or labels
    )


_DATASET = ("dataset",)
_STAGE, _ROLE, _VERSIONED = ("dataset", "stage"), ("dataset", "role"), ("dataset", _VERSION)

# The pipeline
STAGE_EXECUTIONS = _counter(
    "stage.executions",
    "{execution}",
    (*_STAGE, "outcome"),
    "Executions of a stage by outcome: done, reused (its output was there already), refused, failed.",
)
STAGE_WORK = _counter("stage.work", "s", _STAGE, "Time that executions of a stage have worked, in all.")
STAGE_DURATION = _gauge("stage.duration", "s", _STAGE, "Work of the last execution of a stage that was done.")
STAGE_FINISHED = _gauge("stage.finished_timestamp", "s", _STAGE, "When a stage was last done.")
RUN_INFO = _gauge(
    "run.info",
    "",
    ("dataset", "run_id", "policy", "mlflow_url", "driver_url"),
    "1 for the newest run of a data set; where its evidence is.",
    _DATASET,
)
QUALITY_STATUS = _gauge(
    "quality.status", "", (*_STAGE, "check", "status"), "1 for what each quality check found.", _STAGE
)
GATE_DECISIONS = _counter("gate.decisions", "{decision}", ("dataset", "verdict"), "Decisions of the gate.")
GATE_REFUSALS_IN_A_ROW = _gauge(
    "gate.refusals_in_a_row", "{decision}", _DATASET, "Decisions other than PASS since the last PASS."
)
PROMOTIONS = _counter("promotions", "{promotion}", _DATASET, "Candidates that became champion.")
CHAMPION_TRAINED = _gauge(
    "champion.trained_timestamp",
    "s",
    (*_VERSIONED, "environment"),
    "When an environment's champion was trained.",
    ("dataset", "environment"),
)

# Training and augmentation
TRAINING_SAMPLES = _counter("training.samples", "{sample}", _ROLE, "Samples trained on.")
TRAINING_THROUGHPUT = _gauge("training.throughput", "{sample}/s", _ROLE, "Samples a second over the last training.")
DATA_WAIT = _gauge("training.data_wait", "1", _ROLE, "Share of the last training spent waiting for data.")
QUEUE_DEPTH = _gauge("training.queue_depth", "{batch}", _ROLE, "Batches ready when one was asked for, on average.")
PEAK_MEMORY = _gauge("training.peak_memory", "By", _ROLE, "Peak resident memory of the trainer and its workers.")
VALIDATION_ACCURACY = _gauge("training.validation_accuracy", "1", _ROLE, "After the last epoch of the last training.")
AUGMENTATION_TIME = _gauge(
    "augmentation.duration", "s", (*_ROLE, "percentile"), "Augmentation of one sample in the last training.", _ROLE
)
POLICY_COST = _gauge(
    "policy.cost",
    "s",
    ("dataset", "policy", "percentile"),
    "Augmentation of one sample at the size of the policy's budget, one thread.",
    _DATASET,
)
POLICY_BUDGET = _gauge("policy.budget", "s", ("dataset", "policy"), "What a policy allows itself at p95.", _DATASET)

# Robustness
STRESS_ACCURACY = _gauge(
    "stress.accuracy",
    "1",
    (*_ROLE, "corruption", "severity"),
    "Accuracy in the last stress test; severity 0 is clean.",
    _DATASET,
)
CLASS_RECALL = _gauge(
    "class.recall",
    "1",
    (*_ROLE, "class_name"),
    "Recall of a class on clean held-out samples, last stress test.",
    _DATASET,
)
CLASS_SAMPLES = _gauge("class.samples", "{sample}", ("dataset", "class_name"), "Samples behind that recall.", _DATASET)
MODEL_STRESS_ACCURACY = _gauge(
    "model.stress_accuracy",
    "1",
    (*_VERSIONED, "corruption", "severity"),
    "Accuracy of a registered version when it was last tested.",
    _VERSIONED,
)
MODEL_CLASS_RECALL = _gauge(
    "model.class_recall",
    "1",
    (*_VERSIONED, "class_name"),
    "Recall of a registered version when it was last tested.",
    _VERSIONED,
)

# Drift
_RULES = ("dataset", "rules")
DRIFT_CHECKS = _counter("drift.checks", "{check}", (*_RULES, "status"), "Drift checks by what they came to.")
DRIFT_STATUS = _gauge(
    "drift.status",
    "",
    (*_RULES, "feature", "detector", "status"),
    "1 for what the last check found in each feature.",
    _RULES,
)
DRIFT_EFFECT = _gauge(
    "drift.effect",
    "",
    (*_RULES, "feature", "detector"),
    "How far a feature has moved, in its detector's own measure.",
    _RULES,
)
DRIFT_BLIND = _gauge("drift.blind", "", _RULES, "1 where the last window could not be judged.")
DRIFT_CHECKED = _gauge("drift.checked_timestamp", "s", _RULES, "When drift was last looked for.")
DRIFT_WINDOW = _gauge("drift.window_samples", "{sample}", _RULES, "Samples of the last window; 0 without one.")

# The ledger, and monitoring itself
LEDGER_ENTRIES = _gauge("ledger.entries", "{entry}", (), "Entries of the ledger when it was last verified.")
LEDGER_FAULTS = _gauge("ledger.faults", "{fault}", (), "What verification found wrong in the ledger; 0 is whole.")
LEDGER_VERIFIED = _gauge("ledger.verified_timestamp", "s", (), "When the ledger was last verified.")
REGISTRY_FAULTS = _gauge(
    "registry.faults",
    "{fault}",
    _DATASET,
    "Where the model registry does not show the champions that the ledger names; 0 is as it should be.",
)
COUNTING_SINCE = _gauge("telemetry.start_timestamp", "s", (), "When the counters of this state folder began.")
ALERT_CHANNEL = _gauge("alert.channel_working", "", ("channel",), "1 where the last alert got through this channel.")
SERIES_DROPPED = _gauge(
    "telemetry.dropped", "{series}", ("metric",), "Series of a metric with too many that are not kept; the newest are."
)
EXPORT_FAILURES = _counter("telemetry.export_failures", "{export}", ("signal",), "OTLP exports that failed.")


def ledger_samples(faults: int, entries: int | None) -> list[Observation]:
    """What a verification of the ledger found just now; `entries` is None where it could not be read."""
    counted = [] if entries is None else [LEDGER_ENTRIES.set(entries)]
    return [*counted, LEDGER_FAULTS.set(faults), LEDGER_VERIFIED.set(time.time())]


def registry_samples(faults: Mapping[str, int]) -> list[Observation]:
    """What holding the model registry against the ledger found just now: data set → number of faults."""
    return [REGISTRY_FAULTS.set(found, dataset=dataset) for dataset, found in sorted(faults.items())]


FAMILIES = tuple(value for value in list(globals().values()) if isinstance(value, Family))
BY_NAME = {family.name: family for family in FAMILIES}
