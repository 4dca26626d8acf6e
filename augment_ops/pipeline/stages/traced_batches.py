"""Spans of a training: the epochs, and the batches in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from augment_ops.delivery.batches import WHOLE, Batch, BatchSource, Share
from augment_ops.monitoring.telemetry.tracing import Trace

# A trace of an epoch shows its pace by then, and viewers grow slow with thousands of spans.
_TRACED_BATCHES = 100


class TracedBatches:
    """Another source's batches, with a span for each epoch and each of its first hundred batches."""

    def __init__(self, source: BatchSource, trace: Trace, role: str) -> None:
        self._source, self._trace, self._role = source, trace, role

    def __len__(self) -> int:
        return len(self._source)

    def epoch(self, epoch: int, start: int = 0, step: int = 1, share: Share = WHOLE) -> Iterator[Batch]:
        """As the source gives them; a batch's span lasts until the trainer asks for the next one."""
        with self._trace.span("epoch", {"augment_ops.role": self._role, "augment_ops.epoch": epoch}):
            asked = time.time_ns()
            for done, batch in enumerate(self._source.epoch(epoch, start, step, share)):
                got = time.time_ns()
                yield batch
                if done < _TRACED_BATCHES:
                    self._trace.add(
                        "batch",
                        asked,
                        {
                            "augment_ops.step": start + done * step,
                            "augment_ops.samples": len(batch.labels),
                            "augment_ops.wait_s": (got - asked) / 1e9,
                            "augment_ops.augment_s": batch.augment_s,
                        },
                    )
                asked = time.time_ns()

    def ready(self) -> int | None:
        """As the source says."""
        return self._source.ready()

    def again(self, processes: int) -> Callable[[], BatchSource]:
        """The source's own: spans are of this process."""
        return self._source.again(processes)

    def close(self) -> None:
        """Close the source."""
        self._source.close()
