from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from augment_ops.data.store import Store
from augment_ops.delivery.batches import Batch
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.policy.spec import Policy
from support.policies import HEAD

N = 61


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def augmenter() -> Augmenter:
    """Draws from NumPy, `random` and OpenCV, another number of times for every sample."""
    steps = "[Affine: {rotate: [-20, 20], p: 0.7}, CoarseDropout: {}, GaussNoise: {std_range: [0.05, 0.2], p: 0.9}]"
    return Augmenter(Policy.from_text(f"{HEAD}  {steps}\n"), 7)


@pytest.fixture
def normalising() -> Augmenter:
    return Augmenter(Policy.from_text(f"{HEAD}  - Normalize: {{}}\n"), 7)


@pytest.fixture
def noise() -> Augmenter:
    return Augmenter(Policy.from_text(f"{HEAD}  - GaussNoise: {{std_range: [0.1, 0.2], p: 1.0}}\n"), 7)


@pytest.fixture
def wrong() -> Augmenter:
    """Refuses grey images."""
    return Augmenter(Policy.from_text(f"{HEAD}  - ISONoise: {{p: 1.0}}\n"), 7)


@pytest.fixture
def images() -> np.ndarray:
    """61 different images 8×8×1."""
    y, x = np.mgrid[0:8, 0:8]
    return np.stack([(20 * y + 15 * x + 19 * n) % 256 for n in range(N)]).astype(np.uint8)[..., None]


@pytest.fixture
def labels() -> np.ndarray:
    return (np.arange(N) % 3).astype(np.int64)


@pytest.fixture
def ids() -> tuple[str, ...]:
    return tuple(f"{n:03d}" for n in range(N))


@pytest.fixture
def by_row() -> Callable[[Iterable[Batch]], dict[int, bytes]]:
    """Row → bytes of its image; every row once."""

    def collect(batches: Iterable[Batch]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for batch in batches:
            for row, image in zip(batch.rows.tolist(), batch.samples, strict=True):
                assert row not in found
                found[row] = image.tobytes()
        return found

    return collect
