"""The stack's MLflow as `augment-ops up` starts it: who may do what with its login, and the heads that it keeps."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from augment_ops.errors import GovernanceError, TrackingError
from augment_ops.governance.keys import ensure
from augment_ops.governance.ledger import Ledger
from augment_ops.governance.witness import Head
from augment_ops.report.page import render
from augment_ops.settings import Settings
from augment_ops.tracking import connect
from augment_ops.tracking.connection import SERVICE_ACCOUNT, login_file
from augment_ops.tracking.heads import MlflowWitness, mlflow_witness
from augment_ops.tracking.server import set_logins
from augment_ops.workspace import open_ledger
from support.mlflow_server import mlflow_server
from support.networks import untrained, write_program
from support.ports import free_port
from support.report_page import inputs

# The server is up in 10 s, and in minutes where others have the cores. What takes longer says where it stands, and
# lets go of what it has.
pytestmark = [pytest.mark.filterwarnings("ignore:::mlflow"), pytest.mark.timeout(400)]

SHAPE, CLASSES, MODEL = (8, 8, 1), ("left", "right"), "digits-classifier"
NOBODY = ("", "")
SHOWN_MS = 30_000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A home with a registered model of a time without a login, served as the stack serves it."""
    home = tmp_path_factory.mktemp("home")
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUGMENT_OPS_HOME", str(home))
        patch.setenv("AUGMENT_OPS_MLFLOW_PORT", str(port))
        # connect() sets the first two; they go again with this fixture.
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_URI"):
            patch.setenv(name, "")
            patch.delenv(name)
        settings = Settings.from_environment()
        register(settings, 1)
        with mlflow_server(settings) as server:
            yield server.settings


def register(settings: Settings, number: int) -> str:
    tracker = connect(settings.mlflow_uri, settings.home / "mlflow" / "artifacts")
    run = tracker.open_run("digits", f"run-{number}", "candidate")
    program = settings.home / "net.pt2"
    if not program.is_file():
        write_program(untrained(SHAPE, len(CLASSES), 1), SHAPE, program)
    uri = tracker.log_model(run, program, f"{number}" * 64, np.zeros((2, *SHAPE), np.uint8), CLASSES)
    return tracker.register_challenger("digits", f"run-{number}", run, uri, {}, "")


def ask(settings: Settings, who: tuple[str, str]) -> dict[str, int]:
    """What the server answers somebody who reads, moves the alias, changes a tag, and writes artifacts."""
    api = f"{settings.mlflow_uri}/api/2.0"
    alias, tag = {"alias": "champion", "version": "1"}, {"version": "1", "key": "k", "value": "v"}
    login = None if who == NOBODY else who
    with httpx.Client(auth=login, timeout=30, trust_env=False) as http:
        return {
            "search": http.get(f"{api}/mlflow/registered-models/search").status_code,
            "alias": http.post(f"{api}/mlflow/registered-models/alias", json={"name": MODEL, **alias}).status_code,
            "tag": http.post(f"{api}/mlflow/model-versions/set-tag", json={"name": MODEL, **tag}).status_code,
            "delete": http.request(
                "DELETE", f"{api}/mlflow/model-versions/delete", json={"name": MODEL, "version": "1"}
            ).status_code,
            "artifact": http.put(f"{api}/mlflow-artifacts/artifacts/1/models/m-1/x.pt2", content=b"x").status_code,
            "users": http.post(
                f"{api}/mlflow/users/create", json={"username": "me-too", "password": "a long password"}
            ).status_code,
        }


def test_without_a_login_nothing_is_answered(served: Settings) -> None:
    assert set(ask(served, NOBODY).values()) == {401}
    assert set(ask(served, (SERVICE_ACCOUNT, "guessed")).values()) == {401}


@pytest.mark.parametrize("person", ["viewer", "ml-lead", "admin"])
def test_people_read_and_change_nothing(served: Settings, person: str) -> None:
    found = ask(served, (person, f"password of {person}"))
    assert found.pop("search") == 200
    assert set(found.values()) == {403}
    assert not list((served.home / "mlflow" / "artifacts").rglob("x.pt2"))


def test_our_own_code_has_the_login_by_itself(served: Settings) -> None:
    tracker = connect(served.mlflow_uri, served.home / "mlflow" / "artifacts")
    assert register(served, 2) == "2"
    tracker.promote("digits", "1", None)  # of the state that was made without a login
    assert tracker.named_champion("digits", "production") == "1"
    assert tracker.download_model("digits", "2").content


def test_the_report_is_used_in_mlflows_own_frame(served: Settings) -> None:
    """A sandbox without pop-ups: sections are reached, folds open, and where links are dead their addresses stand."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here: install the package chromium")
    tracker = connect(served.mlflow_uri, served.home / "mlflow" / "artifacts")
    run = tracker.open_run("digits", "run-report")
    tracker.log_bytes(run, render(inputs(airflow_url=served.mlflow_uri)).encode(), "report/report.html")
    with sync_api.sync_playwright() as playwright:
        quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", *quiet], timeout=SHOWN_MS
        )
        viewer = {"username": "viewer", "password": "password of viewer"}
        page = browser.new_context(viewport={"width": 1440, "height": 1000}, http_credentials=viewer).new_page()
        page.set_default_timeout(SHOWN_MS)
        page.goto(run.artifact_url("report/report.html"))
        frame = page.frame_locator("iframe.mlflow-html-iframe")
        frame.get_by_role("navigation", name="Contents").wait_for()
        assert page.locator("iframe.mlflow-html-iframe").get_attribute("sandbox") == "allow-scripts"
        for title in ("Calibration", "Model card", "Clean against stressed"):
            heading = frame.get_by_role("heading", name=title, level=2)
            sync_api.expect(heading).not_to_be_in_viewport()
            frame.locator("nav.in li", has_text=title).click()
            sync_api.expect(heading).to_be_in_viewport(timeout=SHOWN_MS)
        frame.get_by_text("the addresses to copy").click()
        address = frame.locator("code.address").first
        sync_api.expect(address).to_be_visible(timeout=SHOWN_MS)
        assert address.inner_text() == served.mlflow_uri
        frame.get_by_role("link", name="Airflow run").click()  # dead in this frame: were it not, nobody had to copy
        assert len(page.context.pages) == 1
        assert frame.get_by_role("heading", name="Model card").is_visible(), "the page is still there"
        browser.close()


def test_somebody_else_is_told_what_is_missing(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TrackingError, match="a server that wants a login"):
        connect(served.mlflow_uri).check()


def test_secrets_are_in_files_of_the_owner_and_on_no_command_line(served: Settings) -> None:
    folder = served.home / "mlflow"
    files = [login_file(folder / "artifacts"), folder / "readers.json", folder / "auth.ini"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    secrets = [*json.loads(files[0].read_text()).values(), *json.loads(files[1].read_text()).values()]
    lines = []
    for process in psutil.process_iter():
        try:
            lines.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    assert any("basic-auth" in line for line in lines)
    assert not [line for line in lines if any(secret in line for secret in secrets)]


@pytest.mark.filterwarnings("ignore:No path_separator:DeprecationWarning")  # MLflow's configuration of alembic
def test_logins_follow_the_files(tmp_path: Path) -> None:
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    database = f"sqlite:///{tmp_path / 'auth.db'}"
    set_logins(database, "augment-ops", "a first password", {"ml-lead": "the lead's own"})
    set_logins(database, "augment-ops", "a second password", {"viewer": "to look with it"})
    store = SqlAlchemyStore()
    store.init_db(database)
    assert {user.username: user.is_admin for user in store.list_users()} == {"augment-ops": True, "viewer": False}
    assert not store.authenticate_user("augment-ops", "a first password")
    assert store.authenticate_user("augment-ops", "a second password")
    store.engine.dispose()


def noted_in(served: Settings) -> MlflowWitness:
    (witness,) = mlflow_witness(served.mlflow_uri, served.home / "mlflow" / "artifacts")
    return witness


def test_each_entry_is_a_head_in_mlflow_at_once(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augment_ops.tracking.heads._PER_RUN", 2)
    ledger, witness = open_ledger(served), noted_in(served)
    assert list(witness.heads()) == []
    entries = [ledger.append("train", "ada", {}, "", f"k{number}") for number in range(4)]
    assert [(h.seq, h.hash, h.signer) for h in witness.heads()] == [
        (e.seq, e.hash, ensure(served.keys / "installation.pem").public) for e in entries
    ]
    again = open_ledger(served)  # as another process does, which finds the run again
    again.append("train", "ada", {}, "", "k4")
    assert [h.seq for h in noted_in(served).heads()] == [1, 2, 3, 4, 5]
    monkeypatch.setattr("augment_ops.tracking.heads._RUNS_READ", 2)
    assert [h.seq for h in noted_in(served).heads()] == [2, 3, 4, 5], "the newest runs"
    (sighting,) = [s for s in again.audit().sightings if "MLflow" in s.witness]
    assert (sighting.seq, sighting.lacking, sighting.outside) == (5, 0, False)


def test_a_ledger_that_was_cut_off_and_grew_again_is_found_by_mlflow_alone(served: Settings) -> None:
    ledger = Ledger(
        served.ledger, signer=partial(ensure, served.keys / "installation.pem"), witnesses=[noted_in(served)]
    )
    ledger.append("approve", "ada", {}, "", "before")
    path = Path(served.ledger.removeprefix("sqlite:///"))
    older = path.read_bytes()
    cut = ledger.append("revoke", "ada", {}, "", "what somebody wants away")
    whole = path.read_bytes()
    path.write_bytes(older)
    grown = ledger.append("promote", "eve", {}, "", "in its place")  # told to MLflow as well, under the same number
    tracker = connect(served.mlflow_uri, served.home / "mlflow" / "artifacts")
    experiment = tracker._connection.client.get_experiment_by_name("augment-ops/governance")
    for run in tracker._connection.client.search_runs([experiment.experiment_id]):
        tracker._connection.client.delete_run(run.info.run_id)  # into MLflow's bin
    faults = ledger.verify()
    path.write_bytes(whole)
    assert grown.seq == cut.seq
    assert [(fault.found, cut.hash[:12] in fault.expected) for fault in faults] == [("no such entry", True)]


def test_mlflow_away_or_silent_keeps_no_entry_from_being_made(
    served: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost, and nothing waits without end: a server that takes a connection and says nothing is given up."""
    monkeypatch.setattr("augment_ops.tracking.heads._NOTE_S", 0.2)
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        closed.bind(("127.0.0.1", 0))
        for number, port in enumerate((silent.getsockname()[1], closed.getsockname()[1])):
            said = list[str]()
            away = MlflowWitness(f"http://user:secret@127.0.0.1:{port}", tmp_path)
            ledger = Ledger(f"sqlite:///{tmp_path / f'{number}.db'}", witnesses=[away], say=said.append)
            entry = ledger.append("promote", "ada", {}, "", "a")
            assert ledger.entries() == [entry]
            (fault,) = ledger.verify()  # it fails closed, and says who is behind
            assert (fault.where, fault.expected) == (away.name, "a witness that answers")
            assert (len(said), said[0].startswith(away.name), "secret" in "".join(said)) == (1, True, False)


def test_who_may_only_read_is_no_witness(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "viewer")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "password of viewer")
    with pytest.raises(GovernanceError, match="status 403"):
        noted_in(served).note(Head(seq=10**6, hash="f" * 64, signer="", at="2026-11-28T12:00:00+00:00"))


def test_a_database_without_a_server_is_no_witness_of_its_own(served: Settings) -> None:
    assert mlflow_witness(f"sqlite:///{served.home}/mlflow/mlflow.db", served.home) == []


def test_a_tag_that_names_no_entry_is_a_fault(served: Settings) -> None:
    """Last in this file: it stays."""
    witness = noted_in(served)
    witness.note(Head(seq=10**6, hash="", signer="", at=""))
    with pytest.raises(GovernanceError, match="no head of a ledger"):
        list(witness.heads())
