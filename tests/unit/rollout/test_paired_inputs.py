"""What slices are measured from: pairs of both logs, read when there are more, and labels whenever they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from augment_ops.content import canonical_json
from augment_ops.errors import StoreError
from augment_ops.monitoring.drift import log_reader
from augment_ops.monitoring.drift.log_labels import LoggedLabels
from augment_ops.monitoring.drift.log_reader import LogWindow
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.rollout import paired_inputs
from augment_ops.rollout.comparisons import ComparisonLog
from augment_ops.rollout.counted import CountedComparisons
from augment_ops.rollout.look import Look, Measured
from augment_ops.rollout.looked_pairs import LookedPairs
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
        self.looked = LookedPairs(workspace.store, "digits", "1")
        self.pairs = PairedShadows(RULES_OF_SLICES, self.log, comparisons, self.labels.labels, self.looked)
        self.known = 0

    def grows(self, n: int, *, logged: bool = True, at: datetime | None = None) -> None:
        numbers = range(self.known, self.known + n)
        compare(self._workspace, "1", 0, n, same=0.96, first=self.known, at=at)
        if logged:
            self.logs(numbers, at)
        self.known += n

    def logs(self, numbers: range, at: datetime | None = None) -> None:
        shops = np.array(["b" if number % 100 >= 96 else "a" for number in numbers], object)
        ids = [f"0-shadow-{number}" for number in numbers]
        at = at or datetime.now(UTC)
        self.log.write(ids, [at] * len(ids), model_version="1", features={"shop": shops}, logged_at=at)

    def look(self, *, over: bool = False) -> dict[str, tuple[str, str]]:
        """Condition → slice and state."""
        tally = self._counted.tally(whole=True)
        found = self.pairs.measured(tally, over=over, wait=True)
        return {one.condition: (one.about, one.state) for one in found}


@pytest.fixture
def shadow(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Shadow:
    monkeypatch.setattr(paired_inputs, "_WRITTEN_S", 0.0)
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


def test_whatever_is_logged_later_an_earlier_look_is_of_the_same_pairs(
    shadow: Shadow, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a replica that is hours behind, and more of it than is read at once without ids."""
    shadow.grows(500)
    first = shadow.look()
    assert len(shadow.looked.ids()) == 400
    hours_ago = datetime.now(UTC) - timedelta(hours=5)
    shadow.grows(1500, at=hours_ago)
    monkeypatch.setattr(log_reader, "_MAX_ROWS", 300)
    later = Shadow(workspace)
    later.look()
    looked = shadow.looked.ids()
    assert len(looked) == 1600
    assert looked[:400] == tuple(f"0-shadow-{number}" for number in range(400))
    assert later.pairs._pairs is not None
    assert later.pairs._pairs.ids[:1600] == list(looked)
    assert first["slice_agreement"][1] == "holds"


def test_pairs_that_the_log_has_no_more_are_replaced_by_no_others_and_later_looks_go_on(
    shadow: Shadow, workspace: Workspace
) -> None:
    shadow.grows(100)
    shadow.grows(300)
    found = shadow.look()
    first, second = shadow.log.blobs.names("digits/predictions/")
    shadow.log.blobs.delete(first)

    other = Shadow(workspace)
    assert other.look() == found
    assert other.pairs._pairs is not None
    assert other.pairs._pairs.looks in ((100, 300), (0, 100))  # the files are named by chance
    shadow.log.blobs.delete(second)
    other.known = 400
    other.grows(1200)
    assert Shadow(workspace).look()["slice_agreement"] == ("shop is 'b'", "broken")
    looked = shadow.looked.ids()
    assert looked[:400] == tuple(f"0-shadow-{number}" for number in range(400))
    later = Shadow(workspace)
    later.look()
    assert later.pairs._pairs is not None
    assert later.pairs._pairs.looks == (0, 0, 400, 1200)


def test_what_was_found_stands_where_no_comparison_can_be_read(shadow: Shadow, monkeypatch: pytest.MonkeyPatch) -> None:
    shadow.grows(400)
    found = shadow.look()
    shadow.grows(400)
    assert found
    with monkeypatch.context() as patch:
        patch.setattr(shadow.pairs, "_table", lambda name: None)
        assert shadow.look() == found
    shadow.look()
    assert len(shadow.looked.ids()) == 800


def test_of_two_that_record_at_once_both_look_at_what_stands_recorded(
    shadow: Shadow, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = [f"0-shadow-{number}" for number in reversed(range(400))]
    shadow.grows(400)
    put = workspace.store.put_document

    def overtaken(name: str, data: bytes) -> None:
        put(name, data)
        monkeypatch.undo()
        put(name, canonical_json({"format": 1, "ids": theirs}))

    monkeypatch.setattr(workspace.store, "put_document", overtaken)
    shadow.look()
    assert shadow.pairs._pairs is not None
    assert shadow.pairs._pairs.ids == theirs


def test_without_comparisons_there_is_nothing_and_nobody_is_stopped(shadow: Shadow) -> None:
    assert shadow.pairs._made(1, {}) == ()


def test_a_look_that_failed_is_told_once_and_one_that_was_not_collected_is_not_lost() -> None:
    look, broken = Look(), (object(),)

    def fails() -> Measured:
        raise ZeroDivisionError

    look.begin(lambda: broken)  # type: ignore[arg-type, return-value]
    look.begin(fails)
    with pytest.raises(ZeroDivisionError):
        look.found(wait=True)
    assert look.found(wait=True) == broken
