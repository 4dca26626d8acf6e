"""Waivers: somebody answers for classes that a gate has too few samples to judge, by name and for a time."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from augment_ops.content import digest_of
from augment_ops.errors import ActRefused, Fault, InputError
from augment_ops.gate.decision import Waiver
from augment_ops.gate.rules import load
from augment_ops.governance.acts import ROOT, counted
from augment_ops.governance.approvals import AUTO
from augment_ops.governance.chain import Entry
from augment_ops.identity import same
from augment_ops.names import check_dataset
from augment_ops.workspace import Workspace

WAIVE = "waive"


def waive(
    workspace: Workspace, dataset: str, gate: str, environment: str, classes: Collection[str], until: str, reason: str
) -> Entry:
    """Enter that a gate need not judge these classes of a data set, which have too few samples, until a day.

    The newest waiver of a class counts: one that ends today ends those before it.

    Args:
        gate: name in policies/gates/; another version of it asks for another waiver.
        classes: as the gate judges them: `0 = O = o` for those that it judges as one.
        until: ISO 8601, the last day.

    Raises:
        InputError: no such environment or gate, no class or reason, or a day that has passed or is too far away.
        ActRefused: the actor holds no role that approves models there; the refusal is entered.
    """
    check_dataset("data set", dataset)
    rules = load(workspace.settings.policies / "gates" / f"{gate}.yaml")
    most = workspace.approvals.demands(environment).longest_days
    faults = [*_day_faults(until, most), *_empty(classes, reason)]
    if faults:
        raise InputError.of("waiver", faults)
    subjects = {
        "dataset": dataset,
        "gate": f"{rules.name}/{rules.version}",
        "environment": environment,
        "classes": json.dumps(sorted(set(classes)), ensure_ascii=False),
        "until": until,
    }
    with workspace.refusals(WAIVE, subjects):
        workspace.identify(WAIVE)
        if not _may(workspace, environment, workspace.actor):
            raise ActRefused(
                f"waiver in {environment}",
                f"{workspace.actor}, who approves no models there",
                f"somebody with the role {' or '.join(_roles(workspace, environment))}",
                "ask one of them; AUGMENT_OPS_ACTOR says who you are",
            )
    once = f"{WAIVE}:{digest_of([workspace.actor, subjects, reason, _today().isoformat()])}"
    return workspace.enter(WAIVE, subjects, reason, once)


def in_force(workspace: Workspace, dataset: str, gate: Path, environment: str, started_by: str) -> tuple[Waiver, ...]:
    """The waivers that count today, by class.

    A waiver counts as long as who gave it may approve models there, and above dev not for the runs that they start.

    Args:
        gate: its file.
        started_by: who started the run.
    """
    rules = load(gate)
    wanted = {"dataset": dataset, "gate": f"{rules.name}/{rules.version}", "environment": environment}
    above_dev = workspace.approvals.is_above_dev(environment)
    found: dict[str, Waiver] = {}
    for entry in counted(workspace.ledger.read((WAIVE, ROOT)), workspace.approvals, (WAIVE,)):
        if entry.act != WAIVE or any(entry.subjects.get(name) != value for name, value in wanted.items()):
            continue
        if not _may(workspace, environment, entry.actor) or (above_dev and same(entry.actor, started_by)):
            continue
        until = entry.subjects["until"]
        for name in json.loads(entry.subjects["classes"]):
            found[name] = Waiver(class_name=name, by=entry.actor, until=until, reason=entry.reason)
    today = _today().isoformat()
    return tuple(found[name] for name in sorted(found) if found[name].until >= today)


def check_in_force(present: Collection[Waiver], judged_with: Collection[Waiver]) -> None:
    """Refuse a decision that rests on a waiver which does not count any more.

    Raises:
        ActRefused: one ended, or was replaced; all of them at once.
    """
    fix = "give the class enough samples, or have it waived again, and run the stage decide again"
    gone = [
        Fault(
            f"waiver of class {one.class_name}",
            f"that of {one.by}, which has ended or was replaced",
            "one that counts",
            fix,
        )
        for one in judged_with
        if one not in present
    ]
    if gone:
        raise ActRefused.of("what the gate was let pass", gone)


def _day_faults(until: str, most: int) -> list[Fault]:
    today = _today()
    expected = f"a day from {today} to {today + timedelta(days=most)}, such as {today + timedelta(days=min(most, 90))}"
    try:
        day = date.fromisoformat(until)
    except ValueError:
        return [Fault("until", repr(until)[:40], expected, "write year, month and day")]
    if day.isoformat() == until and today <= day <= today + timedelta(days=most):
        return []
    return [Fault("until", until, expected, "a waiver is for a time; have it given again when it ends")]


def _empty(classes: Collection[str], reason: str) -> list[Fault]:
    found = []
    if not classes or not all(classes):
        found.append(Fault("class", "no class", "the classes that are waived", "name each with --class"))
    if not reason.strip():
        found.append(
            Fault("reason", "nothing", "why the classes may go unjudged", "say it: it stands in every decision")
        )
    return found


def _roles(workspace: Workspace, environment: str) -> list[str]:
    return [way for way in workspace.approvals.ways(environment) if way != AUTO]


def _may(workspace: Workspace, environment: str, person: str) -> bool:
    return any(workspace.approvals.holds(role, person) for role in _roles(workspace, environment))


def _today() -> date:
    return datetime.now(UTC).date()
