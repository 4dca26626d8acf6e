"""Which samples augmentation is checked on, and what is known of the training split that they are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from augment_ops.data.ingest import ingest
from augment_ops.data.payload import ArrayPayload
from augment_ops.data.snapshot import Snapshot, Split
from augment_ops.data.store import Store
from augment_ops.modalities import modality
from augment_ops.pipeline.stages.policy import compared_samples, training_samples
from support.tables import transactions


def split(labels: np.ndarray) -> Split:
    ids = tuple(f"s{i}" for i in range(len(labels)))
    return Split(
        name="train", ids=ids, labels=labels, payload=ArrayPayload(np.zeros((len(labels), 1))), classes=("0", "1")
    )


def test_of_a_rare_class_more_are_compared_than_an_even_draw_has() -> None:
    checks = modality("tabular").checks
    labels = (np.arange(60_000) % 200 == 0).astype(np.int64)  # 300 of 60,000
    rows = compared_samples(split(labels), 7, checks)
    assert len(set(rows.tolist())) == len(rows) == 20_000 + 300 - int(labels[rows[:20_000]].sum())
    assert labels[rows].sum() == 300, "all that there are, where they are fewer than a thousand"
    often = (np.arange(60_000) % 30 == 0).astype(np.int64)
    assert often[compared_samples(split(often), 7, checks)].sum() == 1_000
    assert np.array_equal(rows[:20_000], compared_samples(split(labels), 7, checks)[:20_000])
    assert not np.array_equal(rows[:50], compared_samples(split(labels), 8, checks)[:50])


def test_of_images_a_thousand_are_compared_and_of_texts_a_few_of_each_intent_as_well() -> None:
    labels = np.repeat(np.arange(100), 50)
    assert len(compared_samples(split(labels), 7, modality("image").checks)) == 1_000
    texts = compared_samples(split(labels), 7, modality("text").checks)
    assert np.bincount(labels[texts]).min() == 20 and len(texts) < 2_100


def test_subjects_and_groups_are_those_of_the_training_samples(tmp_path: Path) -> None:
    table = transactions(600)
    table["region"] = np.where(np.arange(600) % 3 == 0, "north", "south")
    table.to_parquet(tmp_path / "payments.parquet", index=False)
    columns = "label=fraud,subject=customer,time=moment,id=transaction,ignore=region"
    store = Store(str(tmp_path / "store"))
    manifest = ingest(str(tmp_path / "payments.parquet"), store, modality="tabular", columns=columns)
    snapshot = Snapshot.open(store, manifest.digest)
    train = snapshot.split("train")
    places = np.array([5, 2])
    found = training_samples(snapshot, train, places)
    told = table.set_index("transaction").loc[list(train.ids)]
    assert found.subjects is not None and found.subjects.tolist() == told["customer"].tolist()
    assert found.groups["region"].tolist() == told["region"].tolist()
    assert found.labels is train.labels and found.places is places
    nobody = columns.replace("subject=customer,", "").replace("ignore=region", "ignore=customer;region")
    other = ingest(str(tmp_path / "payments.parquet"), store, modality="tabular", columns=nobody)
    unnamed = Snapshot.open(store, other.digest)
    assert training_samples(unnamed, unnamed.split("train"), places).subjects is None
