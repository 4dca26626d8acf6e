"""The stages as they are listed, and the edges that are drawn of them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from augment_ops.errors import InputError
from augment_ops.modalities import NAMES, run_parameters
from augment_ops.pipeline.graph import BY_NAME, GROUPS, STAGES, Stage, edges, steps
from augment_ops.pipeline.inputs import declared
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.params import named
from augment_ops.pipeline.stages.catalogue import WORK


def test_a_stage_stands_after_those_that_it_comes_after() -> None:
    before: set[str] = set()
    for stage in STAGES:
        assert set(stage.comes_after) <= before, stage.name
        before.add(stage.name)


def test_stages_have_work_a_known_heading_and_declared_parameters() -> None:
    assert [stage.name for stage in STAGES] == list(WORK)
    assert {stage.group for stage in STAGES} == {*GROUPS, ""}
    assert {name for stage in STAGES for name in stage.params} <= set(asdict(RunParams()))
    params = named(RunParams())
    assert {name for stage in STAGES for name in stage.files_of(params) if "{" in name} == set()


def test_what_a_modality_declares_is_read_where_sources_are_read() -> None:
    own = {one.name: one.storage for name in NAMES for one in run_parameters(name)}
    ingest, check_drift = ({*BY_NAME[name].params} for name in ("ingest", "check_drift"))
    assert {"image_size", "channels", "keep"} <= set(own) <= ingest
    assert {name for name in own if name in check_drift} == {name for name, storage in own.items() if not storage}
    window = declared(BY_NAME["check_drift"], RunParams(image_size="8x8", keep="encoded"))
    assert window.asked(storage=False) == {"image_size": "8x8", "channels": "auto"}
    with pytest.raises(InputError, match="a read of the parameter keep"):
        window.asked()


def test_an_edge_that_others_imply_is_left_out() -> None:
    a, b = Stage(name="a"), Stage(name="b", inputs=("a",))
    c, d = Stage(name="c", inputs=("a", "b")), Stage(name="d", inputs=("c", "a", "b"))
    assert edges([a, b, c, d]) == (("a", "b"), ("b", "c"), ("c", "d"))
    side = Stage(name="side", inputs=("a",))
    assert edges([a, b, side, Stage(name="end", inputs=("a", "side", "b"))])[2:] == (("side", "end"), ("b", "end"))


def test_only_stages_worth_a_process_that_need_nothing_of_each_other_run_at_once() -> None:
    """Both trainings do; the drift check, which would be free to, takes no time."""
    assert [len(step) for step in steps()] == [1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1]
    assert tuple(stage for step in steps() for stage in step) == STAGES
    first = Stage(name="first", own_process=True)
    chain = (first, Stage(name="second", inputs=("first",), own_process=True), Stage(name="third", own_process=True))
    assert [[one.name for one in step] for step in steps(chain)] == [["first"], ["second", "third"]]


_IMPORTED = """
import sys
before = set(sys.modules)
import {module}
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}} - sys.stdlib_module_names))
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "augment_ops"))
"""


@pytest.mark.parametrize(("module", "names_trainers"), [("graph", False), ("parameters", True)])
def test_what_dag_files_read_imports_the_standard_library_alone(module: str, names_trainers: bool) -> None:
    name = f"augment_ops.pipeline.{module}"
    out = subprocess.run(
        [sys.executable, "-c", _IMPORTED.format(module=name)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
        timeout=60,
    )
    light = {
        "augment_ops",
        "augment_ops.errors",
        "augment_ops.modalities",
        "augment_ops.parameter",
        "augment_ops.pipeline",
        *(["augment_ops.training"] if names_trainers else ()),
    }
    declared = {f"augment_ops.modalities.{one}{part}" for one in NAMES for part in ("", ".run_parameters")}
    assert out.stdout.splitlines() == ["augment_ops", " ".join(sorted({*light, *declared, name}))]
