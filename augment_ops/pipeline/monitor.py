"""The drift monitor: judges every window that is due, keeps the evidence, alerts once, and says what is to be trained.

A window has one record (`drift/<data set>/windows/<reference>/<start>.json`), written after its evidence and its alert;
one that was killed is judged again and leaves the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from augment_ops.content import canonical_json, digest_of
from augment_ops.data.store import Store
from augment_ops.errors import InputError, nearest
from augment_ops.governance.ledger import open_ledger
from augment_ops.pipeline.alerts import Alert, enter
from augment_ops.pipeline.evaluate_stages import metric_name
from augment_ops.pipeline.reference import Watched, answered, of_period, of_windows, watched
from augment_ops.pipeline.registry_check import samples_of
from augment_ops.pipeline.retraining import Retraining, ageing, policy_moved, to_start
from augment_ops.pipeline.run import find, open_store
from augment_ops.pipeline.timeline import Judged, Timeline, folder_of
from augment_ops.settings import Settings
from monitoring.drift_check import DriftReport, check_drift
from monitoring.drift_metrics import drift_samples
from monitoring.log_reader import LogWindow, read_window
from monitoring.prediction_log import PredictionLog, datasets
from monitoring.publish import publish
from monitoring.rules import DriftRules, moment
from monitoring.sample import Sample

if TYPE_CHECKING:
    from augment_ops.tracking import MlflowTracker, TrackedRun


@dataclass(frozen=True)
class Monitored:
    """What a call of the monitor found.

    Attributes:
        judged: windows judged now, oldest first.
        alerts: of these windows, and others that are new; notify: channels of the rules by which people are told.
        retrain: trainings that drivers should have started (see `augment_ops.pipeline.retraining.to_start`).
    """

    dataset: str
    judged: tuple[Judged, ...]
    alerts: tuple[Alert, ...]
    notify: tuple[str, ...]
    retrain: tuple[Retraining, ...]


def log_uri(settings: Settings) -> str:
    """Where prediction logs are: beside the objects and documents of the store."""
    return f"{settings.store.rstrip('/')}/predictions"


def monitor(
    settings: Settings, dataset: str, rules_name: str = "default", *, now: datetime | None = None,
    actor: str = "", origin: str = "", environment: str = "", say: Callable[[str], None] = print,
) -> Monitored:  # fmt: skip
    """Judge every window of a data set that is due, and find out whether its model should be trained again.

    Args:
        origin: the driver's run that asks, which new alerts name.
        environment: whose champion is watched; by default that of the best protected environment that has one.

    Raises:
        GovernanceError: MLflow does not show the champion that the ledger names.
        InputError: no prediction log of that name, or a reference that the log cannot give.
        PolicyError: the rules are faulty.
    """
    at = now or datetime.now(UTC)
    work = _Work(
        settings, dataset, DriftRules.load(settings.policies / "drift" / f"{rules_name}.yaml"), environment, say
    )
    found: list[Judged] = []
    alerts: list[Alert] = []

    def tell(raised: list[Alert], *, again: bool) -> None:
        for alert in raised:
            entry, fresh = enter(work.ledger, alert, actor or settings.actor, origin)
            if fresh or again:
                say(f"alert {alert.key} (ledger entry {entry.seq}): {alert.message}")
                alerts.append(alert)

    for start in work.due(at):
        judged, raised = work.judge(start)
        say(f"{judged.start}: {judged.status}. {judged.message}")
        tell(raised, again=True)  # the window has no record, so nobody may have heard of it
        work.timeline.keep(judged)  # after the alert: a window that is recorded has said what it had to say
        found.append(judged)
    tell(work.calls_for_training(at), again=False)  # these are found at every call
    retrain = to_start(work.ledger, work.store, work.log, work.champion, work.rules)
    return Monitored(dataset, tuple(found), tuple(alerts), work.rules.notify, tuple(retrain))


def monitored_datasets(settings: Settings) -> list[str]:
    """Names of the data sets that have a prediction log."""
    return datasets(log_uri(settings))


def moment_of(text: str) -> datetime | None:
    """A time that a person gave; None where they gave none.

    Raises:
        InputError: not ISO 8601.
    """
    try:
        return moment(text) if text else None
    except ValueError as error:
        raise InputError("until", repr(text)[:80], "a time such as 2026-05-31T12:00", "write it in ISO 8601") from error


class _Work:
    """One call of the monitor: what it reads, opened when it is first asked for."""

    def __init__(
        self, settings: Settings, dataset: str, rules: DriftRules, environment: str, say: Callable[[str], None]
    ) -> None:
        self.settings, self.dataset, self.rules, self.say = settings, dataset, rules, say
        self.environment = environment
        self.store: Store = open_store(settings)
        self.log = PredictionLog(log_uri(settings), dataset, self.store)
        self.ledger = open_ledger(settings)

    @cached_property
    def tracker(self) -> MlflowTracker:
        from augment_ops.tracking import connect

        return connect(self.settings.mlflow_uri, self.settings.home / "mlflow" / "artifacts")

    @cached_property
    def champion(self) -> Watched | None:
        try:
            return watched(self.settings, self.tracker, self.store, self.dataset, self.environment)
        finally:  # also where it stops because the registry was altered
            for problem in publish(self.settings.home, samples_of(self.settings, self.tracker, self.dataset)):
                self.say(f"warning: {problem}")

    @cached_property
    def run(self) -> TrackedRun:
        """The MLflow run that holds all windows against one reference, one a step."""
        name = f"monitor-{self.dataset}-{self.reference_key}-{self.rules.digest[:8]}"
        tags = {"augment_ops.rules": f"{self.rules.name}/{self.rules.version}", "augment_ops.monitor": self.dataset}
        return self.tracker.open_run(self.dataset, name, tags=tags)

    @cached_property
    def reference_key(self) -> str:
        """Names what windows are compared with, and how long they are; a window is judged once against each."""
        wanted, length = self.rules.reference, f"{self.rules.window_h:g}h"
        if wanted.kind != "snapshot":
            return f"{wanted.kind}-{digest_of(wanted.model_dump())[:12]}-{length}"
        if self.champion is None:
            raise InputError(
                f"drift monitor of {self.dataset}",
                "no champion, and so no snapshot to compare with",
                "a promoted model, or rules with a rolling reference or a period",
                f"run the pipeline, or choose other rules than {self.rules.name}",
            )
        return f"{self.champion.snapshot.manifest.digest[:12]}-{length}"

    @cached_property
    def timeline(self) -> Timeline:
        """Which windows there are, and what became of them."""
        return Timeline(self.store, self.log, self.rules, self.reference_key)

    @cached_property
    def _fixed(self) -> Sample:
        if self.rules.reference.kind == "period":
            return of_period(self.log, self.rules)
        assert self.champion is not None  # reference_key was asked first
        return self.champion.reference

    def reference(self, start: datetime) -> Sample | None:
        """What the window that starts then is compared with; None where there is too little yet."""
        if self.rules.reference.kind != "rolling":
            return self._fixed
        return of_windows(self.log, self.timeline.quiet_before(start), self.rules)

    def due(self, at: datetime) -> list[datetime]:
        """Starts of the windows to judge, oldest first."""
        names = monitored_datasets(self.settings)
        if self.dataset not in names:
            raise InputError(
                f"prediction log of {self.dataset}",
                "no record",
                f"a log below {log_uri(self.settings)}: {', '.join(names) or 'there is none yet'}",
                f"let the service write to it, or try it out with `augment-ops traffic`.{nearest(self.dataset, names)}",
            )
        return self.timeline.due(at)

    def judge(self, start: datetime) -> tuple[Judged, list[Alert]]:
        """Judge one window and keep its evidence in MLflow and the store."""
        end = start + self.rules.window
        grace = timedelta(hours=self.rules.grace_h)
        window = read_window(self.log, start, end, end + grace)
        reference = self.reference(start)
        sample, faults, blind = window.sample, list(window.faults), window.blind
        before = read_window(self.log, start - self.rules.window, start, start + grace, pictures=False)
        if before.late:
            faults.append(f"{before.late} records came after the window before was judged; they stay in the log")
        if self.champion is not None and self.rules.reference.kind == "snapshot":
            sample = answered(window, self.champion)
        if reference is None:
            faults.append("too few earlier windows to compare with")
            reference = Sample("none", 0)
        report = check_drift(reference, sample, self.rules, faults, blind=blind)
        alerts = self._alerts(report, start, end)
        judged = self._evidence(report, window, reference, sample, alerts)
        for problem in publish(self.settings.home, drift_samples(self.dataset, report)):
            self.say(f"warning: {problem}")
        return judged, alerts

    def calls_for_training(self, at: datetime) -> list[Alert]:
        """Alerts that no window raises: the champion's age, and a newer policy."""
        if self.champion is None:
            return []
        params = find(self.store, self.champion.version.tags["augment_ops.pipeline_run"]).typed
        found = (
            ageing(self.ledger.read(("promote", "rollback")), self.champion, self.rules, at),
            policy_moved(self.ledger.read(("approve",)), self.champion, self.rules, params.environment),
        )
        return [alert for alert in found if alert is not None]

    def _alerts(self, report: DriftReport, start: datetime, end: datetime) -> list[Alert]:
        about = {"reference": self.reference_key, "window_start": start.isoformat(), "window_end": end.isoformat()}
        key = f"{self.dataset}:{self.reference_key}:{start.isoformat()}"
        evidence = f"Evidence: {self._page(start)}, report {digest_of(report)}."
        found = []
        if report.status == "drift":
            text = f"{report.message} {evidence}"
            found.append(Alert("drift", self.dataset, f"drift:{key}", about, text, self.rules.cool_down_h))
        if report.blind:
            text = f"Monitoring is blind: {'; '.join(report.faults)}. {evidence}"
            found.append(Alert("blind", self.dataset, f"blind:{key}", about, text, self.rules.cool_down_h))
        return found

    def _evidence(
        self, report: DriftReport, window: LogWindow, reference: Sample, sample: Sample, alerts: list[Alert]
    ) -> Judged:
        from monitoring.page import second_opinion, window_page

        metrics = {f"drift.{metric_name(f.name)}.{f.detector}": f.effect for f in report.features}
        metrics |= {"drift.status": float(("ok", "insufficient", "warn", "drift").index(report.status))}
        metrics |= {"window.samples": float(report.n_window), "window.blind": float(report.blind)}
        step = int(window.start.timestamp() // self.rules.window.total_seconds())
        self.tracker.log_metrics(self.run, metrics, step)
        folder = folder_of(window.start)
        self.tracker.log_bytes(self.run, canonical_json(report), f"{folder}/report.json")
        page = window_page(report, window, reference, sample)
        self.tracker.log_bytes(self.run, page, f"{folder}/drift.html")
        opinion = self.rules.evidently == "every" or (self.rules.evidently == "not-ok" and report.status != "ok")
        other = second_opinion(reference, sample, self.say) if opinion else None
        if other is not None:
            self.tracker.log_bytes(self.run, other, f"{folder}/evidently.html")
        return Judged(
            dataset=self.dataset, rules=self.rules.name, reference=self.reference_key,
            start=window.start.isoformat(), end=window.end.isoformat(), status=report.status, blind=report.blind,
            message=report.message, faults=report.faults, metrics=metrics,
            report=self.store.put(canonical_json(report)), page=self._page(window.start), link=self.run.url,
            alert=alerts[0].key if alerts else "",
        )  # fmt: skip

    def _page(self, start: datetime) -> str:
        path = f"{folder_of(start)}/drift.html"
        served = self.settings.mlflow_uri.startswith("http")
        return self.run.artifact_url(path) if served else f"{self.run.artifact_uri}/{path}"
