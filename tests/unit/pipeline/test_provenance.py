"""What the ledger knows of a run: who may believe its records, without any stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augment_ops.errors import GovernanceError, InputError
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.provenance import Provenance, check_declared, enter_run, enter_stage
from augment_ops.pipeline.run import Run, StageRecord, begin
from augment_ops.settings import Settings
from augment_ops.workspace import open_ledger, open_store

FIRST, SECOND = "1" * 64, "2" * 64


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUGMENT_OPS_ACTOR", "ann")
    return Settings.from_environment()


@pytest.fixture
def run(settings: Settings) -> Run:
    return enter_run(settings, "r", RunParams(), "ann")


def record(output: str, key: str = "k") -> StageRecord:
    return StageRecord("ingest", key, output, 1.0, "2026-01-01T00:00:00+00:00")


def known(settings: Settings, run_id: str = "r") -> Provenance:
    return Provenance.of(open_ledger(settings), run_id)


def enter(settings: Settings, run: Run, of: StageRecord) -> None:
    enter_stage(open_ledger(settings), run, of, known(settings, run.id).made("ingest"))


def test_a_run_that_goes_on_is_entered_once_with_its_rules(settings: Settings, run: Run) -> None:
    assert enter_run(settings, "r", RunParams(), "ann") == run
    (entry,) = known(settings).entries
    assert (entry.act, entry.actor) == ("begin", "ann")
    assert "environments.yaml" in known(settings).rules
    with pytest.raises(InputError, match="other parameters"):
        enter_run(settings, "r", RunParams(seed=8), "ann")


def test_a_record_that_was_altered_before_the_run_goes_on_is_refused(settings: Settings, run: Run) -> None:
    (path,) = Path(settings.store).rglob("run.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"actor": "eve"}))
    with pytest.raises(GovernanceError, match=r"run\.json: found a declaration"):
        enter_run(settings, "r", RunParams(), "ann")
    with pytest.raises(GovernanceError, match="entered when ann began it"):
        check_declared(open_store(settings), known(settings))


def test_a_run_that_nobody_entered_is_no_run(settings: Settings) -> None:
    begin(open_store(settings), "made-up", RunParams(), "eve")
    with pytest.raises(GovernanceError, match="no entry of the ledger stands behind"):
        check_declared(open_store(settings), known(settings, "made-up"))


def test_what_one_run_made_is_nothing_of_another_whose_name_begins_alike(settings: Settings, run: Run) -> None:
    other = enter_run(settings, "r:stage", RunParams(), "eve")
    enter(settings, other, record(SECOND))
    assert known(settings).made("ingest") == []
    assert known(settings).declaration == known(settings).entries[-1]
    assert not known(settings).holds(record(SECOND))


def test_the_newest_execution_counts_and_no_other(settings: Settings, run: Run) -> None:
    assert not known(settings).holds(record(FIRST))
    for of in (record(FIRST), record(FIRST), record(SECOND)):  # a kill between entry and record leaves one entry
        enter(settings, run, of)
    assert known(settings).made("ingest") == [("k", FIRST), ("k", SECOND)]
    assert known(settings).holds(record(SECOND))
    assert not known(settings).holds(record(FIRST))
    for forged in (record("3" * 64), record(SECOND, key="another")):
        with pytest.raises(GovernanceError, match="which no execution made"):
            known(settings).holds(forged)
    enter(settings, run, record(FIRST))
    assert known(settings).made("ingest")[-1] == ("k", FIRST)
    assert known(settings).holds(record(FIRST))


def test_the_head_of_a_run_leaves_its_report_out_which_notes_it(settings: Settings, run: Run) -> None:
    enter(settings, run, record(FIRST))
    head = known(settings).head()
    report = StageRecord("report", "k", SECOND, 1.0, "2026-01-01T00:00:00+00:00")
    enter_stage(open_ledger(settings), run, report, [])
    assert head == known(settings).head() == known(settings).entries[-2].hash
