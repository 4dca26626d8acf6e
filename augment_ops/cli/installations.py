"""`augment-ops audit enroll, retire, create`: whose entries a ledger takes, and who may write to its database."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from augment_ops.errors import InputError
from augment_ops.settings import Settings

AsJson = Annotated[bool, typer.Option("--json")]
Installation = Annotated[str, typer.Argument(help="public key, ed25519:…, as the refusal on that machine says it")]


def register(audit: typer.Typer) -> None:
    """Add the commands of this module to `audit`."""
    audit.command("enroll")(enroll)
    audit.command("retire")(retire)
    audit.command("create")(create)


def enroll(
    key: Installation,
    reason: Annotated[str, typer.Option(help="for the ledger")],
    as_json: AsJson = False,
) -> None:
    """Let another installation write to this ledger: entries that it signs count from now on.

    Example: augment-ops audit enroll ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= --reason "second worker"
    """
    from augment_ops.governance.signatures import ENROLL

    _enter(ENROLL, key, reason, as_json)


def retire(
    key: Installation,
    reason: Annotated[str, typer.Option(help="for the ledger")],
    as_json: AsJson = False,
) -> None:
    """Take an installation's key back, for good: what it signs from now on does not count; what it signed before does.

    Example: augment-ops audit retire ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= --reason "machine sold"
    """
    from augment_ops.governance.signatures import RETIRE

    _enter(RETIRE, key, reason, as_json)


def create(
    grant: Annotated[str, typer.Option(help="role of PostgreSQL that may then insert and select, no more")] = "",
    as_json: AsJson = False,
) -> None:
    """Make the ledger's tables and triggers, as their owner; nothing changes where they are there.

    Example: augment-ops audit create --grant augment_ops
    """
    from augment_ops.workspace import open_ledger

    ledger = open_ledger(Settings.from_environment())
    ledger.create(grant)
    print(json.dumps({"entries": ledger.size()}) if as_json else f"the tables are there, with {ledger.size()} entries")


def _enter(act: str, key: str, reason: str, as_json: bool) -> None:
    from augment_ops.governance.keys import parse_public
    from augment_ops.workspace import open_ledger

    try:
        parse_public(key)
    except ValueError as error:
        raise InputError("key", f"{key!r:.80}", str(error), "copy it from the message on that machine") from error
    settings = Settings.from_environment()
    entry = open_ledger(settings).append(act, settings.actor, {"installation": key}, reason, f"{act}:{key}")
    print(json.dumps({"entry": entry.seq, "hash": entry.hash}) if as_json else f"entry {entry.seq}: {act} {key}")
