"""`augment-ops audit` and `augment-ops rollback` on a real MLflow store and a real ledger."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from augment_ops.errors import GovernanceError
from augment_ops.governance import Ledger
from augment_ops.governance.chain import Entry
from augment_ops.governance.keys import ensure
from augment_ops.lifecycle.champion import Move, crown, subjects_of
from augment_ops.lifecycle.governing import initialise
from augment_ops.private import close
from augment_ops.settings import Settings
from augment_ops.tracking import MlflowTracker, connect
from augment_ops.workspace import Workspace, open_ledger
from support.command_line import Call, caller
from support.mlflow_places import moved
from support.networks import untrained, write_program
from support.timestamping import local_authority

pytestmark = pytest.mark.filterwarnings("ignore:::mlflow")

SHAPE, CLASSES = (8, 8, 1), ("left", "right")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUGMENT_OPS_ACTOR", "bob")
    for name in ("AUGMENT_OPS_LEDGER", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return Settings.from_environment()


@pytest.fixture
def tracker(settings: Settings) -> MlflowTracker:
    return connect(settings.mlflow_uri, settings.home / "mlflow" / "artifacts")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that answers."""
    path = tmp_path_factory.mktemp("program") / "net.pt2"
    write_program(untrained(SHAPE, len(CLASSES)), SHAPE, path)
    return path


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, program: Path) -> Path:
    """A home with three versions of one data set, each champion after the other."""
    home = tmp_path_factory.mktemp("three") / "home"
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(home)})
    tracker = connect(settings.mlflow_uri, settings.home / "mlflow" / "artifacts")
    ledger = Ledger(settings.ledger)
    images = np.zeros((2, *SHAPE), np.uint8)
    for number in (1, 2, 3):
        pipeline_run, digest = f"run-{number}", f"{number}" * 64
        run = tracker.open_run("digits", pipeline_run, "candidate")
        uri = tracker.log_model(run, program, digest, images, CLASSES)
        version = tracker.register_challenger("digits", pipeline_run, run, uri, {}, "")
        previous = str(number - 1) if number > 1 else None
        said = subjects_of(tracker.version("digits", version))
        reason = f"the gate passed {number}"
        move = Move(
            act="promote",
            dataset="digits",
            environment="production",
            version=version,
            after=previous,
            key=pipeline_run,
            subjects=said,
            actor="ada",
            reason=reason,
        )
        crown(ledger, tracker, move)
    close(home, 0o077)  # as the command line would leave it
    return home


@pytest.fixture
def champions(settings: Settings, three: Path) -> Ledger:
    """Those three in the test's own home; to be asked for before `tracker`, which would make another."""
    shutil.copytree(three, settings.home)
    moved(settings.home / "mlflow" / "mlflow.db", str(three), str(settings.home))
    return Ledger(settings.ledger)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return caller(monkeypatch, capsys)


def moves(ledger: Ledger) -> list[Entry]:
    """The entries without those that say that an alias stands where it should."""
    return [entry for entry in ledger.entries() if entry.act != "alias"]


def champion(tracker: MlflowTracker) -> str:
    found = tracker.champion("digits")
    assert found is not None
    return found.version


def test_rollback_goes_back_once_however_often_it_is_asked(
    call: Call, champions: Ledger, tracker: MlflowTracker
) -> None:
    code, out, _ = call("rollback", "digits", "--reason", "wrong on sevens")
    assert (code, champion(tracker)) == (0, "2")
    assert "version 2 is champion of digits in production again, after version 3" in out
    entry = moves(champions)[-1]
    assert (entry.act, entry.actor, entry.reason) == ("rollback", "bob", "wrong on sevens")
    assert entry.subjects == {
        **subjects_of(tracker.version("digits", "2")),
        "version": "digits/2",
        "previous": "3",
        "environment": "production",
    }

    code, out, _ = call("rollback", "digits", "--reason", "wrong on sevens")
    assert (code, champion(tracker), len(moves(champions))) == (0, "2", 4)
    assert "--to goes back further" in out

    code, _, _ = call("rollback", "digits", "--reason", "two was no better", "--to", "1", "--json")
    assert (code, champion(tracker), len(moves(champions))) == (0, "1", 5)
    assert champions.verify() == []


def test_a_rollback_that_was_cut_off_is_completed(
    call: Call, champions: Ledger, tracker: MlflowTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowTracker, "promote", killed)
        call("rollback", "digits", "--reason", "wrong on sevens")
    assert (champion(tracker), len(moves(champions))) == ("3", 4)
    assert "not finished: digits, production: entry 7" in call("audit", "verify")[1]  # cut off, which is no fault
    call("rollback", "digits", "--reason", "wrong on sevens", "--quarantine")
    assert champion(tracker) == "2"
    assert [entry.act for entry in moves(champions)[3:]] == ["rollback", "quarantine"]
    assert call("audit", "verify")[0] == 0


def test_what_is_in_quarantine_never_is_champion_again(
    call: Call, champions: Ledger, tracker: MlflowTracker, program: Path
) -> None:
    assert call("rollback", "digits", "--reason", "leaks labels", "--quarantine")[0] == 0
    code, _, error = call("rollback", "digits", "--reason", "try again", "--to", "3")
    assert code == 1
    assert "in quarantine since version 3: leaks labels" in error
    assert champion(tracker) == "2"
    last = moves(champions)[-1]
    assert (last.act, last.actor, last.subjects["version"]) == ("refuse", "bob", "digits/3")
    call("rollback", "digits", "--reason", "try again", "--to", "3")
    assert [entry.act for entry in moves(champions)[3:]] == ["rollback", "quarantine", "refuse"]  # refused once
    # MLflow's tag shows what the ledger says: without it nothing is lifted, and under another number neither.
    tracker._connection.client.delete_model_version_tag("digits-classifier", "3", "augment_ops.quarantined")
    run = tracker.open_run("digits", "run-9", "candidate")
    uri = tracker.log_model(run, program, "3" * 64, np.zeros((2, *SHAPE), np.uint8), CLASSES)
    again = tracker.register_challenger("digits", "run-9", run, uri, {}, "")
    said = subjects_of(tracker.version("digits", again))
    once_more = Move(
        act="promote",
        dataset="digits",
        environment="production",
        version=again,
        after="2",
        key="again",
        subjects=said,
        actor="ada",
        reason="once more",
    )
    with pytest.raises(GovernanceError, match="in quarantine since version 3: leaks labels"):
        crown(champions, tracker, once_more)
    assert call("rollback", "digits", "--reason", "try again", "--to", "3")[0] == 1
    assert champion(tracker) == "2"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("digits", "--to", "9"), "version 9 of digits, which there is not; expected a version that was champion in "
         "production: 1, 2, 3."),
        (("digits", "--to", "first"), "version first of digits, which there is not"),
        (("digits", "--environment", "prod"), "Did you mean production?"),
        (("nothing",), "no champion"),
    ],
)  # fmt: skip
def test_where_nobody_can_go_back(call: Call, champions: Ledger, tracker: MlflowTracker, arguments, says) -> None:
    code, _, error = call("rollback", *arguments, "--reason", "x")
    assert code == 2
    assert says in error
    assert champion(tracker) == "3"
    assert moves(champions)[3:] == []


def test_before_the_first_champion_there_is_none(
    call: Call, champions: Ledger, tracker: MlflowTracker, settings: Settings
) -> None:
    for to in ("2", "1"):
        call("rollback", "digits", "--reason", "further", "--to", to)
    code, _, error = call("rollback", "digits", "--reason", "further", "--environment", "staging")
    assert code == 2
    assert "no champion" in error
    tracker.promote("digits", "2", "1")
    subjects = {"version": "digits/2", "model": "2" * 64, "previous": "none"}
    open_ledger(settings).append("promote", "ada", subjects, "", "odd")
    code, _, error = call("rollback", "digits", "--reason", "further")
    assert code == 2
    assert "no champion before version 2" in error


def test_champions_with_who_and_why(call: Call, champions: Ledger) -> None:
    call("rollback", "digits", "--reason", "wrong on sevens")
    code, out, _ = call("audit", "champions", "digits")
    assert code == 0
    lines = out.splitlines()
    assert [line.split("version ")[1][0] for line in lines] == ["1", "2", "3", "2"]
    assert "rollback by bob  — wrong on sevens" in lines[-1]
    assert json.loads(call("audit", "champions", "digits", "--json")[1])[-1]["previous"] == "3"
    assert call("audit", "champions", "nothing")[0] == 2


def test_log_as_lines_of_json(call: Call, champions: Ledger) -> None:
    code, out, _ = call("audit", "log", "--about", "digits/2", "--json")
    assert code == 0
    entry, alias = map(json.loads, out.splitlines())
    assert (entry["seq"], entry["actor"], entry["software"]) == (3, "ada", "augment-ops 0.1.0")
    assert (alias["act"], alias["subjects"]["move"]) == ("alias", "3")
    assert "the gate passed 3" in call("audit", "log", "--actor", "ada")[1]


def test_verify_shows_that_the_end_was_cut_off(
    call: Call, champions: Ledger, tracker: MlflowTracker, settings: Settings
) -> None:
    code, out, _ = call("audit", "verify")
    assert (code, "6 entries, held against 0 noted heads: whole" in out) == (0, True)
    assert "champions in MLflow: 1, as the ledger says" in out
    tracker.open_run("digits", "run-3", tags={"augment_ops.ledger_head": champions.head()})
    report = settings.home / "reports" / "run-2" / "report.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"lineage": {"ledger head": champions.entries()[1].hash}}))
    assert "held against 2 noted heads: whole" in call("audit", "verify")[1]

    path = settings.ledger.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection, connection:
        (trigger,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'ledger_no_delete'").fetchone()
        connection.execute("DROP TRIGGER ledger_no_delete")
        connection.execute("DELETE FROM ledger WHERE seq = 6")
        connection.execute(trigger)
    connection.close()
    code, out, _ = call("audit", "verify")
    assert code == 1
    assert "that MLflow run" in out
    assert "report.json" not in out  # what the report noted is still there
    answer = json.loads(call("audit", "verify", "--json")[1])
    assert (len(answer["faults"]), answer["entries"], answer["anchors"]) == (1, 5, 2)


def test_a_ledger_written_anew_and_backdated_is_found(
    call: Call, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever has the database, its key and the witness beside it; then even the kept tokens."""

    def write(*keys: str, days: int = 0) -> Ledger:
        ledger = open_ledger(Settings.from_environment())
        with monkeypatch.context() as patch:
            patch.setattr("augment_ops.governance.clock.now", lambda: datetime.now(UTC) - timedelta(days=days))
            for key in keys:
                ledger.append("approve", "ada", {}, "", key)
        return ledger

    with local_authority(tmp_path / "authority") as authority:
        uri = authority.witness(str(tmp_path / "elsewhere"))
        monkeypatch.setenv("AUGMENT_OPS_WITNESSES", uri)
        write("a", "b")
        code, out, _ = call("audit", "verify")
        assert (code, f"with timestamps of {authority.url}, entry 2" in out, "warning" in out) == (0, True, False)

        Path(settings.ledger.removeprefix("sqlite:///")).unlink()
        shutil.rmtree(settings.home / "witness")
        monkeypatch.delenv("AUGMENT_OPS_WITNESSES")
        write("c", "d", days=30)
        monkeypatch.setenv("AUGMENT_OPS_WITNESSES", uri)
        code, out, _ = call("audit", "verify")
        assert (code, out.count("no such entry")) == (1, 2)

        shutil.rmtree(tmp_path / "elsewhere")
        write("e")
        code, out, _ = call("audit", "verify")
        assert (code, "warning: entries 1 to 3 say " in out) == (0, True)


def test_verify_fails_where_it_could_not_ask(
    call: Call, champions: Ledger, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them named, and nothing ends in a traceback."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("AUGMENT_OPS_WITNESSES", str(settings.home / "taken" / "below"))
    settings.home.joinpath("taken").write_text("in the way")
    for name, content in (("cut", b'{"lineage": {"led'), ("other", b'{"lineage": []}'), ("binary", b"\xff\x00")):
        report = settings.home / "reports" / name / "report.json"
        report.parent.mkdir(parents=True)
        report.write_bytes(content)
    (settings.home / "reports" / "gone").mkdir()
    code, out, error = call("audit", "verify", "--anchor", champions.head(), "--json", "--quiet")
    answer = json.loads(out)
    assert (code, error) == (1, "")
    reports = [f"the report {settings.home}/reports/{name}/report.json" for name in ("binary", "cut", "gone", "other")]
    assert answer["not_asked"] == [*reports, "MLflow"]
    assert [fault["where"] for fault in answer["faults"]] == [
        "witness MLflow at http://127.0.0.1:9",
        f"witness {settings.home}/taken/below/heads.jsonl",
        *answer["not_asked"],
    ]
    assert answer["anchors"] == 1


def test_verify_fails_where_runs_were_decided_and_nobody_noted_anything(
    call: Call, settings: Settings, tracker: MlflowTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(settings)
    with monkeypatch.context() as patch:
        patch.setattr("augment_ops.governance.clock.now", lambda: datetime.now(UTC) - timedelta(hours=2))
        ledger.append("decide", "gate", {}, "", "run-1:decide")
    code, out, _ = call("audit", "verify")
    assert code == 1
    assert "those of 1 runs that the ledger says were decided" in out
    tracker.open_run("digits", "run-1", tags={"augment_ops.ledger_head": ledger.head()})
    code, out, _ = call("audit", "verify")
    assert code == 0
    assert re.search(r"youngest outside witness: MLflow and --anchor, entry 1, 2:0\d:", out)


def test_where_rules_are_signed_a_rollback_counts_with_its_signature(
    call: Call,
    champions: Ledger,
    tracker: MlflowTracker,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policies = shutil.copytree(settings.policies, tmp_path / "policies")
    bob, olga = ensure(tmp_path / "bob.pem"), tmp_path / "olga.pem"
    ensure(olga)
    (policies / "approvers.yaml").write_text(
        f'version: 1\nroles:\n  ml-lead: [{{id: bob, name: bob, keys: ["{bob.public}"]}}]\n'
    )
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(policies))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    initialise(Workspace(replace(settings, policies=policies), "olga", key=olga))

    code, _, error = call("rollback", "digits", "--reason", "wrong on sevens")
    assert (code, champion(tracker)) == (3, "3")
    assert "policy keygen" in error
    entered = [(e.act, e.actor) for e in champions.entries() if e.act not in ("promote", "alias")]
    assert entered == [("root", "olga"), ("refuse", "bob")]
    open_ledger(settings).append(
        "rollback", "bob", {"version": "digits/1", "previous": "3"}, "made up", "rollback:digits:9"
    )

    monkeypatch.setenv("AUGMENT_OPS_KEY", str(tmp_path / "bob.pem"))
    for _ in range(2):
        assert call("rollback", "digits", "--reason", "wrong on sevens")[0] == 0
        assert champion(tracker) == "2", "not the version that the made-up entry names"
    (last,) = [e for e in champions.entries() if e.subjects.get("key") == bob.public]
    assert (last.act, last.subjects["version"]) == ("rollback", "digits/2")
