"""What this process may use of its machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Processors this process may run on: under `taskset`, or in a container with limits, fewer than there are."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(there, _quota()))


def _quota(groups: Path = _GROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """Whole processors' worth of time that control groups of version 2 leave this process, as `--cpus` of a container
    and limits of Kubernetes set them; more than any machine has where there are none.

    Source: Linux, admin-guide/cgroup-v2.rst, `cpu.max`: microseconds of time, or max, in a period of so many.
    """
    found = 1 << 16
    with suppress(OSError, ValueError, StopIteration):
        line = next(line for line in own.read_text(encoding="ascii").splitlines() if line.startswith("0::"))
        place = groups / line.removeprefix("0::").lstrip("/")
        for folder in (place, *place.parents):
            if not folder.is_relative_to(groups):
                break
            with suppress(OSError, ValueError):  # the root has no such file; max is no number
                time, period = map(int, (folder / "cpu.max").read_text(encoding="ascii").split())
                found = min(found, time // period)
    return found
