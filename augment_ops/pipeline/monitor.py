"""The drift monitor: judges every window that is due, keeps the evidence, alerts once, and says what is to be trained.

A window has one record (`drift/<data set>/windows/<reference>/<start>.json`), written after its evidence and its alert;
one that was killed is judged again and leaves the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from augment_ops.content import canonical_json, digest_of, from_json
from augment_ops.data.store import Store
from augment_ops.errors import InputError, nearest
from augment_ops.governance.ledger import Ledger
from augment_ops.pipeline.alerts import Alert, enter
from augment_ops.pipeline.evaluate_stages import metric_name
from augment_ops.pipeline.reference import Watched, answered, of_period, of_windows, watched
from augment_ops.pipeline.retraining import Retraining, ageing, policy_moved, to_start
from augment_ops.pipeline.run import find, open_store
from augment_ops.settings import Settings
from monitoring.drift_check import DriftReport, check_drift
from monitoring.log_reader import LogWindow, first_time, read_window
from monitoring.prediction_log import PredictionLog, datasets
from monitoring.rules import DriftRules, moment
from monitoring.sample import Sample

if TYPE_CHECKING:
    from augment_ops.tracking import MlflowTracker, TrackedRun

_AT_MOST = 500  # windows of one call: what a monitor that was down for long has missed is caught up in several


@dataclass(frozen=True)
class Judged:
    """One window and what it came to: plain values, for drivers and for whoever tells people.

    Attributes:
        start, end: ISO 8601, UTC; the end is excluded.
        status: `ok`, `warn`, `drift`, `insufficient`.
        blind: whether monitoring could not do its work.
        faults: what was odd about the window.
        metrics: name to value, as in MLflow.
        report: digest of the DriftReport in the store.
        page: address of the page in MLflow; link: of the MLflow run.
        alert: key of the alert that it raised; empty for none.
    """

    dataset: str
    rules: str
    reference: str
    start: str
    end: str
    status: str
    blind: bool
    message: str
    faults: tuple[str, ...]
    metrics: dict[str, float]
    report: str
    page: str
    link: str
    alert: str


@dataclass(frozen=True)
class Monitored:
    """What a call of the monitor found.

    Attributes:
        judged: windows judged now, oldest first.
        alerts: entered now or found again; notify: channels of the rules by which people are told.
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
    actor: str = "", say: Callable[[str], None] = print,
) -> Monitored:  # fmt: skip
    """Judge every window of a data set that is due, and find out whether its model should be trained again.

    Raises:
        InputError: no prediction log of that name, or a reference that the log cannot give.
        PolicyError: the rules are faulty.
    """
    at = now or datetime.now(UTC)
    work = _Work(settings, dataset, DriftRules.load(settings.policies / "drift" / f"{rules_name}.yaml"), say)
    found: list[Judged] = []
    alerts: list[Alert] = []

    def tell(raised: list[Alert]) -> None:
        for alert in raised:
            entry = enter(work.ledger, alert, actor or settings.actor)
            say(f"alert {alert.key} (ledger entry {entry.seq}): {alert.message}")
        alerts.extend(raised)

    for start in work.due(at):
        judged, raised = work.judge(start)
        say(f"{judged.start}: {judged.status}. {judged.message}")
        tell(raised)
        work.keep(judged)  # after the alert: a window that is recorded has said what it had to say
        found.append(judged)
    tell(work.calls_for_training(at))
    retrain = to_start(work.ledger.read(), work.store, work.log, work.champion, work.rules)
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

    def __init__(self, settings: Settings, dataset: str, rules: DriftRules, say: Callable[[str], None]) -> None:
        self.settings, self.dataset, self.rules, self.say = settings, dataset, rules, say
        self.store: Store = open_store(settings)
        self.log = PredictionLog(log_uri(settings), dataset, self.store)
        self.ledger = Ledger(settings.ledger)
        self._kept: dict[str, str] = {}  # starts of recorded windows → status, in this call too

    @cached_property
    def tracker(self) -> MlflowTracker:
        from augment_ops.tracking import connect

        return connect(self.settings.mlflow_uri, self.settings.home / "mlflow" / "artifacts")

    @cached_property
    def champion(self) -> Watched | None:
        return watched(self.tracker, self.store, self.dataset)

    @cached_property
    def run(self) -> TrackedRun:
        """The MLflow run that holds all windows against one reference, one a step."""
        name = f"monitor-{self.dataset}-{self.reference_key}-{self.rules.digest[:8]}"
        tags = {"augment_ops.rules": f"{self.rules.name}/{self.rules.version}", "augment_ops.monitor": self.dataset}
        return self.tracker.open_run(self.dataset, name, tags=tags)

    @cached_property
    def reference_key(self) -> str:
        """Names what windows are compared with; a window is judged once against each."""
        wanted = self.rules.reference
        if wanted.kind != "snapshot":
            return f"{wanted.kind}-{digest_of(wanted.model_dump())[:12]}"
        if self.champion is None:
            raise InputError(
                f"drift monitor of {self.dataset}",
                "no champion, and so no snapshot to compare with",
                "a promoted model, or rules with a rolling reference or a period",
                f"run the pipeline, or choose other rules than {self.rules.name}",
            )
        return self.champion.snapshot.manifest.digest[:12]

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
        quiet = sorted(s for s, status in self.records().items() if status == "ok" and s < start.isoformat())
        earlier = [datetime.fromisoformat(s) for s in quiet[-self.rules.reference.windows :]]
        if not earlier:  # the first windows are what the log begins with
            first = self._first()
            earlier = list(_starts(first, start, self.rules.window))[-self.rules.reference.windows :] if first else []
        return of_windows(self.log, earlier, self.rules)

    def due(self, at: datetime) -> list[datetime]:
        """Starts of the windows that have ended, grace included, and that no record covers; oldest first."""
        first = self._first()
        if first is None:
            names = monitored_datasets(self.settings)
            raise InputError(
                f"prediction log of {self.dataset}",
                "no record",
                f"a log below {log_uri(self.settings)}: {', '.join(names) or 'there is none yet'}",
                f"let the service write to it, or try it out with `augment-ops traffic`.{nearest(self.dataset, names)}",
            )
        _ = self.reference_key
        # Another champion does not judge again what was judged before it came.
        every = self.store.documents(f"drift/{self.dataset}/windows/")
        judged = [datetime.fromisoformat(_start_of(name)) for name in every]
        mine = set(self.records())
        begin = max([first, *(start + self.rules.window for start in judged if start.isoformat() not in mine)])
        if self.rules.reference.kind == "period":
            begin = max(begin, _aligned(moment(self.rules.reference.end), self.rules.window))
        last = at - self.rules.window - timedelta(hours=self.rules.grace_h)
        starts = _starts(begin, last, self.rules.window, closed=True)
        return [start for start in starts if start.isoformat() not in mine][:_AT_MOST]

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
        self._kept[start.isoformat()] = report.status
        return judged, alerts

    def keep(self, judged: Judged) -> None:
        """Record a window that was judged."""
        self.store.put_document(self._document(datetime.fromisoformat(judged.start)), canonical_json(judged))

    def records(self) -> dict[str, str]:
        """Starts of the windows judged against this reference, earlier and now, and their statuses."""
        prefix = f"drift/{self.dataset}/windows/{self.reference_key}/"
        for name in self.store.documents(prefix):
            if _start_of(name) not in self._kept:
                data = self.store.get_document(name)
                if data is not None:
                    self._kept[_start_of(name)] = from_json(Judged, data).status
        return self._kept

    def calls_for_training(self, at: datetime) -> list[Alert]:
        """Alerts that no window raises: the champion's age, and a newer policy."""
        if self.champion is None:
            return []
        params = find(self.store, self.champion.version.tags["augment_ops.pipeline_run"]).typed
        found = (
            ageing(self.ledger.read(), self.champion, self.rules, at),
            policy_moved(self.ledger.read(), self.champion, self.rules, params.environment),
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
        folder = _folder(window.start)
        self.tracker.log_bytes(self.run, canonical_json(report), f"{folder}/report.json")
        page = window_page(report, window, reference, sample)
        self.tracker.log_bytes(self.run, page, f"{folder}/drift.html")
        opinion = self.rules.evidently == "every" or (self.rules.evidently == "not-ok" and report.status != "ok")
        other = second_opinion(reference, sample) if opinion else None
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
        served = self.settings.mlflow_uri.startswith("http")
        root = f"{self.run.url}/artifacts" if served else self.run.artifact_uri
        return f"{root}/{_folder(start)}/drift.html"

    def _document(self, start: datetime) -> str:
        return f"drift/{self.dataset}/windows/{self.reference_key}/{start:%Y%m%dT%H%M%S}.json"

    def _first(self) -> datetime | None:
        first = first_time(self.log)
        return None if first is None else _aligned(first, self.rules.window)


def _aligned(time: datetime, length: timedelta) -> datetime:
    """The beginning of the window that `time` lies in."""
    since = datetime(1970, 1, 1, tzinfo=UTC)
    return since + ((time - since) // length) * length


def _starts(first: datetime, last: datetime, length: timedelta, *, closed: bool = False) -> Iterator[datetime]:
    start = first
    while start < last or (closed and start == last):
        yield start
        start += length


def _start_of(document: str) -> str:
    stamp = document.rpartition("/")[2].removesuffix(".json")
    return datetime.strptime(stamp, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).isoformat()


def _folder(start: datetime) -> str:
    return f"windows/{start:%Y-%m-%dT%H%M}"
