"""The drift monitor: judges every window that is due, keeps the evidence, alerts once, and says what is to be trained.

A window has one record (see `augment_ops.production.timeline`), written after its evidence and its alert; one that was
killed is judged again and leaves the same. Labels that come later let it be judged again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from augment_ops.content import canonical_json, digest_of
from augment_ops.errors import InputError, nearest
from augment_ops.lifecycle.registry_check import samples_of
from augment_ops.monitoring.drift.charts import PastWindow
from augment_ops.monitoring.drift.check import DriftReport, check_drift
from augment_ops.monitoring.drift.log_reader import LogWindow, read_window
from augment_ops.monitoring.drift.metrics import drift_samples, effects
from augment_ops.monitoring.drift.page import Watched
from augment_ops.monitoring.drift.prediction_log import CLOCK_AHEAD, PredictionLog, datasets
from augment_ops.monitoring.drift.rules import DriftRules, moment
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.monitoring.telemetry.publish import publish
from augment_ops.names import NOTE_TAG
from augment_ops.pipeline.cause import ALERT, EVIDENCE
from augment_ops.pipeline.run import find
from augment_ops.production.alerts import Alert, enter
from augment_ops.production.late_labels import LateLabels
from augment_ops.production.next_steps import follows, model_of, reference_of
from augment_ops.production.outage import Outage, outage_of
from augment_ops.production.reference import (
    Incumbent,
    as_the_champion_knows,
    incumbent,
    of_period,
    of_windows,
    with_predictions,
)
from augment_ops.production.retraining import Retraining, ageing, policy_moved, to_start
from augment_ops.production.timeline import JudgedWindow, Period, Timeline, folder_of
from augment_ops.progress import Advance, unheard
from augment_ops.settings import Settings
from augment_ops.shown import PARAGRAPH, link, markdown, own_addresses
from augment_ops.workspace import Workspace, log_uri

if TYPE_CHECKING:
    from augment_ops.tracking import TrackedRun

_NAMED = 5  # features in an alert's entry, of which its page has all; versions that answered in a window
_TREND = 29  # windows before one that its page shows: with it a month of days


@dataclass(frozen=True)
class Monitored:
    """What a call of the monitor found.

    Attributes:
        judged: windows judged now, oldest first; before them those that were judged again.
        alerts: of these windows, and others that are new; notify: channels of the rules by which people are told.
        retrain: trainings that drivers should have started (see `augment_ops.production.retraining.to_start`).
    """

    dataset: str
    judged: tuple[JudgedWindow, ...]
    alerts: tuple[Alert, ...]
    notify: tuple[str, ...]
    retrain: tuple[Retraining, ...]


def monitor(
    settings: Settings,
    dataset: str,
    rules_name: str = "default",
    *,
    now: datetime | None = None,
    actor: str = "",
    origin: str = "",
    environment: str = "",
    say: Callable[[str], None] = print,
    advance: Advance = unheard,
) -> Monitored:
    """Judge every window of a data set that is due, and find out whether its model should be trained again.

    Args:
        now: what was due then is judged; by default the present.
        origin: the driver's run that asks, which new alerts name.
        environment: whose champion is watched; by default that of the best protected environment that has one.
        advance: is told how many of the windows that are due are judged.

    Raises:
        GovernanceError: MLflow does not show the champion that the ledger names.
        InputError: no prediction log of that name, or a reference that the log cannot give.
        PolicyError: the rules are faulty.
    """
    at = now or datetime.now(UTC)
    work = _Work(
        settings, dataset, DriftRules.load(settings.policies / "drift" / f"{rules_name}.yaml"), environment, say
    )
    found: list[JudgedWindow] = []
    alerts: list[Alert] = []

    def tell(raised: list[Alert], *, again: bool) -> None:
        for alert in raised:
            entry, fresh = enter(work.workspace.ledger, alert, actor or settings.actor, origin)
            if fresh or again:
                say(f"alert {alert.key} (ledger entry {entry.seq}): {alert.message}")
                alerts.append(alert)

    work.require_log()
    for known in work.labels.grown(at):
        judged, raised = work.judge(known.span, at, known)
        say(f"{judged.start}: {judged.status}, with {judged.labelled} labels by now. {judged.message}")
        tell(raised, again=True)
        work.timeline.keep(judged)
        found.append(judged)
    due = work.timeline.due(at)
    for number, span in enumerate(due):
        advance(number, len(due), span.start.isoformat())
        judged, raised = work.judge(span, at)
        say(f"{judged.start}: {judged.status}. {judged.message}")
        tell(raised, again=True)  # the window has no record, so nobody may have heard of it
        work.timeline.keep(judged)  # after the alert: a window that is recorded has said what it had to say
        found.append(judged)
    tell(work.calls_for_training(min(at, datetime.now(UTC))), again=False)  # these are found at every call
    retrain = to_start(work.workspace.ledger, work.workspace.store, work.log, work.champion, work.rules)
    return Monitored(dataset, tuple(found), tuple(alerts), work.rules.notify, tuple(retrain))


def monitored_datasets(settings: Settings) -> list[str]:
    """Names of the data sets that have a prediction log."""
    return datasets(log_uri(settings))


def moment_of(text: str, where: str = "until") -> datetime | None:
    """A time that a person gave, which has come; None where they gave none.

    A little ahead of this machine's clock is now: it was read from another clock.

    Args:
        where: name of the parameter.

    Raises:
        InputError: not ISO 8601, or in the future: of what has not happened nothing can be judged.
    """
    if not text:
        return None
    try:
        found, now = moment(text), datetime.now(UTC)
    except ValueError as error:
        raise InputError(where, repr(text)[:80], "a time such as 2026-05-31T12:00", "write it in ISO 8601") from error
    if found > now + CLOCK_AHEAD:
        raise InputError(
            where,
            f"{text[:80]}, which lies in the future",
            f"a time that has come, up to {now:%Y-%m-%dT%H:%M} (UTC)",
            "correct it, or leave it out for the present; where it is right, this machine's clock is not (timedatectl)",
        )
    return min(found, now)


class _Work:
    """One call of the monitor: what it reads, opened when it is first asked for."""

    def __init__(
        self, settings: Settings, dataset: str, rules: DriftRules, environment: str, say: Callable[[str], None]
    ) -> None:
        self.workspace, self.dataset, self.rules, self.say = Workspace(settings, settings.actor), dataset, rules, say
        self.environment = environment
        self.log = PredictionLog(log_uri(settings), dataset, self.workspace.store)

    @cached_property
    def champion(self) -> Incumbent | None:
        try:
            return incumbent(self.workspace, self.dataset, self.environment)
        finally:  # also where it stops because the registry was altered
            for problem in publish(self.workspace.settings.home, samples_of(self.workspace, self.dataset)):
                self.say(f"warning: {problem}")

    @cached_property
    def run(self) -> TrackedRun:
        """The MLflow run that holds all windows against one reference, one a step."""
        tags = {"augment_ops.rules": f"{self.rules.name}/{self.rules.version}", "augment_ops.monitor": self.dataset}
        run = self.workspace.tracker.open_run(self.dataset, self._series, tags=tags)
        self.workspace.tracker.name_run(run, f"windows · {self.rules.name} {self.rules.version} · {self.dataset}")
        return run

    @property
    def _series(self) -> str:
        """Names that run, as a pipeline run's id does its own."""
        return f"monitor-{self.dataset}-{self.reference_key}-{self.rules.digest[:8]}"

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
        return Timeline(self.workspace.store, self.log, self.rules, self.reference_key)

    @cached_property
    def labels(self) -> LateLabels:
        """Labels that come after a window was judged."""
        return LateLabels(self.log, self.rules, self.timeline)

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

    def require_log(self) -> None:
        """Refuse a data set that has no log, which would look like one where nothing is due."""
        names = monitored_datasets(self.workspace.settings)
        if self.dataset not in names:
            raise InputError(
                f"prediction log of {self.dataset}",
                "no record",
                f"a log below {log_uri(self.workspace.settings)}: {', '.join(names) or 'there is none yet'}",
                f"let the service write to it, or try it out with `augment-ops traffic`.{nearest(self.dataset, names)}",
            )

    def judge(self, span: Period, at: datetime, known: JudgedWindow | None = None) -> tuple[JudgedWindow, list[Alert]]:
        """Judge one window and keep its evidence in MLflow and the store.

        Args:
            known: what it came to before; an alert that it has raised is not raised again.
        """
        grace = timedelta(hours=self.rules.grace_h)
        labels = self.labels.files(span, at)  # before the window is read: what comes meanwhile is seen the next time
        window = read_window(self.log, span.start, span.end, span.end + grace)
        reference = self.reference(span.start)
        sample = window.sample
        before = read_window(self.log, span.start - self.rules.window, span.start, span.start + grace, samples=False)
        outage = outage_of(window, before, self.timeline.before(span.start), self.rules)
        faults = list(outage.faults)
        if before.late:
            faults.append(f"{before.late} records came after the window before was judged; they stay in the log")
        if self.champion is not None:
            sample = as_the_champion_knows(sample, self.champion)
            if reference is not None:
                reference = as_the_champion_knows(reference, self.champion)
            if self.rules.reference.kind == "snapshot":
                sample = with_predictions(sample, window, self.champion)
        if reference is None:
            faults.append("too few earlier windows to compare with")
            reference = Sample(digest="none", size=0)
        report = check_drift(reference, sample, self.rules, faults, blind=outage.blind)
        alerts = self._alerts(report, span, outage, known)
        drift = next((alert.key for alert in alerts if alert.kind == "drift"), known.alert if known is not None else "")
        watched = self._watched(report, window, span, drift)
        judged = self._evidence(report, window, reference, sample, watched)
        if self.timeline.newest(span):  # of an older one gauges and description would say that it is the present
            self._describe(judged, watched)
            for problem in publish(self.workspace.settings.home, drift_samples(self.dataset, report)):
                self.say(f"warning: {problem}")
        raised = {alert.key: alert for alert in alerts}
        told = (known.told or (known.alert,)) if known is not None else ()
        keys = [key for key in (*told, *raised, outage.alert) if key]
        judged = replace(
            judged,
            silent=window.silent,
            labelled=window.labelled,
            looked=at.isoformat(),
            labels="" if window.silent else labels,
            told=tuple(dict.fromkeys(keys)),
            alert=next((key for key in keys if key.startswith("drift:")), keys[0] if keys else ""),
        )
        return judged, [alert for key, alert in raised.items() if key not in told]

    def calls_for_training(self, at: datetime) -> list[Alert]:
        """Alerts that no window raises: the champion's age, and a newer policy."""
        if self.champion is None:
            return []
        params = find(self.workspace.store, self.champion.version.tags["augment_ops.pipeline_run"]).typed
        found = (
            ageing(self.workspace.ledger.read(("promote", "rollback")), self.champion, self.rules, at),
            policy_moved(self.workspace.ledger.read(("approve",)), self.champion, self.rules, params.environment),
        )
        return [alert for alert in found if alert is not None]

    def _alerts(self, report: DriftReport, span: Period, outage: Outage, known: JudgedWindow | None) -> list[Alert]:
        start, end = span.start.isoformat(), span.end.isoformat()
        about = {"reference": self.reference_key, "rules": self.rules.name, "window_start": start, "window_end": end}
        key = f"{self.dataset}:{self.reference_key}_{self.rules.name}:{start}"
        page, digest = self._page(span.start), digest_of(report)
        evidence = f"{EVIDENCE}{page}, report {digest}."
        found = []
        if report.status == "drift" and not (known is not None and known.alert.startswith("drift:")):
            moved = dict.fromkeys(finding.name for finding in report.features if finding.status == "drift")
            cause = about | {"moved": ", ".join([*moved][:_NAMED]), "page": page, "report": digest}
            text = f"{report.message}{evidence}"
            found.append(Alert("drift", self.dataset, f"drift:{key}", cause, text, self.rules.cool_down_h))
        if report.blind and not outage.alert:
            text = f"Monitoring is blind: {'; '.join(report.faults)}.{evidence}"
            found.append(Alert("blind", self.dataset, f"blind:{key}", about, text, self.rules.cool_down_h))
        return found

    def _watched(self, report: DriftReport, window: LogWindow, span: Period, alert: str) -> Watched:
        """What the window's page says beside its report."""
        since = span.start - _TREND * self.rules.window
        earlier = (one for one in self.timeline.kept(since) if one.span.start < span.start)
        served = window.rows["model_version"].dropna().unique().tolist()
        entries = self.workspace.ledger.read((ALERT,))
        return Watched(
            dataset=self.dataset,
            model=model_of(self.champion),
            reference=reference_of(self.rules),
            rules=self.rules,
            served=tuple(sorted(str(version) for version in served)[:_NAMED]),
            earlier=tuple(PastWindow(one.span.start, one.status, one.metrics) for one in earlier),
            follows=tuple(follows(report, span, self.rules, self.champion, entries, alert, datetime.now(UTC))),
        )

    def _describe(self, judged: JudgedWindow, watched: Watched) -> None:
        """Say in the MLflow run of all windows what the newest came to, and what follows."""
        found = f"**{markdown(judged.status)}** since {markdown(judged.start)}: {markdown(judged.message, PARAGRAPH)}"
        page = link("The page of that window", judged.page, own_addresses(self.workspace.settings))
        note = "\n\n".join([found, page, *map(markdown, watched.follows)])
        self.workspace.tracker.open_run(self.dataset, self._series, tags={NOTE_TAG: note})

    def _evidence(
        self, report: DriftReport, window: LogWindow, reference: Sample, sample: Sample, watched: Watched
    ) -> JudgedWindow:
        from augment_ops.monitoring.drift.page import second_opinion, window_page

        metrics = effects(report) | {
            "drift.status": float(("ok", "insufficient", "warn", "drift").index(report.status))
        }
        metrics |= {"window.samples": float(report.n_window), "window.blind": float(report.blind)}
        step = int(window.start.timestamp() // self.rules.window.total_seconds())
        self.workspace.tracker.log_metrics(self.run, metrics, step)
        folder = folder_of(window.start)
        self.workspace.tracker.log_bytes(self.run, canonical_json(report), f"{folder}/report.json")
        page = window_page(report, window, reference, sample, watched)
        self.workspace.tracker.log_bytes(self.run, page, f"{folder}/drift.html")
        opinion = self.rules.evidently == "every" or (self.rules.evidently == "not-ok" and report.status != "ok")
        other = second_opinion(reference, sample, self.say) if opinion else None
        if other is not None:
            self.workspace.tracker.log_bytes(self.run, other, f"{folder}/evidently.html")
        return JudgedWindow(
            dataset=self.dataset,
            rules=self.rules.name,
            reference=self.reference_key,
            start=window.start.isoformat(),
            end=window.end.isoformat(),
            status=report.status,
            blind=report.blind,
            message=report.message,
            faults=report.faults,
            metrics=metrics,
            report=self.workspace.store.put(canonical_json(report)),
            page=self._page(window.start),
            link=self.run.url,
            alert="",
        )

    def _page(self, start: datetime) -> str:
        path = f"{folder_of(start)}/drift.html"
        served = self.workspace.settings.has_mlflow_server
        return self.run.artifact_url(path) if served else f"{self.run.artifact_uri}/{path}"
