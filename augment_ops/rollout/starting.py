"""How a rollout begins, and what a version has to be for it: checked again before it becomes champion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from augment_ops.content import canonical_json
from augment_ops.data.snapshot import Snapshot
from augment_ops.errors import ActRefused, InputError
from augment_ops.governance.approvals import check_reason
from augment_ops.governance.audit import ruling
from augment_ops.governance.chain import Entry
from augment_ops.governance.rollouts import START
from augment_ops.lifecycle import champion as champions
from augment_ops.lifecycle.book import Signing
from augment_ops.lifecycle.rules import check_noted, check_rules
from augment_ops.lifecycle.witnessed import believed
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.stages.decision import check_still_admitted
from augment_ops.rollout.acts import refusals_of
from augment_ops.rollout.ending import complete
from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.state import Admission, Rollout, admissions, entries_of, running, unfinished
from augment_ops.tracking import RegisteredVersion
from augment_ops.workspace import Workspace

DEFAULT_RULES = "default"
_INTERFACE = {"modality": "modality", "sample_shape": "shape", "schema": "columns", "classes": "classes"}


def start(
    workspace: Workspace,
    dataset: str,
    *,
    reason: str,
    environment: str = "",
    version: str = "",
    rules: str = "",
    origin: str = "",
) -> Rollout:
    """Begin to give a version requests beside the champion, step by step.

    Args:
        environment: by default the best protected one that has a champion.
        version: number of one that a run let in; by default the last of them.
        rules: name of policies/rollout/; by default the environment's, else `default`.
        origin: the run of the driver that begins it, where there is one.

    Raises:
        InputError: there is no champion yet, no such environment or version, or no reason. PolicyError: no such rules,
            or faulty ones.
        ActRefused: no run let the version in beside the present champion, another rollout runs there, its model is in
            quarantine, its policy counts no more, or the environment asks for other rules; the refusal is entered.
        GovernanceError: the registry, or the rules of a protected environment, are not what the ledger says; the
            refusal is entered.
    """
    check_reason(f"rollout of {dataset}", reason)
    tracker, book = workspace.tracker, Signing(workspace)
    believed(workspace.ledger, tracker)  # else it was begun by what somebody has left of the ledger
    where = champions.environment_with_champion(
        champions.acts(book, tracker, dataset), dataset, workspace.settings.policies, environment
    )
    loaded = _rules(workspace, where, rules)
    left = unfinished(entries_of(book, dataset), dataset, where)
    if left is not None and left.outcome:
        complete(workspace, book, left)
    with refusals_of(workspace, START, dataset, where, version):
        check_rules(workspace, where, (f"rollout/{loaded.name}.yaml",))
        check_noted(workspace, where)
        present = champions.champion(book, tracker, dataset, where)
        if present is None:
            fix = f"train one: augment-ops run --environment {where} …; the first is champion when its run ends"
            raise InputError(f"rollout of {dataset} in {where}", "no champion", "a champion to compare with", fix)
        entries = entries_of(book, dataset)
        _check_none_runs(entries, dataset, where)
        admission = _admission(entries, dataset, where, version, present.version)
        check_may_go_on(workspace, dataset, where, admission.version, admission.subjects, entries)
        _check_interface(workspace, present, tracker.version(dataset, admission.version))
    reign = ruling(entries, dataset)[where]
    prefix = f"rollout:{dataset}:{where}:{reign.seq}:"
    subjects = {
        "version": f"{dataset}/{admission.version}",
        **admission.subjects,
        "environment": where,
        "previous": present.version,
        "champion_seq": str(reign.seq),
        "rules": workspace.store.put(canonical_json(loaded.model_dump(mode="json"))),
        "rules_name": loaded.name,
        **({"origin": origin} if origin else {}),
    }
    key = f"{prefix}{len(workspace.ledger.entries_under(prefix))}"
    entry = book.append(START, workspace.actor, subjects, reason, key)
    found = running(entries_of(book, dataset), dataset, where)
    if found is None or found.id != str(entry.seq):  # another one was entered at the same moment
        raise _runs_already(dataset, where, found)
    return found


def check_may_go_on(
    workspace: Workspace,
    dataset: str,
    environment: str,
    version: str,
    subjects: Mapping[str, str],
    entries: Iterable[Entry],
) -> None:
    """See that a version may still become champion: before it gets requests, and before it is promoted.

    Args:
        subjects: what the version has to be.

    Raises:
        ActRefused: its model is in quarantine, or what it learnt with, or was judged with, counts no more.
        GovernanceError: the registered version is not what a run let in.
    """
    tracker = workspace.tracker
    champions.admissible(entries, tracker, dataset, version, subjects["model"])
    move = champions.Move(
        act="promote",
        dataset=dataset,
        environment=environment,
        version=version,
        after=None,
        key="",
        subjects=subjects,
        actor=workspace.actor,
        reason="",
    )
    champions.check_version(tracker, move)
    run = tracker.version(dataset, version).tags["augment_ops.pipeline_run"]
    check_still_admitted(Context.of(workspace.settings, run))


def _rules(workspace: Workspace, environment: str, name: str) -> RolloutRules:
    """The rules of a rollout there.

    Raises:
        ActRefused: the environment names others.
    """
    named = workspace.approvals.rollout(environment)
    if named is not None and name not in ("", named):
        fix = f"leave --rules out, or have environments.yaml changed, by a change that others review: rollout: {name}"
        raise ActRefused(f"rules of rollouts in {environment}", name, f"{named}, which environments.yaml names", fix)
    chosen = name or named or DEFAULT_RULES
    found = RolloutRules.load(workspace.settings.policies / "rollout" / f"{chosen}.yaml")
    if found.name != chosen:
        where = f"policies/rollout/{chosen}.yaml: name"
        raise InputError(where, found.name, chosen, "give the file the name that it says, or the other way round")
    return found


def _admission(entries: list[Entry], dataset: str, environment: str, version: str, champion: str) -> Admission:
    """The last time that a run let a version in, beside the present champion."""
    every = admissions(entries, dataset, environment)
    found = [one for one in every if one.version == version or not version]
    beside = [one for one in found if one.previous == champion and one.version != champion]
    if beside:
        return beside[-1]
    known = ", ".join(dict.fromkeys(one.version for one in every if one.previous == champion))
    told = f"version {version}" if version else "no version"
    if found:
        told = f"version {found[-1].version}, which was compared with version {found[-1].previous}"
    raise ActRefused(
        f"rollout of {dataset} in {environment}",
        told,
        f"one that a run let in beside champion version {champion}: {known or 'there is none'}",
        f"train one with `rollout:` set for {environment} in environments.yaml: augment-ops run --environment "
        f"{environment} …",
    )


def _check_none_runs(entries: list[Entry], dataset: str, environment: str) -> None:
    found = running(entries, dataset, environment)
    if found is not None:
        raise _runs_already(dataset, environment, found)


def _runs_already(dataset: str, environment: str, found: Rollout | None) -> ActRefused:
    told = "another one that ended at once" if found is None else f"rollout {found.id} of version {found.challenger}"
    fix = f"let it end, or end it: augment-ops rollout abort {dataset} --environment {environment} --reason …"
    return ActRefused(f"rollout of {dataset} in {environment}", told, "an environment in which none runs", fix)


def _check_interface(workspace: Workspace, champion: RegisteredVersion, challenger: RegisteredVersion) -> None:
    """Refuse a challenger that takes or answers something else: no request could be given to both."""
    manifests = [
        Snapshot.open(workspace.store, one.tags["augment_ops.snapshot_digest"]).manifest
        for one in (champion, challenger)
    ]
    ours, other = ({name: getattr(one, name) for name in _INTERFACE} for one in manifests)
    differing = [_INTERFACE[name] for name in _INTERFACE if ours[name] != other[name]]
    if differing:
        raise ActRefused(
            f"{challenger.model} version {challenger.version}",
            f"other {', '.join(differing)} than champion version {champion.version}",
            "a challenger that takes and answers the same",
            "promote it without a rollout, with whoever asks the service: leave `rollout:` out of environments.yaml",
        )
