"""Everything a run names is looked at before the run begins, so that bad input changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from augment_ops.errors import AugmentOpsError, Fault, InputError
from augment_ops.identity import NOBODY, SCHEDULE, same
from augment_ops.lifecycle.rules import check_rules
from augment_ops.pipeline.parameters import RunParams
from augment_ops.settings import Settings
from augment_ops.stress.outcomes import said_of
from augment_ops.workspace import RUN, Workspace

if TYPE_CHECKING:
    from augment_ops.gate.rules import GateRules
    from augment_ops.policy.spec import Policy
    from augment_ops.stress.definition import SuiteSpec


def preflight(settings: Settings, params: RunParams, actor: str) -> tuple[str, ...]:
    """Load every file that the run will read, and ask its trainer whether it can be asked this.

    What governance refuses is entered in the ledger, as `actor`'s.

    Returns:
        warnings, for people.

    Raises:
        InputError: all faults of all of them at once.
    """
    faults: list[Fault] = []
    workspace = Workspace(settings, actor)
    for look in _looks(workspace, params):
        try:
            look()
        except AugmentOpsError as error:
            prefix = f"{error.file}: " if error.file else ""
            faults += [replace(fault, where=prefix + fault.where) for fault in error.faults]
    if faults:
        raise InputError.of("this run", list(dict.fromkeys(faults)))  # two looks may read one file
    if same(actor, NOBODY):
        return ("nobody is named as who started this run (AUGMENT_OPS_ACTOR); it is for development only",)
    return ()


def _looks(workspace: Workspace, params: RunParams) -> list[Callable[[], object]]:
    from augment_ops.gate import rules as gate
    from augment_ops.pipeline.stages.training import trainer_of
    from augment_ops.quality.rules import QualityRules
    from augment_ops.stress import suite
    from monitoring.drift.rules import DriftRules

    policies = workspace.settings.policies

    def way() -> None:
        workspace.approvals.ways(params.environment)  # an environment that does not exist is mistyped: no act to enter
        check = workspace.approvals.check_way
        workspace.entering_refusals(params.policy, RUN, lambda: check(params.environment, params.approval))
        workspace.entering_refusals(params.policy, RUN, lambda: _who(workspace, params.environment))
        if workspace.approvals.is_above_dev(
            params.environment
        ):  # what the ledger alone protects, resolve_policy refuses
            workspace.entering_refusals(
                params.policy, RUN, lambda: check_rules(workspace, params.environment, params.rule_files())
            )

    looks: list[Callable[[], object]] = [
        way,
        lambda: _policy_for(workspace.admit_to_run(params.policy), params.modality),
        lambda: QualityRules.load(policies / "quality" / f"{params.quality}.yaml").check_modality(params.modality),
        lambda: suite.load(policies / "stress" / f"{params.suite}.yaml").check_modality(params.modality),
        lambda: _gate_for(gate.load(policies / "gates" / f"{params.gate}.yaml"), params.suite),
        lambda: _same_alerts(
            gate.load(policies / "gates" / f"{params.gate}.yaml"),
            suite.load(policies / "stress" / f"{params.suite}.yaml"),
        ),
        lambda: DriftRules.load(policies / "drift" / f"{params.drift}.yaml").check_modality(params.modality),
        lambda: trainer_of(params.modality, params.trainer).check(params.model, params.device),
    ]
    return looks


def _who(workspace: Workspace, environment: str) -> None:
    """Somebody, where the environment counts; a clock may start a run, which a person then approves."""
    if same(workspace.actor, SCHEDULE):
        return
    if workspace.approvals.is_above_dev(environment) or not same(workspace.actor, NOBODY):
        workspace.identify(f"a run in {environment}")


def _policy_for(policy: Policy, modality: str) -> None:
    if policy.modality != modality:
        raise InputError(
            "--policy",
            f"{policy.name}, for samples of the modality {policy.modality}",
            f"a policy for {modality}, which --modality names",
            f"choose --modality {policy.modality}, or a policy that belongs to {modality} (policies/augment/)",
        )


def _gate_for(rules: GateRules, suite: str) -> None:
    """Known now, rather than when hours of training have been judged by rules for other corruptions."""
    if rules.suite != suite:
        raise InputError(
            "--gate",
            f"{rules.name}, whose limits are for the suite {rules.suite}",
            f"a gate for the suite {suite}, which --suite names",
            f"choose --suite {rules.suite}, or the gate that belongs to {suite} (policies/gates/)",
        )


def _same_alerts(rules: GateRules, suite: SuiteSpec) -> None:
    """The gate judges no outcomes of other alerts than its own; of another suite, `_gate_for` tells."""
    ours, asked = (None if one is None else one.as_asked() for one in (rules.alerts, suite.alerts))
    if rules.suite == suite.name and ours != asked:
        raise InputError(
            f"gate {rules.name}: alerts",
            said_of(ours),
            f"{said_of(asked)}, as the suite {suite.name} has",
            "write the same line into both files",
        )
