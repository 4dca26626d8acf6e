"""What Kubeflow's compiler is told: stages, edges and parameters of the pipeline as plain values.

kfp does not install beside the rest of this project. So its compiler runs in an environment of its own, which knows
nothing of this package, and is handed this on its standard input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from augment_ops.drivers.kubeflow.stamp import stamp
from augment_ops.parameter import Parameter
from augment_ops.pipeline.graph import RETRIES, RETRY_DELAY_S, STAGES, Stage, edges
from augment_ops.pipeline.parameters import parameters

NAME = "augment-ops-train-and-promote"
BEGIN = "begin"  # the task before the stages
RUN_ID, JOB = "run_id", "job"  # what `begin` is told beside a run's parameters


@dataclass(frozen=True, kw_only=True)
class Given:
    """One parameter of the compiled pipeline.

    Attributes:
        kind: name of its Python type: str, int, float or bool.
        help: what its form says of it.
    """

    name: str
    kind: str
    default: str | int | float | bool
    help: str


@dataclass(frozen=True, kw_only=True)
class TaskBlueprint:
    """One task of the compiled pipeline; its name is that of the stage."""

    name: str
    after: tuple[str, ...]
    cpus: int
    memory_gib: int


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """A pipeline, as it is to be compiled.

    Attributes:
        stamp: what it is compiled from.
        image: of every task.
        environment: variables of every task.
        retry_delay_s: seconds before each retry.
    """

    name: str
    description: str
    stamp: str
    image: str
    environment: Mapping[str, str]
    parameters: tuple[Given, ...]
    tasks: tuple[TaskBlueprint, ...]
    retries: int
    retry_delay_s: int

    def plain(self) -> dict[str, object]:
        """As JSON takes it."""
        return asdict(self)


def blueprint(
    image: str,
    environment: Mapping[str, str],
    stages: Sequence[Stage] = STAGES,
    declared: Sequence[Parameter] = parameters(),
) -> Blueprint:
    """The blueprint of the pipeline, derived from the graph and the declared parameters."""
    made_from = stamp(stages, declared)
    return Blueprint(
        name=NAME,
        description=f"From a data set to a promoted or refused model. Compiled from {made_from}.",
        stamp=made_from,
        image=image,
        environment=dict(environment),
        parameters=(_RUN_ID, *(_given(one) for one in declared)),
        tasks=_tasks(stages),
        retries=RETRIES,
        retry_delay_s=RETRY_DELAY_S,
    )


_RUN_ID = Given(
    name=RUN_ID,
    kind="str",
    default="",
    help="Id of a run: that which `augment-ops kubeflow request` printed, or an earlier one, to go on with it; empty "
    "begins a new one.",
)


def _given(one: Parameter) -> Given:
    choices = f" ({' | '.join(one.choices)})" if one.choices else ""
    return Given(name=one.name, kind=type(one.default).__name__, default=one.default, help=f"{one.help}{choices}")


def _tasks(stages: Sequence[Stage]) -> tuple[TaskBlueprint, ...]:
    drawn = edges(stages)
    before = {stage.name: tuple(a for a, b in drawn if b == stage.name) or (BEGIN,) for stage in stages}
    begin = TaskBlueprint(name=BEGIN, after=(), cpus=1, memory_gib=Stage(name=BEGIN).memory_gib)
    told = (TaskBlueprint(name=s.name, after=before[s.name], cpus=s.cpus, memory_gib=s.memory_gib) for s in stages)
    return (begin, *told)
