from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment_ops.data.payload import ArrayPayload
from augment_ops.data.store import Store
from augment_ops.delivery.batches import batch_rows
from augment_ops.delivery.offline import ShardBatches, materialise
from augment_ops.delivery.online import OnlineBatches
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.networks import small_cnn
from augment_ops.policy.spec import Policy
from augment_ops.training import loop
from augment_ops.training.base import Budget, Labelled
from support.networks import untrained

HEAD = """\
name: tested
version: 1.0.0
modality: image
domain: general
owner: tests
description: For tests.
budget: {p95_ms: 1.0, at: [8, 8, 1]}
"""
SHAPE = (8, 8, 1)
N = 97  # one more than a multiple of the batch size


class Training:
    """97 images of three easily told classes, and what trains on them."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.labels = (np.arange(N) % 3).astype(np.int64)
        self.images = rng.integers(0, 60, (N, *SHAPE), dtype=np.uint8)
        for row, label in enumerate(self.labels):
            self.images[row, 2:6, 2 * label + 1 : 2 * label + 3] += 180
        self.ids = tuple(f"{row:03d}" for row in range(N))
        self.store = Store(str(folder / "store"))

    def augmenter(
        self, steps: str = "[Affine: {rotate: [-10, 10]}, GaussNoise: {std_range: [0.02, 0.1]}]"
    ) -> Augmenter:
        return Augmenter(Policy.from_text(f"{HEAD}transforms: {steps}\n"), 7)

    def online(self, augmenter: Augmenter | None, workers: int = 0) -> OnlineBatches:
        return OnlineBatches(self.images, self.labels, self.ids, augmenter, seed=7, batch_size=32, workers=workers)

    def offline(self, augmenter: Augmenter) -> ShardBatches:
        shards = materialise(
            self.store, self.images, self.ids, augmenter, snapshot_digest="5" * 64, split="train", epochs=2
        )
        return ShardBatches(self.store, shards, self.labels, seed=7, batch_size=32)

    def run(
        self,
        source: Any,
        factory: Callable[..., Any] | None = None,
        *,
        seed: int = 7,
        epochs: int = 2,
        threads: int = 1,
        progress: Callable[[Any], Any] = lambda metrics: None,
        **how: Any,
    ) -> Any:
        """Build, train, close; the model, the curve and the meters."""
        model = untrained(SHAPE, 3, seed, factory or small_cnn)
        steps = len(batch_rows(7, 0, N, 32))
        try:
            curve, meters = loop.train(
                model,
                source,
                Labelled(ArrayPayload(self.images[:30]), self.labels[:30]),
                Budget(epochs, 32, seed, threads=threads),
                steps,
                progress,
                **how,
            )
        finally:
            source.close()
        return model, curve, meters


@pytest.fixture
def training(tmp_path: Path) -> Training:
    return Training(tmp_path)
