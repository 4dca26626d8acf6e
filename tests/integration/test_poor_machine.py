"""What a program takes from the machine without a word: its user, locale, time zone, umask and where it lies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parents[2]
AUGMENT_OPS = [sys.executable, "-c", "from augment_ops.cli import main; main()"]


@pytest.fixture
def nest(tmp_path: Path) -> Path:
    """A home with blanks and umlauts; a folder of pictures beside it is named likewise."""
    folder = tmp_path / "Möwe und Nest"
    folder.mkdir()
    return folder


def call(nest: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """As somebody without a name, on an island where it is tomorrow, in no language."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(nest),
        "TZ": "Pacific/Kiritimati",
        "LANG": "C",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        **more,
    }
    return subprocess.run(
        [*AUGMENT_OPS, *words],
        env=environment,
        cwd=nest,
        umask=0o077,
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


def test_a_locale_without_a_character_ends_no_command(nest: Path) -> None:
    done = call(nest, "policy", "show", "fashion-robust", "--plan", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert r"Affine \xb7 colour" in done.stdout


@pytest.mark.slow
def test_a_whole_run_in_a_poor_environment(nest: Path) -> None:
    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images[:900], digits.target[:900], strict=True)):
        file = nest / "Ziffern, groß" / f"Ziffer {label}" / f"Bild {number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15.9).astype(np.uint8)).save(file)
    done = call(nest, "run", "--dataset", "Ziffern, groß", "--epochs", "2", "--one-by-one", "--json")
    decision = json.loads(done.stdout)
    assert decision["verdict"] in ("PASS", "FAIL", "INVESTIGATE"), done.stderr
    verified = call(nest, "audit", "verify")
    assert verified.returncode == 0 and "whole" in verified.stdout, verified.stderr
    written = [path for path in (nest / "var").rglob("*") if not path.is_symlink()]
    assert written and [str(path) for path in written if path.stat().st_mode & 0o077] == []
    report = next((nest / "var" / "reports").glob("*/report.html")).read_text(encoding="utf-8")
    assert "Ziffer 7" in report
