"""`augment-ops waive`: answer for classes that a gate has too few samples to judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from augment_ops.settings import Settings


def waive(
    dataset: Annotated[str, typer.Argument(help="name of the data set")],
    class_name: Annotated[list[str], typer.Option("--class", help="a class as the gate names it; once for each")],
    until: Annotated[str, typer.Option(help="last day on which it counts: 2027-03-31")],
    reason: Annotated[str, typer.Option(help="for the ledger, and for every decision that rests on it")],
    gate: Annotated[str, typer.Option(help="name in policies/gates/")] = "default",
    environment: Annotated[str, typer.Option(help="dev, staging or production")] = "production",
    key: Annotated[Path | None, typer.Option(help="your private key, where rules are signed")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """State by name, and until a day, that classes with too few samples need not be judged by a gate.

    A waived class that cannot be judged is a warning; one whose recall is shown to be too low fails all the same.

    Example: augment-ops waive digits --class 8 --until 2027-03-31 --reason "samples come in March" --environment dev
    """
    from augment_ops.lifecycle.waivers import waive as enter
    from augment_ops.workspace import Workspace

    settings = Settings.from_environment()
    entry = enter(Workspace(settings, settings.actor, key=key), dataset, gate, environment, class_name, until, reason)
    if as_json:
        print(json.dumps({"seq": entry.seq, "by": entry.actor, "reason": entry.reason, **entry.subjects}))
    else:
        print(f"entry {entry.seq}: {entry.actor} waives class {', '.join(sorted(set(class_name)))} until {until}")
