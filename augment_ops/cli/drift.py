"""`augment-ops drift` and `augment-ops traffic`: watch production, and try it out."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from augment_ops.cli.runs import run_pipeline, settings_here
from augment_ops.errors import EXIT_CHECK_SAID_NO


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
    found = monitor(settings, dataset, rules, now=moment_of(until, "--until"), environment=environment, say=_say)
    trained: list[dict[str, Any]] = []
    if retrain:
        for training in found.retrain:
            enter_started(open_ledger(settings), open_store(settings), training, actor=settings.actor)
            trained.append(run_pipeline(training.params, training.run_id, quiet=as_json))
            _say(f"{training.run_id}: {trained[-1]['verdict']}, {trained[-1]['promotion']}")
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
    written = replays.replay(settings_here(), dataset, wanted, say=_say)
    print(json.dumps({"records": written}) if as_json else f"{written} records written to the log of {dataset}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _show(found: Any) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for column in ("window", "status", "found", "page"):
        table.add_column(column, overflow="fold")
    for judged in found.judged:
        told = "; ".join((judged.message, *judged.faults))
        status = f"{judged.status}, blind" if judged.blind else judged.status
        table.add_row(*(Text(text) for text in (judged.start, status, told, judged.page)))
    console.print(table if found.judged else "no window is due")
    for alert in found.alerts:
        console.print(f"\nALERT {alert.kind}: {alert.message}", soft_wrap=True, markup=False)
    for training in found.retrain:
        console.print(f"\nto be trained: {training.run_id}. {training.note}", soft_wrap=True, markup=False)
