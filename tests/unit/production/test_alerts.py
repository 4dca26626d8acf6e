"""Alerts are entered once, and which of them start a training follows from the ledger alone."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from augment_ops.governance.chain import Entry
from augment_ops.governance.ledger import Ledger
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.production.alerts import Alert, enter, run_id_of, starting
from augment_ops.production.retraining import ageing, policy_moved

RULES = DriftRules.load(Path(__file__).parents[3] / "policies/drift/default.yaml")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def alert(window: str, kind: Any = "drift", dataset: str = "digits", cool_down_h: float = 24.0) -> Alert:
    return Alert(kind, dataset, f"{kind}:{dataset}:{window}", {"window_start": window}, "Drift in mean.", cool_down_h)


def entry(seq: int, hours: float, act: str = "alert", **subjects: str) -> Entry:
    at = (NOON + timedelta(hours=hours)).isoformat(timespec="microseconds")
    about = {"dataset": "digits", "kind": "drift", "cool_down_h": "24.0", **subjects}
    return Entry(
        seq=seq,
        at=at,
        act=act,
        actor="schedule",
        subjects=about,
        reason="",
        software="",
        key=f"key-{seq}",
        prev_hash="",
        hash="",
    )


def test_an_alert_that_is_found_again_is_the_same_entry(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    first, fresh = enter(ledger, alert("w1"), "schedule")
    changed = Alert(**{**vars(alert("w1")), "message": "found again", "cool_down_h": 1.0})  # the rules have changed
    assert enter(ledger, changed, "somebody else") == (first, False)
    assert (fresh, ledger.size()) == (True, 1)
    assert enter(ledger, alert("w2"), "schedule")[1]


def test_monitors_that_run_at_once_start_one_training(tmp_path: Path) -> None:
    """Each enters alerts of its own windows; all read the same order, and so the same one that starts."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    Ledger(url).size()
    answers: list[list[str]] = []

    def watch(number: int) -> None:
        ledger = Ledger(url)
        for window in range(5):
            enter(ledger, alert(f"{number}-{window}"), "schedule")
            answers.append([e.key for e in starting(ledger.read(), "digits")])

    threads = [threading.Thread(target=watch, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    assert len({tuple(keys) for keys in answers}) == 1
    assert len(answers[0]) == 1


def test_the_cool_down_counts_from_the_last_alert_that_started_a_training() -> None:
    entries = [entry(i, hours) for i, hours in enumerate([0, 10, 20, 24, 30, 47.9, 48, 100])]
    assert [e.seq for e in starting(entries, "digits")] == [0, 3, 6, 7]


def test_a_cool_down_that_is_changed_later_rewrites_nothing() -> None:
    before = [entry(0, 0), entry(1, 10), entry(2, 25)]
    assert [e.seq for e in starting(before, "digits")] == [0, 2]
    assert [e.seq for e in starting([*before, entry(3, 27, cool_down_h="1.0")], "digits")] == [0, 2, 3]


def test_blindness_other_data_sets_and_other_acts_start_nothing() -> None:
    others = [entry(0, 0, kind="blind"), entry(1, 1, dataset="letters"), entry(2, 2, act="decide")]
    assert starting(others, "digits") == []
    assert [e.seq for e in starting([*others, entry(3, 3)], "digits")] == [3]


def test_the_run_of_an_alert_has_one_id() -> None:
    assert run_id_of("digits", "drift", "k") == run_id_of("digits", "drift", "k")
    ids = {run_id_of("digits", "drift", "k"), run_id_of("digits", "drift", "l"), run_id_of("letters", "drift", "k")}
    assert len(ids) == 3
    assert alert("w1").run_id == run_id_of("digits", "drift", alert("w1").key)


def champion(**tags: str) -> Any:
    tags = {"augment_ops.policy": "digits-robust", "augment_ops.policy_version": "1.2.0", **tags}
    manifest = SimpleNamespace(dataset="digits")
    return SimpleNamespace(version=SimpleNamespace(version="3", tags=tags), snapshot=SimpleNamespace(manifest=manifest))


def test_a_champion_beyond_its_age_calls_for_training_once_each_time_the_limit_passes() -> None:
    crowned = [entry(0, 0, "promote", version="digits/2"), entry(1, 0, "promote", version="digits/3")]
    days = RULES.max_age_days
    assert days is not None
    assert ageing(crowned, champion(), RULES, NOON + timedelta(days=days - 1)) is None
    found = [ageing(crowned, champion(), RULES, NOON + timedelta(days=days * k + 1)) for k in (1, 1.5, 2)]
    assert [alert is not None and alert.key for alert in found] == [
        "age:digits/3:1",
        "age:digits/3:1",
        "age:digits/3:2",
    ]
    again = [*crowned, entry(2, 24 * days, "rollback", version="digits/3")]
    assert ageing(again, champion(), RULES, NOON + timedelta(days=days + 1)) is None
    assert ageing([], champion(), RULES, NOON) is None  # promoted before there was a ledger


@pytest.mark.parametrize(
    ("act", "policy", "environment", "called"),
    [
        ("approve", "digits-robust/1.10.0", "production", True),
        ("approve", "digits-robust/1.2.0", "production", False),
        ("approve", "digits-robust/1.1.9", "production", False),
        ("approve", "digits-robust/1.10.0", "staging", False),
        ("approve", "other/9.0.0", "production", False),
        ("publish", "digits-robust/1.10.0", "production", False),
    ],
)
def test_a_newer_approved_version_of_the_policy_calls_for_training(
    act: str, policy: str, environment: str, called: bool
) -> None:
    entries = [entry(0, 0, act, policy_version=policy, environment=environment)]
    found = policy_moved(entries, champion(), RULES, "production")
    assert (found is not None) is called
    if found is not None:
        assert found.key == "policy:digits:digits-robust/1.10.0"
        assert "1.10.0" in found.message and "1.2.0" in found.message
