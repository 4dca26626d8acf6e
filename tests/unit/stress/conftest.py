from __future__ import annotations

import hashlib

import numpy as np
import pytest

from augment_ops.stress import suite
from augment_ops.stress.definition import SuiteSpec
from support.places import POLICIES


class Objects:
    """A content-addressed store in memory that counts what was put."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.held[digest] = data
        return digest

    def get(self, digest: str) -> bytes:
        return self.held[digest]


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture(scope="session")
def spec() -> SuiteSpec:
    return suite.load(POLICIES / "stress" / "invariances.yaml")


@pytest.fixture
def stripes() -> tuple[np.ndarray, list[str], np.ndarray]:
    """60 images 12×12×1 of three classes: a bright bar at the left, in the middle, at the right."""
    labels = np.arange(60) % 3
    images = np.zeros((60, 12, 12, 1), np.uint8)
    for row, label in enumerate(labels):
        images[row, 2:10, 1 + 4 * label : 3 + 4 * label] = 200
    return images, [f"s{i}" for i in range(60)], labels.astype(np.int64)
