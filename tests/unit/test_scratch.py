"""Scratch is this user's alone, and goes when its process does, however that ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from augment_ops import scratch
from augment_ops.errors import StoreError

ROOT = Path(__file__).parents[2]
WORK = (
    "import sys; from augment_ops import scratch\n"
    "with scratch.folder('work') as f: (f / 'x').write_text('x'); print(f, flush=True); sys.stdin.read()"
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    scratch._root.cache_clear()
    yield tmp_path
    scratch._root.cache_clear()


def working() -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with scratch.folder("export") as folder:
        assert folder.parent == tmp_path / f"augment-ops-{os.getuid()}"
        assert [path.stat().st_mode & 0o777 for path in (folder, folder.parent)] == [0o700, 0o700]
        (folder / "file").write_text("x")
    assert list(scratch.root().iterdir()) == []


def test_what_a_kill_left_is_swept_and_what_is_in_use_is_not() -> None:
    killed, left = working()
    alive, used = working()
    with killed, alive:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        os.utime(used, (0, 0))  # as old as may be
        scratch._root.cache_clear()
        with scratch.folder("mine") as mine:
            assert not left.exists()
            assert (used / "x").read_text() == "x"
            assert scratch.sweep(scratch.root()) == 0
            assert mine.is_dir()
        alive.kill()


def test_a_name_that_somebody_else_took_first_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o777)
    (tmp_path / f"augment-ops-{os.getuid()}").symlink_to(elsewhere)
    with pytest.raises(StoreError, match="TMPDIR"):
        scratch.root()
    assert list(elsewhere.iterdir()) == []


def test_a_folder_of_ours_that_others_could_write_to_is_closed(tmp_path: Path) -> None:
    place = tmp_path / f"augment-ops-{os.getuid()}"
    place.mkdir()
    place.chmod(0o777)
    assert scratch.root().stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes a folder of somebody else's")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    place = tmp_path / f"augment-ops-{os.getuid()}"
    place.mkdir(mode=0o700)
    os.chown(place, 12345, 12345)
    with pytest.raises(StoreError, match="another user"):
        scratch.root()


def test_all_scratch_of_ours_is_made_here() -> None:
    """In the system's temporary folder, that is: `dir=` puts a file beside the one that it will replace."""
    allowed = {
        "augment_ops/scratch.py",
        "augment_ops/monitoring/drift/prediction_log.py",
    }  # the second only names the folder
    allowed.add("augment_ops/drivers/kubeflow/compiler.py")  # runs where this project is not
    for path in [*ROOT.glob("augment_ops/**/*.py"), *ROOT.glob("dags/**/*.py")]:
        name = path.relative_to(ROOT).as_posix()
        calls = re.findall(
            r"\b(?:mkdtemp|mkstemp|TemporaryDirectory|NamedTemporaryFile|gettempdir)\(.*", path.read_text()
        )
        assert name in allowed or all("dir=" in call for call in calls), f"{name}: {calls}"
