"""`augment-ops drift` and `augment-ops traffic`: watch production, and try it out."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from augment_ops.cli.runs import run_pipeline, settings_here
from augment_ops.cli.terminal import clickable, plain, progress, quiet, result, say, styled, table, tell_facts, warn
from augment_ops.errors import EXIT_CHECK_SAID_NO

if TYPE_CHECKING:
    from augment_ops.production.monitor import Monitored


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("drift")(drift)
    app.command("traffic")(traffic)


def drift(
    dataset: Annotated[str, typer.Argument(help="name of the data set whose prediction log is judged")],
    rules: Annotated[str, typer.Option(help="name in policies/drift/")] = "default",
    until: Annotated[str, typer.Option(help="judge what was due then, ISO 8601; default: now")] = "",
    environment: Annotated[
        str, typer.Option(help="whose champion; default: of the best protected one that has a champion")
    ] = "",
    retrain: Annotated[bool, typer.Option("--retrain", help="run what alerts start, here and now")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print what was found as one JSON object")] = False,
) -> None:
    """Judge every window of production that is due; alerts go to the ledger, evidence to MLflow.

    Exit code: 0 nothing to report, 1 drift, or monitoring is blind, 2 bad input, 3 a computation failed.

    Example: augment-ops drift digits --rules default
    """
    from augment_ops.production.causes import enter_started
    from augment_ops.production.monitor import moment_of, monitor
    from augment_ops.workspace import open_ledger, open_store

    settings = settings_here()
    now = moment_of(until, "--until")
    said: list[str] = []
    shown: set[str] = set()
    try:
        with progress(f"judging {dataset}", "windows") as advance:
            found = monitor(
                settings, dataset, rules, now=now, environment=environment, say=said.append, advance=advance
            )
        # By the result, which says it once.
        shown = {judged.message for judged in found.judged} | {alert.message for alert in found.alerts}
    finally:
        for line in said:
            if line.startswith("warning:"):
                warn(line)
            elif not any(message in line for message in shown):
                say(line)
    trained: list[dict[str, Any]] = []
    if retrain:
        for training in found.retrain:
            enter_started(open_ledger(settings), open_store(settings), training, actor=settings.actor)
            trained.append(run_pipeline(training.params, training.run_id, quiet=as_json or quiet()))
            say(f"{training.run_id}: {trained[-1]['verdict']}, {trained[-1]['promotion']}")
    if as_json:
        print(json.dumps({**asdict(found), "trained": trained}))
    else:
        _show(found)
    if any(judged.alert for judged in found.judged):
        raise typer.Exit(EXIT_CHECK_SAID_NO)


def traffic(
    dataset: Annotated[str, typer.Argument(help="name of the data set whose champion answers")],
    source: Annotated[str, typer.Option(help="data set to replay; default: the one that the champion is of")] = "",
    windows: Annotated[int, typer.Option(min=1, help="stretches of time")] = 1,
    per_window: Annotated[int, typer.Option(min=1, help="samples in each")] = 500,
    window_h: Annotated[float, typer.Option(min=0.01, help="length of each in hours")] = 24.0,
    until: Annotated[str, typer.Option(help="when the last one ends, ISO 8601; default: now")] = "",
    shift: Annotated[
        list[str] | None, typer.Option(help="corruption:severity of the stress suite; may be repeated")
    ] = None,
    labelled: Annotated[float, typer.Option(min=0, max=1, help="share of records whose label is known")] = 1.0,
    seed: Annotated[int, typer.Option(help="of the order of the samples")] = 0,
    environment: Annotated[
        str, typer.Option(help="whose champion; default: of the best protected one that has a champion")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Replay a data set as production traffic, with samples that the champion has never seen.

    Example: augment-ops traffic digits --windows 3 --shift brightness_down:5 --shift rotation:5
    """
    from augment_ops.production import traffic as replays
    from augment_ops.production.monitor import moment_of

    shifts = tuple(replays.parse_shift(text) for text in shift or ())
    end = moment_of(until, "--until") or datetime.now(UTC)
    wanted = replays.Traffic(
        source=source,
        windows=windows,
        per_window=per_window,
        window_h=window_h,
        end=end,
        shifts=shifts,
        labelled=labelled,
        seed=seed,
        environment=environment,
    )
    with progress(f"replaying traffic of {dataset}", "windows", at_once=True) as advance:
        written = replays.replay(settings_here(), dataset, wanted, say=say, advance=advance)
    print(json.dumps({"records": written}) if as_json else f"{written} records written to the log of {dataset}")


def _show(found: Monitored) -> None:
    """Each thing once: what a window came to in the table, its page and alert below, and what is to be trained."""
    output = result()
    if not found.judged:
        output.print("no window is due")
    else:
        shown = table("window", "status", "found", whole=("window",))
        for judged in found.judged:
            status = f"{judged.status}, blind" if judged.blind else judged.status
            shown.add_row(plain(judged.start[:16]), styled(status), plain("; ".join((judged.message, *judged.faults))))
        output.print(shown)
        output.print()
        tell_facts(output, {f"page of {judged.start[:16]}": clickable(judged.page) for judged in found.judged})
    windows = {key: judged.start[:16] for judged in found.judged for key in (judged.alert, *judged.told)}
    for alert in found.alerts:
        what = f"the window of {windows[alert.key]}" if alert.key in windows else alert.message
        output.print(plain(f"\nALERT {alert.kind}: {what}"), soft_wrap=True)
    for training in found.retrain:
        why = training.note
        for alert in found.alerts:
            why = why.removeprefix(alert.message).strip()
        output.print(plain(f"\nto be trained: {training.run_id}. {why}"), soft_wrap=True)
