"""A process that is wanted runs, is started again when it ends, and ends with whoever wants it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from augment_ops.serving import kept_alive
from augment_ops.serving.kept_alive import KeptAlive

_NOTES = "open({path!r}, 'a').write('+'); import sys; {then}"


def command(path: Path, then: str) -> tuple[str, ...]:
    """Notes in a file that it was started."""
    return (sys.executable, "-c", _NOTES.format(path=str(path), then=then))


@pytest.fixture
def says() -> list[str]:
    return []


@pytest.fixture
def kept(says: list[str]) -> Iterator[KeptAlive]:
    found = KeptAlive(says.append)
    yield found
    found.close()


def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def started(path: Path) -> int:
    return len(path.read_text()) if path.exists() else 0


def test_it_runs_once_until_nobody_wants_it_and_ends_by_the_end_of_its_input(kept: KeptAlive, tmp_path: Path) -> None:
    note, ended = tmp_path / "note", tmp_path / "ended"
    wanted = command(note, f"sys.stdin.read(); open({str(ended)!r}, 'w').write('x')")
    for _ in range(3):
        kept.keep(wanted)
    until(lambda: started(note))
    kept.keep(None)
    until(ended.exists)
    kept.keep(None)
    assert started(note) == 1


def test_one_that_ends_again_and_again_is_started_later_each_time_and_told(
    kept: KeptAlive, says: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(kept_alive, "monotonic", lambda: now[0])
    note = tmp_path / "note"
    wanted = command(note, "sys.exit(3)")

    def ends(times: int) -> None:
        until(lambda: (kept.keep(wanted), len(says) == times)[1])

    kept.keep(wanted)
    ends(1)
    assert "with code 3" in says[0]
    now[0] += 0.6
    ends(2)
    now[0] += 0.6  # the pause is longer than half a second now
    kept.keep(wanted)
    assert kept._process is None
    now[0] += 1.5
    ends(3)
    assert started(note) == 3


def test_one_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_alive, "_END_S", 0.1)
    kept, note = KeptAlive(print), tmp_path / "note"
    kept.keep(command(note, "import time; time.sleep(600)"))
    until(lambda: started(note))
    process = kept._process
    kept.close()
    assert process is not None
    assert process.poll() is not None
