"""`augment-ops kubeflow …`: the pipeline for Kubeflow Pipelines, what its tasks call, and what people sign."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from augment_ops import __version__
from augment_ops.cli.policy_acts import KeyFile, Reason
from augment_ops.cli.run_options import with_options, written
from augment_ops.cli.runs import settings_here
from augment_ops.errors import InputError

AsJson = Annotated[bool, typer.Option("--json")]
_LOOK = ("report", "gallery", "change of policy", "MLflow run")  # what there is to see beside the question
RunId = Annotated[str, typer.Argument(help="id of the run")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(help="Kubeflow Pipelines: compile, request, answer.", no_args_is_help=True)
    commands.command("compile")(compile_)
    commands.command("request")(with_options(request))
    commands.command("question")(question)
    commands.command("approve")(approve)
    commands.command("reject")(reject)
    commands.command("task")(task)
    app.add_typer(commands, name="kubeflow")


def compile_(
    output: Annotated[Path, typer.Option(help="file to write, *.yaml")],
    image: Annotated[str, typer.Option(help="of the tasks; holds this version of augment-ops")] = (
        f"augment-ops-kubeflow:{__version__}"
    ),
    env: Annotated[
        list[str] | None, typer.Option(help="NAME=value of every task, may be repeated; no secrets: all read the file")
    ] = None,
    python: Annotated[
        Path | None, typer.Option(help="of an environment with kfp; default: that of `make kubeflow`")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the stages as a pipeline for Kubeflow Pipelines 2.

    Example: augment-ops kubeflow compile --output pipeline.yaml
    """
    from augment_ops.drivers.kubeflow.blueprint import blueprint
    from augment_ops.drivers.kubeflow.environment import PYTHON, compile_file, variables

    made = blueprint(image, variables(env or []))
    compile_file(made, output, python or PYTHON)
    if as_json:
        print(json.dumps({"file": str(output), "name": made.name, "stamp": made.stamp, "image": image}))
    else:
        print(f"{output}: {made.name}, compiled from {made.stamp}; its tasks run in {image}")


def request(context: typer.Context, key: KeyFile = None, as_json: AsJson = False) -> None:
    """Sign that you ask for a run, and print the parameters to start the pipeline with.

    Needed where a person approves: Kubeflow does not say who started a run, and nobody approves their own.

    Example: augment-ops kubeflow request --policy digits-robust --environment production --approval ml-lead
    """
    from augment_ops.drivers.kubeflow.people import request as act
    from augment_ops.pipeline.parameters import RunParams
    from augment_ops.pipeline.params import parse_params

    made = act(settings_here(), parse_params(written(context)), key)
    changed = {name: value for name, value in made.params.items() if value != getattr(RunParams(), name)}
    arguments = {"run_id": made.run, **changed}
    if as_json:
        print(json.dumps({"by": made.by, "arguments": arguments}))
        return
    print(f"{made.by} asks for run {made.run}. Start the pipeline with these parameters, and no others:")
    print("\n".join(f"  {name} = {value}" for name, value in arguments.items()))


def question(run_id: RunId, as_json: AsJson = False) -> None:
    """Show what a run that waits for a person is to be let through with.

    Example: augment-ops kubeflow question kfp-0123456789ab
    """
    from augment_ops.cli.brief import show_brief
    from augment_ops.cli.terminal import clickable, result
    from augment_ops.drivers.kubeflow.people import question as asked

    ctx, decided, prepared = asked(settings_here(), run_id)
    facts = {
        "version": f"{ctx.dataset}/{decided.version}",
        "champion": decided.champion_version or "none yet",
        "environment": ctx.params.environment,
        "started by": ctx.run.actor,
        "who answers": ctx.params.approval,
        "report": prepared.url or prepared.path,
        "gallery": prepared.gallery_url,
        "change of policy": prepared.diff_url,
        "MLflow run": ctx.parent.url,
    }
    if as_json:
        print(json.dumps({**asdict(decided.decision), **facts, "brief": asdict(prepared.brief)}))
    else:
        show_brief(result(), prepared.brief, {name: clickable(facts[name]) for name in (*_LOOK, "who answers")})


def approve(run_id: RunId, reason: Reason, key: KeyFile = None, as_json: AsJson = False) -> None:
    """Let the candidate of a run through, signed with your key; then retry the run in Kubeflow.

    Example: augment-ops kubeflow approve kfp-0123456789ab --reason "stress report and pictures seen"
    """
    from augment_ops.governance.model_approval import APPROVE

    _answer(run_id, APPROVE, reason, key, as_json)


def reject(run_id: RunId, reason: Reason, key: KeyFile = None, as_json: AsJson = False) -> None:
    """Refuse the candidate of a run, signed with your key; then retry the run in Kubeflow.

    Example: augment-ops kubeflow reject kfp-0123456789ab --reason "sevens and ones confused"
    """
    from augment_ops.governance.model_approval import REJECT

    _answer(run_id, REJECT, reason, key, as_json)


def _answer(run_id: str, chosen: str, reason: str, key: Path | None, as_json: bool) -> None:
    from augment_ops.drivers.kubeflow.people import answer

    given = answer(settings_here(), run_id, chosen, reason, key).answer
    if as_json:
        print(json.dumps(asdict(given)))
    else:
        print(f"{given.by} answered {given.chosen} about {given.version} of run {given.run}: retry it in Kubeflow")


def task(
    name: Annotated[str, typer.Argument(help="begin, or a stage")],
    stamp: Annotated[str, typer.Option(help="what the pipeline was compiled from")],
    as_json: AsJson = False,
) -> None:
    """Do what a task of the compiled pipeline is there for; its inputs come as JSON on the standard input.

    The tasks call this; to run a stage by hand there is `augment-ops stage`.

    Example: augment-ops kubeflow task ingest --stamp "augment-ops 0.1.0, graph 0123456789abcdef"
    """
    from augment_ops.drivers.kubeflow.tasks import work

    done = work(settings_here(), name, stamp, _inputs(), lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps({"task": name, "output": done}) if as_json else done)


def _inputs() -> dict[str, object]:
    try:
        found = json.load(sys.stdin)
    except ValueError as error:
        found = str(error)
    if not isinstance(found, dict):
        raise InputError("standard input", repr(found)[:80], "a JSON object of the task's inputs", "compile it again")
    return found
