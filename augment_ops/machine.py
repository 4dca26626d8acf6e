"""What this process may use of its machine."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Processors this process may run on: under `taskset`, or in a container with a cpuset, fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
