"""`augment-ops run` and `augment-ops stage`: the pipeline without Airflow, stage after stage or one at a time."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from augment_ops.cli.run_options import with_options, written
from augment_ops.cli.stage_progress import StagesShown, expected_s, stages_shown
from augment_ops.cli.terminal import clickable, progress, quiet, result, say, warn
from augment_ops.errors import EXIT_CHECK_SAID_NO, InputError
from augment_ops.pipeline.graph import STAGES, Stage, steps
from augment_ops.pipeline.parameters import RunParams
from augment_ops.settings import Settings

if TYPE_CHECKING:
    from augment_ops.pipeline.execute import Ahead, StageRef


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("run")(with_options(run))
    app.command("stage")(stage)


def run(
    context: typer.Context,
    run_id: Annotated[str, typer.Option(help="Id of an earlier run, to go on with it: it keeps its parameters.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would stop the run; nothing is kept, entered or trained.")
    ] = False,
    one_by_one: Annotated[
        bool,
        typer.Option("--one-by-one", help="Train candidate and control one after the other, also where there is room."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the decision as one JSON object.")] = False,
) -> None:
    """Take a data set through the whole pipeline, to a promoted or refused model.

    With --dry-run, read the data set and look at everything that the run names, and say all that would stop it.

    Exit code: 0 promoted, or let into a rollout, 1 a check or the gate said no, 2 bad input, 3 a computation failed.

    Example: augment-ops run --dataset digits --policy digits-robust
    """
    if dry_run:
        _try(written(context), run_id, as_json=as_json)
        return
    run_id = run_id or f"cli-{uuid.uuid4().hex[:12]}"
    outcome = run_pipeline(written(context), run_id, quiet=as_json or quiet(), at_once=not one_by_one)
    if as_json:
        print(json.dumps(outcome))
    else:
        _show(outcome)
    if outcome["verdict"] != "PASS" or not (outcome["promoted"] or outcome["rollout"]):
        raise SystemExit(EXIT_CHECK_SAID_NO)


def _try(values: dict[str, Any], run_id: str, *, as_json: bool) -> None:
    from augment_ops.pipeline.dry_run import dry_run as look

    settings = Settings.from_environment()
    with progress("reading the data set", "samples") as advance:
        found = look(settings, run_id, values, settings.actor, advance=advance)
    for warning in found.warnings:
        _warn(warning)
    about = found.snapshot
    if as_json:
        facts = {"dataset": about.dataset, "samples": about.samples, "classes": len(about.classes)} if about else {}
        print(json.dumps({"would_begin": not found.faults, "faults": [asdict(one) for one in found.faults], **facts}))
    else:
        if about is not None:
            print(f"{about.dataset}: {about.samples} samples, {len(about.classes)} classes")
        for fault in found.faults:
            print(fault)
        count = len(found.faults)
        print(f"{count} thing{'s' if count != 1 else ''} would stop this run" if count else "nothing stops this run")
    if found.faults:
        raise SystemExit(EXIT_CHECK_SAID_NO)


def run_pipeline(values: dict[str, Any], run_id: str, *, quiet: bool, at_once: bool = False) -> dict[str, Any]:
    """Run every stage in order; the decision as one object. Progress goes to stderr.

    Args:
        values: parameters of the run; those left out are the earlier run's where `run_id` names one, else the defaults.
        at_once: take processes for the two trainings, where there is room for both.
    """
    from augment_ops.pipeline.begin import begin_run
    from augment_ops.pipeline.outputs import Decided, Promotion, Report
    from augment_ops.workspace import open_store

    settings = settings_here()
    store = open_store(settings)
    begun = begin_run(settings, run_id, values, settings.actor, check=_asks_nobody, warn=_warn)
    if not quiet:
        say(f"run {run_id}: `augment-ops run --run-id {run_id}` goes on with it")
    outputs: dict[str, str] = {}
    with stages_shown({} if quiet else expected_s(store, begun), quiet=quiet) as shown:
        for step in steps():
            outputs |= _run_step(settings, run_id, step, shown, at_once=at_once)
    return _outcome(store, run_id, outputs, Decided, Promotion, Report)


def _run_step(
    settings: Settings, run_id: str, step: Sequence[Stage], shown: StagesShown, *, at_once: bool
) -> dict[str, str]:
    """Stage → digest of its output, of stages that could run at once."""
    from augment_ops.pipeline.at_once import computed_at_once, have_room

    if not (at_once and len(step) > 1 and have_room(settings, run_id, step)):
        return {stage.name: _execute(settings, run_id, _Teller(stage, shown)) for stage in step}
    tellers = {stage.name: _Teller(stage, shown) for stage in step}
    with computed_at_once(settings, run_id, step, lambda name, line: tellers[name].say(line)) as done:
        return {name: _execute(settings, run_id, tellers[name], ahead) for name, ahead in done}


class _Teller:
    """Tells of one stage, from now on."""

    def __init__(self, stage: Stage, shown: StagesShown) -> None:
        self.stage, self._shown = stage.name, shown
        self._head = f"[{STAGES.index(stage) + 1:>2}/{len(STAGES)}] {stage.name}"
        shown.begin(stage.name)
        self.say("…")

    def say(self, line: str) -> None:
        self._shown.tell(self._head, line)

    def done(self, ref: StageRef) -> None:
        left = self._shown.done(self.stage)
        self.say(f"{ref.said} in {ref.wall_s:.1f} s{f'; {left}' if left else ''}")


def _execute(settings: Settings, run_id: str, teller: _Teller, ahead: Ahead | None = None) -> str:
    """The digest of the stage's output."""
    from augment_ops.pipeline.execute import execute

    ref = execute(settings, run_id, teller.stage, say=teller.say, ahead=ahead)
    teller.done(ref)
    return ref.output


def _asks_nobody(params: RunParams) -> None:
    if params.approval != "auto":
        raise InputError(
            "--approval",
            params.approval,
            "auto: a command line cannot prove who is answering",
            "trigger the run in Airflow (augment-ops up), or leave --approval auto with --environment dev or staging",
        )


def _warn(warning: str) -> None:
    warn(f"warning: {warning}")


def settings_here() -> Settings:
    """The environment's settings, with MLflow where it is now: the server that `up` started, if one runs."""
    from augment_ops.services.stack import tracking_uri

    settings = Settings.from_environment()
    return replace(settings, mlflow_uri=tracking_uri(settings))


def _outcome(
    store: Any, run_id: str, outputs: dict[str, str], decided: Any, promotion: Any, report: Any
) -> dict[str, Any]:
    from augment_ops.content import from_json

    decision = from_json(decided, store.get(outputs["decide"])).decision
    promoted = from_json(promotion, store.get(outputs["promote"]))
    page = from_json(report, store.get(outputs["report"]))
    return {
        "run_id": run_id,
        **asdict(decision),
        "promoted": promoted.promoted,
        "rollout": promoted.rollout,
        "model_version": promoted.version,
        "promotion": promoted.message,
        "report": page.path,
        "report_url": page.url,
        "mlflow_run_url": page.mlflow_run_url,
    }


def stage(
    name: Annotated[str, typer.Argument(help="ingest, check_data, …")],
    run_id: Annotated[str, typer.Option(help="id of a run that was started before")],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Run one stage of a run again; a stage that has its output already changes nothing.

    Example: augment-ops stage stress_test --run-id cli-0123456789ab
    """
    from augment_ops.pipeline.execute import execute

    settings = settings_here()
    ref = execute(settings, run_id, name, say=say)
    if as_json:
        print(json.dumps(asdict(ref)))
    else:
        print(f"{name}: {ref.said}, output {ref.output}")


def _show(outcome: dict[str, Any]) -> None:
    from augment_ops.cli.decision import show_decision

    facts = {
        "outcome": outcome["promotion"],
        "report": clickable(outcome["report"]),
        "MLflow run": outcome["mlflow_run_url"],
        "run id": outcome["run_id"],
    }
    show_decision(result(), outcome["verdict"], outcome["summary"], outcome["reasons"], facts)
