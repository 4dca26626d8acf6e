"""Suites know no modality: what is done for images is done for samples of another shape, dtype and schema."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import numpy as np
import pytest
from pydantic import ValidationError

from augment_ops.content import canonical_json, from_json
from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import DataError, PolicyError, StoreError
from augment_ops.stress import recheck
from augment_ops.stress.definition import SuiteSpec
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.suite import SuiteManifest, freeze
from support.readings import SCHEMA, ReadingCorruptions, registered

N = 40
IDS = [f"r{i}" for i in range(N)]
LABELS = (np.arange(N) % 2).astype(np.int64)
VALUES = np.stack([np.arange(N) / 7, np.arange(N) % 3 - 1.5], axis=1)
VALUES[3, 1] = np.nan
SUITE = {
    "name": "drifting",
    "version": "1.0.0",
    "description": "For tests.",
    "modality": "readings",
    "max_samples": 30,
    "corruptions": {"gone": {"share": [0.1, 0.2, 0.5, 0.8, 0.95]}, "offset": None},
}


@pytest.fixture
def corruptions() -> Iterator[ReadingCorruptions]:
    with registered() as found:
        yield found


@pytest.fixture
def readings_spec(corruptions) -> SuiteSpec:
    return SuiteSpec.model_validate(SUITE)


def frozen(spec: SuiteSpec, objects, values: np.ndarray = VALUES, of: str = "readings") -> SuiteManifest:
    return freeze(
        spec,
        ArrayPayload(values),
        IDS,
        LABELS,
        objects.put,
        snapshot_digest="5" * 64,
        classes=("a", "b"),
        of=of,
        schema=SCHEMA,
    )


def by_sign(samples: np.ndarray) -> np.ndarray:
    return np.nan_to_num(samples[:, :1]).astype(np.float32) * np.array([[-1, 1]], np.float32)


def test_cells_are_kept_bit_for_bit_and_the_document_says_of_what_they_are(readings_spec, objects):
    manifest = frozen(readings_spec, objects)
    rows = [IDS.index(sample) for sample in manifest.sample_ids]
    clean = manifest.samples(manifest.cells[0], objects.get)
    assert clean.tobytes() == VALUES[rows].tobytes()
    assert np.array_equal(manifest.sample(manifest.cells[0], rows.index(3), objects.get), VALUES[3], equal_nan=True)
    assert (manifest.modality, manifest.dtype, manifest.shape) == ("readings", "<f8", (2,))
    read = from_json(SuiteManifest, canonical_json(manifest))
    read.check()
    assert read == manifest
    for change in ({"modality": "image"}, {"dtype": "<i8"}):
        with pytest.raises(StoreError, match="manifest of stress suite"):
            dataclasses.replace(manifest, **change).check()


def test_what_is_relative_to_the_data_set_is_measured_on_all_that_is_corrupted_and_on_no_batch(
    corruptions, readings_spec, objects, monkeypatch
):
    whole = frozen(readings_spec, objects)
    monkeypatch.setattr("augment_ops.stress.suite._BATCH_BYTES", 7 * 16)  # two numbers are 16 bytes
    parts = frozen(readings_spec, objects)
    assert corruptions.measured == [30, 30]
    assert (whole.batch > 30, parts.batch) == (True, 7)
    for one, other in zip(whole.cells, parts.cells, strict=True):
        assert whole.samples(one, objects.get).tobytes() == parts.samples(other, objects.get).tobytes()
    clean, moved = (whole.samples(whole.cells[n], objects.get) for n in (0, -1))
    span = np.nanmax(clean, axis=0) - np.nanmin(clean, axis=0)
    np.testing.assert_allclose((moved - clean)[0], 0.5 * span)


def test_room_is_counted_in_the_bytes_of_the_dtype(readings_spec, objects):
    small = readings_spec.model_copy(update={"max_suite_gib": 11 * 16 * 5.5 / 2**30})
    assert len(frozen(small, objects).sample_ids) == 5


def test_what_is_left_is_told_in_the_words_of_the_modality_and_found_again(readings_spec, objects):
    manifest = frozen(readings_spec, objects)
    report = evaluate(manifest, objects.get, objects.put, {"candidate": ("c" * 64, by_sign)}, None, seen={}, columns={})
    outcomes = from_bytes(objects.get(report.outcomes), report.outcomes)
    assert outcomes.causes == ("silent",)
    place = outcomes.addresses.index(("gone", 5))
    silent = np.isnan(manifest.samples(manifest.cells[place], objects.get)).all(axis=1)
    assert silent.any()
    assert np.array_equal(outcomes.destroyed[place].astype(bool), silent)
    assert report.cell("candidate", "gone", 5).remains.destroyed == {"silent": int(silent.sum())}
    assert recheck.differing_remains(manifest, outcomes, objects.get) == ""
    picks = recheck.pick(manifest, "key", manifest.read_labels(objects.get))
    again = by_sign(recheck.samples(manifest, picks, objects.get))
    assert recheck.differing(outcomes, "candidate", picks, again) == []


def test_a_suite_of_another_modality_than_the_data_set_is_one_error_and_nothing_is_stored(
    readings_spec, spec, stripes, objects
):
    with pytest.raises(PolicyError, match="drifting: modality: found readings; expected image"):
        frozen(readings_spec, objects, of="image")
    with pytest.raises(PolicyError, match="invariances: modality: found image; expected readings"):
        frozen(spec, objects)
    assert not objects.held


def test_samples_that_a_corruption_cannot_work_on_are_refused_in_its_words(readings_spec, objects):
    with pytest.raises(DataError, match=r"readings of shape \(3,\); expected two readings a sample"):
        frozen(readings_spec, objects, np.zeros((N, 3)))


def test_a_definition_is_held_against_the_corruptions_of_its_modality(readings_spec):
    for changes, found in (
        ({"corruptions": {"rotation": None}}, "a known corruption, not 'rotation': gone, offset"),
        ({"of_levels": ["offset"]}, "once each"),
        ({"modality": "reading"}, "Did you mean readings"),
        ({"modality": "image"}, "a known corruption, not 'gone': rotation"),
    ):
        with pytest.raises(ValidationError, match=found) as caught:
            SuiteSpec.model_validate(SUITE | changes)
        assert caught.value.error_count() == 1


def test_the_digest_of_a_definition_covers_its_modality_and_what_is_published_there(readings_spec, monkeypatch):
    before = readings_spec.digest
    assert readings_spec.model_copy(update={"modality": "image", "corruptions": {"fog": None}}).digest != before
    monkeypatch.setattr(ReadingCorruptions, "published_content", lambda self, name: [0.2])
    assert readings_spec.digest != before


def test_documents_and_digests_of_image_suites_stay_as_they_were(spec, stripes, objects):
    images, ids, labels = stripes
    manifest = freeze(
        spec, ArrayPayload(images), ids, labels, objects.put, snapshot_digest="5" * 64, classes=("a", "b", "c")
    )
    assert not {"modality", "dtype"} & set(json.loads(canonical_json(manifest)))
    assert SuiteSpec.model_validate(spec.model_dump(exclude={"modality"})).digest == spec.digest


def test_rows_are_asked_about_many_at_a_time(corruptions, objects):
    """A call of 64 costs a model of trees as much as one of a thousand."""
    many = 1500
    values = np.stack([np.arange(many) / 7, np.arange(many) % 3 - 1.5], axis=1)
    spec = SuiteSpec.model_validate(SUITE | {"max_samples": many})
    manifest = freeze(
        spec,
        ArrayPayload(values),
        [f"r{i}" for i in range(many)],
        (np.arange(many) % 2).astype(np.int64),
        objects.put,
        snapshot_digest="5" * 64,
        classes=("a", "b"),
        of="readings",
        schema=SCHEMA,
    )
    asked: list[int] = []

    def counted(samples: np.ndarray) -> np.ndarray:
        asked.append(len(samples))
        return by_sign(samples)

    evaluate(manifest, objects.get, objects.put, {"candidate": ("c" * 64, counted)}, None, seen={}, columns={})
    assert max(asked) == 1024 and len(asked) == 2 * len(manifest.cells)
