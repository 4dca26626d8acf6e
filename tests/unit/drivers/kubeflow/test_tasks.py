"""What the tasks of a compiled pipeline do, called as Kubeflow calls them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from augment_ops.drivers.kubeflow.stamp import stamp
from augment_ops.drivers.kubeflow.tasks import work
from augment_ops.errors import InputError
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.refused import page_of
from augment_ops.pipeline.run import find
from augment_ops.settings import Settings
from augment_ops.workspace import open_store

Begin = Callable[..., str]
Recorded = Callable[[], tuple[list[str], list[str]]]
NOTHING: tuple[list[str], list[str]] = ([], [])


def test_a_run_begins_under_the_id_of_kubeflows_in_the_name_of_the_tasks(settings: Settings, begin: Begin) -> None:
    assert begin(seed=8) == "kfp-0123"
    run = find(open_store(settings), "kfp-0123")
    assert run.actor == "kubeflow"
    assert run.params == asdict(RunParams(seed=8))


def test_a_task_that_is_tried_again_finds_the_run(begin: Begin, recorded: Recorded) -> None:
    assert begin() == begin() == begin(run_id="kfp-0123")
    assert recorded() == (["begin"], ["runs/kfp-0123/run.json"])
    with pytest.raises(InputError, match=r"other parameters than it was started with \(seed\)"):
        begin(seed=8)


@pytest.mark.parametrize("name", ["begin", "ingest"])
def test_a_pipeline_of_another_version_is_refused_by_whichever_task(
    settings: Settings, recorded: Recorded, name: str
) -> None:
    given = {"job": "0123", "run_id": "", **asdict(RunParams())}
    with pytest.raises(InputError, match=r"compiled pipeline: found 'augment-ops 0\.0\.9, graph abc'"):
        work(settings, name, "augment-ops 0.0.9, graph abc", given, print)
    assert recorded() == NOTHING


def test_every_parameter_that_is_wrong_is_said_and_nothing_is_begun(begin: Begin, recorded: Recorded) -> None:
    wrong: dict[str, Any] = {"seed": "seven", "epochs": 2.5, "allow_outside": "yes", "delivery": "onlin", "sede": 1}
    with pytest.raises(InputError) as refused:
        begin(**wrong)
    assert {fault.where for fault in refused.value.faults} == set(wrong)
    assert recorded() == NOTHING


def test_a_run_that_never_began_leaves_a_page_and_says_where(settings: Settings) -> None:
    said: list[str] = []
    with pytest.raises(InputError):
        work(settings, "begin", stamp(), {"job": "0123", "run_id": "", "gate": "none-such"}, said.append)
    page = page_of(settings, "kfp-0123")
    assert said == [f"why it stopped, and what to do: {page}"]
    assert "none-such" in page.read_text()


def test_whole_numbers_that_travelled_as_doubles_are_whole_again(settings: Settings, begin: Begin) -> None:
    run = find(open_store(settings), begin(seed=8.0, epochs=2.0, cache_gib=3))
    assert [(type(run.params[name]), run.params[name]) for name in ("seed", "epochs")] == [(int, 8), (int, 2)]


def test_what_a_double_does_not_hold_is_refused(begin: Begin, recorded: Recorded) -> None:
    assert begin(seed=2**53 - 1)
    for seed in (2**53, float(2**60)):
        with pytest.raises(InputError, match=r"seed: found (?s:.*) Kubeflow would round this"):
            begin(job="4567", seed=seed)
    assert recorded()[1] == ["runs/kfp-0123/run.json"]


@pytest.mark.parametrize("run_id", ["cli-0123", "manual__2026-05-01T12:00:00+00:00"])
def test_runs_of_other_drivers_are_left_to_them(begin: Begin, recorded: Recorded, run_id: str) -> None:
    with pytest.raises(InputError, match="an id that begins with kfp-"):
        begin(run_id=run_id)
    assert recorded() == NOTHING


def test_a_stage_of_a_run_that_was_not_begun(settings: Settings, recorded: Recorded) -> None:
    for name in ("ingest", "approve"):
        with pytest.raises(InputError, match="no record of it"):
            work(settings, name, stamp(), {"run_id": "kfp-0123"}, print)
    assert recorded() == NOTHING


def test_a_task_that_is_no_stage(settings: Settings, begin: Begin) -> None:
    with pytest.raises(InputError, match=r"Did you mean ingest\?"):
        work(settings, "ingst", stamp(), {"run_id": begin()}, print)
