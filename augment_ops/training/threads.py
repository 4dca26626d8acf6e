"""How many threads of the processor a training computes with. The sums, and so the weights, are other ones for another
number: it is chosen once for a run, which keeps it, and never again where a stage happens to run.
"""

from __future__ import annotations

from pydantic import BaseModel

from augment_ops.machine import usable_cores

AUTO = "auto"


def leaves_open(section: BaseModel) -> bool:
    """Whether a trainer's section of a recipe leaves the number to the run."""
    return getattr(section, "threads", None) == AUTO


def threads_of(section: BaseModel, of_the_run: int) -> int:
    """The number that a training computes with; 0 where its trainer knows no such setting.

    Args:
        of_the_run: what the run has; 0 where it began before there was a choice, and had one thread.
    """
    if leaves_open(section):
        return of_the_run or 1
    asked = getattr(section, "threads", None)
    return asked if isinstance(asked, int) else 0


def chosen(processes: int) -> int:
    """The number for a run that begins here: half of the cores, since its other training may run beside it.

    Args:
        processes: that share each batch of a training; the number is of each.
    """
    return max(1, usable_cores() // 2 // processes)
