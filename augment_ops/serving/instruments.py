"""What one worker counts with: a metric of the Prometheus library for each declaration of a metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from augment_ops.monitoring.telemetry.metrics import Family

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram


class Instruments:
    """Makes the metrics of one group, which stand in no registry but their own.

    Each worker writes to its file (`meters.py`), and what is shown is read from the files of all of them.
    """

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry

        self._alone = CollectorRegistry()

    def counter(self, of: Family) -> Counter:
        """One that is shown as the sum over all workers, those that have ended too."""
        from prometheus_client import Counter

        return Counter(of.name, of.meaning, of.labels, registry=self._alone)

    def gauge(self, of: Family, over_workers: Literal["livemax", "livesum"]) -> Gauge:
        """One that living workers have a value of each.

        Args:
            over_workers: what is shown of their values: the largest, or the sum.
        """
        from prometheus_client import Gauge

        return Gauge(of.name, of.meaning, of.labels, registry=self._alone, multiprocess_mode=over_workers)

    def histogram(self, of: Family) -> Histogram:
        """With the bounds that the declaration has."""
        from prometheus_client import Histogram

        return Histogram(of.name, of.meaning, of.labels, buckets=of.buckets, registry=self._alone)
