"""`augment-ops policy propose | approve | deprecate | revoke | history | preview | profile | keygen`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from augment_ops.cli.runs import settings_here
from augment_ops.cli.terminal import clickable, progress, result, tell_facts
from augment_ops.errors import EXIT_CHECK_SAID_NO, InputError
from augment_ops.quantities import milliseconds
from augment_ops.settings import Settings

if TYPE_CHECKING:
    from augment_ops.policy.spec import Policy
    from augment_ops.workspace import Workspace


def complete(incomplete: str) -> list[str]:
    """Names of the library, for the shell to complete."""
    from augment_ops.policy.library import policy_names

    return [name for name in policy_names(Settings.from_environment().policies) if name.startswith(incomplete)]


AsJson = Annotated[bool, typer.Option("--json")]
Name = Annotated[str, typer.Argument(help="name, name@version, or file", autocompletion=complete)]
KeyFile = Annotated[
    Path | None, typer.Option(help="your private key; default: AUGMENT_OPS_KEY, ~/.config, or what ssh-agent holds")
]
Columns = Annotated[
    str, typer.Option(help="of a table: which column is what, such as label=fraud,subject=customer; as `run` takes it")
]
TextColumns = Annotated[
    str, typer.Option(help="of texts: which column is what, such as text=question,label=intent; as `run` takes it")
]
Reason = Annotated[str, typer.Option(help="for the ledger")]


def register(commands: typer.Typer) -> None:
    """Add the commands of this module to `policy`."""
    commands.command("profile")(profile)
    commands.command("preview")(preview)
    commands.command("propose")(propose)
    commands.command("approve")(approve)
    commands.command("deprecate")(deprecate)
    commands.command("revoke")(revoke)
    commands.command("history")(history)
    commands.command("keygen")(keygen)


def profile(
    name: Name,
    at: Annotated[str, typer.Option(help="shape of the samples timed (HxWxC); default: the budget's")] = "",
    as_json: AsJson = False,
) -> None:
    """Measure what a policy and each of its transforms cost a sample, against its budget.

    Exit code: 0 within the budget, 1 over it.

    Example: augment-ops policy profile digits-robust --at 28x28x1
    """
    from augment_ops.lifecycle import evidence as policy_evidence
    from augment_ops.policy.library import admit

    policy = admit(Settings.from_environment().policies, name)
    with progress(f"measuring {policy.name} {policy.version}", "transforms", at_once=True) as advance:
        found = policy_evidence.profile(policy, shape_of(at, policy), advance=advance)
    if as_json:
        print(json.dumps({**asdict(found), "over_budget": found.over_budget}))
    else:
        for step in (*found.steps, found.whole):
            print(f"{step.where:<40}  p50 {milliseconds(step.p50_ms):>9}   p95 {milliseconds(step.p95_ms):>9}")
        size, budget = "x".join(str(side) for side in found.at), milliseconds(found.budget_p95_ms)
        print(f"at {size} on {found.machine}; budget {budget}: {_verdict(found.over_budget)}")
    if found.over_budget:
        raise typer.Exit(EXIT_CHECK_SAID_NO)


def preview(
    name: Name,
    dataset: Annotated[str, typer.Option(help="whose samples are shown: digits, or a URI")] = "digits",
    columns: Columns = "",
    text_columns: TextColumns = "",
    out: Annotated[Path | None, typer.Option(help="PNG to write; default: ./<name>-<version>.png")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a policy does: each transform at low, middle and high strength, and the whole on real samples.

    Example: augment-ops policy preview digits-robust --dataset digits --out gallery.png
    """
    from augment_ops.files import replace_file
    from augment_ops.lifecycle import evidence as policy_evidence
    from augment_ops.policy.library import admit
    from augment_ops.workspace import open_store

    settings = Settings.from_environment()
    policy, store = admit(settings.policies, name), open_store(settings)
    with progress(f"drawing {policy.name} {policy.version} on {dataset}", "transforms", at_once=True) as advance:
        found = policy_evidence.preview(
            policy, store, dataset, asked=_how_read(columns=columns, text_columns=text_columns), advance=advance
        )
    target = (out or Path(f"{policy.name}-{policy.version}.png")).absolute()
    replace_file(target, store.get(found.gallery))
    if as_json:
        print(json.dumps({**asdict(found), "file": str(target)}))
        return
    print("\n".join([clickable(str(target)), *policy.narrowings()]))


def propose(
    name: Name,
    dataset: Annotated[str, typer.Option(help="whose samples the gallery shows: digits, or a URI")] = "digits",
    columns: Columns = "",
    text_columns: TextColumns = "",
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Publish a version with what it costs and what it does, and put it before its approvers. It never changes again.

    Example: augment-ops policy propose digits-robust --dataset digits
    """
    from augment_ops.lifecycle.acts import propose as act

    with progress(f"measuring and drawing {name} on {dataset}", "transforms", at_once=True) as advance:
        done = act(
            _workspace(key), name, dataset, asked=_how_read(columns=columns, text_columns=text_columns), advance=advance
        )
    if as_json:
        print(json.dumps(asdict(done)))
        return
    print(f"{done.policy_version} ({done.digest[:12]}) is proposed; its file is kept as {done.copy}: commit it")
    costs = done.link or "in MLflow, experiment augment-ops/policies"
    tell_facts(result(), {"gallery": clickable(done.gallery), "costs": costs})


def approve(
    name: Name,
    reason: Reason,
    environment: Annotated[str, typer.Option(help="of policies/environments.yaml")] = "production",
    days: Annotated[int, typer.Option(min=1, help="for how long it counts")] = 180,
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Approve a proposed version for an environment, signed with your key. Nobody approves what they proposed.

    Example: augment-ops policy approve digits-robust --environment production --reason "gallery and costs seen"
    """
    from augment_ops.governance.acts import trusted_keys
    from augment_ops.governance.signers import signer_of
    from augment_ops.lifecycle.acts import approve as act

    workspace = _workspace()
    signer = signer_of(workspace.actor, trusted_keys(workspace.approvals, workspace.actor), key)
    done = act(workspace, name, environment, reason=reason, days=days, key=signer)
    told = done.approval
    if as_json:
        print(json.dumps(asdict(done)))
        return
    print(
        f"{told.approver} approved {told.policy_version} for {environment} until {told.expires[:10]}, entry {done.seq}"
    )


def deprecate(name: Name, reason: Reason, key: KeyFile = None, as_json: AsJson = False) -> None:
    """Say that a version should not be used any more; production refuses it, other environments warn.

    Example: augment-ops policy deprecate fashion-robust@1.0.0 --reason "1.1.0 costs less clean accuracy"
    """
    _end(name, "deprecate", reason, "", key, as_json)


def revoke(
    name: Name,
    reason: Reason,
    environment: Annotated[str, typer.Option(help="revoke the approvals for it; default: the version itself")] = "",
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a version out of use for good, or take back its approvals for one environment.

    Example: augment-ops policy revoke digits-robust --environment production --reason "7 and 1 confused"
    """
    _end(name, "revoke", reason, environment, key, as_json)


def history(
    name: Annotated[str, typer.Argument(help="name of a policy", autocompletion=complete)], as_json: AsJson = False
) -> None:
    """Tell the story of a policy: who changed what, what it cost and did, who approved it, which models came of it.

    Example: augment-ops policy history fashion-robust
    """
    from augment_ops.lifecycle.history import history as story
    from augment_ops.lifecycle.history import lines

    chapters = story(_workspace(), name)
    print(json.dumps([asdict(c) for c in chapters]) if as_json else "\n".join(lines(name, chapters)))


def keygen(
    out: Annotated[Path | None, typer.Option(help="file; default: ~/.config/augment-ops/<you>.pem")] = None,
    as_json: AsJson = False,
) -> None:
    """Make your key for approvals, and print the line for policies/approvers.yaml.

    Example: augment-ops policy keygen
    """
    from augment_ops.governance.keys import default_path, generate

    settings = Settings.from_environment()
    path = out or default_path(settings.actor)
    key = generate(path, outside=settings.policies.parent)
    if as_json:
        print(json.dumps({"file": str(path), "public": key.public}))
        return
    print(f"{path}: keep it to yourself. In policies/approvers.yaml, where you stand:")
    print(f'{{id: {settings.actor}, name: …, keys: ["{key.public}"]}}')


def _how_read(**given: str) -> dict[str, str]:
    """The parameters of a run that were given; a modality that does not have one says so."""
    return {name: value for name, value in given.items() if value}


def _end(name: str, act: str, reason: str, environment: str, key: Path | None, as_json: bool) -> None:
    from augment_ops.lifecycle.acts import end

    end(_workspace(key), name, act, reason=reason, environment=environment)
    done = {"policy": name, "act": act, "environment": environment}
    told = f"the approvals of {name} for {environment}" if environment else name
    print(json.dumps(done) if as_json else f"{act}d {told}")


def _workspace(key: Path | None = None) -> Workspace:
    from augment_ops.workspace import Workspace

    settings = settings_here()
    return Workspace(settings, settings.actor, key=key)


def shape_of(text: str, policy: Policy) -> tuple[int, ...] | None:
    """What `--at` names of the samples of a policy, such as 28x28x1; None where it is not given.

    Raises:
        InputError: no shape, or that of another modality.
    """
    from augment_ops.modalities import modality

    axes, parts = modality(policy.modality).axes, text.split("x")
    if not text:
        return None
    if len(parts) != len(axes) or not all(part.isdecimal() and int(part) > 0 for part in parts):
        expected = f"{' x '.join(axes)}, such as {'x'.join(map(str, policy.budget.at))}"
        raise InputError("--at", repr(text), expected, "correct it")
    return tuple(map(int, parts))


def _verdict(over: bool) -> str:
    return "over it" if over else "within it"
