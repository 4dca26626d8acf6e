"""State is its owner's alone, whatever the shell's umask is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from augment_ops.errors import InputError
from augment_ops.private import begin, close, is_open, umask


@pytest.fixture(autouse=True)
def shell_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def readable(home: Path, mask: int = 0o077) -> list[str]:
    """What grants somebody else anything."""
    found = [home, *home.rglob("*")]
    return [str(path) for path in found if not path.is_symlink() and path.stat().st_mode & mask]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state folder as an older version left it."""
    home = tmp_path / "var"
    for name in ("ledger.db", "store/objects/ab/cd", "mlflow/mlflow.db", "logs/airflow.log"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)
    (home / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").write_text("not ours to change")
    return home


def test_an_open_state_folder_is_closed_once_and_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert readable(home)
    begin(home)
    assert readable(home) == []
    assert (home.parent / "outside").stat().st_mode & 0o777 == 0o644
    assert f"others could read {home}" in capsys.readouterr().err
    (home / "new").write_text("x")
    assert readable(home) == []
    begin(home)
    assert capsys.readouterr().err == ""


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    var = tmp_path / "var"
    (var / "log").mkdir(parents=True)  # the system's, where a command is run in /
    begin(var)
    assert var.stat().st_mode & 0o777 == 0o755
    begin(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_group_may_be_let_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGMENT_OPS_UMASK", "027")
    begin(home)
    assert readable(home, 0o027) == []
    assert (home / "ledger.db").stat().st_mode & 0o777 == 0o640
    assert not is_open(home, 0o027)
    assert close(home, 0o027) == 0


@pytest.mark.parametrize("text", ["22", "022", "777", "x", "0o77", "-1", "00077", "٠77"])
def test_a_umask_that_lets_everybody_in_or_nobody_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="AUGMENT_OPS_UMASK"):
        umask({"AUGMENT_OPS_UMASK": text})


def test_the_command_line_writes_private_files(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {**os.environ, "AUGMENT_OPS_HOME": str(home)}
    script = "import os; os.umask(0o022); from augment_ops.cli import main; main()"
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script, "audit", "verify"]
    subprocess.run(command, env=environment, cwd=root, check=False, capture_output=True, timeout=120)
    assert home.is_dir()
    assert readable(home) == []
