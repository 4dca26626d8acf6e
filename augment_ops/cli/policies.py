"""`augment-ops policy …`: look at policies and check them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from augment_ops.cli import policy_acts
from augment_ops.cli.terminal import plain, progress, result, styled, table
from augment_ops.modalities import UNNAMED
from augment_ops.settings import Settings

if TYPE_CHECKING:
    from augment_ops.errors import Fault
    from augment_ops.pipeline.overview import RunSummary
    from augment_ops.policy.spec import Policy


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(help="Augmentation policies: check, show, propose, approve.", no_args_is_help=True)
    commands.command("validate")(validate)
    commands.command("show")(show)
    commands.command("diff")(diff)
    commands.command("list")(list_policies)
    commands.command("import")(import_)
    policy_acts.register(commands)
    app.add_typer(commands, name="policy")


def validate(
    names: Annotated[list[str] | None, typer.Argument(help="names or files; default: the whole library")] = None,
    at: Annotated[str, typer.Option(help="shape of the data set's samples (HxWxC); default: the budget's")] = "",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Check policies: form, transforms, parameters, limits of their domain, and that no published version was changed.

    Each is then tried on samples of the size of your data. What a domain narrows of a family is named.

    Example: augment-ops policy validate digits-robust --at 28x28x1
    """
    from augment_ops.errors import PolicyError
    from augment_ops.policy.library import policy_names

    policies = Settings.from_environment().policies
    checked: list[Policy] = []
    faults: list[Fault] = []
    asked = names or policy_names(policies)
    with progress("checking", "policies") as advance:
        for number, name in enumerate(asked):
            advance(number, len(asked), name)
            _check_one(policies, name, at, checked, faults)
    if faults:
        raise PolicyError.of("policies", faults)
    if as_json:
        print(json.dumps([_checked(policy) for policy in checked]))
        return
    for policy in checked:
        print(f"{policy.name} {policy.version} {policy.digest[:12]} ok ({policy.domain})")
        for line in policy.narrowings():
            print(f"  {line}")


def _check_one(policies: Path, name: str, at: str, checked: list[Policy], faults: list[Fault]) -> None:
    """Put the policy among those that are checked, and every fault that it has among the others."""
    from augment_ops.errors import PolicyError
    from augment_ops.policy.library import admit
    from augment_ops.policy.trial import trial_faults

    try:
        policy = admit(policies, name)
    except PolicyError as error:
        prefix = f"{error.file}: " if error.file else ""
        faults += [replace(fault, where=prefix + fault.where) for fault in error.faults]
        return
    checked.append(policy)
    tried = trial_faults(policy, policy_acts.shape_of(at, policy) or policy.budget.at)
    faults += [replace(fault, where=f"{policy.name}: {fault.where}") for fault in tried]


def _checked(policy: Policy) -> dict[str, Any]:
    narrowed = [asdict(one) for one in policy.narrowed]
    return {"name": policy.name, "version": policy.version, "digest": policy.digest, "narrowed": narrowed}


def show(
    name: policy_acts.Name,
    plan: Annotated[bool, typer.Option("--plan", help="how it is compiled: the passes, and why they end")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print a policy with its digest and limits, or its plan.

    Example: augment-ops policy show digits-robust --plan
    """
    from augment_ops.content import canonical_json
    from augment_ops.modalities import modality
    from augment_ops.policy.bounds import load_limits
    from augment_ops.policy.library import admit

    policies = Settings.from_environment().policies
    policy = admit(policies, name)
    if plan:
        lines = modality(policy.modality).augmenter(policy, seed=0).describe()
        print(json.dumps(lines) if as_json else "\n".join(lines) or "nothing to do: the policy is the identity")
        return
    if as_json:
        parts = {"budget": policy.budget, "discovered_by": policy.discovered_by, "mixing": policy.mixing}
        body = asdict(policy) | {name: part and part.model_dump() for name, part in parts.items()}
        body["narrowed_to"] = None if policy.narrowed_to is None else policy.narrowed_to.content()
        print(canonical_json(body).decode())
        return
    print(policy.text.rstrip())
    print(f"\n# digest {policy.digest}")
    print(f"# limits of {policy.domain}: {json.dumps(load_limits(policies, policy.domain).content())}")
    for line in policy.narrowings():
        print(f"# {line}")


def diff(
    before: policy_acts.Name,
    after: policy_acts.Name,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show what changed between two policies: transforms in order, strengths against the limits, head, digest.

    Exit code: 0 whatever differs. The second policy may be beyond its limits; the line says so.

    Example: augment-ops policy diff digits-none digits-robust
    """
    from augment_ops.policy.bounds import load_limits
    from augment_ops.policy.diff import compare
    from augment_ops.policy.library import load

    policies = Settings.from_environment().policies
    old, new = (load(policies, name) for name in (before, after))
    found = compare(old, new, load_limits(policies, new.domain))
    print(found.to_json() if as_json else "\n".join(found.lines()))


def import_(
    pipeline: Annotated[Path, typer.Argument(help="what A.save wrote: JSON or YAML")],
    name: Annotated[str, typer.Option(help="of the policy, kebab-case")],
    owner: Annotated[str, typer.Option(help="team that answers for it")],
    domain: Annotated[str, typer.Option(help="chooses the limits that bind it")] = "general",
    modality: Annotated[str, typer.Option(help="what its samples are")] = UNNAMED,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Make a policy of a saved albumentations pipeline, and say what could not be carried over.

    Example: augment-ops policy import pipeline.json --name my-photos --owner vision-platform
    """
    from augment_ops.errors import PolicyError
    from augment_ops.files import replace_file
    from augment_ops.modalities import modality as modality_of
    from augment_ops.policy.bounds import load_limits
    from augment_ops.policy.diff import kept_and_reached
    from augment_ops.policy.library import policy_path
    from augment_ops.policy.limits import check_limits

    policies = Settings.from_environment().policies
    imported = modality_of(modality).imported(pipeline, name=name, owner=owner, domain=domain)
    target = policy_path(policies, name)
    limits = load_limits(policies, domain)
    check_limits(imported.policy, limits, str(pipeline))
    if target.exists():
        raise PolicyError(str(target), "a policy of that name", "a new name", "choose another --name")
    replace_file(target, imported.text)
    if as_json:
        print(json.dumps({"file": str(target), "digest": imported.policy.digest, "lost": imported.lost}))
        return
    print(f"{target}: {imported.policy.digest[:12]}")
    kept, reached = kept_and_reached(imported.policy, limits)
    for line in kept:
        print(f"kept: {line}")
    for line in imported.lost:
        print(f"not carried over: {line}")
    for line in reached:
        print(f"limits of {domain}: {line}")


def list_policies(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the policies of the library: version, state, owner, and the last run of each.

    Example: augment-ops policy list
    """
    from augment_ops.lifecycle.listing import listed
    from augment_ops.pipeline.overview import runs, summary
    from augment_ops.workspace import Workspace

    settings = Settings.from_environment()
    workspace = Workspace(settings, settings.actor)
    found, last = listed(workspace), {}
    for run in reversed(runs(workspace.store)):
        last[str(run.params.get("policy", ""))] = run
    told = {one.name: summary(settings, workspace.store, last[one.name]) for one in found if one.name in last}
    if as_json:
        print(json.dumps([{**asdict(one), "last_run": _last(told.get(one.name))} for one in found]))
        return
    shown = table("policy", "version", "state", "owner", "last run", whole=("policy", "version"))
    for one in found:
        run_told = told.get(one.name)
        ran = f"{run_told.started_at[:10]} {run_told.state}, {run_told.id}" if run_told else "none"
        shown.add_row(plain(one.name), plain(one.version), styled(one.state), plain(one.owner), plain(ran))
    result().print(shown)


def _last(told: RunSummary | None) -> dict[str, str] | None:
    return None if told is None else {"id": told.id, "state": told.state, "started_at": told.started_at}
