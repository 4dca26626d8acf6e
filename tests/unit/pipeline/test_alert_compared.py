"""The window that started a training, held against what the training learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.payload import ArrayPayload
from augment_ops.data.shards import Shard
from augment_ops.monitoring.drift.sample import Sample
from augment_ops.pipeline.stages.alert_compared import _as_trained_on

MANIFEST = SnapshotManifest(
    digest="1" * 64, dataset="payments", uri="payments.parquet", classes=("0", "1"), image_shape=(3,), split_rule="",
    counts={}, samples=2, defective=0, index="2" * 64, shards=(Shard("3" * 64, 2, 48),), modality="tabular",
    schema={"columns": ["a"]}, format=3,
)  # fmt: skip


@pytest.mark.parametrize(
    ("modality", "features", "named"), [("tabular", 3, True), ("tabular", 4, False), ("image", 3, False)]
)
def test_rows_that_were_logged_have_the_columns_of_the_training_data(modality: str, features: int, named: bool) -> None:
    """Else no column is the one that it was, and nothing is compared."""
    sample = Sample(digest="w", size=2, payload=ArrayPayload(np.zeros((2, features))), modality=modality)
    assert _as_trained_on(sample, MANIFEST).schema == (MANIFEST.schema if named else None)
