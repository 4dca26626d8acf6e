"""What is remembered of runs is what lies in the store now, however often it is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augment_ops.pipeline.known_runs import KnownRuns
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace
from support import home_state
from support.home_state import EVIL, FIRST, LOST, SECOND, STARTED, WAITING


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return home_state.make(tmp_path_factory.mktemp("home"))


@pytest.fixture
def settings(made: Settings, tmp_path: Path) -> Settings:
    return home_state.copied(made, tmp_path)


@pytest.fixture
def known(settings: Settings) -> KnownRuns:
    return KnownRuns(Workspace(settings, "ada"))


def folder(settings: Settings, run: str) -> Path:
    return Path(settings.store) / "documents" / "runs" / run


def test_the_newest_is_first_and_only_a_whole_id_finds_a_run(known: KnownRuns) -> None:
    begun = [run.id for run in known.begun()]
    assert (begun[0], begun[-1]) == (LOST, FIRST)
    assert known.find(FIRST) is not None
    assert known.find(FIRST[:-1]) is known.find("") is known.find("../runs/" + FIRST) is None


def test_a_run_that_has_ended_is_read_once(known: KnownRuns, settings: Settings) -> None:
    run = next(one for one in known.begun() if one.id == FIRST)
    line = known.line(run)
    assert known.line(run) is line
    record = folder(settings, FIRST) / "report.json"
    record.write_text(record.read_text().replace('"wall_s":12.0', '"wall_s":13.0'))
    again = known.line(run)
    assert again.made_s == line.made_s + 1


def test_one_that_goes_on_is_read_again(known: KnownRuns, settings: Settings) -> None:
    run = next(one for one in known.begun() if one.id == STARTED)
    assert known.line(run).summary.state == "at ingest"
    ingest = folder(settings, FIRST) / "ingest.json"
    (folder(settings, STARTED) / "ingest.json").write_bytes(ingest.read_bytes())
    assert known.line(run).summary.state == "at check_data"
    assert known.facts(run) == ("digits", "at check_data")


def test_what_waits_is_known_until_it_is_answered(known: KnownRuns, settings: Settings) -> None:
    assert [line.id for line in known.waiting()] == [EVIL, WAITING]
    folder_of = next(path.parent for path in folder(settings, "").rglob("run.json") if WAITING in path.read_text())
    record = json.loads((folder(settings, FIRST) / "promote.json").read_bytes())
    (folder_of / "approve.json").write_text(json.dumps(record | {"stage": "approve"}))
    assert [line.id for line in known.waiting()] == [EVIL]


def test_a_run_that_cannot_be_read_hides_no_other(known: KnownRuns, settings: Settings) -> None:
    lost = next(one for one in known.begun() if one.id == LOST)
    assert known.line(lost).summary.state == known.facts(lost)[1] == "unreadable"
    assert known.line(lost).summary.outcome
    (folder(settings, SECOND) / "run.json").write_text("{")
    assert FIRST in {run.id for run in KnownRuns(Workspace(settings, "ada")).begun()}
