"""The blueprint of the compiled pipeline: derived from the graph and the declared parameters, and from nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from augment_ops.drivers.kubeflow.blueprint import Blueprint, blueprint
from augment_ops.pipeline.graph import RETRIES, STAGES, Stage, edges
from augment_ops.pipeline.parameters import TRAINING, About, RunParams, parameters


@dataclass(frozen=True, kw_only=True)
class OneMore(RunParams):
    schedule: Annotated[
        Literal["constant", "cosine"], About(title="Schedule", section=TRAINING, help="Of the rate.")
    ] = "constant"


def before(made: Blueprint) -> dict[str, set[str]]:
    """Task → all that have to be done before it."""
    found: dict[str, set[str]] = {}
    for task in made.tasks:
        found[task.name] = {*task.after, *(earlier for name in task.after for earlier in found[name])}
    return found


def test_each_stage_is_a_task_behind_those_that_it_comes_after_and_behind_the_beginning() -> None:
    made = blueprint("image", {})
    assert [task.name for task in made.tasks] == ["begin", *(stage.name for stage in STAGES)]
    found = before(made)
    assert all({"begin", *stage.comes_after} <= found[stage.name] for stage in STAGES)
    drawn = {(earlier, task.name) for task in made.tasks for earlier in task.after if earlier != "begin"}
    assert drawn == set(edges())


def test_parameters_are_those_of_a_run_with_their_types_and_defaults() -> None:
    run_id, *others = blueprint("image", {}).parameters
    assert (run_id.name, run_id.kind, run_id.default) == ("run_id", "str", "")
    assert {one.name: one.default for one in others} == asdict(RunParams())
    assert {one.kind for one in others} == {"str", "int", "float", "bool"}
    assert all(one.kind == type(one.default).__name__ for one in others)
    delivery = next(one.help for one in others if one.name == "delivery")
    assert delivery.endswith("(online | nearline | offline | device | auto)")


def test_what_a_stage_needs_and_how_often_it_is_tried_are_the_graphs() -> None:
    made = blueprint("image", {"A": "b"})
    assert (made.retries, made.image, made.environment) == (RETRIES, "image", {"A": "b"})
    assert {t.name: (t.cpus, t.memory_gib) for t in made.tasks[1:]} == {s.name: (s.cpus, s.memory_gib) for s in STAGES}
    assert max(t.memory_gib for t in made.tasks) > min(t.memory_gib for t in made.tasks)


def test_a_stage_and_a_parameter_are_added_by_their_declaration_alone() -> None:
    added = Stage(name="calibrate", inputs=("stress_test", "train_candidate"), cpus=8)
    made = blueprint("image", {}, (*STAGES, added), parameters(OneMore))
    assert made.tasks[-1].after == ("stress_test",)
    assert made.tasks[-1].cpus == 8
    assert made.parameters[-1].name == "schedule"
    assert made.parameters[-1].help == "Of the rate. (constant | cosine)"
    assert made.stamp != blueprint("image", {}).stamp


def test_it_can_be_handed_on_as_json() -> None:
    made = blueprint("image", {}).plain()
    assert json.loads(json.dumps(made))["stamp"] == made["stamp"]
