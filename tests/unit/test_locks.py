"""Locks are waited for so long and no longer, and the error names who holds them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from augment_ops.errors import StoreError
from augment_ops.locks import held

ROOT = Path(__file__).parents[2]
HOLD = (
    "import sys, time; from pathlib import Path; from augment_ops.locks import held\n"
    "with held(Path(sys.argv[1]), 'hang', 1): print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "a.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_error_names_the_file_and_the_process(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(StoreError) as refused, held(tmp_path / "a.lock", "start the services", 0.1):
        pass
    text = str(refused.value)
    assert str(tmp_path / "a.lock") in text
    assert f"process {holder.pid} has held this lock for over 0 s" in text
    assert "start the services" in text


def test_a_killed_holder_leaves_no_lock(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with held(tmp_path / "a.lock", "go on", 5):
        assert (tmp_path / "a.lock").read_text().split()[0] == str(os.getpid())


def test_it_is_had_as_soon_as_it_is_given_back(tmp_path: Path) -> None:
    path, order = tmp_path / "a.lock", []

    def second() -> None:
        with held(path, "be second", 30):
            order.append("second")

    with held(path, "be first", 1):
        waiting = threading.Thread(target=second)
        waiting.start()
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]


def test_a_link_that_somebody_else_laid_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "a.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match=r"symbolic link|loop"), held(tmp_path / "a.lock", "x", 0.1):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_every_lock_that_is_waited_for_is_one_of_these() -> None:
    """What asks without waiting may do so by itself."""
    for path in [*ROOT.glob("augment_ops/**/*.py"), *ROOT.glob("dags/**/*.py")]:
        for call in re.findall(r"\b(?:flock|lockf)\(.*", path.read_text()):
            assert "LOCK_NB" in call or "LOCK_UN" in call, f"{path}: {call}"
