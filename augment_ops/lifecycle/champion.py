"""Who is champion: the ledger says it, MLflow shows it, and whoever uses a champion holds the one against the other.

A move is entered first (`promote`, `rollback`), then the alias of the environment is moved, then that it stands where
it should (`alias`). What was cut off in between is completed by whoever comes next; after the third entry an alias
that stands elsewhere was moved by somebody else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augment_ops.content import digest_of
from augment_ops.errors import ActRefused, GovernanceError, InputError, nearest
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.audit import MOVES, NONE, Reign, champions, quarantined, ruling, settled
from augment_ops.governance.chain import Entry
from augment_ops.lifecycle.book import Book
from augment_ops.lifecycle.registry_check import faults_of, faults_of_version
from augment_ops.tracking.values import PRODUCTION, alias_of, classifier_name

if TYPE_CHECKING:
    from pathlib import Path

    from augment_ops.tracking import MlflowTracker, RegisteredVersion

_ACTS = (*MOVES, "alias", "restore", "take-over")


@dataclass(frozen=True, kw_only=True)
class Move:
    """What makes a version champion.

    Attributes:
        act: `promote` or `rollback`.
        version: its number.
        after: number of the champion that it takes the place of; None where there is none.
        key: of the entry.
        subjects: of the entry: `model`, `artifact` and `registered` are what the version has to be; those that name
            the version, its environment and the champion before are added.
    """

    act: str
    dataset: str
    environment: str
    version: str
    after: str | None
    key: str
    subjects: Mapping[str, str]
    actor: str
    reason: str


def champion(book: Book, tracker: MlflowTracker, dataset: str, environment: str) -> RegisteredVersion | None:
    """The champion of a data set in an environment; None where the ledger knows none.

    Completes a move that was cut off, and takes over what a version before this one left behind.

    Raises:
        GovernanceError: MLflow's alias, the version, its tags or its file are not what the ledger says.
    """
    entries = acts(book, tracker, dataset)
    reign = ruling(entries, dataset).get(environment)
    if reign is not None and not settled(entries, reign):
        at = tracker.named_champion(dataset, environment)
        if at in (reign.version, reign.succeeded) and not faults_of_version(tracker, dataset, reign):
            settle(book, tracker, dataset, reign)
    faults = faults_of(tracker, dataset, environment, reign)
    if faults:
        raise GovernanceError.of(f"champion of {dataset} in {environment}: MLflow against the ledger", faults)
    return None if reign is None else tracker.version(dataset, reign.version)


def before(book: Book, tracker: MlflowTracker, dataset: str, version: str) -> RegisteredVersion | None:
    """The champion that a version took the place of when it was promoted; None where there was none.

    Raises:
        GovernanceError: what is registered is not what was promoted.
    """
    entries = acts(book, tracker, dataset)
    promoted = promotion(entries, dataset, version)
    if promoted is None or promoted.succeeded is None:
        return None
    return intact(entries, tracker, dataset, promoted.succeeded, promoted.environment)


def intact(
    entries: Iterable[Entry], tracker: MlflowTracker, dataset: str, version: str, environment: str
) -> RegisteredVersion:
    """A version that was promoted once in that environment, as it was then.

    Raises:
        ActRefused: no entry promoted it there.
        GovernanceError: it is not what was promoted.
    """
    promoted = promotion(entries, dataset, version, environment)
    where = f"{classifier_name(dataset)} version {version}"
    if promoted is None:
        found = f"no entry of the ledger that promoted it in {environment}"
        fix = "name a version that `augment-ops audit champions` lists, or train a new one"
        raise ActRefused(where, found, f"a version that was champion in {environment}", fix)
    faults = faults_of_version(tracker, dataset, promoted)
    if faults:
        raise GovernanceError.of(f"{where}: MLflow against the ledger", faults)
    return tracker.version(dataset, version)


def crown(book: Book, tracker: MlflowTracker, move: Move) -> None:
    """Make a version champion: the entry, the alias, and the entry that it stands. May be repeated.

    Raises:
        GovernanceError: another champion than `move.after`, a model in quarantine, or a registered version that is not
            what the entry would say; nothing is entered then.
    """
    entries = acts(book, tracker, move.dataset)
    present = ruling(entries, move.dataset).get(move.environment)
    if present is None or present.version != move.version:
        _check_succession(move, present)
        admissible(entries, tracker, move.dataset, move.version, move.subjects["model"])
        check_version(tracker, move)
        named = {"version": f"{move.dataset}/{move.version}", "environment": move.environment}
        subjects = {**move.subjects, **named, "previous": move.after or NONE}
        entry = book.append(move.act, move.actor, subjects, move.reason, move.key)
        present = ruling(acts_of(book, move.dataset), move.dataset).get(move.environment)
        if present is None or present.seq != entry.seq:  # another move was entered at the same moment
            _check_succession(move, present)
        assert present is not None
    settle(book, tracker, move.dataset, present)


def _check_succession(move: Move, present: Reign | None) -> None:
    at = None if present is None else present.version
    if at != move.after:
        raise GovernanceError(
            f"{classifier_name(move.dataset)}, champion in {move.environment}",
            f"version {at}" if at else "no champion",
            f"version {move.after}, which the decision compared with" if move.after else "no champion",
            "decide again: run the pipeline anew, so that the candidate is compared with the present champion",
        )


def check_version(tracker: MlflowTracker, move: Move) -> None:
    """Refuse a registered version that is not what the entry of its move would say, before its file is read.

    Raises:
        GovernanceError: other digests, tags or bytes.
    """
    model, artifact, registered = (move.subjects[name] for name in ("model", "artifact", "registered"))
    wanted = Reign(
        version=move.version,
        previous=NONE,
        at="",
        act=move.act,
        by=move.actor,
        reason="",
        seq=0,
        environment=move.environment,
        model=model,
        artifact=artifact,
        registered=registered,
    )
    faults = faults_of_version(tracker, move.dataset, wanted)
    if faults:
        where = f"{classifier_name(move.dataset)} version {move.version}: not what was judged"
        raise GovernanceError.of(where, faults)


def restore(book: Book, tracker: MlflowTracker, dataset: str, environment: str, actor: str) -> str:
    """Put an environment's alias back to where the ledger says, and enter it; what it came to, for people.

    Raises:
        GovernanceError: the champion's version is not what was promoted any more: only a rollback helps.
    """
    entries = acts(book, tracker, dataset)
    reign, at = ruling(entries, dataset).get(environment), tracker.named_champion(dataset, environment)
    alias = alias_of(environment)
    if at == (None if reign is None else reign.version) and (reign is None or settled(entries, reign)):
        faults = faults_of(tracker, dataset, environment, reign)
        if faults:
            raise GovernanceError.of(f"champion of {dataset} in {environment}: no alias is amiss", faults)
        return f"{alias} of {dataset} stands where the ledger says: {f'version {at}' if at else 'there is none'}"
    if reign is None:
        tracker.forget_champion(dataset, environment)
    else:
        faults = faults_of_version(tracker, dataset, reign)
        if faults:
            raise GovernanceError.of(f"champion of {dataset} in {environment}: MLflow against the ledger", faults)
        settle(book, tracker, dataset, reign)
    now = "removed" if reign is None else f"version {reign.version}"
    reason = f"{alias} stood at {f'version {at}' if at else 'nothing'}; now {now}"
    subjects = {"version": f"{dataset}/{reign.version if reign else at}", "environment": environment}
    times = sum(entry.act == "restore" for entry in entries)
    book.append("restore", actor, subjects, reason, f"restore:{dataset}:{times}")
    return f"{dataset}: {reason}"


def settle(book: Book, tracker: MlflowTracker, dataset: str, reign: Reign) -> None:
    """Put the alias where a move says, and enter that it stands there."""
    at = tracker.named_champion(dataset, reign.environment)
    tracker.promote(dataset, reign.version, at, reign.environment)  # nothing to do where it stands there
    subjects = {"version": f"{dataset}/{reign.version}", "environment": reign.environment, "move": str(reign.seq)}
    reason = f"{alias_of(reign.environment)} names version {reign.version}, as entry {reign.seq} says"
    book.append("alias", reign.by, subjects, reason, f"alias:{dataset}:{reign.seq}")


def admissible(entries: Iterable[Entry], tracker: MlflowTracker, dataset: str, version: str, model: str) -> None:
    """Refuse a model that is in quarantine, under whatever number.

    Raises:
        ActRefused: an entry of the ledger says so, or MLflow's tag.
    """
    entry = quarantined(entries).get(model)
    if entry is not None:
        raise ActRefused(
            f"{classifier_name(dataset)} version {version}",
            f"in quarantine since version {entry.subjects['version'].rpartition('/')[2]}: {entry.reason}",
            "a model that may be champion",
            f"choose another version or train a new one; entry {entry.seq} of the ledger stays",
        )
    tracker.admissible(tracker.version(dataset, version))


def quarantine(
    book: Book, tracker: MlflowTracker, dataset: str, version: str, model: str, actor: str, reason: str
) -> None:
    """Enter that a model must never be champion again, and show it in MLflow. May be repeated."""
    enter_quarantine(book, dataset, version, model, actor, reason)
    if tracker.find_version(dataset, version) is not None:
        tracker.quarantine(dataset, version, reason)


def enter_quarantine(book: Book, dataset: str, version: str, model: str, actor: str, reason: str) -> None:
    """Enter that a model must never be champion again: what counts, also while MLflow is away. May be repeated."""
    if model not in quarantined(acts_of(book, dataset)):
        subjects = {"version": f"{dataset}/{version}", "model": model}
        book.append("quarantine", actor, subjects, reason, f"quarantine:{model}")


def subjects_of(version: RegisteredVersion) -> dict[str, str]:
    """What the entry of a move says of the version itself."""
    return {"model": version.model_digest, "artifact": version.artifact, "registered": digest_of(version.identity)}


def ranked(policies: Path) -> list[str]:
    """Environments, the best protected first: by what their policies need, then by who may let a model through."""
    loaded = Approvals.load(policies)
    names = loaded.environments
    steps = ("draft", "proposed", "approved")

    def protection(name: str) -> tuple[int, bool, int, int]:
        demands = loaded.demands(name)
        return steps.index(demands.state), "auto" not in loaded.ways(name), demands.approvers or 0, names.index(name)

    return sorted(names, key=protection, reverse=True)


def environment_with_champion(entries: Iterable[Entry], dataset: str, policies: Path, wanted: str = "") -> str:
    """The environment whose champion is meant: the one that is asked for, else the best protected that has one.

    Raises:
        InputError: there is no environment of that name.
    """
    known = set(ruling(entries, dataset))
    if not wanted and len(known) <= 1:
        return next(iter(known), PRODUCTION)
    names = ranked(policies)
    if wanted:
        if wanted not in {*names, *known}:
            fix = f"name one of policies/environments.yaml.{nearest(wanted, names)}"
            raise InputError("environment", wanted, ", ".join(names), fix)
        return wanted
    # One that is no longer in environments.yaml may still have a champion.
    return next(name for name in (*names, *sorted(known)) if name in known)


def acts(book: Book, tracker: MlflowTracker, dataset: str) -> list[Entry]:
    """The entries about the champions of a data set, and all quarantines; takes over a state of former times, once."""
    entries = acts_of(book, dataset)
    if any(reign.former for reign in champions(entries, dataset)) and not any(e.act == "take-over" for e in entries):
        _take_over(book, tracker, dataset, entries)
        return acts_of(book, dataset)
    return entries


def acts_of(book: Book, dataset: str, also: Collection[str] = ()) -> list[Entry]:
    """The entries about the champions of a data set, and all quarantines.

    Args:
        also: other acts on its versions: those of rollouts, say.
    """
    return [
        entry
        for entry in book.read(("quarantine", *_ACTS, *also))
        if entry.act == "quarantine"  # of a model, whatever the data set
        or entry.subjects.get("version", "").rpartition("/")[0] == dataset
    ]


def promotion(entries: Iterable[Entry], dataset: str, version: str, environment: str = "") -> Reign | None:
    """The newest entry that promoted a version, in one environment or in any."""
    found = [r for r in champions(entries, dataset, environment) if r.act == "promote" and r.version == version]
    return found[-1] if found else None


def _take_over(book: Book, tracker: MlflowTracker, dataset: str, entries: list[Entry]) -> None:
    """One alias for all environments becomes one for each, where it stands as the ledger's last move says."""
    last = champions(entries, dataset)[-1]
    at = tracker.named_champion(dataset, PRODUCTION)
    if at not in (last.version, None if last.left == NONE else last.left):
        return  # somebody moved it: held against the ledger as it is
    reigns = ruling(entries, dataset)
    for version in tracker.in_quarantine(dataset):
        reason = version.tags["augment_ops.quarantined"]
        quarantine(book, tracker, dataset, version.version, version.model_digest, last.by, reason)
    for environment, reign in reigns.items():
        if tracker.find_version(dataset, reign.version) is not None and environment != PRODUCTION:
            tracker.promote(dataset, reign.version, tracker.named_champion(dataset, environment), environment)
    if PRODUCTION not in reigns:
        tracker.forget_champion(dataset, PRODUCTION)
    elif tracker.find_version(dataset, reigns[PRODUCTION].version) is not None:
        tracker.promote(dataset, reigns[PRODUCTION].version, at)
    said = ", ".join(f"{alias_of(name)} names version {reign.version}" for name, reign in sorted(reigns.items()))
    subjects = {"version": f"{dataset}/{last.version}"}
    reason = f"each environment has a champion of its own from here on: {said}"
    book.append("take-over", last.by, subjects, reason, f"take-over:{dataset}")
