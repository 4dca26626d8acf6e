"""What Prometheus is shown of a service: the counts of all workers, and what its supervisor says.

The library sums up what several processes count, but keeps no exemplars where they do (prometheus_client 0.26,
`MmapedValue.set_exemplar`). So the worker that is asked shows its own: a request that fell into a bucket of its own
fell into that bucket of the sum.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from augment_ops.monitoring.telemetry.metrics import Family

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.samples import Exemplar

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
TEXT = ".prom"  # files of it in that folder hold what is not a worker's: see `supervisor_meters.py`
_INFINITY = float("inf")


class Exemplars:
    """Of a histogram: for each of its buckets the last traced request that fell into it.

    Args:
        family: the histogram.
    """

    def __init__(self, family: Family) -> None:
        self._name, self._labels = family.name, family.labels
        self._bounds = (*family.buckets, _INFINITY)
        self._kept: dict[tuple[tuple[str, ...], float], Exemplar] = {}

    def seen(self, labels: tuple[str, ...], value: float, trace: str) -> None:
        """One was observed; `labels` are in the family's order, `trace` is the id of its trace."""
        from prometheus_client.samples import Exemplar

        bucket = self._bounds[bisect_left(self._bounds, value)]
        self._kept[labels, bucket] = Exemplar({"trace_id": trace}, value, time())

    def added_to(self, metric: Metric) -> Metric:
        """A family with its examples, where it is that histogram."""
        if metric.name == self._name:
            metric.samples = [
                one._replace(exemplar=self._of(one.labels)) if "le" in one.labels else one for one in metric.samples
            ]
        return metric

    def _of(self, labels: dict[str, str]) -> Exemplar | None:
        return self._kept.get((tuple(labels[name] for name in self._labels), float(labels["le"])))


def exposition(folder: Path, accept: str, exemplars: Exemplars) -> tuple[bytes, str]:
    """All metrics of a service, and their media type.

    Args:
        folder: where its processes count.
        accept: the header of who asks: Prometheus' text or OpenMetrics.
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Summed(folder, exemplars))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


class _Summed:
    """What the processes of a service have counted."""

    def __init__(self, folder: Path, exemplars: Exemplars) -> None:
        self._folder, self._exemplars = folder, exemplars

    def collect(self) -> Iterator[Metric]:
        """Every family that has a series."""
        from prometheus_client.multiprocess import MultiProcessCollector
        from prometheus_client.parser import text_string_to_metric_families

        for metric in MultiProcessCollector(None, str(self._folder)).collect():  # type: ignore[no-untyped-call]
            yield self._exemplars.added_to(metric)
        for file in sorted(self._folder.glob(f"*{TEXT}")):
            yield from text_string_to_metric_families(file.read_text("utf-8"))
