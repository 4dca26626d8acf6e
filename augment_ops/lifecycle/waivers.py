"""Waivers: somebody answers for classes that a gate has too few samples to judge, by name and for a time."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from augment_ops.content import digest_of
from augment_ops.errors import ActRefused, Fault, InputError, nearest
from augment_ops.gate.decision import Waiver
from augment_ops.gate.rules import GateRules, load
from augment_ops.governance.acts import act_of, why_not
from augment_ops.governance.approvals import AUTO
from augment_ops.governance.chain import Entry
from augment_ops.identity import among
from augment_ops.lifecycle.datasets import classes_of
from augment_ops.names import check_dataset
from augment_ops.workspace import Workspace

WAIVE = "waive"
_TOLD = 40  # classes of a line that people read


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
        InputError: no such environment or gate, no class, one that is judged with others, one that no snapshot of the
            data set has, where there is a snapshot, no reason, or a day that has passed or is too far away.
        ActRefused: the actor holds no role that approves models there; GovernanceError: or has no registered key. The
            refusal is entered.
    """
    check_dataset("data set", dataset)
    rules = load(workspace.settings.policies / "gates" / f"{gate}.yaml")
    most = workspace.approvals.demands(environment).longest_days
    named = [*_parts(rules, classes), *_strange(rules, classes, classes_of(workspace.store, dataset))]
    faults = [*_day_faults(until, most), *_empty(classes, reason), *named]
    if faults:
        raise InputError.of("waiver", faults)
    about = _about(rules, dataset, environment)
    subjects = {
        **about,
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
        newest = max(_entered(workspace.ledger.read((WAIVE,)), about), key=lambda entry: entry.seq, default=None)
        if newest is not None and _stands(workspace, newest, environment):
            said = act_of(newest)
            if (said.actor, said.subjects, said.reason) == (workspace.actor, subjects, reason):
                return newest
        # Bound to the one before: what was said, and ended, can be said again on the same day.
        once = f"{WAIVE}:{digest_of([workspace.actor, subjects, reason, '' if newest is None else newest.hash])}"
        return workspace.enter(WAIVE, subjects, reason, once)


def in_force(
    workspace: Workspace,
    dataset: str,
    gate: Path,
    environment: str,
    started_by: Collection[str],
    entries: Iterable[Entry] | None = None,
) -> tuple[Waiver, ...]:
    """The waivers that count today, by class: the newest entry of each, where that counts, and none where it does not.

    A waiver counts as long as who gave it may approve models there, and above dev not for the runs that they start.

    Args:
        gate: its file.
        started_by: who started the run, and who stands behind its start.
        entries: of a ledger that was verified; by default as they stand there.
    """
    read = workspace.ledger.read((WAIVE,)) if entries is None else entries
    about = _about(load(gate), dataset, environment)
    newest = {name: entry for entry in _entered(read, about) for name in _classes_of(entry)}
    above_dev = workspace.approvals.is_above_dev(environment)
    return tuple(
        Waiver(class_name=name, by=entry.actor, until=entry.subjects["until"], reason=entry.reason)
        for name, entry in sorted(newest.items())
        if _stands(workspace, entry, environment) and not (above_dev and among(entry.actor, started_by))
    )


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


def _about(rules: GateRules, dataset: str, environment: str) -> dict[str, str]:
    """What a waiver is for: it counts for nothing else."""
    return {"dataset": dataset, "gate": f"{rules.name}/{rules.version}", "environment": environment}


def _entered(entries: Iterable[Entry], about: Mapping[str, str]) -> list[Entry]:
    return [
        entry
        for entry in entries
        if entry.act == WAIVE and all(entry.subjects.get(name) == value for name, value in about.items())
    ]


def _classes_of(entry: Entry) -> list[str]:
    """The classes that an entry names; none where they are not written as they should be."""
    try:
        found = json.loads(entry.subjects.get("classes", ""))
    except (ValueError, TypeError, RecursionError):
        return []
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else []


def _stands(workspace: Workspace, entry: Entry, environment: str) -> bool:
    """Whether an entry counts today, whoever starts a run."""
    approvals = workspace.approvals
    # Also where it is older than the signed rules: a waiver has to be good on the day on which it lets something pass.
    signed = workspace.in_force is not None and approvals.is_above_dev(environment)
    if (signed and why_not(entry, approvals) is not None) or not entry.reason.strip():
        return False
    until, longest = _day(entry.subjects.get("until")), timedelta(days=approvals.demands(environment).longest_days)
    if until is None or not _today() <= until <= date.fromisoformat(entry.at[:10]) + longest:
        return False
    return _may(workspace, environment, entry.actor)


def _day(text: object) -> date | None:
    """The day that a text says as we write it; None where it says none."""
    try:
        day = date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return day if day is not None and day.isoformat() == text else None


def _day_faults(until: str, most: int) -> list[Fault]:
    today = _today()
    expected = f"a day from {today} to {today + timedelta(days=most)}, such as {today + timedelta(days=min(most, 90))}"
    day = _day(until)
    if day is None:
        return [Fault("until", repr(until)[:40], expected, "write year, month and day")]
    if today <= day <= today + timedelta(days=most):
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


def _parts(rules: GateRules, classes: Collection[str]) -> list[Fault]:
    """Classes that the gate does not judge by themselves: a waiver of one would count for nothing."""
    return [
        Fault(
            "class", repr(name), "a class as the gate judges it", f"name them together: --class '{' = '.join(group)}'"
        )
        for group in rules.equivalent
        for name in group
        if name in classes
    ]


def _strange(rules: GateRules, classes: Collection[str], known: Collection[str]) -> list[Fault]:
    """Classes that the data set has not: a waiver of one would stand in the ledger and let nothing pass."""
    if not known:
        return []  # it is not here yet
    groups = {" = ".join(group): group for group in rules.equivalent}
    judged = [*known, *(name for name, group in groups.items() if set(group) & set(known))]
    told = ", ".join(judged[:_TOLD]) + (f" and {len(judged) - _TOLD} more" if len(judged) > _TOLD else "")
    return [
        Fault("class", repr(name)[:80], f"one of {told}", f"name one of them.{nearest(name, judged)}")
        for name in sorted(set(classes))
        if name and name not in judged
    ]


def _roles(workspace: Workspace, environment: str) -> list[str]:
    return [way for way in workspace.approvals.ways(environment) if way != AUTO]


def _may(workspace: Workspace, environment: str, person: str) -> bool:
    return any(workspace.approvals.holds(role, person) for role in _roles(workspace, environment))


def _today() -> date:
    return datetime.now(UTC).date()
