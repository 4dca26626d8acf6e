"""`augment-ops runs list | show | compare | open` and `augment-ops report open`: what was run, and where it is seen."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from augment_ops.cli.terminal import clickable, plain, result, say, styled, table, tell_facts
from augment_ops.errors import InputError
from augment_ops.settings import Settings

if TYPE_CHECKING:
    from augment_ops.data.store import Store
    from augment_ops.pipeline.run import Run

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def _ids(incomplete: str) -> list[str]:
    """Ids of runs, for the shell to complete."""
    from augment_ops.pipeline.overview import LATEST, runs

    return [one for one in (LATEST, *(run.id for run in runs(_store()))) if one.startswith(incomplete)]


RunId = Annotated[
    str, typer.Argument(help="id of a run, its beginning, or latest", autocompletion=_ids, show_default=False)
]
LatestRun = Annotated[str, typer.Argument(help="id of a run, its beginning, or latest", autocompletion=_ids)]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    runs = typer.Typer(help="Runs of the pipeline: list, show, compare, open.", no_args_is_help=True)
    runs.command("list")(list_runs)
    runs.command("show")(show)
    runs.command("compare")(compare)
    runs.command("open")(open_run)
    app.add_typer(runs, name="runs")
    report = typer.Typer(help="The report of a run.", no_args_is_help=True)
    report.command("open")(open_report)
    app.add_typer(report, name="report")


def list_runs(
    dataset: Annotated[str, typer.Option(help="only runs of that data set")] = "",
    policy: Annotated[str, typer.Option(help="only runs with that policy")] = "",
    environment: Annotated[str, typer.Option(help="only runs for that environment")] = "",
    verdict: Annotated[str, typer.Option(help="only runs in that state, such as PASS or FAIL")] = "",
    actor: Annotated[str, typer.Option(help="only runs that this person began")] = "",
    limit: Annotated[int, typer.Option(min=1, help="at most so many")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first, with the verdict and what became of the model.

    Example: augment-ops runs list --dataset digits --verdict PASS
    """
    from augment_ops.gate.decision import Verdict
    from augment_ops.governance.approvals import Approvals
    from augment_ops.pipeline.overview import Filter, choose, runs, summary
    from augment_ops.policy.library import policy_names

    settings, store = Settings.from_environment(), _store()
    policies = settings.policies
    began = runs(store)
    filters = (
        Filter("--dataset", "dataset", dataset),
        Filter("--policy", "policy", policy, tuple(policy_names(policies))),
        Filter("--environment", "environment", environment, tuple(Approvals.load(policies).environments)),
        Filter("--verdict", "state", verdict, get_args(Verdict)),
        Filter("--actor", "actor", actor),
    )
    filtered = any(one.value for one in filters)
    # Without a filter the documents of older runs are not read.
    chosen = choose((summary(settings, store, run) for run in (began if filtered else began[:limit])), filters)
    found = chosen[:limit]
    if as_json:
        print(json.dumps([asdict(one) for one in found]))
        return
    if not found:
        say("no run answers to all of that" if began else "there is no run yet: augment-ops run --dataset digits")
        return
    shown = table("run", "began", "data set", "policy", "verdict", "outcome", whole=("run", "began"))
    for one in found:
        cells = (one.id, one.started_at[:16].replace("T", " "), one.dataset, one.policy)
        outcome = one.outcome or f"for {one.environment}, by {one.actor}"
        shown.add_row(*(plain(cell) for cell in cells), styled(one.state), plain(outcome))
    result().print(shown)
    left = len(chosen if filtered else began) - len(found)
    if left:
        say(f"{left} older ones: --limit {len(found) + left} shows them as well")


def show(run: LatestRun = "latest", as_json: AsJson = False) -> None:
    """Show a run: the decision with its reasons, the stages with their times, and where to look further.

    Example: augment-ops runs show latest
    """
    from augment_ops.cli.decision import show_decision
    from augment_ops.pipeline.outputs import Decided
    from augment_ops.pipeline.overview import find_run, output, records, summary

    store = _store()
    found = find_run(store, run)
    told, done = summary(Settings.from_environment(), store, found), records(store, found)
    decided = output(store, done, "decide", Decided)
    if as_json:
        decision = asdict(decided.decision) if decided else None
        stages = {name: asdict(record) for name, record in done.items()}
        print(json.dumps({**asdict(told), "params": found.params, "stages": stages, "decision": decision}))
        return
    console = result()
    if decided is not None:
        reasons = [asdict(reason) for reason in decided.decision.reasons]
        show_decision(console, decided.decision.verdict, decided.decision.summary, reasons, {})
    stages_shown = table("stage", "s", "", whole=("stage",))
    for name, record in done.items():
        came = f"reused from run {record.reused_from}" if record.reused_from else ""
        stages_shown.add_row(name, f"{record.wall_s:.1f}", plain(came))
    console.print(stages_shown)
    console.print()
    tell_facts(console, _facts_of(told.id, found, asdict(told)))


def compare(before: RunId, after: LatestRun = "latest", as_json: AsJson = False) -> None:
    """Compare two runs: verdicts, what they were made of, the numbers, and the parameters in which they differ.

    Example: augment-ops runs compare cli-0123456789ab latest
    """
    from augment_ops.pipeline.overview import compare as compared
    from augment_ops.pipeline.overview import find_run

    store = _store()
    found = compared(Settings.from_environment(), store, find_run(store, before), find_run(store, after))
    if as_json:
        print(json.dumps([asdict(one) for one in found]))
        return
    shown = table("", "before", "after", "change")
    for one in found:
        style = "" if one.before == one.after else "bold"
        cells = (styled(one.before), styled(one.after)) if one.name == "verdict" else (one.before, one.after)
        shown.add_row(one.name, *(plain(c) if isinstance(c, str) else c for c in cells), one.change, style=style)
    result().print(shown)


def open_run(
    run: LatestRun = "latest",
    at: Annotated[Literal["mlflow", "driver"], typer.Option(help="which page: MLflow's, or Airflow's")] = "mlflow",
    as_json: AsJson = False,
) -> None:
    """Open the page of a run in a browser, where this is a terminal; its address is printed in any case.

    Example: augment-ops runs open latest
    """
    from augment_ops.pipeline.overview import find_run, summary

    store = _store()
    told = summary(Settings.from_environment(), store, find_run(store, run))
    address = told.mlflow_url if at == "mlflow" else told.driver_url
    if not address:
        found = f"no page of {told.id} there: it ran without such a server, or has not come to its report"
        fix = f"augment-ops runs show {told.id}, or augment-ops report open {told.id}"
        raise InputError(f"--at {at}", found, "a run with a page there", fix)
    _open(address, as_json)


def open_report(run: LatestRun = "latest", as_json: AsJson = False) -> None:
    """Open the report of a run in a browser, where this is a terminal; its address is printed in any case.

    Example: augment-ops report open latest
    """
    from augment_ops.pipeline.overview import find_run, summary

    store = _store()
    told = summary(Settings.from_environment(), store, find_run(store, run))
    file = Path(told.report) if told.report else _refused_page(told.id)
    if file is not None and file.is_file():
        _open(file.absolute().as_uri(), as_json, path=str(file))
    elif told.report_url:
        _open(told.report_url, as_json)
    else:
        found = f"no page at {file}" if file else f"none yet: the run stands {told.state}"
        raise InputError(f"report of {told.id}", found, "a run that came to its report", _way_on(told.id, told.state))


def _way_on(run_id: str, state: str) -> str:
    if state == "refused":
        return f"augment-ops runs show {run_id}; what refused it is in MLflow, report/refused.html"
    return f"augment-ops stage report --run-id {run_id}"


def _refused_page(run_id: str) -> Path | None:
    """The page that says why a run stopped, which goes when the run goes on; None where there is none."""
    from augment_ops.pipeline.refused import page_of

    page = page_of(Settings.from_environment(), run_id)
    return page if page.is_file() else None


def _open(address: str, as_json: bool, path: str = "") -> None:
    if as_json:
        print(json.dumps({"address": address, "file": path or None}))
        return
    print(address)
    if sys.stdout.isatty():
        import webbrowser

        if not webbrowser.open(address):
            say("no browser could be started here: open the address yourself")


def _facts_of(run_id: str, run: Run, told: dict[str, str]) -> dict[str, str]:
    return {
        "run": run_id,
        "state": told["state"],
        "outcome": told["outcome"],
        "began": f"{told['started_at'][:16]}Z, by {told['actor']}, for {told['environment']}",
        "data set": told["dataset"],
        "policy": told["policy"],
        "report": clickable(told["report"]),
        "why it stopped": clickable(str(_refused_page(run_id) or "")),
        "in MLflow": told["mlflow_url"],
        "in its driver": told["driver_url"],
        "commit": run.git_commit,
        "go on": "" if told["report"] or told["state"] == "refused" else f"augment-ops run --run-id {run_id}",
    }


def _store() -> Store:
    from augment_ops.workspace import open_store

    return open_store(Settings.from_environment())
