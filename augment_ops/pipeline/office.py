"""Where people act on policies: settings, who acts, and the services that their acts reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from augment_ops.content import digest_of
from augment_ops.data.store import Store
from augment_ops.errors import AugmentOpsError, GovernanceError, PolicyError
from augment_ops.governance.acts import Act, asks_for_signature, trusted_keys, why_not
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.chain import Entry
from augment_ops.governance.keys import ensure, witness_path
from augment_ops.governance.ledger import Ledger, open_ledger
from augment_ops.governance.lifecycle import Standing, standing
from augment_ops.governance.root import ENTERED_UNDER, InForce, in_force
from augment_ops.governance.signers import Signer, signer_of
from augment_ops.identity import check_name, check_somebody
from augment_ops.pipeline.policy_evidence import why_broken
from augment_ops.pipeline.run import open_store
from augment_ops.policy.library import admit_to_run, load
from augment_ops.policy.spec import Policy
from augment_ops.settings import Settings
from augment_ops.tracking import MlflowTracker, connect

T = TypeVar("T")

RUN = "run"  # the act of somebody who wants to train with a policy


@dataclass(frozen=True)
class Office:
    """Where acts on policies are done.

    Attributes:
        actor: who acts.
        witness: service that saw the actor log in, and signs for them; empty where the actor signs.
        key: file of the actor's key; None takes AUGMENT_OPS_KEY, the usual file, or what an ssh-agent holds.
    """

    settings: Settings
    actor: str
    witness: str = ""
    key: Path | None = None

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
            GovernanceError: nobody is named, or the name is one of approvers.yaml in another spelling.
        """
        check_somebody(doing, self.actor)
        other = self.approvals.taken_for(self.actor)
        if other is not None:
            fix = f"act as {other}: export AUGMENT_OPS_ACTOR={other}; or take an id of your own"
            raise GovernanceError(doing, f"{self.actor!r}, which reads as {other!r}", "one spelling a person", fix)

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

    def enter(self, act: str, subjects: Mapping[str, str], reason: str, once: str) -> Entry:
        """Enter what the actor does; signed with their key, where rules are signed and it counts above dev.

        Args:
            once: the ledger's key; what was entered under it is found again.

        Raises:
            GovernanceError: nobody is named, or has no registered key.
        """
        self.identify(act)
        if self.in_force is None or not asks_for_signature(subjects, self.approvals):
            return self.ledger.append(act, self.actor, subjects, reason, once)
        known = self.ledger.find(once)
        if known is not None and why_not(known, self.approvals) is None:
            return known
        said = Act(act, self.actor, subjects, reason, once, self.witness)
        return self.ledger.append(act, self.actor, said.signed(self.signer()), reason, once)

    def standing(self, policy: Policy, environment: str, entries: Iterable[Entry] | None = None) -> Standing:
        """Where a version stands in an environment now; an approval whose evidence does not hold does not count.

        Args:
            entries: those to believe; by default what the ledger holds, unverified.
        """
        demands = self.approvals.demands(environment)
        now = datetime.now(UTC)
        found = standing(
            self.ledger.read() if entries is None else entries,
            version_of(policy),
            environment,
            self.approvals,
            demands,
            now,
        )
        broken = {
            signed.seq: f"its evidence does not hold ({'; '.join(why)}): restore it, or propose the version again"
            for signed in found.counted.values()
            if (why := why_broken(self.store, dict(signed.approval.evidence), signed.approval.digest))
        }
        return found.without(broken, demands)

    @contextmanager
    def refusals(self, policy: Policy, act: str) -> Iterator[None]:
        """Enter a refusal that is raised inside, once however often it is tried."""
        try:
            yield
        except AugmentOpsError as refusal:
            fault = refusal.faults[0]
            key = f"{act}:refuse:{digest_of([self.actor, policy.digest, str(refusal)])}"
            self.ledger.append("refuse", self.actor, subjects_of(policy), f"{fault.where}: {fault.found}", key)
            raise

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
        with self.refusals(policy, act):
            return look()

    def admit_to_run(self, name: str) -> Policy:
        """As the library does; a refusal is entered."""
        return self.entering_refusals(name, RUN, lambda: admit_to_run(self.settings.policies, name))


def check_registered(public: str, trusted: tuple[str, ...], actor: str, witness: str) -> None:
    """See that a key is one of those that stand for who signs.

    Raises:
        GovernanceError: it is not.
    """
    if public in trusted:
        return
    whose, place = (f"the witness {witness}", f"witnesses.{witness}") if witness else (actor, f"{actor}'s keys")
    raise GovernanceError(
        f"key of {whose}",
        public,
        f"one of {place} in approvers.yaml ({len(trusted)} there)",
        f'have "{public}" added to {place} in policies/approvers.yaml, by a change that others review',
    )


def version_of(policy: Policy) -> str:
    """`name/version`, as subjects of the ledger have it."""
    return f"{policy.name}/{policy.version}"


def subjects_of(policy: Policy) -> dict[str, str]:
    """A policy version as subjects of the ledger."""
    return {"policy": policy.digest, "policy_version": version_of(policy)}
