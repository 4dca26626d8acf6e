"""What this process may use of its machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_NO_LIMIT = 1 << 16


def usable_cores() -> int:
    """Processors this process may run on: under `taskset`, or in a container with limits, fewer than there are."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(there, _quota()))


def free_memory() -> int:
    """Bytes that this process could have now: of the machine, and of the control groups that it is in."""
    import psutil

    return max(0, min(psutil.virtual_memory().available, _left_by_groups()))


def _quota(groups: Path = _GROUPS, own: Path = _OWN) -> int:
    """Whole processors' worth of time that control groups of version 2 leave this process, as `--cpus` of a container
    and limits of Kubernetes set them; more than any machine has where there are none.

    Source: Linux, admin-guide/cgroup-v2.rst, `cpu.max`: microseconds of time, or max, in a period of so many.
    """
    found = _NO_LIMIT
    for folder in _folders(groups, own):
        with suppress(OSError, ValueError):  # the root has no such file; max is no number
            time, period = map(int, (folder / "cpu.max").read_text(encoding="ascii").split())
            found = min(found, time // period)
    return found


def _left_by_groups(groups: Path = _GROUPS, own: Path = _OWN) -> int:
    """Bytes that the same groups leave; what they count of files that nobody has open now is free.

    Source: the same, `memory.max`, `memory.current`, and `inactive_file` of `memory.stat`.
    """
    found = _NO_LIMIT << 40
    for folder in _folders(groups, own):
        with suppress(OSError, ValueError, StopIteration):
            most, taken = (int((folder / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
            counted = (line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
            found = min(found, most - taken + next(int(bytes_) for name, bytes_ in counted if name == "inactive_file"))
    return found


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """Of this process's control group of version 2 and of those around it; none where there is none."""
    with suppress(OSError, StopIteration):
        line = next(line for line in own.read_text(encoding="ascii").splitlines() if line.startswith("0::"))
        place = groups / line.removeprefix("0::").lstrip("/")
        yield from (folder for folder in (place, *place.parents) if folder.is_relative_to(groups))
