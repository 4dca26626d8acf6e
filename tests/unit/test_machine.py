from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from augment_ops import machine
from augment_ops.machine import _left_by_groups, _quota, free_memory, usable_cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no sets of processors here")
def test_a_process_held_to_one_core_knows_of_one() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from augment_ops.machine import usable_cores; print(usable_cores())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "1\n"


@pytest.mark.parametrize(
    ("quotas", "found"),
    [({"": "max 100000"}, 65536), ({"": "250000 100000"}, 2), ({"a": "400000 100000", "a/b": "max 100000"}, 4),
     ({"a": "100000 100000", "a/b": "800000 100000"}, 1), ({"a/b": "50000 100000"}, 0), ({}, 65536)],
)  # fmt: skip
def test_a_container_s_share_of_the_processor_counts(tmp_path: Path, quotas: dict[str, str], found: int) -> None:
    """Of its own control group, and of those around it."""
    groups, own = tmp_path / "cgroup", tmp_path / "self"
    own.write_text(f"1:cpu:/elsewhere\n0::/{'a/b' if 'a/b' in quotas else ''}\n")
    (groups / "a" / "b").mkdir(parents=True)
    for name, quota in quotas.items():
        (groups / name / "cpu.max").write_text(f"{quota}\n")
    assert _quota(groups, own) == found
    assert _quota(groups, tmp_path / "none") == 65536


def test_the_smaller_of_both_counts_and_one_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    there = usable_cores()
    for quota, found in ((0, 1), (1, 1), (65536, there)):
        monkeypatch.setattr(machine, "_quota", lambda quota=quota: quota)
        assert usable_cores() == found


def test_a_container_s_share_of_the_memory_counts_without_files_that_nobody_has_open(tmp_path: Path) -> None:
    groups, own = tmp_path / "cgroup", tmp_path / "self"
    (groups / "a" / "b").mkdir(parents=True)
    own.write_text("0::/a/b\n")
    for name, most in (("a", "1000"), ("a/b", "max")):
        (groups / name / "memory.max").write_text(f"{most}\n")
        (groups / name / "memory.current").write_text("700\n")
        (groups / name / "memory.stat").write_text("anon 400\ninactive_file 200\nactive_file 100\n")
    assert _left_by_groups(groups, own) == 500
    (groups / "a" / "b" / "memory.max").write_text("800\n")
    assert _left_by_groups(groups, own) == 300
    assert _left_by_groups(groups, tmp_path / "none") > 1 << 50


def test_the_smaller_of_machine_and_container_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for left, least, most in ((-5, 0, 0), (7, 7, 7), (1 << 60, 1 << 20, 1 << 50)):
        monkeypatch.setattr(machine, "_left_by_groups", lambda left=left: left)
        assert least <= free_memory() <= most
