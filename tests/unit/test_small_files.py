"""Files that programs write for programs: a pipe in the place of one hangs nobody, and a huge one is not read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from augment_ops.errors import AugmentOpsError
from augment_ops.governance.keys import load
from augment_ops.governance.root import pinned
from augment_ops.lifecycle.witnessed import report_heads
from augment_ops.services import processes
from augment_ops.services.layout import layout_of
from augment_ops.services.migrate import log_end
from augment_ops.services.people import read_passwords
from augment_ops.settings import Settings
from augment_ops.tracking import connect


def pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


def huge(path: Path) -> None:
    path.touch(0o600)
    os.truncate(path, 1 << 40)  # of no block: reading it would take the memory


@pytest.fixture(params=[pipe, huge])
def put(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    made: Callable[[Path], None] = request.param
    return made


def test_keys_and_passwords_are_refused(put: Callable[[Path], None], tmp_path: Path) -> None:
    put(tmp_path / "file")
    for read in (load, read_passwords):
        with pytest.raises(AugmentOpsError, match=r"instead of a file|are read"):
            read(tmp_path / "file")


def test_a_login_is_refused(put: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    put(tmp_path / "login.json")
    if not (tmp_path / "login.json").is_file():
        return  # it is no login, and MLflow says what it thinks of that
    with pytest.raises(AugmentOpsError, match="read the login"):
        connect("http://127.0.0.1:9", tmp_path / "artifacts")


def test_a_record_of_a_process_is_left_out_and_a_log_is_read_from_its_end(
    put: Callable[[Path], None], tmp_path: Path
) -> None:
    layout = layout_of(Settings.from_environment({"AUGMENT_OPS_HOME": str(tmp_path)}))
    layout.services.mkdir(parents=True)
    put(layout.services / "mlflow.json")
    assert processes.records(layout) == {}
    assert len(log_end(str(layout.services / "mlflow.json"))) < 10_000
    (tmp_path / "log").write_text("".join(f"line {number}\n" for number in range(20_000)))
    assert log_end(str(tmp_path / "log")).endswith("line 19999")


def test_a_report_is_named_and_rules_are_refused(put: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "reports" / "run-1").mkdir(parents=True)
    put(tmp_path / "reports" / "run-1" / "report.json")
    heads, (fault,) = report_heads(tmp_path)
    assert (heads, "run-1/report.json" in fault.where) == ({}, True)
    (tmp_path / "gates").mkdir()
    put(tmp_path / "gates" / "default.yaml")
    if (tmp_path / "gates" / "default.yaml").is_file():
        with pytest.raises(AugmentOpsError, match="are read"):
            pinned(tmp_path)
