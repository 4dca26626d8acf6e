"""What the supervisor of a service says to Prometheus: series in a file, which every worker shows beside its own.

The library's multiprocess mode wants its folder named before the library is imported, which nobody can promise of a
process that knows MLflow. What a supervisor counts changes once in hours, so a file is replaced whole.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from augment_ops.monitoring.telemetry.metrics import Family, Metrics, Observation
from augment_ops.monitoring.telemetry.textfile import replace
from augment_ops.serving.exposition import TEXT

WORKERS_WANTED = Family(
    otel="augment_ops.serving.workers_wanted",
    kind="gauge",
    unit="{worker}",
    labels=("dataset",),
    meaning="Workers that the rules ask for.",
)
WORKER_RESTARTS = Family(
    otel="augment_ops.serving.worker_restarts", kind="counter", unit="{restart}", labels=("dataset",),
    meaning="Workers that ended by themselves, and were started again.",
)  # fmt: skip
REFUSED = Family(
    otel="augment_ops.serving.refused", kind="gauge", unit="", labels=("dataset", "model_version"),
    meaning="1 while a version should answer and a worker refuses it.",
)  # fmt: skip
FAMILIES = (WORKERS_WANTED, WORKER_RESTARTS, REFUSED)


class TextMeters:
    """Series of some families, shown by the workers of a service. Nothing is written before the first is kept.

    Args:
        folder: where the processes of the service count.
        name: of the file; who counts apart has one apart.
        families: what may be kept.
        say: gets a line where it could not be written: that stops nobody.
    """

    def __init__(self, folder: Path, name: str, families: tuple[Family, ...], say: Callable[[str], None]) -> None:
        self._path, self._families, self._say = folder / f"{name}{TEXT}", families, say
        self._known: Metrics = {}

    def keep(self, *observations: Observation) -> None:
        """Take observations."""
        for one in observations:
            series = (one.family.name, one.labels)
            if one.value is None:
                self._known.pop(series, None)
            else:
                self._known[series] = one.value + (self._known.get(series, 0.0) if one.grows else 0.0)
        try:
            replace(self._path, self._known, self._families)
        except OSError as error:
            self._say(f"metrics were not kept: {self._path}: {error}")


class SupervisorMeters:
    """The metrics of the service as a whole.

    Args:
        folder: where its processes count.
        dataset: label of all of them.
        say: see `TextMeters`.
    """

    def __init__(self, folder: Path, dataset: str, say: Callable[[str], None]) -> None:
        self._file, self._dataset = TextMeters(folder, "supervisor", FAMILIES, say), dataset
        self._refused = ""

    def begins(self, workers: int) -> None:
        """So many workers are to answer."""
        # A rate needs to have seen nothing.
        none = WORKER_RESTARTS.add(0, dataset=self._dataset)
        self._file.keep(WORKERS_WANTED.set(workers, dataset=self._dataset), none)

    def restarted(self) -> None:
        """A worker ended by itself."""
        self._file.keep(WORKER_RESTARTS.add(1, dataset=self._dataset))

    def refused(self, version: str) -> None:
        """A version should answer, and a worker refuses it; empty for none."""
        before, self._refused = self._refused, version
        found = {before: 0.0, version: 1.0}
        self._file.keep(*(REFUSED.set(is_, dataset=self._dataset, model_version=of) for of, is_ in found.items() if of))
