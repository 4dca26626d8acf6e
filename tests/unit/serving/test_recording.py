"""Answers on their way to the log: what is lost is counted, and never keeps anybody waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import numpy as np
import pytest

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.data.store import Store
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.serving import retention
from augment_ops.serving.recording import Answered, Recorder, is_drawn
from augment_ops.serving.retention import forget, too_old
from augment_ops.serving.served import probe_bytes
from support.service import CLASSES, images, rules
from support.still import STILL


def answered(request: str, n: int = 1) -> Answered:
    ids = [request] if n == 1 else [f"{request}/{row}" for row in range(n)]
    scores = np.full((n, len(CLASSES)), 1 / len(CLASSES))
    return Answered(served=STILL, request=request, ids=ids, at=datetime.now(UTC), samples=images(n), scores=scores)


def log_at(folder: Path) -> PredictionLog:
    return PredictionLog(str(folder / "log"), "letters", Store(str(folder / "store")), "image")


WORKER = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from augment_ops.content import from_json
from augment_ops.data.store import Store
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.serving.recording import Answered, Recorder, rehearse
from augment_ops.serving.rules import ServingRules
from augment_ops.serving.served import Served

folder = Path(sys.argv[1])
served = from_json(Served, (folder / "served.json").read_bytes())
rules = ServingRules.load(Path("policies/serving/default.yaml")).log
before = "pandas" in sys.modules
rehearse(served, rules)
after, known = "pandas" in sys.modules, set(sys.modules)
log = PredictionLog(str(folder / "log"), "letters", Store(str(folder / "store")), "tabular")
recorder = Recorder(log, rules, print)
even = np.full((1, 2), 0.5)
recorder.offer(Answered(served=served, request="a", ids=["a"], at=datetime.now(UTC), samples=even, scores=even))
recorder.close()
print(json.dumps({"before": before, "after": after, "later": sorted(set(sys.modules) - known)}))
"""


class Lost(Counter[str]):
    def __call__(self, samples: int, reason: str) -> None:
        self[reason] += samples


def logged(folder: Path) -> set[str]:
    now = datetime.now(UTC)
    window = read_window(log_at(folder), now - timedelta(minutes=5), now + timedelta(minutes=5))
    return set(window.rows["sample_id"])


def test_what_is_offered_is_written_at_the_end_at_the_latest(tmp_path: Path) -> None:
    lost, asked = Lost(), rules(log__flush_s=3600.0).log
    recorder = Recorder(log_at(tmp_path), asked, lost)
    recorder.offer(answered("a"))
    recorder.offer(answered("b", 2))
    recorder.close()
    assert logged(tmp_path) == {"a", "b/0", "b/1"}
    assert lost == {}


def test_what_does_not_fit_is_counted_and_what_comes_after_the_next_writing_fits_again(tmp_path: Path) -> None:
    each = answered("a").nbytes
    lost, asked = Lost(), rules(log__flush_s=3600.0, log__queue_mib=2.5 * each / (1 << 20)).log
    recorder = Recorder(log_at(tmp_path), asked, lost)
    for name in "abc":
        recorder.offer(answered(name))
    assert lost == {"queue": 1}
    recorder.background.write()
    recorder.offer(answered("d"))
    recorder.close()
    assert lost == {"queue": 1}
    assert logged(tmp_path) == {"a", "b", "d"}


def test_a_log_that_cannot_be_written_loses_what_is_counted_and_takes_the_next(tmp_path: Path) -> None:
    """As with a full disk: an error of the file system, and then there is room again."""
    (tmp_path / "log").write_text("no folder")
    lost = Lost()
    recorder = Recorder(log_at(tmp_path), rules(log__flush_s=3600.0).log, lost)
    recorder.offer(answered("a", 3))
    recorder.background.write()
    assert lost == {"log": 3}
    (tmp_path / "log").unlink()
    recorder.offer(answered("b"))
    recorder.close()
    assert logged(tmp_path) == {"b"}


def test_a_fault_in_writing_ends_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Lost()
    recorder = Recorder(log_at(tmp_path), rules(log__flush_s=3600.0).log, lost)
    with monkeypatch.context() as patch:
        patch.setattr("augment_ops.serving.recording.log_answers", lambda *args, **more: 1 / 0)
        recorder.offer(answered("a"))
        recorder.background.write()
    recorder.offer(answered("b"))
    recorder.close()
    assert lost == {"log": 1}
    assert logged(tmp_path) == {"b"}


def test_the_share_is_drawn_by_the_request_the_same_for_all_its_samples_and_everywhere(tmp_path: Path) -> None:
    drawn = [is_drawn(f"r{number}", 0.25) for number in range(4000)]
    assert 900 < sum(drawn) < 1100  # 1,000 ± 3.6 standard deviations of 27
    assert drawn[:8] == [is_drawn(f"r{number}", 0.25) for number in range(8)]
    assert all(is_drawn(f"r{number}", 0.5) for number in range(4000) if drawn[number])  # who is in stays in
    assert not any(is_drawn(f"r{number}", 0.0) for number in range(100))


def test_samples_that_may_not_be_kept_are_not(tmp_path: Path) -> None:
    recorder = Recorder(log_at(tmp_path), rules(log__samples=False).log, Lost())
    recorder.offer(answered("a"))
    recorder.close()
    assert logged(tmp_path) == {"a"}
    assert not list((tmp_path / "store").rglob("*")) or not any(p.is_file() for p in (tmp_path / "store").rglob("*"))


def test_a_rehearsal_leaves_nothing_and_what_is_written_then_imports_nothing_that_it_did_not(tmp_path: Path) -> None:
    """In an interpreter of its own, as a worker's: here all is imported already."""
    rows = np.array([[1.5, 2.0], [3.0, np.nan]])
    probe = probe_bytes(rows, np.zeros((2, 2), np.float32))
    (tmp_path / "probe.npz").write_bytes(probe)
    served = replace(
        STILL,
        modality="tabular",
        classes=("no", "yes"),
        shape=(2,),
        probe=sha256_hex(probe),
        probe_file=str(tmp_path / "probe.npz"),
    )
    (tmp_path / "served.json").write_bytes(canonical_json(served))
    (tmp_path / "scratch").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "scratch")}
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {"before": False, "after": True, "later": []}
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]


def test_days_that_are_too_old_are_deleted_with_their_labels_and_no_others(tmp_path: Path) -> None:
    log, now = log_at(tmp_path), datetime.now(UTC)
    for age in (0, 5, 40):
        at = now - timedelta(days=age)
        log.write([f"a{age}"], [at], model_version="1", samples=images(1), logged_at=at)
        log.label({f"a{age}": "a"}, logged_at=at)
    rollout = tmp_path / "log/letters/rollouts/7"
    rollout.mkdir(parents=True)
    for age in (5, 40):
        (rollout / f"{now - timedelta(days=age):%Y%m%dT%H%M%S%f}-ab.parquet").touch()
    (rollout / "notes.txt").touch()
    assert forget(log.uri, "letters", now - timedelta(days=30)) == 3
    kept = [path.name for path in (tmp_path / "log").rglob("*.parquet")]
    assert len(kept) == 5
    assert forget(log.uri, "letters", now - timedelta(days=30)) == 0


def test_a_service_whose_clock_is_hours_ahead_deletes_nothing_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, now = log_at(tmp_path), datetime(2026, 3, 10, 22, tzinfo=UTC)  # tomorrow for a clock that is ahead
    for days in (2, 3, 4):
        at = now - timedelta(days=days)
        log.write([f"a{days}"], [at], model_version="1", samples=images(1), logged_at=at)

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return (now + timedelta(hours=5)).astimezone(tz)

    monkeypatch.setattr(retention, "datetime", Ahead)
    assert forget(log.uri, "letters", too_old(2.0)) == 2
    kept = read_window(log, now - timedelta(days=9), now, samples=False)
    assert set(kept.rows["sample_id"]) == {"a2"}
