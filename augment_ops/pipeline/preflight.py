"""Everything a run names is looked at before the run begins, so that bad input changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment_ops.errors import ActRefused, AugmentOpsError, Fault, GovernanceError, InputError, PolicyError
from augment_ops.governance.approvals import AUTO
from augment_ops.identity import NOBODY, SCHEDULE, same
from augment_ops.lifecycle.admission import check_named, check_standing
from augment_ops.lifecycle.rules import check_rules
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.params import parse_params
from augment_ops.policy.library import Heading, admit_to_run, heading
from augment_ops.settings import Settings
from augment_ops.stress.asked import said_of
from augment_ops.workspace import RUN, Workspace, version_of

if TYPE_CHECKING:
    from pydantic import BaseModel

    from augment_ops.gate.rules import GateRules
    from augment_ops.policy.spec import Policy
    from augment_ops.stress.definition import SuiteSpec
    from augment_ops.training.base import Trainer

_RUN = "this run"


def preflight(
    settings: Settings, params: RunParams, actor: str, witness: str = "", *, enters_refusals: bool = True
) -> tuple[str, ...]:
    """Load every file that the run will read, ask its trainer whether it can be asked this, and see that the run may
    end where it is meant for: that the environment takes the policy as it stands, and that somebody can approve.

    What governance refuses is entered in the ledger, as `actor`'s.

    Args:
        witness: the service that signs what people answer to this driver's question; empty where they sign themselves.
        enters_refusals: not where somebody only asks what would be refused.

    Returns:
        warnings, for people.

    Raises:
        InputError: all faults of all of them at once.
        GovernanceError: the same, where what it names is as it should be and governance alone says no (`ActRefused`),
            or where the rules or the ledger that it goes by cannot be trusted.
    """
    workspace = Workspace(settings, actor, witness, enters_refusals=enters_refusals)
    _check_all(_looks(workspace, params))
    if same(actor, NOBODY):
        return ("nobody is named as who started this run (AUGMENT_OPS_ACTOR); it is for development only",)
    return ()


def foresee(settings: Settings, asked: Mapping[str, Any], actor: str, witness: str = "") -> None:
    """Refuse at once what `preflight` would refuse, as far as that can be told without waiting: nothing is read of what
    a policy is made of, and no trainer is asked. For a form, behind which somebody waits; what passes is asked again.

    What governance refuses is entered in the ledger, as `actor`'s.

    Args:
        asked: parameters; those left out are the defaults.
        witness: as `preflight` takes it.

    Raises:
        InputError, GovernanceError: as `preflight` raises them.
    """
    params = parse_params(asked)
    workspace = Workspace(settings, actor, witness)
    named = heading(settings.policies, params.policy)

    def governed() -> None:
        workspace.approvals.ways(params.environment)  # an environment that does not exist is mistyped: no act to enter
        subjects = {"policy_version": version_of(named), "environment": params.environment}
        stands = partial(check_named, workspace, named, params.environment)
        with workspace.refusals(RUN, subjects, kind=AugmentOpsError):
            _check_all(_governed(workspace, params, stands))

    _check_all([governed, lambda: _policy_for(named, params.modality), *_rules(settings.policies, params)])


def faults_of(looks: Iterable[Callable[[], object]]) -> list[Fault]:
    """What all of them raise, each fault once and with the file that it lies in."""
    return _faults(_raised(looks))


def _raised(looks: Iterable[Callable[[], object]]) -> list[AugmentOpsError]:
    errors: list[AugmentOpsError] = []
    for look in looks:
        try:
            look()
        except AugmentOpsError as error:
            errors.append(error)
    return errors


def _faults(errors: Iterable[AugmentOpsError]) -> list[Fault]:
    found = (replace(fault, where=_place(error.file, fault.where)) for error in errors for fault in error.faults)
    return list(dict.fromkeys(found))  # two looks may read one file


def _check_all(looks: Iterable[Callable[[], object]]) -> None:
    """Raise all that they raise as one, of the kind that each of them would have been later: one exit code for both."""
    errors = _raised(looks)
    if not errors:
        return
    kind: type[AugmentOpsError] = InputError
    if all(isinstance(error, GovernanceError) for error in errors):
        kind = ActRefused if any(isinstance(error, ActRefused) for error in errors) else GovernanceError
    raise kind.of(_RUN, _faults(errors))


def _place(file: str, where: str) -> str:
    """Where a fault lies, in the terms of all that a run reads; what both say is said once."""
    if file in ("", _RUN) or where.startswith(file):
        return where
    return file if file.startswith(where) else f"{file}: {where}"


def _looks(workspace: Workspace, params: RunParams) -> list[Callable[[], object]]:
    from augment_ops.pipeline.stages.training import trainer_of

    def governed() -> None:
        workspace.approvals.ways(params.environment)  # an environment that does not exist is mistyped: no act to enter
        _check_all(_governed(workspace, params, partial(_stands, workspace, params)))

    return [
        lambda: workspace.entering_refusals(params.policy, RUN, governed),
        lambda: _policy_for(workspace.admit_to_run(params.policy), params.modality),
        *_rules(workspace.settings.policies, params),
        lambda: trainer_of(params.modality, params.trainer).check(params.model, params.device),
        lambda: _named_by_recipe(workspace.settings.policies, params),
    ]


def _named_by_recipe(policies: Path, params: RunParams) -> None:
    """The files that the recipe names, pretrained weights say, and what it asks of the machine: known now, rather than
    when samples are augmented.
    """
    from augment_ops.training.devices import one_for_each
    from augment_ops.training.recipe import processes_of

    trainer, settings = recipe_section(policies, params)
    trainer.check_settings(settings, params.device)
    if (processes := processes_of(settings)) > 1:
        one_for_each(trainer.device(params.device), processes)


def recipe_section(policies: Path, params: RunParams) -> tuple[Trainer, BaseModel]:
    """The run's trainer, and the recipe's section of it."""
    from augment_ops.pipeline.stages.training import trainer_of
    from augment_ops.training.recipe import Recipe, processes_of
    from augment_ops.training.threads import leaves_open

    trainer = trainer_of(params.modality, params.trainer)
    recipe = Recipe.load(policies / "recipes" / f"{params.recipe}.yaml", trainer)
    if recipe.is_balanced(trainer.name) and params.class_weight == "balanced":
        raise InputError(
            "--class-weight",
            f"balanced, with the recipe {recipe.name}, whose sampling is balanced",
            "one of the two: rare classes would count twice over",
            "leave --class-weight out, or choose a recipe whose sampling is uniform",
        )
    if params.delivery == "device" and not getattr(trainer, "augments_on_device", False):
        raise InputError(
            "--delivery",
            f"device, with the trainer {trainer.name}, which takes batches as they come",
            "online | nearline | offline | auto, or the trainer torch",
            "leave --delivery out, or choose --trainer torch",
        )
    section = recipe.settings(trainer.name)
    if params.threads and not leaves_open(section):
        raise InputError(
            "--threads",
            f"{params.threads}, with the recipe {recipe.name}, which leaves no number open",
            f"nothing, or a recipe with threads: auto for the trainer {trainer.name}",
            "leave --threads out, or choose such a recipe",
        )
    if (processes := processes_of(section)) > params.batch_size:
        raise InputError(
            "--batch-size",
            f"{params.batch_size}, with the recipe {recipe.name}, whose {processes} processes share each batch",
            "a sample for each of them at least",
            "make the batches larger, or choose a recipe of fewer processes",
        )
    return trainer, section


def _rules(policies: Path, params: RunParams) -> list[Callable[[], object]]:
    """The files of rules that the run names, each for its modality, and gate and suite for each other."""
    from augment_ops.gate import rules as gate
    from augment_ops.monitoring.drift.rules import DriftRules
    from augment_ops.quality.rules import QualityRules
    from augment_ops.stress import suite

    return [
        lambda: QualityRules.load(policies / "quality" / f"{params.quality}.yaml").check_modality(params.modality),
        lambda: suite.load(policies / "stress" / f"{params.suite}.yaml").check_modality(params.modality),
        lambda: _gate_for(gate.load(policies / "gates" / f"{params.gate}.yaml"), params.suite),
        lambda: _same_question(
            gate.load(policies / "gates" / f"{params.gate}.yaml"),
            suite.load(policies / "stress" / f"{params.suite}.yaml"),
        ),
        lambda: DriftRules.load(policies / "drift" / f"{params.drift}.yaml").check_modality(params.modality),
        lambda: recipe_section(policies, params),
    ]


def _governed(workspace: Workspace, params: RunParams, stands: Callable[[], object]) -> Iterator[Callable[[], object]]:
    """What the run's environment demands; each says no before anything is read or trained that would be in vain."""
    approvals, environment = workspace.approvals, params.environment
    yield lambda: approvals.check_way(environment, params.approval)
    yield lambda: _who(workspace, environment)
    if approvals.is_above_dev(environment):  # what the ledger alone protects, resolve_policy refuses
        yield lambda: check_rules(workspace, environment, params.rule_files())
        yield stands
    if params.approval in approvals.ways(environment) and params.approval != AUTO:
        yield lambda: _answerable(workspace, params)


def _stands(workspace: Workspace, params: RunParams) -> None:
    try:
        policy = admit_to_run(workspace.settings.policies, params.policy)
    except PolicyError:
        return  # which another look tells
    check_standing(workspace, policy, params.environment)


def _answerable(workspace: Workspace, params: RunParams) -> None:
    """A question that nobody can answer so that it counts is not worth a training."""
    people = workspace.approvals.others(params.approval, workspace.actor)
    if not workspace.approvals.is_protected(params.environment):
        return  # there the word of this installation's own Airflow counts without being named
    if workspace.witness:
        workspace.check_witness()
    elif not any(person.keys for person in people):
        raise ActRefused(
            f"approval by {params.approval}",
            f"no key of {', '.join(person.id for person in people)}",
            "somebody who can sign an answer that counts",
            "let them make one and have it named in approvers.yaml: augment-ops policy keygen",
        )


def _who(workspace: Workspace, environment: str) -> None:
    """Somebody, where the environment counts; a clock may start a run, which a person then approves."""
    if same(workspace.actor, SCHEDULE):
        return
    if workspace.approvals.is_above_dev(environment) or not same(workspace.actor, NOBODY):
        workspace.identify(f"a run in {environment}")


def _policy_for(policy: Policy | Heading, modality: str) -> None:
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


def _same_question(rules: GateRules, suite: SuiteSpec) -> None:
    """The gate judges no outcomes of another question than its own; of another suite, `_gate_for` tells."""
    if rules.suite == suite.name and rules.asked != suite.asked:
        raise InputError(
            f"gate {rules.name}: {'ranking' if rules.ranking or suite.ranking else 'alerts'}",
            said_of(rules.asked),
            f"{said_of(suite.asked)}, as the suite {suite.name} has",
            "write the same line into both files",
        )
