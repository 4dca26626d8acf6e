"""Everything a run names is looked at before the run begins, so that bad input changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from augment_ops.errors import AugmentOpsError, Fault, InputError
from augment_ops.identity import NOBODY, SCHEDULE, same
from augment_ops.pipeline.office import RUN, Office
from augment_ops.pipeline.params import RunParams
from augment_ops.pipeline.rules import check_rules, used_by
from augment_ops.settings import Settings

if TYPE_CHECKING:
    from augment_ops.gate.rules import GateRules


def preflight(settings: Settings, params: RunParams, actor: str) -> tuple[str, ...]:
    """Load every file that the run will read, and its network's factory.

    What governance refuses is entered in the ledger, as `actor`'s.

    Returns:
        warnings, for people.

    Raises:
        InputError: all faults of all of them at once.
    """
    faults: list[Fault] = []
    office = Office(settings, actor)
    for look in _looks(office, params):
        try:
            look()
        except AugmentOpsError as error:
            prefix = f"{error.file}: " if error.file else ""
            faults += [replace(fault, where=prefix + fault.where) for fault in error.faults]
    if faults:
        raise InputError.of("this run", faults)
    if same(actor, NOBODY):
        return ("nobody is named as who started this run (AUGMENT_OPS_ACTOR); it is for development only",)
    return ()


def _looks(office: Office, params: RunParams) -> list[Callable[[], object]]:
    from augment_ops.gate import rules as gate
    from augment_ops.quality.rules import QualityRules
    from augment_ops.stress import suite
    from augment_ops.training.models import DEFAULT_FACTORY, load_factory
    from monitoring.rules import DriftRules

    policies = office.settings.policies

    def way() -> None:
        office.approvals.ways(params.environment)  # an environment that does not exist is mistyped: no act to enter
        check = office.approvals.check_way
        office.entering_refusals(params.policy, RUN, lambda: check(params.environment, params.approval))
        office.entering_refusals(params.policy, RUN, lambda: _who(office, params.environment))
        if office.approvals.is_above_dev(params.environment):  # what the ledger alone protects, resolve_policy refuses
            office.entering_refusals(
                params.policy, RUN, lambda: check_rules(office, params.environment, used_by(params))
            )

    looks: list[Callable[[], object]] = [
        way,
        lambda: office.admit_to_run(params.policy),
        lambda: QualityRules.load(policies / "quality" / f"{params.quality}.yaml"),
        lambda: suite.load(policies / "stress" / f"{params.suite}.yaml"),
        lambda: _gate_for(gate.load(policies / "gates" / f"{params.gate}.yaml"), params.suite),
        lambda: DriftRules.load(policies / "drift" / f"{params.drift}.yaml"),
    ]
    if params.model != DEFAULT_FACTORY:
        looks.append(lambda: load_factory(params.model))
    return looks


def _who(office: Office, environment: str) -> None:
    """Somebody, where the environment counts; a clock may start a run, which a person then approves."""
    if same(office.actor, SCHEDULE):
        return
    if office.approvals.is_above_dev(environment) or not same(office.actor, NOBODY):
        office.identify(f"a run in {environment}")


def _gate_for(rules: GateRules, suite: str) -> None:
    """Known now, rather than when hours of training have been judged by rules for other corruptions."""
    if rules.suite != suite:
        raise InputError(
            "--gate",
            f"{rules.name}, whose limits are for the suite {rules.suite}",
            f"a gate for the suite {suite}, which --suite names",
            f"choose --suite {rules.suite}, or the gate that belongs to {suite} (policies/gates/)",
        )
