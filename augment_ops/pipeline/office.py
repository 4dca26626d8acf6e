"""Where people act on policies: settings, who acts, and the services that their acts reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TypeVar

from augment_ops.content import digest_of
from augment_ops.data.store import Store
from augment_ops.errors import AugmentOpsError, PolicyError
from augment_ops.governance.approvals import Approvals
from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger, open_ledger
from augment_ops.governance.lifecycle import Standing, standing
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
    """

    settings: Settings
    actor: str

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


def version_of(policy: Policy) -> str:
    """`name/version`, as subjects of the ledger have it."""
    return f"{policy.name}/{policy.version}"


def subjects_of(policy: Policy) -> dict[str, str]:
    """A policy version as subjects of the ledger."""
    return {"policy": policy.digest, "policy_version": version_of(policy)}
