"""Which policies a service may augment with: those that its rules name, while they are admitted where it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from augment_ops.errors import ActRefused, AugmentOpsError, Fault, PolicyError
from augment_ops.lifecycle.admission import admit_policy, check_standing
from augment_ops.modalities import modality
from augment_ops.policy.library import admit_to_serve
from augment_ops.policy.published import published_path
from augment_ops.policy.spec import Policy
from augment_ops.serving.augmentation import AdmittedNow, LaidPolicy
from augment_ops.serving.rules import ServingRules
from augment_ops.serving.served import Served
from augment_ops.workspace import Workspace

_AGAIN_S = 30.0  # an approval also ends by the clock, and where approvers.yaml changes, of which no entry tells


class AdmittedPolicies:
    """The policies of the rules of a service.

    Args:
        served: what it answers with, and in which environment.
        say: gets a line where one is refused from now on, or admitted again.

    Raises:
        PolicyError: one is unknown, beyond its limits, or none that a service can apply to its samples.
        ActRefused: the environment demands more of one.
        GovernanceError, TrackingError: see `admit_policy`.
    """

    def __init__(self, workspace: Workspace, served: Served, rules: ServingRules, say: Callable[[str], None]) -> None:
        self._workspace, self._environment, self._say = workspace, served.environment, say
        self._policies = {name: _policy(workspace, name, served) for name in _named(rules)}
        # What is entered while they are judged is looked at again.
        self._head, self._judged_at = workspace.ledger.head() if self._policies else "", monotonic()
        for policy in self._policies.values():
            admit_policy(workspace, policy, self._environment)
        self.augmentation = self._laid_out({})

    def changed(self) -> AdmittedNow | None:
        """What is admitted, where it is another than at the last call; it never raises.

        Where nobody can tell, none is: the answers go on without.
        """
        if not self._policies:
            return None
        before = self.augmentation
        try:
            head = self._workspace.ledger.head()
            if head == self._head and monotonic() - self._judged_at < _AGAIN_S:
                return None
            refused, self._head = self._refused(), head
        except (AugmentOpsError, OSError) as error:
            refused = dict.fromkeys(self._policies, _in_a_line(error))
            self._head = ""  # asked again at the next call
        self._judged_at = monotonic()
        self.augmentation = self._laid_out(refused)
        if self.augmentation.policies == before.policies:
            return None
        for name in self._policies:
            if (name in refused) != (name in before.refused):
                self._say(f"policy {name} {f'is off: {refused[name]}' if name in refused else 'is on again'}")
        return self.augmentation

    def _refused(self) -> dict[str, str]:
        """Why policies are not admitted as things stand now, by name.

        Raises:
            AugmentOpsError, OSError: nobody can tell.
        """
        now = replace(self._workspace)  # reads approvers and environments again
        found = {}
        for name, policy in self._policies.items():
            try:
                check_standing(now, policy, self._environment)
            except ActRefused as error:
                found[name] = _in_a_line(error)
        return found

    def _laid_out(self, refused: dict[str, str]) -> AdmittedNow:
        laid = (
            LaidPolicy(name=name, text=policy.text, digest=policy.digest)
            for name, policy in self._policies.items()
            if name not in refused
        )
        return AdmittedNow(tuple(laid), refused)


def _in_a_line(error: AugmentOpsError | OSError) -> str:
    return "; ".join(fault.found for fault in error.faults) if isinstance(error, AugmentOpsError) else str(error)


def _named(rules: ServingRules) -> list[str]:
    """The versions that the rules name, each once."""
    views = [rules.test_time.named] if rules.test_time else []
    return list(dict.fromkeys([*views, *(rules.augment.policies if rules.augment else ())]))


def _policy(workspace: Workspace, asked: str, served: Served) -> Policy:
    """The version `name@version` of the library: the copy that was published, or the file where it is not yet."""
    policies, (name, _, version) = workspace.settings.policies, asked.partition("@")
    published = published_path(policies, name, version).is_file()
    policy = admit_to_serve(policies, asked if published else name)
    faults = []
    if policy.version != version:
        fix = f"publish it (augment-ops policy propose {name}), or name the version that there is"
        faults.append(Fault("version", f"{policy.version} in the file of {name}", version, fix))
    if policy.modality != served.modality:
        faults.append(Fault("modality", policy.modality, f"{served.modality}, as what is served", "name another one"))
    elif not faults:
        kind = modality(policy.modality)
        after = kind.augmenter(policy, 0).output_shape(served.shape)
        faults = kind.shape_faults(policy, served.shape, after)
    if faults:
        raise PolicyError.of(f"policy {asked}, to augment {served.dataset} while it is served", faults)
    return policy
