"""Processes whose clocks are hours ahead or behind, as those of other machines may be."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_suffix(".c")


def clock_ahead(folder: Path, hours: float) -> dict[str, str]:
    """Environment of a process whose clock is so far ahead; skips where nothing compiles C."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here, to set the clock of a process")
    library = folder / "shifted_clock.so"
    if not library.is_file():
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)], check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_AHEAD_S": str(int(3600 * hours))}
