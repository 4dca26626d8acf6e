"""What stands beside results, and that results stay whole: progress, colours, addresses."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from augment_ops.cli import drift, terminal
from augment_ops.cli.decision import show_decision
from augment_ops.cli.stage_progress import StagesShown
from augment_ops.cli.terminal import clickable, progress, say, styled, with_quiet
from augment_ops.production.alerts import Alert
from augment_ops.production.monitor import Monitored
from augment_ops.production.retraining import Retraining
from augment_ops.production.timeline import JudgedWindow

ADDRESS = f"http://127.0.0.1:5000/#/experiments/{'1' * 40}/runs/{'2' * 64}/artifacts/windows/2026-03-04T0000/drift.html"


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_progress_is_said_every_two_seconds_with_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with progress("measuring", "transforms", clock=clock) as advance:
        for done, passed in ((0, 1.0), (1, 1.9), (2, 2.0), (3, 3.9), (4, 4.0)):
            clock.now = 100.0 + passed
            advance(done, 8, f"step {done}")
    assert capsys.readouterr().err.splitlines() == [
        "measuring: 2 of 8 transforms, 1 a second, about 6 s left; step 2",
        "measuring: 4 of 8 transforms, 1 a second, about 4 s left; step 4",
    ]


def test_of_what_nobody_can_count_before_it_is_said_how_many_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with progress("reading", "samples", clock=clock) as advance:
        clock.now += 2.0
        advance(1000, None, "")
    assert capsys.readouterr().err == "reading: 1000 samples, 500 a second\n"


def test_what_takes_long_in_any_case_says_so_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("drawing", "transforms", at_once=True):
        assert capsys.readouterr().err == "drawing …\n"


def test_on_a_terminal_it_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    shown = Console(file=screen, force_terminal=True, width=120)
    monkeypatch.setattr(terminal, "remarks", lambda: shown)
    with progress("measuring", "transforms") as advance:
        for done in range(4):
            advance(done, 4, "Affine")
        shown.file.write("")
    text = screen.getvalue()
    assert "3/4" in text
    assert "a second" in text
    assert "left" in text


def test_quiet_is_silent_about_progress_and_not_about_results(capsys: pytest.CaptureFixture[str]) -> None:
    def command(name: str) -> None:
        say("going on")
        with progress("measuring", "transforms", at_once=True, clock=Clock()) as advance:
            advance(1, 2, "")
        terminal.warn("warning: look here")
        print(f"result {name}")

    asked = with_quiet(command)
    asked(quiet=True, name="a")
    assert capsys.readouterr() == ("result a\n", "warning: look here\n")
    asked(name="b")  # the next one is heard again
    assert "going on" in capsys.readouterr().err


def test_the_time_that_a_run_has_left_is_that_of_an_earlier_one_at_its_own_pace() -> None:
    clock, said = Clock(), list[str]()
    shown = StagesShown({"ingest": 10.0, "stress_test": 60.0, "report": 20.0}, tell=said.append, clock=clock)
    clock.now += 20.0  # twice as slow
    assert shown.done("ingest") == "about 160 s left"
    clock.now += 50.0
    assert shown.done("stress_test") == "about 20 s left"
    assert shown.done("report") == ""
    assert StagesShown({}, clock=clock).done("ingest") == ""
    shown.tell("[1/3] ingest", "done")
    assert said == ["[1/3] ingest: done"]


def test_of_what_runs_at_once_the_longest_counts_and_of_what_goes_in_turn_the_sum() -> None:
    clock, took = Clock(), {"ingest": 1.0, "train_candidate": 100.0, "train_control": 80.0, "stress_test": 10.0}
    with Progress(disable=True) as bar:
        at_once, in_turn = StagesShown(took, bar, clock=clock), StagesShown(took, clock=clock)
        clock.now += 1.0
        assert at_once.done("ingest") == in_turn.done("ingest") == "about 110 s left"
        for stage in ("train_candidate", "train_control"):
            at_once.begin(stage)
        in_turn.begin("train_candidate")
        clock.now += 80.0
        assert at_once.done("train_control") == "about 30 s left"
        clock.now += 20.0
        assert at_once.done("train_candidate") == "about 10 s left"
        assert (bar.tasks[0].completed, bar.tasks[0].total) == (101, 111)
        assert in_turn.done("train_candidate") == "about 90 s left"
        clock.now += 80.0
        in_turn.begin("train_control")
        assert in_turn.done("train_control") == "about 10 s left"


@pytest.mark.parametrize(
    ("word", "colour"),
    [
        ("PASS", "green"), ("FAIL", "red"), ("drift, blind", "red"), ("ok", "green"), ("unhealthy", "red"),
        ("died", "red"), ("refused at ingest", "red"), ("rejected", "red"), ("unreadable", "red"),
    ],
)  # fmt: skip
def test_a_verdict_has_its_colour(word: str, colour: str) -> None:
    assert colour in str(styled(word).style)


def test_addresses_are_whole_and_foreign_text_is_no_mark_up(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    output = Console(file=screen, width=60)
    reasons = [
        {"outcome": "fail", "rule": "invariance", "message": "class [bold]7[/] has 3 samples"},
        {"outcome": "pass", "rule": "data_wait", "message": "2% of the time"},
    ]
    show_decision(output, "FAIL", "for [red]you[/]", reasons, {"report": ADDRESS, "MLflow run": ""})
    text = screen.getvalue()
    assert ADDRESS in text
    assert "class [bold]7[/] has 3 samples" in text
    assert "for [red]you[/]" in text
    assert "MLflow run" not in text


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("/var/a b/é.png", "file:///var/a%20b/%C3%A9.png"),
        (ADDRESS, ADDRESS),
        ("file:///var/a.png", "file:///var/a.png"),
        ("", ""),
    ],
)
def test_what_lies_on_this_machine_can_be_opened_by_a_click(place: str, said: str) -> None:
    assert clickable(place) == said


def test_drift_says_each_thing_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    sentence = "Drift in brightness."
    key = "drift:digits:ref_default:2026-03-04T00:00:00+00:00"
    judged = JudgedWindow(
        dataset="digits", rules="default", reference="ref", start="2026-03-04T00:00:00+00:00",
        end="2026-03-05T00:00:00+00:00", status="drift", blind=False, message=sentence, faults=(), metrics={},
        report="a" * 64, page=ADDRESS, link="", alert=key, told=(key,),
    )  # fmt: skip
    alert = Alert("drift", "digits", key, {}, f"{sentence} Evidence: {ADDRESS}.", 24.0)
    old = Alert("age", "digits", "age:digits:1", {}, "The champion is 100 days old.", 24.0)
    training = Retraining("retrain__1", {}, f"{alert.message} Ledger entry 7. With 250 labelled production samples.")
    drift._show(Monitored("digits", (judged,), (alert, old), (), (training,)))
    text = capsys.readouterr().out
    assert text.count(sentence) == 1
    assert text.count(ADDRESS) == 1
    assert "ALERT drift: the window of 2026-03-04T00:00" in text
    assert "ALERT age: The champion is 100 days old." in text
    assert "retrain__1. Ledger entry 7. With 250 labelled production samples." in text


def test_the_bar_names_what_is_at_work_also_two_at_once() -> None:
    with Progress(disable=True) as bar:
        shown = StagesShown({}, bar)
        for stage in ("candidate", "control"):
            shown.begin(stage)
        assert bar.tasks[0].description == "candidate and control"
        shown.done("candidate")
        assert bar.tasks[0].description == "control"
