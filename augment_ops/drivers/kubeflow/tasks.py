"""What the tasks of a compiled pipeline call: begin a run, execute a stage by name, bring a person's answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from augment_ops.content import from_json
from augment_ops.drivers.kubeflow import people
from augment_ops.drivers.kubeflow.blueprint import BEGIN, JOB, RUN_ID
from augment_ops.drivers.kubeflow.stamp import check_stamp
from augment_ops.errors import Fault, InputError
from augment_ops.pipeline.begin import begin_run
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.execute import execute
from augment_ops.pipeline.outputs import Report
from augment_ops.pipeline.parameters import RunParams, parameters
from augment_ops.pipeline.run import entry_key
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace, open_store

ANSWERED, REPORT = "approve", "report"  # the stage that is brought an answer; the one whose words end a run
_EXACT = 2**53  # Kubeflow carries numbers as doubles: from here on two integers are one


def work(settings: Settings, name: str, made_from: str, given: Mapping[str, Any], say: Callable[[str], None]) -> str:
    """Do what a task is there for.

    Args:
        name: of a stage, or `begin`.
        made_from: what the pipeline was compiled from (`stamp`).
        given: inputs of the task by name.
        say: gets one line of progress at a time.

    Returns:
        The run's id of `begin`, the digest of its output of a stage.

    Raises:
        AugmentOpsError: bad input, a refusal, or a failed computation; nothing is half-recorded.
    """
    check_stamp(made_from)
    if name == BEGIN:
        return _begin(settings, given, say)
    run_id = str(given.get(RUN_ID, ""))
    external = people.brought(Context.of(settings, run_id)) if name == ANSWERED else {}
    ref = execute(settings, run_id, name, external=external, say=say)
    say(f"{name}: {ref.said}")
    if name == REPORT:
        report = from_json(Report, open_store(settings).get(ref.output))
        say(f"{report.verdict}: {report.summary} {report.promotion}")
    return ref.output


def _begin(settings: Settings, given: Mapping[str, Any], say: Callable[[str], None]) -> str:
    """Begin a run, or find it again: in the name of who signed that they ask for it, else of the tasks' own actor."""
    asked = _as_sent({name: value for name, value in given.items() if name not in (RUN_ID, JOB)})
    run_id = str(given.get(RUN_ID) or f"{people.RUN_PREFIX}{given.get(JOB, '')}")
    if not run_id.startswith(people.RUN_PREFIX):
        expected = f"an id that begins with {people.RUN_PREFIX}: a run of another driver goes on there"
        raise InputError(RUN_ID, repr(run_id)[:80], expected, "leave it empty, or give one of a run of Kubeflow")
    refusals = partial(Workspace(settings, settings.actor).refusals, entry_key(run_id), {"run": run_id})
    with refusals():
        request = people.requested(settings, run_id)

    def check(params: RunParams) -> None:
        with refusals():
            people.check_requested(params, request)

    def warn(line: str) -> None:
        say(f"warning: {line}")

    def shown(address: str) -> None:
        say(f"why it stopped, and what to do: {address}")

    actor = settings.actor if request is None else request.by
    return begin_run(settings, run_id, asked, actor, check=check, warn=warn, shown=shown).id


def _as_sent(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with whole numbers again, which travel as doubles.

    Raises:
        InputError: integers that a double does not hold exactly, all at once.
    """
    whole = {one.name for one in parameters() if type(one.default) is int}
    read = {k: int(v) if k in whole and isinstance(v, float) and v.is_integer() else v for k, v in asked.items()}
    faults = [
        Fault(name, str(value), f"a number below 2^53 ({_EXACT})", "choose a smaller one: Kubeflow would round this")
        for name, value in read.items()
        if name in whole and isinstance(value, int) and abs(value) >= _EXACT
    ]
    if faults:
        raise InputError.of("run parameters", faults)
    return read
