"""`augment-ops governance init | sign | hand-over | show`: who owns the rules, and which of them are in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from augment_ops.errors import EXIT_CHECK_SAID_NO

if TYPE_CHECKING:
    from augment_ops.workspace import Workspace

AsJson = Annotated[bool, typer.Option("--json")]
KeyFile = Annotated[
    Path | None, typer.Option(help="the owner's private key; default: AUGMENT_OPS_KEY, ~/.config, ssh-agent")
]

_EXPLAINED = """\
You own this installation's rules now: approvers, environments, gates, limits, suites, quality and drift rules.
policies/governance.yaml pins them by digest and carries your signature; the ledger and MLflow note its digest.
- A run for {protected} is refused where one of them is another than you signed. To change one, edit it and sign:
  augment-ops governance sign.
- Proposing, approving, revoking and rolling back ask for a registered key from now on: augment-ops policy keygen,
  or an ssh-ed25519 key that ssh-agent holds. Its public half goes into policies/approvers.yaml, which you then sign.
- What was done before counts as it did. dev goes on without questions."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(help="The signed rules of protected environments.", no_args_is_help=True)
    commands.command("init")(init)
    commands.command("sign")(sign)
    commands.command("hand-over")(hand_over)
    commands.command("show")(show)
    app.add_typer(commands, name="governance")


def init(key: KeyFile = None, as_json: AsJson = False) -> None:
    """Sign the rules of this installation for the first time, as their owner. May be repeated: it completes what lacks.

    Example: augment-ops governance init
    """
    from augment_ops.lifecycle.governing import initialise

    done = initialise(_workspace(key))
    if as_json:
        print(json.dumps({**done.root.subjects(), "owner": done.root.owner, "did": list(done.did)}))
        return
    print("\n".join(done.did) or f"root document {done.root.number} is signed, entered and noted: nothing to do")
    if done.did:
        print(_EXPLAINED.format(protected=", ".join(done.root.protected)))


def sign(
    reason: Annotated[str, typer.Option(help="for the ledger")],
    seen: Annotated[str, typer.Option(help="what this command prints below the changes that it shows")] = "",
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what changed in the rules since they were signed; with --seen, sign exactly that.

    Exit code: 0 signed or unchanged, 1 shown and not signed.

    Example: augment-ops governance sign --reason "bob left; the gate asks for 0.97"
    """
    from augment_ops.lifecycle.governing import sign as act

    done = act(_workspace(key), reason, seen)
    if as_json:
        print(json.dumps({**done.root.subjects(), "changes": done.lines, "seen": done.seen, "signed": done.signed}))
    else:
        print("\n".join(done.lines) or "the rules are as they were signed")
        if done.seen:
            told = f"root document {done.root.number} ({done.root.digest[:12]}…) is in force: commit governance.yaml"
            print(told if done.signed else f"not signed yet. To sign exactly this, add --seen {done.seen}")
    if not done.signed:
        raise typer.Exit(EXIT_CHECK_SAID_NO)


def hand_over(
    to: Annotated[str, typer.Option(help="public key, ed25519:… or a line of ssh-ed25519")],
    reason: Annotated[str, typer.Option(help="for the ledger")],
    key: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Let another key sign the rules from now on: its owner does so next. What the present key signs then is refused.

    Example: augment-ops governance hand-over --to ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= --reason "left"
    """
    from augment_ops.lifecycle.governing import hand_over as act

    entry = act(_workspace(key), to, reason)
    if as_json:
        print(json.dumps({"entry": entry.seq, "key": entry.subjects["owner_key"]}))
        return
    print(f"entry {entry.seq}: {entry.subjects['owner_key']} signs the rules from now on")
    print('its owner does so now: augment-ops governance sign --reason "taken over"')


def show(as_json: AsJson = False) -> None:
    """Say which rules are in force, who signed them, and what a run for a protected environment would be refused for.

    Exit code: 0 in force as they stand, 1 not.

    Example: augment-ops governance show
    """
    from augment_ops.lifecycle.governing import differences, unsettled
    from augment_ops.workspace import heads_noted

    workspace = _workspace(None)
    known, faults, changed = workspace.in_force, unsettled(workspace), differences(workspace)
    noted, fix = heads_noted(workspace.settings)
    if as_json:
        signed = None if known is None else vars(known)
        told = {"faults": [vars(fault) for fault in faults], "changes": changed, "heads": noted, "heads_fix": fix}
        print(json.dumps({"in_force": signed, **told}))
    else:
        if known is not None:
            print(f"root document {known.number} ({known.digest[:12]}…) of installation {known.installation[:12]}…")
            print(f"for {', '.join(known.protected)}; signed with {known.key}")
            print(f"by {known.by} at {known.at[:19]}Z, entry {known.seq}")
        print("\n".join([*map(str, faults), *changed]) or "the rules are as they were signed")
        print(f"heads of the ledger are noted in {noted}{f'. {fix}' if fix else ''}")
    if faults or changed:
        raise typer.Exit(EXIT_CHECK_SAID_NO)


def _workspace(key: Path | None) -> Workspace:
    from augment_ops.cli.runs import settings_here
    from augment_ops.workspace import Workspace

    settings = settings_here()
    return Workspace(settings, settings.actor, key=key)
