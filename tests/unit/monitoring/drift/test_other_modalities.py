"""Samples that are no images: rows of a table, as their modality would have them, through log, drift check and page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import escape

from augment_ops.data.store import Store
from augment_ops.errors import DataError, StoreError
from augment_ops.modalities import modality
from augment_ops.modalities.base import Html
from augment_ops.monitoring.drift import log_reader, prediction_log, sample
from augment_ops.monitoring.drift.check import check_drift
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.page import Watched, second_opinion, window_page
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.monitoring.drift.sample import Sample

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = DriftRules.load(Path(__file__).resolve().parents[4] / "policies/drift/default.yaml")
SCHEMA = {"columns": ["amount", "kind"], "kind": ["card", "cash"]}


class Rows:
    """Two columns: an amount, and the code of a kind."""

    name, plural, shown_as, axes, properties = "rows", "rows", "rows", ("columns",), ()

    def features(self, samples: Any, schema: Any = None) -> Mapping[str, Any]:
        amount, kind = schema["columns"]
        names = np.array([*schema["kind"], None], object)
        return {amount: samples[:, 0], kind: names[np.nan_to_num(samples[:, 1], nan=-1).astype(int)]}

    def size(self, shape: tuple[int, ...]) -> float:
        return float(shape[0])

    def check(self, samples: object, where: str) -> None:
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float64 or samples.ndim != 2:
            raise DataError(where, type(samples).__name__, "float64 (N, F)", "pass rows")

    def show(self, samples: Any, alt: Any, *, schema: Any = None, **_: Any) -> list[Html]:
        pairs = zip(samples[:, 0], alt, strict=True)
        return [Html(f'<table aria-label="{escape(text)}"><td>{amount:.3f}</td></table>') for amount, text in pairs]


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"rows": Rows(), "image": modality("image")}
    for module in (sample, log_reader, prediction_log):
        monkeypatch.setattr(module, "modality", known.__getitem__)


def drawn(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    generator = np.random.Generator(np.random.Philox(seed))
    return np.stack([generator.normal(50 + shift, 10, n), generator.integers(0, 2, n)], axis=1)


def side(values: np.ndarray) -> Sample:
    return Sample.of_payload("r", values, modality="rows", schema=SCHEMA)


def test_rows_of_a_table_are_compared_column_by_column():
    quiet = check_drift(side(drawn(1000, 1)), side(drawn(400, 2)), RULES)
    assert [(f.kind, f.name, f.status) for f in quiet.features if f.status != "ok"] == []
    assert {(f.kind, f.name) for f in quiet.features} == {("columns", "amount"), ("columns", "kind")}
    assert "mean, contrast, sharpness, colour, size: rows are compared by their columns" in quiet.not_measured
    moved = check_drift(side(drawn(1000, 1)), side(drawn(400, 2, shift=20)), RULES)
    assert [(f.name, f.status) for f in moved.features] == [("amount", "drift"), ("kind", "ok")]


def test_a_window_of_logged_columns_is_compared_with_a_snapshot_of_rows():
    """A service logs what it has: columns by name. They are the features of the rows that the model learnt from."""
    features = Rows().features(drawn(400, 2, shift=20), SCHEMA)
    window = Sample(digest="w", size=400, columns=features)
    found = check_drift(side(drawn(1000, 1)), window, RULES)
    assert [(f.name, f.status) for f in found.features] == [("amount", "drift"), ("kind", "ok")]


def test_a_window_of_another_modality_is_drift_and_says_which():
    images = Sample.of_payload("i", np.zeros((400, 4, 5, 1), np.uint8))
    found = check_drift(images, side(drawn(400, 1)), RULES)
    assert found.status == "drift"
    (shape,) = (f for f in found.features if f.kind == "images")
    assert (shape.name, shape.message) == ("image-shape", "image-shape: rows (2) instead of images (4 × 5 × 1).")


def test_the_log_keeps_rows_and_says_that_it_does(tmp_path):
    store, values = Store(str(tmp_path / "store")), drawn(300, 1)
    log = PredictionLog(str(tmp_path / "log"), "fraud", store, modality="rows")
    log.write([f"{n:03d}" for n in range(300)], [NOON] * 300, model_version="1", samples=values, logged_at=NOON)
    assert json.loads(log.blobs.read("datasets/fraud")) == {"format": 1, "modality": "rows"}
    window = read_window(PredictionLog(str(tmp_path / "log"), "fraud", store), NOON, NOON + HOUR)
    found = window.sample
    assert (found.modality, found.payload.shape, found.payload.dtype) == ("rows", (2,), np.float64)
    assert np.array_equal(found.payload.take(np.arange(300)), values)
    assert found.sizes.tolist() == [2.0] * 300


def test_a_log_takes_samples_of_its_own_modality_alone(tmp_path):
    log = PredictionLog(str(tmp_path / "log"), "fraud", Store(str(tmp_path / "store")))
    log.write(["a"], [NOON], model_version="1", logged_at=NOON)
    assert (log.blobs.read("datasets/fraud"), log.modality) == (b"", "image")
    other = PredictionLog(str(tmp_path / "log"), "fraud", log.store, modality="rows")
    with pytest.raises(DataError, match="found rows; expected images, as the log holds them"):
        other.write(["b"], [NOON], model_version="1", samples=drawn(1, 1))
    with pytest.raises(DataError, match=r"'samples': found float64 of shape \(1, 2\)"):
        log.write(["b"], [NOON], model_version="1", samples=drawn(1, 1))
    assert len(log.blobs.names("fraud/")) == 1


@pytest.mark.parametrize("said", [b"{", b"[]", b'{"format": 2, "modality": "rows"}', b'{"format": 1, "modality": 7}'])
def test_a_log_whose_modality_cannot_be_read_is_no_log_of_images(tmp_path, said):
    log = PredictionLog(str(tmp_path / "log"), "fraud")
    log.blobs.write("datasets/fraud", said)
    with pytest.raises(StoreError, match="expected a modality in format 1"):
        read_window(log, NOON, NOON + HOUR)


def test_samples_of_several_dtypes_are_not_mixed(tmp_path, monkeypatch):
    monkeypatch.setattr(Rows, "check", lambda *_: None)
    store = Store(str(tmp_path / "store"))
    log = PredictionLog(str(tmp_path / "log"), "fraud", store, modality="rows")
    log.write(["a", "b"], [NOON] * 2, model_version="1", samples=drawn(2, 1), logged_at=NOON)
    log.write(["c"], [NOON], model_version="1", samples=drawn(1, 2).astype(np.float32), logged_at=NOON)
    window = read_window(log, NOON, NOON + HOUR)
    assert (window.payload_rows.tolist(), window.sample.payload.dtype) == ([0, 1], np.float64)


def test_the_page_shows_rows_as_their_modality_does(tmp_path):
    store = Store(str(tmp_path / "store"))
    log = PredictionLog(str(tmp_path / "log"), "fraud", store, modality="rows")
    values, ids = drawn(300, 2, shift=5), [f"<{n:03d}>" for n in range(300)]
    log.write(ids, [NOON] * 300, model_version="1", samples=values, logged_at=NOON)
    window = read_window(log, NOON, NOON + HOUR)
    reference, found = side(drawn(1000, 1)), replace(window.sample, schema=SCHEMA)
    report = check_drift(reference, found, RULES)
    watched = Watched(dataset="fraud", model="none", reference="rows of before", rules=RULES)
    page = window_page(report, window, reference, found, watched).decode()
    assert "<h2>Rows that moved most</h2>" in page and "<h2>Rows of the reference</h2>" in page
    pieces = re.findall(r'<figure><table aria-label="&lt;(\d+)&gt;: –"><td>([0-9.]+)</td></table><figcaption>', page)
    assert len(pieces) == 12
    assert [f"{values[int(row), 0]:.3f}" for row, _ in pieces] == [amount for _, amount in pieces]
    assert np.mean([float(amount) for _, amount in pieces]) > 60, "these are the ones that moved"
    assert page.count('<table aria-label="of the reference">') == 12
    assert "<img" not in page and "<0" not in page
    assert b"amount" in second_opinion(reference, found, print)


def test_references_to_what_are_no_samples_of_the_log_lead_nowhere(tmp_path):
    """An array of another maker, say: taken for images, its features would be numbers that nobody can explain."""
    store = Store(str(tmp_path / "store"))
    log = PredictionLog(str(tmp_path / "log"), "fraud", store, modality="rows")
    log.write(["a", "b"], [NOON] * 2, model_version="1", samples=drawn(2, 1), logged_at=NOON)
    log.blobs.write("datasets/fraud", b"")
    window = read_window(log, NOON, NOON + HOUR)
    assert (window.sample.payload, window.lost_samples, window.blind) == (None, 2, True)
    assert "2 pictures are not in the store" in window.faults
