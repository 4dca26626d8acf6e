"""The condition `inputs` of a canary, from a real log: what was found stands, and no other driver looks again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from augment_ops.content import canonical_json
from augment_ops.errors import StoreError
from augment_ops.monitoring.drift.log_reader import LogWindow
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.rollout import arm_inputs
from augment_ops.rollout.arm_inputs import ArmInputs
from augment_ops.rollout.inputs import InputLook
from augment_ops.rollout.looked_inputs import LookedInputs
from augment_ops.rollout.tally import Tally
from augment_ops.workspace import Workspace, log_uri
from support.rollouts import RULES, begin, last, rules_of, workspace_of

_SHADOW = next(line for line in RULES.splitlines() if "shadow: true" in line)
CANARY = RULES.replace(_SHADOW, "").replace("agreement: {at_least: 0.8}", "inputs: {psi_at_most: 0.25}")


class Canary:
    """A driver of a rollout that is a canary from its beginning."""

    def __init__(self, workspace: Workspace) -> None:
        self._rollout = last(workspace)
        self._log = PredictionLog(log_uri(workspace.settings), "digits", modality="tabular")
        looked = LookedInputs(workspace.store, "digits", self._rollout.id)
        self._inputs = ArmInputs(rules_of(CANARY), self._log, looked)

    def logs(self, n: int, first: int, *, apart: float = 0.0) -> None:
        rng = np.random.default_rng(first)
        for version in ("1", "2"):
            amounts = rng.normal(apart if version == "2" else 0.0, 1.0, n)
            ids = [f"{version}-{number}" for number in range(first, first + n)]
            now = datetime.now(UTC)
            self._log.write(ids, [now] * n, model_version=version, features={"amount": amounts}, logged_at=now)

    def forgets(self) -> None:
        for name in self._log.blobs.names("digits/predictions/"):
            self._log.blobs.delete(name)

    def finds(self, n: int) -> list[tuple[str, str, int]]:
        """Input, state and how many it was of, where the smaller arm has so many answers."""
        tally = Tally.nothing(1)
        tally.failed_sides[0, :, 0] = n
        soon = datetime.now(UTC) + timedelta(seconds=5)
        return [(one.about, one.state, one.n) for one in self._inputs.measured(self._rollout, tally, soon, wait=True)]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = workspace_of(tmp_path)
    begin(found, CANARY)
    return found


def test_a_look_that_was_made_is_made_by_no_other_driver_again(workspace: Workspace) -> None:
    one = Canary(workspace)
    one.logs(450, 0)
    assert one.finds(450) == [("amount", "open", 400)]
    one.forgets()
    one.logs(450, 1000, apart=3.0)
    other = Canary(workspace)
    assert other.finds(450) == [("amount", "open", 400)]
    one.logs(400, 2000, apart=3.0)
    assert other.finds(900) == [("amount", "broken", 800)]
    assert one.finds(900) == [("amount", "broken", 800)]


def test_what_was_found_stands_while_the_log_cannot_be_read(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = Canary(workspace)
    canary.logs(250, 0)
    found = canary.finds(250)
    assert found == [("amount", "open", 200)]

    def away(*args: object, **more: object) -> LogWindow:
        raise StoreError("log", "away", "a log", "wait")

    canary.logs(250, 1000)
    monkeypatch.setattr(arm_inputs, "_AGAIN_S", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(arm_inputs, "read_window", away)
        for driver in (canary, Canary(workspace)):
            assert driver.finds(500) == found
    assert canary.finds(500) == [("amount", "open", 400)]  # read again, though no more has come


def test_a_record_that_says_what_no_look_found_stops_nobody(workspace: Workspace) -> None:
    looked = LookedInputs(workspace.store, "digits", last(workspace).id)
    made = {"n": 200, "index": {}, "broken": ["amount"]}
    name = f"rollouts/digits/{last(workspace).id}.inputs.json"
    workspace.store.put_document(name, canonical_json({"format": 1, "steps": {"0": [made]}}))
    with pytest.raises((StoreError, ValueError)):
        looked.looks(0)
    canary = Canary(workspace)
    canary.logs(250, 0)
    assert canary.finds(250) == []


def test_looks_at_one_canary_say_nothing_of_another(workspace: Workspace) -> None:
    looked = LookedInputs(workspace.store, "digits", "1")
    made = InputLook(n=200, index={"amount": 0.5}, broken=("amount",))
    assert looked.keep(1, [made]) == (made,)
    assert (looked.looks(0), looked.looks(1)) == ((), (made,))
    later = InputLook(n=400, index={"amount": 0.1})
    looked.keep(0, [later])
    assert looked.keep(1, [later, later]) == (made, later)
