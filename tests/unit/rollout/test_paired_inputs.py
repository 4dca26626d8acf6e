"""What slices are measured from: pairs of both logs, read when there are more, and labels whenever they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from augment_ops.errors import StoreError
from augment_ops.monitoring.drift.log_labels import LoggedLabels
from augment_ops.monitoring.drift.log_reader import LogWindow
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.rollout import paired_inputs
from augment_ops.rollout.comparisons import ComparisonLog
from augment_ops.rollout.counted import CountedComparisons
from augment_ops.rollout.look import Look, Measured
from augment_ops.rollout.paired_inputs import PairedShadows
from augment_ops.workspace import Workspace, log_uri
from support.rollouts import RULES, compare, rules_of, workspace_of

RULES_OF_SLICES = rules_of(
    RULES.replace("agreement: {at_least: 0.8}", "slice_agreement: {at_least: 0.5}").replace(
        "errors: {increase_at_most: 0.2}", "slice_accuracy: {loss_at_most: 0.1, labels: 20}"
    )
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(tmp_path)


class Shadow:
    """A rollout in its shadow: four samples of a hundred are of one shop, where the challenger says something else."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, uri = workspace, log_uri(workspace.settings)
        self.log = PredictionLog(uri, "digits", modality="tabular")
        comparisons, self.labels = ComparisonLog(uri, "digits", "1"), LoggedLabels(self.log)
        self._counted = CountedComparisons(RULES_OF_SLICES, comparisons, self.labels)
        self.pairs = PairedShadows(RULES_OF_SLICES, self.log, comparisons, self.labels.labels)
        self.known = 0

    def grows(self, n: int, *, logged: bool = True) -> None:
        numbers = range(self.known, self.known + n)
        compare(self._workspace, "1", 0, n, same=0.96, first=self.known)
        if logged:
            self.logs(numbers)
        self.known += n

    def logs(self, numbers: range) -> None:
        shops = np.array(["b" if number % 100 >= 96 else "a" for number in numbers], object)
        ids = [f"0-shadow-{number}" for number in numbers]
        self.log.write(ids, [datetime.now(UTC)] * len(ids), model_version="1", features={"shop": shops})

    def look(self, *, over: bool = False) -> dict[str, tuple[str, str]]:
        """Condition → slice and state."""
        tally = self._counted.tally(whole=True)
        found = self.pairs.measured(tally, datetime.now(UTC) + timedelta(seconds=1), over=over, wait=True)
        return {one.condition: (one.about, one.state) for one in found}


@pytest.fixture
def shadow(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Shadow:
    monkeypatch.setattr(paired_inputs, "_SETTLED", timedelta(0))
    monkeypatch.setattr(paired_inputs, "_AGAIN_S", 0.0)
    return Shadow(workspace)


def test_labels_that_come_after_the_last_pair_are_held_against_slices(shadow: Shadow) -> None:
    shadow.grows(1600)
    assert shadow.look() == {"slice_agreement": ("shop is 'b'", "broken")}
    shadow.log.label({f"0-shadow-{number}": "7" for number in range(1600)})
    assert shadow.look()["slice_accuracy"] == ("shop is 'b'", "broken")


def test_what_was_found_stands_while_a_log_cannot_be_read_and_it_is_read_again(
    shadow: Shadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow.grows(400)
    found = shadow.look()
    shadow.grows(1200)

    def away(*args: object, **more: object) -> LogWindow:
        raise StoreError("log", "away", "a log", "wait")

    with monkeypatch.context() as patch:
        patch.setattr(paired_inputs, "read_window", away)
        assert shadow.look() == found
    assert found["slice_agreement"] == ("shop is 'a'", "holds")
    assert shadow.look()["slice_agreement"][1] == "broken"


def test_pairs_whose_predictions_are_not_logged_yet_are_looked_for_again(shadow: Shadow) -> None:
    shadow.grows(1600, logged=False)
    assert shadow.look() == {}
    shadow.logs(range(1600))
    assert shadow.look()["slice_agreement"] == ("shop is 'b'", "broken")


def test_when_the_shadow_is_over_it_is_read_once_more(shadow: Shadow) -> None:
    """At its last reading the prediction log had a part of the pairs, and no more pairs will say when to read again."""
    shadow.grows(800, logged=False)
    shadow.logs(range(400))
    assert shadow.look()["slice_agreement"][1] == "holds"
    shadow.logs(range(400, 800))
    assert shadow.look()["slice_agreement"][1] == "holds"
    assert shadow.look(over=True)["slice_agreement"] == ("shop is 'b'", "broken")


def test_young_pairs_wait_and_those_of_a_clock_that_is_hours_ahead_do_not(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = Shadow(workspace)
    shadow.grows(1600)
    assert shadow.look() == {}
    later = Shadow(workspace)
    monkeypatch.setattr(paired_inputs, "CLOCK_AHEAD", timedelta(seconds=-60))  # as of a clock that is that far off
    assert later.look()["slice_agreement"] == ("shop is 'b'", "broken")


def test_without_comparisons_there_is_nothing_and_nobody_is_stopped(shadow: Shadow) -> None:
    assert shadow.pairs._made(1, {}, datetime.now(UTC)) == ()


def test_a_look_that_failed_is_told_once_and_one_that_was_not_collected_is_not_lost() -> None:
    look, broken = Look(), (object(),)

    def fails() -> Measured:
        raise ZeroDivisionError

    look.begin(lambda: broken)  # type: ignore[arg-type, return-value]
    look.begin(fails)
    with pytest.raises(ZeroDivisionError):
        look.found(wait=True)
    assert look.found(wait=True) == broken
