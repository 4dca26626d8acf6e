"""`augment-ops serve` on a champion that a run has made: what is laid out, and how it follows the ledger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient

from augment_ops.content import sha256_hex
from augment_ops.errors import InputError
from augment_ops.lifecycle.book import book_of
from augment_ops.lifecycle.champion import Move, crown, subjects_of
from augment_ops.serving import follow
from augment_ops.serving.application import DECISION_HEADER, VERSION_HEADER
from augment_ops.serving.follow import FollowedChampion
from augment_ops.serving.served import Served, read_probe
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from augment_ops.cli import main; main()"]
pytestmark = pytest.mark.slow  # a whole run of the digits


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUGMENT_OPS", "MLFLOW"))}
    made = {
        **kept,
        "AUGMENT_OPS_HOME": str(home),
        "AUGMENT_OPS_POLICIES": str(ROOT / "policies"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [*COMMAND, "run", "--quiet", "--dataset", "digits", "--one-by-one"],
        env=made,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture(scope="module")
def workspace(environment: dict[str, str]) -> Workspace:
    return Workspace(Settings.from_environment(environment), "tester")


class Followed:
    """What a service would follow, with what it said."""

    def __init__(self, workspace: Workspace) -> None:
        self.says: list[str] = []
        self.champion = FollowedChampion(workspace, "digits", "", self.says.append)


@pytest.fixture
def followed(workspace: Workspace) -> Followed:
    return Followed(workspace)


def promote_again(workspace: Workspace, served: Served) -> str:
    """The same file as the next version, promoted in the place of what is served."""
    tracker, book = workspace.tracker, book_of(workspace)
    before = tracker.version("digits", served.version)
    client = MlflowClient(tracker.uri)
    source = client.get_model_version(before.model, before.version)
    made = client.create_model_version(before.model, source.source, source.run_id, tags=source.tags)
    number = str(made.version)
    move = Move(
        act="promote",
        dataset="digits",
        environment=served.environment,
        version=number,
        after=served.version,
        key=f"test:{number}:promote",
        subjects=subjects_of(tracker.version("digits", number)),
        actor="tester",
        reason="for a test",
    )
    crown(book, tracker, move)
    return number


def test_what_is_laid_out_is_what_the_gate_has_judged(followed: Followed, environment: dict[str, str]) -> None:
    served = followed.champion.served
    assert (served.dataset, served.version, served.environment) == ("digits", "1", "dev")
    assert (served.modality, served.shape, len(served.classes)) == ("image", (8, 8, 1), 10)
    told = subprocess.run(
        [*COMMAND, "audit", "champions", "digits", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert served.artifact in told.stdout
    samples, probe = read_probe(served)
    assert len(samples) == sum(map(len, probe.logits)) == 32


def test_nothing_changes_where_nothing_has_changed_and_another_promotion_is_followed(
    workspace: Workspace, followed: Followed
) -> None:
    assert followed.champion.changed() is None
    number = promote_again(workspace, followed.champion.served)
    found = followed.champion.changed()
    assert found is not None
    assert found.version == number
    assert followed.champion.changed() is None
    assert followed.says == []


def test_an_alias_that_somebody_moves_by_hand_moves_nothing(workspace: Workspace, followed: Followed) -> None:
    served, client = followed.champion.served, MlflowClient(workspace.tracker.uri)
    client.set_registered_model_alias("digits-classifier", "champion-dev", "1")
    try:
        assert followed.champion.changed() is None
        assert followed.champion.served == served
    finally:
        client.set_registered_model_alias("digits-classifier", "champion-dev", served.version)


def test_a_champion_that_cannot_be_had_is_said_and_the_one_before_goes_on(
    workspace: Workspace, followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = followed.champion.served
    number = promote_again(workspace, served)
    client = MlflowClient(workspace.tracker.uri)
    client.set_model_version_tag("digits-classifier", number, "augment_ops.policy", "another")
    assert followed.champion.changed() is None
    assert followed.champion.served == served
    assert f"version {served.version} goes on answering" in followed.says[0]
    assert followed.champion.changed() is None
    assert len(followed.says) == 1  # not once a second
    client.set_model_version_tag("digits-classifier", number, "augment_ops.policy", "digits-robust")
    monkeypatch.setattr(follow, "_AGAIN_S", 0.0)
    followed.champion._not_before = 0.0
    found = followed.champion.changed()
    assert found is not None
    assert found.version == number


def test_what_a_worker_refused_is_laid_out_anew_unless_another_is_champion_by_now(
    workspace: Workspace, followed: Followed
) -> None:
    served = followed.champion.served
    Path(served.file).write_bytes(b"damaged")
    assert followed.champion.again() == served
    assert sha256_hex(Path(served.file).read_bytes()) == served.artifact
    folder = Path(served.file).parent
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("in the way")  # as a disk that takes nothing
    assert followed.champion.again() is None
    assert "cannot be tried again" in followed.says[-1]
    folder.unlink()
    number = promote_again(workspace, served)
    assert followed.champion.again() is None
    found = followed.champion.changed()
    assert found is not None
    assert found.version == number


def test_a_data_set_without_a_champion_is_refused_by_name(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="digits"):
        FollowedChampion(workspace, "digts", "", print)
    with pytest.raises(InputError, match="none"):
        FollowedChampion(workspace, "digits", "production", print)


@pytest.fixture(scope="module")
def service(environment: dict[str, str], workspace: Workspace) -> Iterator[dict[str, str]]:
    process = subprocess.Popen(
        [*COMMAND, "serve", "digits", "--port", "0", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()


def test_the_command_answers_with_the_champion_until_ctrl_c(service: dict[str, str]) -> None:
    with httpx.Client(base_url=service["address"], timeout=60) as client:
        found = client.post("/predict", json={"samples": [[[0] * 8] * 8]})
    assert found.status_code == 200
    assert found.headers[VERSION_HEADER] == service["version"]
    assert found.headers[DECISION_HEADER] == service["decision"]
