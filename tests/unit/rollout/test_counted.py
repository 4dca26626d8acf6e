"""Comparisons are counted once each, whenever they and their labels come."""

from __future__ import annotations

from pathlib import Path

import pytest

from augment_ops.monitoring.drift.log_labels import LoggedLabels
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.rollout import counted
from augment_ops.rollout.comparisons import ComparisonLog
from augment_ops.rollout.counted import CountedComparisons
from augment_ops.workspace import Workspace, log_uri
from support.rollouts import RULES, compare, rules_of, workspace_of


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_of(tmp_path)


@pytest.fixture
def log(workspace: Workspace) -> PredictionLog:
    return PredictionLog(log_uri(workspace.settings), "digits")


@pytest.fixture
def counts(workspace: Workspace, log: PredictionLog) -> CountedComparisons:
    return CountedComparisons(
        rules_of(RULES), ComparisonLog(log_uri(workspace.settings), "digits", "1"), LoggedLabels(log)
    )


def test_a_label_that_is_replaced_counts_as_the_last_one(
    workspace: Workspace, log: PredictionLog, counts: CountedComparisons
) -> None:
    compare(workspace, "1", 0, 10)
    log.label({f"0-shadow-{number}": "7" for number in range(4)})
    assert {name: found.sum() for name, found in counts.tally().right_pairs.items()} == {"7": 4}
    log.label({"0-shadow-0": "1", "0-shadow-9": "1"})
    compare(workspace, "1", 0, 10, first=10)
    log.label({"0-shadow-10": "7"})
    found = counts.tally()
    assert {name: one.sum() for name, one in found.right_pairs.items()} == {"1": 2, "7": 4}
    assert found.asked[0] == 20
    again = counts.tally()
    assert again.document() == found.document()


def test_what_takes_longer_than_a_look_is_read_at_the_next(
    workspace: Workspace, counts: CountedComparisons, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "_FOLD_S", 0.0)
    for number in range(3):
        compare(workspace, "1", 0, 10, first=10 * number)
    assert [int(counts.tally().asked[0]) for _ in range(2)] == [10, 20]
    assert counts.tally(whole=True).asked[0] == 30
