"""The time of entries: a clock that is wrong is refused where another can be asked, and blocks nobody where not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from augment_ops.errors import GovernanceError
from augment_ops.governance import Ledger, clock
from augment_ops.governance.clock import entry_time
from augment_ops.governance.witness import FileWitness

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def text(time: datetime) -> str:
    return time.isoformat(timespec="microseconds")


@pytest.mark.parametrize(("ahead_s", "refused"), [(-3600, False), (59, False), (61, True), (3 * 86_400, True)])
def test_a_clock_ahead_of_another_that_can_be_asked_is_refused(ahead_s: float, refused: bool) -> None:
    own = NOW + timedelta(seconds=ahead_s)
    if not refused:
        assert entry_time("ledger", own, None, NOW) == text(own)
        return
    with pytest.raises(GovernanceError, match=r"2026-11-28T12:00:00Z(?s:.*)timedatectl"):
        entry_time("ledger", own, None, NOW)


@pytest.mark.parametrize("ahead_s", [1, 61, 3 * 86_400])
def test_time_never_goes_back_and_nobody_waits(ahead_s: float) -> None:
    """Whatever the newest entry says, the next one can be made; with an outside clock that agrees as without."""
    last = text(NOW + timedelta(seconds=ahead_s))
    assert entry_time("ledger", NOW, last, None) == last
    assert entry_time("ledger", NOW, last, NOW) == last


def test_a_clock_that_another_says_is_behind_does_not_write_after_a_newer_entry() -> None:
    last = text(NOW)
    with pytest.raises(GovernanceError, match="when the newest entry was made"):
        entry_time("ledger", NOW - timedelta(days=1), last, NOW)


def at(monkeypatch: pytest.MonkeyPatch, time: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: time)


def test_an_entry_of_a_clock_days_ahead_blocks_nobody_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key
) -> None:
    said: list[str] = []
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", signer=lambda: key, say=said.append)
    at(monkeypatch, NOW + timedelta(days=3))
    first = ledger.append("promote", "ada", {}, "", "a")
    at(monkeypatch, NOW)
    second = ledger.append("revoke", "bob", {}, "", "b")
    assert second.at == first.at
    assert "3 days, 0:00:00 ahead" in said[0]
    found = ledger.audit()
    assert found.faults == []
    assert "3 days, 0:00:00 ahead" in found.warnings[0]
    at(monkeypatch, NOW + timedelta(days=4))
    assert ledger.append("promote", "ada", {}, "", "c").at == text(NOW + timedelta(days=4))
    assert (len(said), ledger.audit().warnings) == (1, [])


def test_the_true_time_stands_with_the_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key) -> None:
    import sqlite3

    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", signer=lambda: key, say=lambda line: None)
    for days, entry in ((3, "a"), (0, "b")):
        at(monkeypatch, NOW + timedelta(days=days))
        ledger.append("promote", "ada", {}, "", entry)
    connection = sqlite3.connect(tmp_path / "ledger.db")
    clocks = [row[0] for row in connection.execute("SELECT clock FROM ledger_signature ORDER BY seq")]
    connection.close()
    assert clocks == [text(NOW + timedelta(days=3)), text(NOW)]


def test_the_clock_of_an_outside_witness_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", witnesses=[FileWitness(tmp_path / "elsewhere")])
    ledger.append("promote", "ada", {}, "", "a")  # from here on there is a file to touch
    at(monkeypatch, datetime.now(UTC) + timedelta(days=3))
    with pytest.raises(GovernanceError, match="timedatectl"):
        ledger.append("promote", "ada", {}, "", "b")
    assert ledger.size() == 1
