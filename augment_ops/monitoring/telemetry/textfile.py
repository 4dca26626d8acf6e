"""The metrics of a state folder: one file in Prometheus' text format, which is both the state and the export.

Stages are processes that live for minutes, so their counters have to outlive them. Each adds what it saw to the file
under a lock and replaces it whole; node-exporter's textfile collector or `augment-ops metrics serve` shows it as it is.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from augment_ops.errors import StoreError
from augment_ops.files import replace_file
from augment_ops.locks import held
from augment_ops.monitoring.telemetry.metrics import (
    BY_NAME,
    COUNTING_SINCE,
    FAMILIES,
    Family,
    Metrics,
    Observation,
    fold,
)

if TYPE_CHECKING:
    from prometheus_client import Metric

_LOCK_S = 30.0  # the file is read, added to and replaced in milliseconds


def path_below(home: Path) -> Path:
    """Where the metrics of a state folder are; its folder is what node-exporter is to be pointed at."""
    return home / "metrics" / "augment_ops.prom"


def record(home: Path, samples: Iterable[Observation]) -> Metrics:
    """Add observations to the file, and return all that it holds now.

    Raises:
        StoreError: the file was damaged, or cannot be written.
    """
    path = path_below(home)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with held(path.parent / ".lock", "add to the metrics", _LOCK_S):
            known = read(path) or fold({}, [COUNTING_SINCE.set(time.time())])
            known = fold(known, samples)
            replace(path, known)
    except OSError as error:
        raise StoreError(str(path), str(error), "a folder with room for metrics", "free space or permit") from error
    return known


def read(path: Path) -> Metrics:
    """What the file holds, empty where there is none. Metrics of another version of this package are left out.

    Raises:
        StoreError: not in Prometheus' text format.
    """
    from prometheus_client.parser import text_string_to_metric_families

    known: Metrics = {}
    try:
        # Not as text, where Python would make line breaks of what is none to Prometheus.
        for family in text_string_to_metric_families(path.read_bytes().decode("utf-8")):
            for sample in family.samples:
                ours = BY_NAME.get(sample.name)
                if ours is not None and set(sample.labels) == set(ours.labels):
                    known[sample.name, tuple(sample.labels[label] for label in ours.labels)] = float(sample.value)
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, IndexError) as error:
        raise StoreError(
            str(path),
            f"{type(error).__name__}: {error}"[:200],
            "metrics in Prometheus' text format",
            "move the file away: counting starts again, and Prometheus keeps what it has scraped",
        ) from error
    return known


def families(known: Metrics, among: Iterable[Family] = FAMILIES) -> Iterator[Metric]:
    """As prometheus_client shows them."""
    from prometheus_client import Metric

    for family in among:
        series = {labels: value for (name, labels), value in known.items() if name == family.name}
        if series:
            metric = Metric(family.name.removesuffix("_total"), family.meaning, family.kind)
            for labels, value in series.items():
                metric.add_sample(family.name, dict(zip(family.labels, labels, strict=True)), value)
            yield metric


def replace(path: Path, known: Metrics, among: Iterable[Family] = FAMILIES) -> None:
    """Write a file of Prometheus' text that holds these series of some families, in place of the one before.

    Raises:
        OSError: it cannot be written.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Known(known, among))
    replace_file(path, generate_latest(registry))


class _Known:
    """Metrics as a collector."""

    def __init__(self, known: Metrics, among: Iterable[Family]) -> None:
        self._known, self._among = known, among

    def collect(self) -> Iterator[Metric]:
        """Every family that has a series."""
        return families(self._known, self._among)
