"""`augment-ops audit …` and `augment-ops rollback`: who did what, whether the record is whole, and the way back."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from augment_ops.cli import installations
from augment_ops.cli.runs import settings_here
from augment_ops.cli.terminal import progress
from augment_ops.errors import EXIT_CHECK_SAID_NO
from augment_ops.governance.audit import ACTS, MOVES
from augment_ops.settings import Settings

_PROOF = ("approver", "given", "key", "signature", "witness")  # for machines: --json has it

AsJson = Annotated[bool, typer.Option("--json")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    audit = typer.Typer(help="Read the ledger of governed acts; check that nobody changed it.", no_args_is_help=True)
    audit.command("verify")(verify)
    audit.command("log")(log)
    audit.command("champions")(show_champions)
    installations.register(audit)
    app.add_typer(audit, name="audit")
    app.command("rollback")(rollback)


def verify(
    anchor: Annotated[
        list[str] | None, typer.Option(help="head of the ledger noted somewhere; may be repeated")
    ] = None,
    every_signature: Annotated[bool, typer.Option(help="check all, not only the last of each key")] = False,
    as_json: AsJson = False,
) -> None:
    """Recompute the chain of the ledger, and hold it against the heads that witnesses, reports and MLflow have noted.

    MLflow's registry is held against the ledger too: the alias, the version, the tags and the file of every champion.

    Exit code: 0 whole, 1 altered, or one of those who noted heads does not answer.

    Example: augment-ops audit verify
    """
    from augment_ops.cli.champion import registry_against, registry_metrics
    from augment_ops.governance.chain import GENESIS
    from augment_ops.lifecycle.witnessed import ages, at_present, mlflow_heads, report_heads, unreported
    from augment_ops.monitoring.telemetry.metrics import ledger_samples
    from augment_ops.monitoring.telemetry.publish import publish
    from augment_ops.workspace import Workspace

    settings = settings_here()
    workspace = Workspace(settings, settings.actor)
    with progress("verifying the ledger", "entries", at_once=True) as advance:
        noted, silent = report_heads(settings.home)
        heads, away = mlflow_heads(workspace)
        noted |= heads
        found = workspace.ledger.audit(
            noted | dict.fromkeys(anchor or [], "--anchor"), every_signature=every_signature, advance=advance
        )
    faults = [*found.faults, *silent, *away, *([] if noted else unreported(workspace.ledger, at_present()))]
    head = GENESIS if found.tip is None else found.tip.hash
    registry, unknown = registry_against(workspace)
    samples = ledger_samples(len(faults), found.size) + (registry_metrics(registry) if registry else [])
    for problem in publish(settings.home, samples):
        print(problem, file=sys.stderr)
    amiss = registry.all_faults if registry else []
    if as_json:
        answer = {"faults": [vars(fault) for fault in faults], "entries": found.size, "head": head}
        answer |= {"signed": found.signed, "witnesses": [vars(s) for s in found.sightings], "warnings": found.warnings}
        answer |= {"registry": [vars(fault) for fault in amiss], "champions": registry.champions if registry else None}
        print(json.dumps({**answer, "anchors": found.heads, "not_asked": [fault.where for fault in silent + away]}))
    else:
        for fault in [*faults, *amiss]:
            print(fault)
        for line in registry.notes if registry else []:
            print(f"not finished: {line}")
        for line in unknown:
            print(f"not asked: {line}")
        for line in [*(f"warning: {line}" for line in found.warnings), *ages(found, at_present())]:
            print(line)
        state = f"{len(faults)} faults" if faults else "whole"
        print(f"{found.size} entries, held against {found.heads} noted heads: {state}; head {head}")
        if registry and registry.champions:
            state = f"{len(amiss)} faults" if amiss else "as the ledger says"
            print(f"champions in MLflow: {registry.champions}, {state}")
    if faults or amiss or unknown:
        raise typer.Exit(EXIT_CHECK_SAID_NO)


def log(
    about: Annotated[str, typer.Option(help="a policy, a model version (digits/3), or a digest")] = "",
    act: Annotated[str, typer.Option(help=f"one of {', '.join(ACTS)}")] = "",
    actor: Annotated[str, typer.Option(help="who did it")] = "",
    since: Annotated[str, typer.Option(help="2026-11-01, or with a time (UTC)")] = "",
    until: Annotated[str, typer.Option(help="as --since, inclusive")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines, one entry a line")] = False,
) -> None:
    """List governed acts, oldest first.

    Example: augment-ops audit log --about digits-robust --since 2026-11-01
    """
    from augment_ops.governance.audit import Wanted, check_wanted, choose
    from augment_ops.policy.library import policy_names
    from augment_ops.workspace import open_ledger

    settings, wanted = Settings.from_environment(), Wanted(about, act, actor, since, until)
    entries = list(open_ledger(settings).read())
    check_wanted(entries, wanted, policy_names(settings.policies))
    found = choose(entries, wanted)
    if not found:
        print("no entry of the ledger answers to all of that" if entries else "the ledger is empty", file=sys.stderr)
    for entry in found:
        if as_json:
            print(json.dumps(asdict(entry), ensure_ascii=False))
            continue
        what = ", ".join(f"{name} {_short(value)}" for name, value in entry.subjects.items() if name not in _PROOF)
        print(f"{entry.seq:>6}  {entry.at[:19]}Z  {entry.act:<8}  {entry.actor:<12}  {what}  — {entry.reason}")


def show_champions(
    dataset: Annotated[str, typer.Argument(help="name of the data set")],
    environment: Annotated[str, typer.Option(help="only its champions; default: of all environments")] = "",
    as_json: AsJson = False,
) -> None:
    """List the champions of a data set with who made each champion, when, where and why.

    Example: augment-ops audit champions digits
    """
    from augment_ops.governance.audit import champions
    from augment_ops.lifecycle.book import book_of
    from augment_ops.lifecycle.champion import environment_with_champion
    from augment_ops.lifecycle.datasets import check_known
    from augment_ops.workspace import Workspace

    settings = Settings.from_environment()
    workspace = Workspace(settings, settings.actor)
    entries = list(book_of(workspace).read())
    check_known(workspace.store, entries, dataset)
    if environment:
        environment_with_champion(entries, dataset, settings.policies, environment)
    reigns = champions(entries, dataset, environment)
    if as_json:
        print(json.dumps([asdict(reign) for reign in reigns]))
        return
    for reign in reigns:
        what = f"version {reign.version}  {reign.environment}  {reign.act} by {reign.by}"
        print(f"{reign.at[:19]}Z  {what}  — {reign.reason}")
    if not reigns:
        print(f"{dataset} has had no champion{f' in {environment}' if environment else ''}")


def rollback(
    dataset: Annotated[str, typer.Argument(help="name of the data set")],
    reason: Annotated[str, typer.Option(help="for the ledger")],
    to: Annotated[str, typer.Option(help="number of the version; default: the champion before the present one")] = "",
    quarantine: Annotated[bool, typer.Option(help="the model that is left must not be champion again")] = False,
    environment: Annotated[
        str, typer.Option(help="whose champion; default: of the best protected one that has a champion")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make the champion before the present one champion again. May be repeated: it goes back once.

    Example: augment-ops rollback digits --reason "wrong on tilted sevens since Monday"
    """
    from augment_ops.lifecycle.datasets import check_known
    from augment_ops.lifecycle.rollback import roll_back
    from augment_ops.monitoring.telemetry.publish import publish
    from augment_ops.pipeline.recorders.telemetry import champion_moved
    from augment_ops.workspace import Workspace

    settings = settings_here()
    known = Workspace(settings, settings.actor)
    check_known(known.store, known.ledger.read(MOVES), dataset)
    done = roll_back(
        settings, dataset, to=to, reason=reason, actor=settings.actor, quarantine=quarantine, environment=environment
    )
    workspace = Workspace(settings, settings.actor)
    for fault in done.altered:
        print(f"what was left had been altered: {fault}", file=sys.stderr)
    for problem in publish(settings.home, champion_moved(workspace, dataset, done.champion, done.environment)):
        print(problem, file=sys.stderr)
    print(json.dumps(asdict(done)) if as_json else done.message)


def _short(value: str) -> str:
    digest = 64
    return f"{value[:12]}…" if len(value) == digest else value
