"""How long a step has lasted, counted by clocks that nobody sets.

Drivers of one rollout may be on several machines, whose clocks may differ by hours, and the entry that begins a step
has the time of whichever wrote it: the distance between two such clocks would end a step early. So its time is counted
from when a driver first sees it, and handed on from driver to driver. What lies between two drivers of one machine that
was not started anew is known; between others at most a minute of it counts, which is how often the tasks of a DAG look.
So a step may last longer than its rules say, and hardly less.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from time import monotonic, time

from augment_ops.content import LATER, canonical_json, from_json
from augment_ops.data.store import Store
from augment_ops.rollout.state import Rollout

_BOOT = Path("/proc/sys/kernel/random/boot_id")  # of Linux: another at each start of a machine
_HOUR_S = 3600.0
_BETWEEN_S = 60.0  # that is believed of two machines' clocks


@dataclass(frozen=True, kw_only=True)
class _KeptHours:
    """What a driver has counted.

    Attributes:
        step, since: of the rollout, as its entries have them.
        boot: of the machine; ticks: of its clock then, in seconds since that; at: Unix time by its other clock.
    """

    step: int
    since: str
    hours: float
    boot: str
    ticks: float
    at: float = field(default=0.0, metadata=LATER)


class StepClock:
    """Of one rollout, in one driver.

    Args:
        boot: names a start of this machine; empty where nobody can tell.
    """

    def __init__(self, store: Store, boot: str | None = None) -> None:
        self._store, self._boot = store, _boot() if boot is None else boot
        self._of: tuple[int, str] | None = None
        self._before, self._began = 0.0, 0.0

    def hours(self, rollout: Rollout) -> float:
        """Of the step that runs, since it began or was resumed."""
        if self._of != (rollout.step, rollout.since):
            # What begins while it is watched has lasted no time.
            self._before = self._handed_on(rollout) if self._of is None else 0.0
            self._of, self._began = (rollout.step, rollout.since), monotonic()
        return self._before + (monotonic() - self._began) / _HOUR_S

    def keep(self, rollout: Rollout) -> None:
        """Keep what is counted for the next driver.

        Raises:
            StoreError: it cannot be kept.
        """
        kept = _KeptHours(
            step=rollout.step,
            since=rollout.since,
            hours=self.hours(rollout),
            boot=self._boot,
            ticks=monotonic(),
            at=time(),
        )
        self._store.put_document(_document(rollout), canonical_json(kept))

    def _handed_on(self, rollout: Rollout) -> float:
        document = self._store.get_document(_document(rollout))
        kept = None if document is None else from_json(_KeptHours, document)
        if kept is None or (kept.step, kept.since) != (rollout.step, rollout.since):
            return 0.0
        same = bool(self._boot) and kept.boot == self._boot
        between = monotonic() - kept.ticks if same else min(time() - kept.at, _BETWEEN_S if kept.at else 0.0)
        return kept.hours + max(0.0, between) / _HOUR_S


def _document(rollout: Rollout) -> str:
    return f"rollouts/{rollout.dataset}/{rollout.id}.clock.json"


@cache
def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
