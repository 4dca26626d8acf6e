"""Whoever reads the images of a data set reads a part of it at a time, so that memory does not grow with its size."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from augment_ops import Augmenter, Policy
from augment_ops.data.payload import Joined, Part
from augment_ops.data.store import Store
from augment_ops.delivery.batches import batch_rows
from augment_ops.delivery.offline import materialise
from augment_ops.delivery.online import OnlineBatches
from augment_ops.modalities.base import Payload
from augment_ops.monitoring.drift.check import check_drift
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.production.reference import predictions_of
from augment_ops.quality.augmented_checks import check_augmented
from augment_ops.quality.data_checks import check_samples
from augment_ops.quality.rules import QualityRules
from augment_ops.quality.samples import CONTENT
from augment_ops.stress import suite
from augment_ops.training import loop
from augment_ops.training.base import Budget, Labelled

POLICIES = Path(__file__).parents[2] / "policies"
SHAPE = (128, 128, 3)
N = 900  # 44 MB
MOST_BYTES = 33 << 20  # at once, of any reader: a block of a shard
IDS = tuple(f"s{row:04d}" for row in range(N))
LABELS = (np.arange(N) % 3).astype(np.int64)
CLASSES = ("ant", "bee", "cow")
POLICY = """\
name: tested
version: 1.0.0
modality: image
domain: general
owner: tests
description: For tests.
budget: {p95_ms: 1.0, at: [128, 128, 3]}
transforms:
  - HorizontalFlip: {p: 1.0}
"""


class Counting:
    """A payload of pictures that exist nowhere, and refuses to be read as a whole.

    Attributes:
        reads: how often each image was read.
    """

    shape, dtype = SHAPE, np.dtype(np.uint8)

    def __init__(self) -> None:
        self.reads = np.zeros(N, np.int64)

    def __len__(self) -> int:
        return N

    def take(self, rows: np.ndarray) -> np.ndarray:
        assert len(rows) * np.prod(SHAPE) <= MOST_BYTES, f"{len(rows)} of {N} images at once"
        np.add.at(self.reads, rows, 1)
        return np.stack([picture(row) for row in rows.tolist()]) if len(rows) else np.zeros((0, *SHAPE), np.uint8)


def picture(row: int) -> np.ndarray:
    """Squares of any colour, under noise: no two look alike at any size."""
    rng = np.random.default_rng(row)
    squares = rng.integers(0, 224, (8, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    return squares + rng.integers(0, 32, SHAPE, np.uint8)


def augmenter() -> Augmenter:
    return Augmenter(Policy.from_text(POLICY), 7)


def rules() -> QualityRules:
    return QualityRules.load(POLICIES / "quality" / "default.yaml")


def data_checks(payload: Payload, folder: Path) -> None:
    split = np.where(np.arange(N) % 3, "train", "test").astype(object)
    columns = {"sample_id": IDS, "label": LABELS, "split": split, "row": np.arange(N), CONTENT: IDS}
    index = pd.DataFrame(columns).assign(subject=None, defect=None)
    found = {check.name: check for check in check_samples(index, payload, CLASSES, rules())}
    assert found["blank-or-constant"].measured == found["near-duplicates-between-splits"].measured == 0


def augmented_checks(payload: Payload, folder: Path) -> None:
    few = payload.take(np.arange(20))
    report = check_augmented(few, few[:, :, ::-1], IDS[:20], LABELS[:20], payload, rules(), "plan")
    assert next(check for check in report.checks if check.name == "held-out-leakage").measured == 0


def online(payload: Payload, folder: Path) -> None:
    source = OnlineBatches(payload, LABELS, IDS, augmenter(), seed=7, batch_size=64, workers=2)
    for batch in source.epoch(0):
        assert (batch.samples[0] == picture(int(batch.rows[0]))[:, ::-1]).all()
    source.close()


def offline_shards(payload: Payload, folder: Path) -> None:
    store = Store(str(folder))
    shards = materialise(store, payload, IDS, augmenter(), snapshot_digest="5" * 64, split="train", epochs=1)
    last = store.local(shards.shards[0]).read_bytes()[-picture(0).nbytes :]
    assert last == picture(N - 1)[:, ::-1].tobytes()


def validation(payload: Payload, folder: Path) -> None:
    import torch

    class Levels(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = torch.nn.Linear(1, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.last(images[:, :1, :1].float().mean((1, 2, 3))[:, None] / 255)
            return out

    few = payload.take(np.arange(64))
    source = OnlineBatches(few, LABELS[:64], IDS[:64], None, seed=7, batch_size=32, workers=0)
    steps = len(batch_rows(7, 0, 64, 32))
    curve, _ = loop.train(Levels(), source, Labelled(payload, LABELS), Budget(1, 32, 7), steps, lambda metrics: None)
    assert 0 < curve[0].validation_accuracy < 1


def freezing(payload: Payload, folder: Path) -> None:
    spec = suite.load(POLICIES / "stress" / "general.yaml")
    few = spec.model_copy(update={"corruptions": {"translation": spec.corruptions["translation"]}})
    objects: list[str] = []

    def put(data: bytes) -> str:
        objects.append(hashlib.sha256(data).hexdigest())
        return objects[-1]

    frozen = suite.freeze(few, payload, IDS, LABELS, put, snapshot_digest="5" * 64, classes=CLASSES)
    first = b"".join(picture(IDS.index(sample)).tobytes() for sample in frozen.sample_ids[: frozen.batch])
    assert frozen.cells[0].objects[0] == hashlib.sha256(first).hexdigest()
    assert len(frozen.sample_ids) == N


def drift(payload: Payload, folder: Path) -> None:
    reference, window = (
        Sample.of_payload("of noise", Part(payload, rows)) for rows in np.split(np.arange(N), [N - 100])
    )
    report = check_drift(reference, window, DriftRules.load(POLICIES / "drift" / "default.yaml"))
    assert {"mean", "contrast", "sharpness"} <= {finding.name for finding in report.features}


def predictions(payload: Payload, folder: Path) -> None:
    def observe(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return images[:, 0, 0].astype(np.float32), images[:, 0, 0]

    found = predictions_of(observe, Joined([Part(payload, np.arange(100)), payload]), CLASSES)
    assert found.embeddings[[0, 99, 100, -1]].tolist() == [picture(row)[0, 0].tolist() for row in (0, 99, 0, N - 1)]


# What is kept encoded is decoded as often as it is read: how often each reader may.
READERS = {
    data_checks: 1,
    augmented_checks: 2,
    online: 1,
    offline_shards: 1,
    validation: 2,
    freezing: 1,
    drift: 1,
    predictions: 2,
}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_it_reads_a_part_at_a_time_and_everything(reader: Callable[[Payload, Path], Any], tmp_path: Path) -> None:
    payload = Counting()
    reader(payload, tmp_path)
    assert payload.reads.min() == 1
    assert payload.reads.max() == READERS[reader]
