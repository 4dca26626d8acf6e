"""What a window's page says of itself: whose it is, what it is compared with, and what happens next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from augment_ops.governance.chain import Entry
from augment_ops.monitoring.drift.check import DriftReport
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.production.alerts import starting
from augment_ops.production.reference import Incumbent
from augment_ops.production.timeline import Period


def model_of(champion: Incumbent | None) -> str:
    """The champion in words."""
    if champion is None:
        return "no champion yet: what the service has logged is compared as it is"
    version = champion.version
    policy, number = (version.tags.get(f"augment_ops.{name}", "") for name in ("policy", "policy_version"))
    return f"{version.model} version {version.version}, trained with {policy} {number}".rstrip()


def reference_of(rules: DriftRules) -> str:
    """What windows are compared with, in words."""
    asked = rules.reference
    if asked.kind == "snapshot":
        return "the held-out part of the snapshot that the model was trained on"
    if asked.kind == "rolling":
        return f"the last windows before it that were ok, {asked.windows} at most"
    return f"the log from {asked.start} to {asked.end}"


def follows(
    report: DriftReport,
    span: Period,
    rules: DriftRules,
    champion: Incumbent | None,
    entries: Iterable[Entry],
    alert: str,
    now: datetime,
) -> Iterator[str]:
    """What happens next, a sentence each.

    Args:
        entries: the ledger's alerts; alert: key of the drift alert that this window raises or has raised, empty for
            none.
    """
    if report.status == "drift":
        yield f"People are told through {', '.join(rules.notify) or 'no channel'}, and the alert stands in the ledger."
        yield _training(rules, champion, entries, alert, now)
    elif report.blind:
        told = ", ".join(rules.notify) or "no channel"
        yield f"People are told through {told} that monitoring is blind; that starts no training."
    elif report.status == "warn":
        yield "Nothing is started: beyond a limit of warn a person should look, beyond one of drift a model is trained."
    elif report.status == "insufficient":
        yield f"Nothing is started: with more samples more could be told; {rules.min_n} on each side are the least."
    else:
        yield "Nothing: no alert is raised and no training starts."
    if rules.label_wait and not report.blind:
        yield f"It is judged again while labels of it arrive, for {rules.label_wait_days:g} days after its end."
    end = span.end + rules.window
    due = end + timedelta(hours=rules.grace_h)
    yield f"The next window ends at {end:%Y-%m-%d %H:%M} UTC and is judged from {due:%Y-%m-%d %H:%M} on."


def _training(
    rules: DriftRules, champion: Incumbent | None, entries: Iterable[Entry], alert: str, now: datetime
) -> str:
    if champion is None:
        return "No training starts: there is no champion that one could go on from."
    dataset, version = champion.snapshot.manifest.dataset, champion.version.version
    started = starting(entries, dataset)
    if started and started[-1].key != alert:
        last, wait = started[-1], timedelta(hours=rules.cool_down_h)
        since = datetime.fromisoformat(last.at)
        if any(entry.key == alert for entry in started):
            return f"It has started a training; a later alert (ledger entry {last.seq}) has started another since."
        if now < since + wait:
            return (
                f"No training starts: alert {last.seq} of the ledger has started one at {since:%Y-%m-%d %H:%M} UTC, "
                f"and the next may start {rules.cool_down_h:g} hours later."
            )
    return (
        f"One training starts, with the labelled production samples of the last {rules.retrain_days:g} days beside the "
        f"snapshot of version {version}. Its candidate has to pass the gate; until one does, version {version} stays."
    )
