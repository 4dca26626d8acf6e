"""What an earlier version has left is gone on with; tests/golden/state_of_0_1 says what that is and how it was made."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from augment_ops.cli import audit, champion, drift, gate, governance, policies, runs
from augment_ops.errors import InputError
from support.mlflow_places import moved

ARCHIVE = Path(__file__).parents[1] / "golden" / "state_of_0_1" / "state.tar.xz"
MADE_AT = "/tmp/augment-ops-state"
ENTRIES = 43  # of its ledger
RUN = ("run", "--dataset", "digits", "--max-samples", "800", "--suite", "small", "--gate", "small")


@dataclass(frozen=True)
class State:
    """The old state, unpacked and used with the command line of today."""

    root: Path
    commands: typer.Typer

    @property
    def told(self) -> dict[str, Any]:
        """What the old version answered: `runs` and `gate --replay` of both."""
        return json.loads((self.root / "told.json").read_text())

    def call(self, *words: str) -> Result:
        result = CliRunner().invoke(self.commands, [*words, "--json"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def answer(self, *words: str, code: int = 0) -> Any:
        result = self.call(*words)
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.call("audit", "log").stdout.splitlines()]

    def acts_since(self) -> list[str]:
        return [entry["act"] for entry in self.log()[ENTRIES:]]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    home = tmp_path / "work" / "var"
    moved(home / "mlflow" / "mlflow.db", MADE_AT, str(tmp_path))
    for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "AUGMENT_OPS_WITNESSES", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(home))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(tmp_path / "work" / "policies"))
    monkeypatch.setenv("AUGMENT_OPS_ACTOR", "ada")
    monkeypatch.setenv("AUGMENT_OPS_KEY", str(tmp_path / "people" / "ada.pem"))
    commands = typer.Typer()
    for module in (audit, champion, drift, gate, governance, policies, runs):
        module.register(commands)
    return State(tmp_path, commands)


def test_its_champion_is_found_and_its_ledger_is_whole(state: State) -> None:
    assert state.answer("champion", "show", "digits") == {"dataset": "digits", "environment": "dev", "version": "2"}
    assert [reign["version"] for reign in state.answer("audit", "champions", "digits")] == ["1", "2"]
    found = state.answer("audit", "verify", "--every-signature")
    assert (found["faults"], found["registry"], found["not_asked"], found["warnings"]) == ([], [], [], [])
    assert (found["entries"], found["signed"], found["champions"]) == (ENTRIES, ENTRIES, 1)


def test_its_decisions_are_made_again_to_the_byte(state: State) -> None:
    for told in state.told["gates"]:
        again = state.answer("gate", "--replay", told["decision_digest"])
        assert again == told
        assert (again["same"], again["verdict"]) == (True, "PASS")


def test_its_policy_is_approved_and_its_rules_are_in_force(state: State) -> None:
    (chapter,) = state.answer("policy", "history", "digits-robust")
    said = [(event["by"], event["what"].split()[0]) for event in chapter["events"]]
    assert said[:3] == [("pat", "published"), ("pat", "proposed"), ("ada", "approved")]
    assert len(said) == 7  # and of each model, what the gate said and that it became champion
    shown = state.answer("governance", "show")
    assert (shown["faults"], shown["changes"]) == ([], [])


def test_its_champion_is_rolled_back(state: State) -> None:
    done = state.answer("rollback", "digits", "--reason", "sevens")
    assert (done["before"], done["champion"]) == ("2", "1")
    assert state.answer("champion", "show", "digits")["version"] == "1"
    assert state.acts_since() == ["rollback", "alias"]
    assert state.answer("audit", "verify")["faults"] == []


def test_its_monitor_goes_on_with_the_window_that_is_due(state: State) -> None:
    ask = ("drift", "digits", "--rules", "small", "--until", "2026-03-04T02:00")
    result = state.call(*ask)
    assert result.exit_code == 1, result.output
    found = json.loads(result.stdout)
    (judged,) = found["judged"]
    assert judged["message"] not in result.stderr  # what the result has is not said beside it
    assert all(alert["message"] not in result.stderr for alert in found["alerts"])
    assert (judged["start"], judged["status"], judged["labelled"]) == ("2026-03-03T00:00:00+00:00", "drift", 120)
    assert state.acts_since() == ["alert", "plan"]  # what happened, and the training that follows from it
    assert state.answer(*ask)["judged"] == []


def test_its_last_run_is_gone_on_with(state: State) -> None:
    """By a program whose keys have more in them: it computes again, and finds the data as they were.

    Not to the end: a network that is trained again is the same to the bit only on the same processor and Python.
    """
    ingested = json.loads(state.call("stage", "ingest", "--run-id", "run-8", "--json").stdout)
    checked = json.loads(state.call("stage", "check_data", "--run-id", "run-8", "--json").stdout)
    assert (ingested["reused"], checked["reused"]) == (False, False)
    assert state.acts_since() == ["stage", "stage"]
    assert state.answer("audit", "verify")["faults"] == []
    with pytest.raises(InputError, match="seed"):
        state.call("run", "--run-id", "run-8", "--seed", "9")


def test_a_new_run_takes_its_snapshot(state: State) -> None:
    done = json.loads(state.call(*RUN, "--one-by-one", "--seed", "9", "--epochs", "1", "--run-id", "run-9").stdout)
    assert (done["verdict"], done["promoted"]) == ("FAIL", False)
    trained = [entry["subjects"]["snapshot"] for entry in state.log() if entry["act"] == "train"]
    assert (len(trained), len(set(trained))) == (6, 1)
    assert state.answer("champion", "show", "digits")["version"] == "2"
    assert state.answer("audit", "verify")["faults"] == []
