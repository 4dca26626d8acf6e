"""The training that an alert starts: what it is asked to do, written down once before anything starts it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from augment_ops.content import canonical_json, from_json
from augment_ops.data.store import Store
from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.pipeline import cause
from augment_ops.pipeline.cause import ALERT
from augment_ops.pipeline.provenance import Provenance, check_declared
from augment_ops.pipeline.run import find
from augment_ops.production.alerts import Alert, run_id_of, starting
from augment_ops.production.labelled import gather
from augment_ops.production.reference import Incumbent
from augment_ops.shown import PARAGRAPH, markdown

PLAN = "plan"  # the act of writing down what a training is to do

# A driver is told of a start for so long, in case it was down; afterwards its record of the run may have been cleaned
# up, and telling it again would start a second one.
_TOLD_FOR = timedelta(days=7)


@dataclass(frozen=True)
class Retraining:
    """A pipeline run that an alert starts.

    Attributes:
        run_id: the same for an alert, always: a driver makes it once.
        params: of the run, as `augment_ops.pipeline.params.parse_params` takes them.
        note: why, for a person.
    """

    run_id: str
    params: dict[str, Any]
    note: str


def to_start(
    ledger: Ledger,
    store: Store,
    log: PredictionLog,
    champion: Incumbent | None,
    rules: DriftRules,
) -> list[Retraining]:
    """The trainings that drivers should have started, planned on first sight and the same ever after.

    Starting one again has to be harmless: drivers know them by `run_id`.
    """
    entries = list(ledger.read((ALERT, PLAN)))
    plans, found = _plans(entries), []
    for entry in _still_told(entries, log.dataset):
        run_id = _run_id(entry)
        if run_id not in plans and champion is not None:
            plan = store.put(canonical_json(_plan(entry, ledger, store, log, champion, rules)))
            subjects = {"dataset": log.dataset, "run": run_id, "plan": plan}
            ledger.append(PLAN, entry.actor, subjects, f"what run {run_id} is to do", f"{PLAN}:{run_id}")
            plans[run_id] = plan
        if run_id in plans:
            found.append(from_json(Retraining, store.get(plans[run_id])))
    return found


def planned(entries: Iterable[Entry], store: Store) -> list[tuple[Entry, Retraining]]:
    """The trainings of all data sets that drivers should have started, each with its alert, as `to_start` planned them.

    Made from the ledger, and objects that it names, alone: a driver needs nobody's word for what it starts.
    """
    known = list(entries)
    plans = _plans(known)
    names = sorted({entry.subjects.get("dataset", "") for entry in known if entry.act == ALERT})
    alerts = [entry for name in names for entry in _still_told(known, name) if _run_id(entry) in plans]
    return [(entry, from_json(Retraining, store.get(plans[_run_id(entry)]))) for entry in alerts]


def in_markdown(alert: Entry, training: Retraining, addresses: Iterable[str]) -> str:
    """Why the training is started and with what, for the page of its run in a driver."""
    rest = training.note.removeprefix(_because(alert)).strip()
    why = cause.in_markdown(cause.cause_of(alert), addresses)
    return f"{why}\n\n{markdown(rest, PARAGRAPH)}" if rest else why


def _because(alert: Entry) -> str:
    return f"{alert.reason} Ledger entry {alert.seq}."


def _plans(entries: Iterable[Entry]) -> dict[str, str]:
    """Id of a run → digest of what it is to do."""
    return {entry.subjects["run"]: entry.subjects["plan"] for entry in entries if entry.act == PLAN}


def _still_told(entries: Iterable[Entry], dataset: str) -> list[Entry]:
    now = datetime.now(UTC)
    return [entry for entry in starting(entries, dataset) if now - datetime.fromisoformat(entry.at) <= _TOLD_FOR]


def _run_id(alert: Entry) -> str:
    return run_id_of(alert.subjects["dataset"], alert.subjects["kind"], alert.key)


def _plan(
    entry: Entry, ledger: Ledger, store: Store, log: PredictionLog, champion: Incumbent, rules: DriftRules
) -> Retraining:
    run_id, trained_by = _run_id(entry), champion.version.tags["augment_ops.pipeline_run"]
    known = Provenance.of(ledger, trained_by)
    if known.declaration is not None:  # a run of a version before was not entered
        check_declared(store, known)
    params = dict(find(store, trained_by).params)
    params |= {"dataset_name": champion.snapshot.manifest.dataset, "drift": rules.name, "production_window": ""}
    note = _because(entry)
    if entry.subjects["kind"] != "drift":
        return Retraining(run_id, params, note)
    end = datetime.fromisoformat(entry.subjects["window_end"])
    labelled = gather(log, store, champion.snapshot, end, rules.retrain_days)
    base = f"snapshot:{champion.snapshot.manifest.digest}"
    params |= {
        "dataset": f"{base}+{labelled.digest}" if labelled.digest else base,
        "max_samples": 0,
        **champion.snapshot.codec.like(champion.snapshot.manifest.sample_shape),
    }
    return Retraining(run_id, params, f"{note} With {labelled.message}.")


def ageing(entries: Iterable[Entry], champion: Incumbent, rules: DriftRules, now: datetime) -> Alert | None:
    """The alert that a champion is older than its limit; once for each time that the limit passes again."""
    if rules.max_age_days is None:
        return None
    dataset = champion.snapshot.manifest.dataset
    version = f"{dataset}/{champion.version.version}"
    crowned = [e.at for e in entries if e.act in ("promote", "rollback") and e.subjects.get("version") == version]
    if not crowned:
        return None
    days = (now - datetime.fromisoformat(crowned[-1])).total_seconds() / 86_400
    times = int(days / rules.max_age_days)
    if times < 1:
        return None
    return Alert(
        "age",
        dataset,
        f"age:{version}:{times}",
        {"version": version, "times": str(times)},
        f"Champion {version} is {days:.0f} days old; the limit is {rules.max_age_days:g} (drift policy {rules.name}).",
        rules.cool_down_h,
    )


def policy_moved(entries: Iterable[Entry], champion: Incumbent, rules: DriftRules, environment: str) -> Alert | None:
    """The alert that a newer version of the champion's policy was approved for its environment."""
    if not rules.follow_policy:
        return None
    name, used = (champion.version.tags.get(f"augment_ops.{tag}", "") for tag in ("policy", "policy_version"))
    dataset = champion.snapshot.manifest.dataset
    newest, by = _numbers(used), ""
    for entry in entries:
        policy, _, version = entry.subjects.get("policy_version", "").rpartition("/")
        given_for = entry.subjects.get("environment", environment)
        if entry.act == "approve" and policy == name and given_for == environment and _numbers(version) > newest:
            newest, by = _numbers(version), f"{version} by {entry.actor}, entry {entry.seq}"
    if not by:
        return None
    version = ".".join(map(str, newest))
    return Alert(
        "policy",
        dataset,
        f"policy:{dataset}:{name}/{version}",
        {"policy_version": f"{name}/{version}"},
        f"Policy {name} was approved as {by}; the champion was trained with {used}.",
        rules.cool_down_h,
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
