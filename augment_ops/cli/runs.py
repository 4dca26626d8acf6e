"""`augment-ops run` and `augment-ops stage`: the pipeline without Airflow, stage after stage or one at a time."""

from __future__ import annotations

import json
import sys
import uuid
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer

from augment_ops.errors import EXIT_CHECK_SAID_NO, InputError
from augment_ops.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("run")(run)
    app.command("stage")(stage)


def run(
    context: typer.Context,
    dataset: Annotated[
        str, typer.Option(help="digits, or a folder, tar, zip, IDX folder, .npz, CSV or Parquet index")
    ] = "digits",
    policy: Annotated[
        str, typer.Option(help="name in policies/augment/, or the path of a policy file")
    ] = "digits-robust",
    dataset_name: Annotated[str, typer.Option(help="kebab-case; default: from the data set's URI")] = "",
    delivery: Annotated[str, typer.Option(help="online | nearline | offline")] = "online",
    cache_gib: Annotated[float, typer.Option(help="what the cache of nearline delivery may take")] = 4.0,
    environment: Annotated[str, typer.Option(help="dev | staging | production")] = "dev",
    approval: Annotated[str, typer.Option(help="auto; ml-lead asks a person, which Airflow does")] = "auto",
    gate: Annotated[str, typer.Option(help="name in policies/gates/")] = "default",
    suite: Annotated[str, typer.Option(help="name in policies/stress/")] = "invariances",
    quality: Annotated[str, typer.Option(help="name in policies/quality/")] = "default",
    drift: Annotated[str, typer.Option(help="name in policies/drift/")] = "default",
    model: Annotated[
        str, typer.Option(help="package.module:factory of your own network")
    ] = "augment_ops.training.models:small_cnn",
    seed: Annotated[int, typer.Option(help="decides every random choice")] = 7,
    epochs: Annotated[int, typer.Option(help="0 chooses by the size of the data set")] = 0,
    batch_size: Annotated[int, typer.Option()] = 64,
    workers: Annotated[int, typer.Option(help="threads or processes that augment while training")] = 1,
    image_size: Annotated[str, typer.Option(help="HxW to resize to when reading")] = "",
    channels: Annotated[str, typer.Option(help="auto | 1 | 3 | as-is: grey and colour in one data set")] = "auto",
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="read files outside the data set's folder, by links or an index")
    ] = False,
    max_samples: Annotated[int, typer.Option(help="0 takes all")] = 0,
    production_window: Annotated[str, typer.Option(help="URI of recent production images")] = "",
    run_id: Annotated[str, typer.Option(help="id of an earlier run, to go on with it: it keeps its parameters")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print the decision as one JSON object")] = False,
) -> None:
    """Take a data set through the whole pipeline, to a promoted or refused model.

    Exit code: 0 promoted, 1 a check or the gate said no, 2 bad input, 3 a computation failed.

    Example: augment-ops run --dataset digits --policy digits-robust
    """
    values = {name: value for name, value in _given(context).items() if name not in ("run_id", "as_json")}
    outcome = run_pipeline(values, run_id or f"cli-{uuid.uuid4().hex[:12]}", quiet=as_json)
    if as_json:
        print(json.dumps(outcome))
    else:
        _show(outcome)
    if outcome["verdict"] != "PASS" or not outcome["promoted"]:
        raise SystemExit(EXIT_CHECK_SAID_NO)


def _given(context: typer.Context) -> dict[str, Any]:
    """The options that somebody wrote; defaults are those of `RunParams`, or of the run that is gone on with."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name: context.params[name] for name, source in sources.items() if source and source.name != "DEFAULT"}


def run_pipeline(values: dict[str, Any], run_id: str, *, quiet: bool) -> dict[str, Any]:
    """Run every stage in order; the decision as one object. Progress goes to stderr.

    Args:
        values: parameters of the run; those left out are the earlier run's where `run_id` names one, else the defaults.
    """
    from augment_ops.pipeline.execute import execute
    from augment_ops.pipeline.graph import STAGES
    from augment_ops.pipeline.outputs import Decided, Promotion, Report
    from augment_ops.pipeline.params import parse_params
    from augment_ops.pipeline.preflight import preflight
    from augment_ops.pipeline.provenance import begin_run
    from augment_ops.pipeline.run import earlier_params
    from augment_ops.workspace import open_store

    settings = settings_here()
    store = open_store(settings)
    params = parse_params({**earlier_params(store, run_id), **values})
    if params.approval != "auto":
        raise InputError(
            "--approval",
            params.approval,
            "auto: a command line cannot prove who is answering",
            "trigger the run in Airflow (augment-ops up), or leave --approval auto with --environment dev or staging",
        )
    for warning in preflight(settings, params, settings.actor):
        print(f"warning: {warning}", file=sys.stderr)
    begin_run(settings, run_id, params, settings.actor)
    if not quiet:
        print(f"run {run_id}: `augment-ops run --run-id {run_id}` goes on with it", file=sys.stderr, flush=True)
    outputs: dict[str, str] = {}
    for position, stage in enumerate(STAGES, 1):
        head = f"[{position:>2}/{len(STAGES)}] {stage.name}"

        def say(line: str, head: str = head) -> None:
            if not quiet:
                print(f"{head}: {line}", file=sys.stderr, flush=True)

        say("…")
        ref = execute(settings, run_id, stage.name, say=say)
        outputs[stage.name] = ref.output
        say(f"{ref.said} in {ref.wall_s:.1f} s")
    return _outcome(store, run_id, outputs, Decided, Promotion, Report)


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
    ref = execute(settings, run_id, name, say=lambda line: print(line, file=sys.stderr))
    if as_json:
        print(json.dumps(asdict(ref)))
    else:
        print(f"{name}: {ref.said}, output {ref.output}")


def _show(outcome: dict[str, Any]) -> None:
    from rich.console import Console

    from augment_ops.cli.decision import show_decision

    facts = {
        "outcome": outcome["promotion"],
        "report": outcome["report"],
        "MLflow run": outcome["mlflow_run_url"],
        "run id": outcome["run_id"],
    }
    show_decision(Console(), outcome["verdict"], outcome["summary"], outcome["reasons"], facts)
