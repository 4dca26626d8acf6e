"""That a challenger was rolled back is shown in MLflow when that answers, and nobody waits for it."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from augment_ops.errors import TrackingError
from augment_ops.lifecycle.book import book_of
from augment_ops.rollout import showing
from augment_ops.rollout.ending import complete, end
from augment_ops.rollout.showing import show_quarantines, show_until_shown
from augment_ops.rollout.state import ROLLED_BACK
from augment_ops.serving.follow_rollout import FollowedRollout
from augment_ops.serving.meters import folder_of
from augment_ops.workspace import Workspace
from support.rollouts import MODELS, begin, last, workspace_of
from support.service import until


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = workspace_of(tmp_path)
    folder_of(found.settings.home, "digits").mkdir(parents=True)
    return found


class Mlflow:
    """Away for a while; has versions 2 and 3, and a fifth of another model than it was."""

    def __init__(self, patch: pytest.MonkeyPatch, away: int) -> None:
        self.shown: list[str] = []
        self._away = away
        patch.setattr(showing, "AGAIN_S", 0.001)
        patch.setattr(Workspace, "tracker", property(lambda _: self))

    def in_quarantine(self, dataset: str) -> list[SimpleNamespace]:
        self._away -= 1
        if self._away >= 0:
            raise TrackingError("MLflow", "no answer", "one", "start it")
        return [SimpleNamespace(version=one) for one in self.shown]

    def find_version(self, dataset: str, version: str) -> SimpleNamespace | None:
        digest = {"2": MODELS["2"], "3": "3" * 64, "5": "6" * 64}.get(version)
        return None if digest is None else SimpleNamespace(model_digest=digest)

    def quarantine(self, dataset: str, version: str, why: str) -> None:
        self.shown.append(version)


def roll_back(workspace: Workspace) -> None:
    book = book_of(workspace)
    complete(workspace, book, end(book, last(workspace), ROLLED_BACK, actor="driver", reason="it is slow"))


def test_it_is_tried_until_mlflow_answers_and_said_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(workspace)
    roll_back(workspace)
    mlflow, says = Mlflow(monkeypatch, away=3), list[str]()
    show_until_shown(workspace, "digits", "dev", say=says.append, stop=threading.Event())
    assert mlflow.shown == ["2"]
    assert ["no answer" in line for line in says] == [True]


def test_one_that_was_rolled_back_earlier_is_shown_as_well_and_what_is_shown_is_left_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(workspace)
    begun, mlflow = last(workspace).acts[0].subjects, Mlflow(monkeypatch, away=0)
    roll_back(workspace)
    for version in ("3", "4", "5"):  # MLflow has no fourth version any more
        subjects = {**begun, "version": f"digits/{version}", "model": version * 64}
        workspace.ledger.append("rollout-start", "carl", subjects, "again", version)
        roll_back(workspace)
    show_quarantines(workspace, "digits", "staging")
    assert mlflow.shown == []
    for _ in range(2):
        show_quarantines(workspace, "digits", "dev")
        assert mlflow.shown == ["2", "3"]


def test_who_is_stopped_tries_no_more(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(workspace)
    roll_back(workspace)
    mlflow, stop = Mlflow(monkeypatch, away=10**9), threading.Event()
    show_until_shown(workspace, "digits", "dev", say=lambda _: stop.set(), stop=stop)
    assert mlflow.shown == []


def test_a_service_shows_a_rollback_once_and_goes_on_meanwhile(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(workspace)
    mlflow = Mlflow(monkeypatch, away=2)
    followed = FollowedRollout(workspace, "digits", "dev", lambda _: None)
    monkeypatch.setattr(followed, "_not_before", float("inf"))  # there is no such version to lay out
    followed.now()
    assert not [one for one in threading.enumerate() if one.name == "quarantine in MLflow"]
    roll_back(workspace)
    for _ in range(3):
        followed.now()
    until(lambda: mlflow.shown)
    until(lambda: not [one for one in threading.enumerate() if one.name == "quarantine in MLflow"])
    assert mlflow.shown == ["2"]
