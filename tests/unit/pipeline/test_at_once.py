"""Stages in processes of their own: what these say, in which order they come, and how they end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import psutil
import pytest

from augment_ops.errors import InputError, TrainingError
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.pipeline.at_once import _heard, _StageProcess, computed_at_once
from augment_ops.pipeline.computing import ComputedStage, Raised
from augment_ops.pipeline.graph import BY_NAME
from augment_ops.pipeline.stage_process import _picklable
from augment_ops.settings import Settings
from augment_ops.training.children import end, hand_over, head

BEGAN_NS = 1
DONE = ComputedStage(key="a", output="b", wall_s=1.0, spans=())
Lines = list[tuple[str, str]]


@pytest.fixture
def start() -> Iterator[Callable[[str, str, object], _StageProcess]]:
    """Starts a command that stands for the process of a stage, with what it sends before it ends."""
    with ExitStack() as ended:

        def started(stage: str, command: str, *sent: object) -> _StageProcess:
            ours, theirs = Pipe()
            ended.enter_context(ours)
            process = subprocess.Popen(["sh", "-c", command], start_new_session=True)
            ended.callback(end, process)
            with theirs:
                for message in sent:
                    theirs.send(message)
            return _StageProcess(stage, BEGAN_NS, process, ours)

        yield started


def test_each_comes_when_it_is_done_and_its_lines_are_its_own(start) -> None:
    lines: Lines = []
    one = start("candidate", "sleep 60", "epoch 1", DONE)
    other = start("control", "sleep 60", DONE)
    came = [(stage, ahead(Trace(""))) for stage, ahead in _heard([one, other], lambda *line: lines.append(line))]
    assert came == [("control", DONE), ("candidate", DONE)]
    assert lines == [("candidate", "epoch 1")]


def test_what_has_failed_comes_first_and_raises_its_own_error(start) -> None:
    lines: Lines = []
    one = start("candidate", "sleep 60", "epoch 1", "epoch 2")
    other = start("control", "sleep 60", Raised(InputError("here", "this", "that", "mend it"), "where it was", ()))
    stage, ahead = next(_heard([one, other], lambda *line: lines.append(line)))
    assert stage == "control"
    assert not [line for _, line in lines if "is ended" in line]  # nobody has asked yet
    with pytest.raises(InputError, match="here: found this") as caught:
        ahead(Trace(""))
    assert str(caught.value.__cause__) == "where it was"
    assert ("candidate", "is ended, because control has failed") in lines


@pytest.mark.parametrize("stopped", [True, False], ids=["failed", "done"])
def test_a_stage_begins_with_its_process_and_has_what_that_traced(start, stopped: bool) -> None:
    there, here = Trace("run", on=True), Trace("run", on=True)
    there.add("epoch 0", start_ns=2, attributes={})
    spans = tuple(there.spans)
    one = start("control", "sleep 60", Raised(ValueError("no"), "", spans) if stopped else replace(DONE, spans=spans))
    _, ahead = next(_heard([one], lambda *line: None))
    with suppress(ValueError), here.span("control", {}):
        ahead(here)
    epoch, stage = here.spans
    assert (epoch.name, stage.name, epoch.parent, stage.parent) == ("epoch 0", "control", stage.id, here.root)
    assert stage.start_ns == BEGAN_NS < epoch.start_ns


def test_whoever_is_killed_is_named(start) -> None:
    stage, ahead = next(_heard([start("control", "kill -9 $$")], lambda *line: None))
    assert stage == "control"
    with pytest.raises(TrainingError, match="stage control: found it was ended by SIGKILL"):
        ahead(Trace(""))


def test_ctrl_c_stops_the_execution_of_a_stage(start) -> None:
    def interrupted(*line: str) -> None:  # as a signal does that comes then; a test that runs behind others gets none
        raise KeyboardInterrupt

    heard = _heard([start("candidate", "sleep 60", "epoch 1")], interrupted)
    stage, ahead = next(heard)
    assert stage == "candidate"
    with pytest.raises(KeyboardInterrupt):
        ahead(Trace(""))
    with pytest.raises(KeyboardInterrupt):  # and whoever goes on, since the stage was kept
        next(heard)


def test_ctrl_c_after_the_last_has_come_stops_its_reader(start) -> None:
    heard = _heard([start("candidate", "sleep 60", DONE)], lambda *line: None)
    assert next(heard)[0] == "candidate"
    with pytest.raises(KeyboardInterrupt):
        heard.throw(KeyboardInterrupt())


def test_a_process_says_why_it_could_not_and_the_others_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For real: there is no such run."""
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path))
    stages = [BY_NAME["train_candidate"], BY_NAME["train_control"]]
    with computed_at_once(Settings.from_environment(), "nowhere", stages, lambda *line: None) as done:
        _, ahead = next(done)
        with pytest.raises(InputError, match="run nowhere: found no record of it") as caught:
            ahead(Trace(""))
        assert "compute_ahead" in str(caught.value.__cause__)
    assert [one for one in psutil.Process().children() if "stage_process" in _command(one)] == []


def _command(process: psutil.Process) -> str:
    """Empty of one that has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def test_a_last_word_that_cannot_be_read_is_said(start, monkeypatch: pytest.MonkeyPatch) -> None:
    one = start("control", "sleep 60", Raised(_OfALibrary("a"), "where it was", ()))
    monkeypatch.delattr(sys.modules[__name__], "_OfALibrary")
    stage, ahead = next(_heard([one], lambda *line: None))
    assert stage == "control"
    with pytest.raises(TrainingError, match=r"cannot be read here .AttributeError: "):
        ahead(Trace(""))


class _OfALibrary(Exception):  # noqa: N818 - of a module that the command itself never imports
    """What a library may raise."""


def test_what_a_run_started_counts_as_one_family() -> None:
    """The other training is none of those that a training is told to look for a quieter machine for."""
    asks = (
        "from multiprocessing.connection import Connection; import sys; from augment_ops.training import children as c;"
        "one = Connection(int(sys.argv[1])); c.meet(one); one.send(c.head())"
    )
    ours, theirs = Pipe()
    handed = theirs.fileno()
    with ExitStack() as ended:
        process = subprocess.Popen([sys.executable, "-c", asks, str(handed)], pass_fds=[handed], start_new_session=True)
        ended.callback(end, process)
        ended.enter_context(ours)
        theirs.close()
        hand_over(ours, b"")
        assert ours.recv() == head() == os.getpid()


class _OfNoOther(Exception):  # noqa: N818 - what a library may raise: it takes more than it keeps
    def __init__(self, what: str, why: str) -> None:
        super().__init__(what)


def test_an_error_that_cannot_travel_says_what_it_was() -> None:
    assert repr(_picklable(_OfNoOther("a", "b"))) == "RuntimeError('_OfNoOther: a')"
    assert repr(_picklable(_OfALibrary("a"))) == "RuntimeError('_OfALibrary: a')"
    refused = InputError("here", "this", "that", "mend it")
    assert _picklable(refused) is refused
    gone = OSError(28, "No space left on device", "/here")
    found = _picklable(gone)
    assert isinstance(found, OSError) and found.filename == "/here"  # which the command line tells in its own words
