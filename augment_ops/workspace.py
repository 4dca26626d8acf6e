"""The workspace: settings, who acts, and the one way to the store, the ledger, MLflow and the approvers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import make_url

from augment_ops.content import digest_of
from augment_ops.data.store import Store
from augment_ops.errors import ActRefused, AugmentOpsError, GovernanceError, PolicyError
from augment_ops.governance.acts import Act, asks_for_signature, trusted_keys, why_not
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.chain import Entry
from augment_ops.governance.keys import ensure, installation_path, witness_path
from augment_ops.governance.keys import load as load_key
from augment_ops.governance.ledger import Ledger
from augment_ops.governance.root import ENTERED_UNDER, INIT, InForce, in_force
from augment_ops.governance.signers import Signer, signer_of
from augment_ops.governance.witness import FileWitness, Witness, open_witness
from augment_ops.identity import check_name, check_somebody
from augment_ops.policy.library import admit_to_run, load
from augment_ops.policy.spec import Policy
from augment_ops.settings import Settings
from augment_ops.tracking import MlflowTracker, connect
from augment_ops.tracking.heads import mlflow_witness

T = TypeVar("T")

RUN = "run"  # the act of somebody who wants to train with a policy


@dataclass(frozen=True)
class Workspace:
    """Everything with an outside that stages and people's acts reach, opened when it is first asked for.

    Attributes:
        actor: who acts.
        witness: service that saw the actor log in, and signs for them; empty where the actor signs.
        key: file of the actor's key; None takes AUGMENT_OPS_KEY, the usual file, or what an ssh-agent holds.
        enters_refusals: whether what is refused is entered; not where somebody only asks what would be.
    """

    settings: Settings
    actor: str
    witness: str = ""
    key: Path | None = None
    enters_refusals: bool = True

    def __post_init__(self) -> None:
        check_name("actor", self.actor)

    @cached_property
    def store(self) -> Store:
        """The store."""
        return open_store(self.settings)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger."""
        return open_ledger(self.settings)

    @cached_property
    def approvals(self) -> Approvals:
        """Approvers and environments."""
        return Approvals.load(self.settings.policies)

    @cached_property
    def tracker(self) -> MlflowTracker:
        """MLflow."""
        return connect(self.settings.mlflow_uri, self.settings.home / "mlflow" / "artifacts")

    @cached_property
    def in_force(self) -> InForce | None:
        """The signed rules that the ledger names; None where nobody has signed any."""
        return in_force(self.ledger.entries_under(ENTERED_UNDER))

    def identify(self, doing: str) -> None:
        """See that the actor is a person, and not one who could be taken for another.

        Raises:
            ActRefused: nobody is named, or the name is one of approvers.yaml in another spelling.
        """
        check_somebody(doing, self.actor)
        other = self.approvals.taken_for(self.actor)
        if other is not None:
            fix = f"act as {other}: export AUGMENT_OPS_ACTOR={other}; or take an id of your own"
            raise ActRefused(doing, f"{self.actor!r}, which reads as {other!r}", "one spelling a person", fix)

    def signer(self) -> Signer:
        """What signs for the actor.

        Raises:
            GovernanceError: there is no key, or it is not registered.
        """
        trusted = trusted_keys(self.approvals, self.actor, self.witness)
        if self.witness:
            signer: Signer = ensure(witness_path(self.settings.keys))
        else:
            signer = signer_of(self.actor, trusted, self.key)
        check_registered(signer.public, trusted, self.actor, self.witness)
        return signer

    def check_witness(self) -> None:
        """See that what the witness signs for people counts, before any of them is asked. No key is made for it.

        Raises:
            ActRefused: approvers.yaml does not name its key, or there is none yet.
        """
        path = witness_path(self.settings.keys)
        if not path.is_file():
            where, wanted = f"key of the witness {self.witness}", f"one of witnesses.{self.witness} in approvers.yaml"
            raise ActRefused(where, "no key yet", wanted, f"make it and have it named there: {INIT}")
        check_registered(load_key(path).public, self.approvals.witness_keys(self.witness), self.actor, self.witness)

    def enter(self, act: str, subjects: Mapping[str, str], reason: str, once: str, *, signed: bool = False) -> Entry:
        """Enter what the actor does; signed with their key, where rules are signed and it counts above dev.

        Args:
            once: the ledger's key; what was entered under it is found again.
            signed: sign it wherever it is done.

        Raises:
            GovernanceError: nobody is named, or has no registered key.
        """
        self.identify(act)
        if not signed and (self.in_force is None or not asks_for_signature(subjects, self.approvals)):
            return self.ledger.append(act, self.actor, subjects, reason, once)
        known = self.ledger.find(once)
        if known is not None and why_not(known, self.approvals) is None:
            return known
        said = Act(act, self.actor, subjects, reason, once, self.witness)
        return self.ledger.append(act, self.actor, said.signed(self.signer()), reason, once)

    @contextmanager
    def refusals(
        self,
        under: str,
        subjects: Mapping[str, str],
        *,
        about: object = None,
        actor: str = "",
        kind: type[AugmentOpsError] = GovernanceError,
    ) -> Iterator[None]:
        """Enter a refusal that is raised inside, once however often it is tried.

        Args:
            under: what the entry's key begins with: the act that was tried, or the run that was stopped.
            about: what is refused, where that is less than its subjects; for the entry's key.
            actor: in whose name; by default the workspace's.
            kind: of the errors that are refusals.
        """
        try:
            yield
        except kind as refusal:
            if not self.enters_refusals:
                raise
            fault, who = refusal.faults[0], actor or self.actor
            tried = dict(subjects) if about is None else about
            key = f"{under}:refuse:{digest_of([who, tried, str(refusal)])}"
            self.ledger.append("refuse", who, subjects, f"{fault.where}: {fault.found}", key)
            raise

    def policy_refusals(self, policy: Policy, act: str) -> AbstractContextManager[None]:
        """Enter what is raised inside as a refusal of an act on a policy."""
        return self.refusals(act, subjects_of(policy), about=policy.digest, kind=AugmentOpsError)

    def entering_refusals(self, name: str, act: str, look: Callable[[], T]) -> T:
        """What `look` returns; what it raises is entered, unless the file of the policy `name` cannot be read.

        An entry is about a digest, and a file that cannot be read has none.

        Args:
            name: as the library's `load` takes it.
            act: what was tried, for the entry's key.

        Raises:
            AugmentOpsError: whatever `look` raises.
        """
        try:
            policy = load(self.settings.policies, name)
        except PolicyError:
            return look()
        with self.policy_refusals(policy, act):
            return look()

    def admit_to_run(self, name: str) -> Policy:
        """As the library does; a refusal is entered."""
        return self.entering_refusals(name, RUN, lambda: admit_to_run(self.settings.policies, name))


def log_uri(settings: Settings) -> str:
    """Where prediction logs are: beside the objects and documents of the store."""
    return f"{settings.store.rstrip('/')}/predictions"


def open_store(settings: Settings) -> Store:
    """The store of these settings."""
    return Store(settings.store, cache=settings.home / "cache")


def open_ledger(settings: Settings) -> Ledger:
    """The ledger of these settings: the one way to have it."""
    return Ledger(
        settings.ledger,
        signer=partial(ensure, installation_path(settings.keys)),
        keys=frozenset(settings.installations),
        witnesses=_witnesses(settings),
    )


def has_ledger(settings: Settings) -> bool:
    """Whether anything can have been entered: reading a SQLite file that is not there would make it."""
    url = make_url(settings.ledger)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()


def _witnesses(settings: Settings) -> list[Witness]:
    return [
        FileWitness(settings.home / "witness", outside=False),
        *mlflow_witness(settings.mlflow_uri, settings.home / "mlflow" / "artifacts"),
        *(open_witness(uri, settings.home) for uri in settings.witnesses),
    ]


def heads_noted(settings: Settings) -> tuple[str, str]:
    """Where heads are noted, for people; and what to do where all of that is in the hands that hold the ledger."""
    found = _witnesses(settings)
    fix = (
        "all of it is in the hands of whoever holds the ledger here: set AUGMENT_OPS_WITNESSES to a folder on other "
        "storage or a bucket with object lock, where the stack is started (docs/security.md)"
    )
    places = ", ".join(witness.name.removeprefix("witness ") for witness in found)
    return places, "" if any(witness.outside for witness in found) else fix


def check_registered(public: str, trusted: tuple[str, ...], actor: str, witness: str) -> None:
    """See that a key is one of those that stand for who signs.

    Raises:
        ActRefused: it is not.
    """
    if public in trusted:
        return
    whose, place = (f"the witness {witness}", f"witnesses.{witness}") if witness else (actor, f"{actor}'s keys")
    by_machine = f" ({INIT} writes it there)" if witness else ""
    raise ActRefused(
        f"key of {whose}",
        public,
        f"one of {place} in approvers.yaml ({len(trusted)} there)",
        f'have "{public}" added to {place} in policies/approvers.yaml, by a change that others review{by_machine}',
    )


class Versioned(Protocol):
    """What names a policy version: the policy, or the heading of its file."""

    @property
    def name(self) -> str:
        """In kebab-case."""

    @property
    def version(self) -> str:
        """Semantic."""


def version_of(policy: Versioned) -> str:
    """`name/version`, as subjects of the ledger have it."""
    return f"{policy.name}/{policy.version}"


def subjects_of(policy: Policy) -> dict[str, str]:
    """A policy version as subjects of the ledger."""
    return {"policy": policy.digest, "policy_version": version_of(policy)}
