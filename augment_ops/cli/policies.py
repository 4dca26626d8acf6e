"""`augment-ops policy …`: look at policies and check them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from augment_ops.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(help="Check and show augmentation policies.", no_args_is_help=True)
    commands.command("validate")(validate)
    commands.command("show")(show)
    commands.command("list")(list_policies)
    app.add_typer(commands, name="policy")


def validate(
    names: Annotated[list[str] | None, typer.Argument(help="names or files; default: the whole library")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Check policies: form, transforms, parameters, and the limits of their domain.

    Example: augment-ops policy validate digits-robust
    """
    from augment_ops.policy.library import admit, policy_names

    policies = Settings.from_environment().policies
    checked = [admit(policies, name) for name in (names or policy_names(policies))]
    if as_json:
        print(json.dumps([{"name": p.name, "version": p.version, "digest": p.digest} for p in checked]))
        return
    for policy in checked:
        print(f"{policy.name} {policy.version} {policy.digest[:12]} ok ({policy.domain})")


def show(
    name: Annotated[str, typer.Argument(help="name or file")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Print a policy with its digest and limits.

    Example: augment-ops policy show digits-robust
    """
    from augment_ops.content import canonical_json
    from augment_ops.policy.library import admit
    from augment_ops.policy.limits import load_limits

    policies = Settings.from_environment().policies
    policy = admit(policies, name)
    if as_json:
        body = asdict(policy) | {"budget": policy.budget.model_dump(), "discovered_by": None}
        if policy.discovered_by is not None:
            body["discovered_by"] = policy.discovered_by.model_dump()
        print(canonical_json(body).decode())
        return
    print(policy.text.rstrip())
    print(f"\n# digest {policy.digest}")
    limits = load_limits(policies, policy.domain)
    bounds = limits.model_dump(exclude={"domain", "description"}, exclude_none=True, exclude_defaults=True)
    print(f"# limits of {policy.domain}: {json.dumps(bounds)}")


def list_policies(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """List the policies of the library.

    Example: augment-ops policy list
    """
    from augment_ops.policy.library import policy_names

    names = policy_names(Settings.from_environment().policies)
    print(json.dumps(names) if as_json else "\n".join(names))
