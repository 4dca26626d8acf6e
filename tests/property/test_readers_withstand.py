"""Whatever a reader is given, it answers: see `fuzz_readers.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_FUZZ = Path(__file__).with_name("fuzz_readers.py")


@pytest.mark.parametrize(("first", "count"), [(0, 400), pytest.param(400, 9_600, marks=pytest.mark.slow)])
def test_damaged_inputs_are_answered(first: int, count: int) -> None:
    done = subprocess.run(
        [sys.executable, str(_FUZZ), str(first), str(count)], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["failures"] == [], json.dumps(found["failures"][:3], indent=1)
    assert found["inputs"] == count
    assert found["refused"] > count // 4, "damage has to reach the readers"
