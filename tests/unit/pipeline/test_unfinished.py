from __future__ import annotations

import os
import time
from pathlib import Path

from augment_ops.pipeline.unfinished import forget, unfinished


def left(home: Path, key: str, days: float = 0, *, only: str = "") -> Path:
    folder = unfinished(home, key, only=only)
    folder.mkdir(parents=True)
    (folder / "kept").touch()
    os.utime(folder, (0, time.time() - days * 86400))
    return folder


def test_what_is_done_is_removed_and_what_was_given_up_and_nothing_else(tmp_path: Path) -> None:
    done, given_up, waiting = left(tmp_path, "done"), left(tmp_path, "given up", 15), left(tmp_path, "waiting", 13)
    forget(done)
    assert [folder.exists() for folder in (done, given_up, waiting)] == [False, False, True]
    forget(done)  # of a stage that has kept nothing


def test_nothing_was_ever_kept(tmp_path: Path) -> None:
    forget(unfinished(tmp_path, "key"))
    assert list(tmp_path.iterdir()) == []


def test_one_that_belongs_to_a_run_is_found_by_no_other(tmp_path: Path) -> None:
    places = {unfinished(tmp_path, "key"), *(unfinished(tmp_path, "key", only=run) for run in ("one", "other"))}
    assert len(places) == 3
    assert unfinished(tmp_path, "key", only="one") in places
