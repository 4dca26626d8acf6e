"""A version that a worker has loaded, and that has answered as it did when it was judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import GovernanceError
from augment_ops.modalities import modality
from augment_ops.modalities.codec import Requests
from augment_ops.modalities.source import Samples
from augment_ops.runtime import load
from augment_ops.runtime.artifact import read_artifact
from augment_ops.serving.batching import Batcher, Computed
from augment_ops.serving.rules import BatchRules, RequestLimits
from augment_ops.serving.served import Served, read_probe
from augment_ops.statistics import softmax
from augment_ops.stress import probe


class ServedModel:
    """Answers of one version.

    Args:
        served: what it is.
        told: called after each batch with its samples and the seconds that the model took.

    Raises:
        StoreError: the file is another, or cannot be loaded.
        GovernanceError: it does not answer as it did when it was judged.
    """

    def __init__(
        self, served: Served, batch: BatchRules, limits: RequestLimits, told: Callable[[int, float], None]
    ) -> None:
        self.served = served
        self._users, self._left = 0, asyncio.Event()
        self.kind = modality(served.modality)
        self.requests: Requests = self.kind.codec.requests(served.asked, served.shape, served.schema)
        artifact = read_artifact(Path(served.file), served.artifact, served.model_format)
        self._model = load(artifact, scores=len(served.classes))
        try:
            self._hold_against_probe()
        except BaseException:
            self._model.close()
            raise
        self.batcher = Batcher(
            self._model.predict_async,
            max_samples=batch.max_samples,
            max_delay_s=batch.max_delay_ms / 1000,
            max_waiting=limits.waiting,
            told=told,
        )

    async def __call__(self, samples: Samples) -> tuple[NDArray[np.float64], Computed]:
        """Probabilities float64 (n, K) of samples (n, *shape), and what the model was asked: see `Batcher`."""
        scores, computed = await self.batcher(samples)
        return softmax(scores), computed

    @contextmanager
    def in_use(self) -> Iterator[ServedModel]:
        """While it holds, the model does not end: another version may take its place meanwhile."""
        self._users += 1
        try:
            yield self
        finally:
            self._users -= 1
            self._left.set()

    async def close(self) -> None:
        """Let what is on its way be answered, then end."""
        while self._users:
            self._left.clear()
            await self._left.wait()
        await self.batcher.close()
        self._model.close()

    def _hold_against_probe(self) -> None:
        samples, expected = read_probe(self.served)
        apart = probe.difference(expected, np.asarray(self._model(samples)))
        if apart > 1:
            raise GovernanceError(
                f"version {self.served.version} of {self.served.dataset}, before it serves",
                f"logits up to {apart:.3g} times further from those judged than rounding explains",
                f"the logits of the stress test on {len(samples)} stored {self.kind.plural}",
                "compare the versions of torch and of the processor with those of the run; do not serve it here",
            )
