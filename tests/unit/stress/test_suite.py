from __future__ import annotations

import dataclasses
import hashlib
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from augment_ops.content import canonical_json, from_json
from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import DataError, PolicyError, StoreError
from augment_ops.modalities import modality
from augment_ops.modalities.image.corruptions import CORRUPTIONS, apply
from augment_ops.stress.definition import SuiteSpec
from augment_ops.stress.suite import SuiteManifest, build, freeze, load
from support.places import POLICIES

CLASSES = ("left", "middle", "right")
SNAPSHOT = "5" * 64


def frozen(spec, stripes, objects, **changes):
    images, ids, labels = stripes
    given = {"snapshot_digest": SNAPSHOT, "classes": CLASSES} | changes
    return freeze(spec, ArrayPayload(images), ids, labels, objects.put, **given)


def smaller(spec: SuiteSpec, **changes: object) -> SuiteSpec:
    return SuiteSpec.model_validate(spec.model_dump() | changes)


def test_a_frozen_suite_gives_back_what_was_built(spec, stripes, objects):
    manifest = frozen(spec, stripes, objects)
    images, ids, labels = stripes
    order = [ids.index(i) for i in manifest.sample_ids]
    assert sorted(order) == list(range(60))
    assert (manifest.read_labels(objects.get) == labels[order]).all()
    expected = list(build(spec, images[order], list(manifest.sample_ids)))
    assert len(manifest.cells) == len(expected) == 1 + 8 * 5
    for cell, (corruption, severity, content) in zip(manifest.cells, expected, strict=True):
        assert (cell.corruption, cell.severity) == (corruption, severity)
        assert (manifest.samples(cell, objects.get) == content).all()
    assert (manifest.samples(manifest.cells[0], objects.get) == images[order]).all()


def test_the_same_split_gives_the_same_suite_whatever_the_order_of_its_files(spec, stripes, objects):
    images, ids, labels = stripes
    first = frozen(spec, stripes, objects)
    held = dict(objects.held)
    shuffled = np.random.default_rng(3).permutation(60)
    again = frozen(spec, (images[shuffled], [ids[i] for i in shuffled], labels[shuffled]), objects)
    assert again == first
    assert objects.held == held, "freezing again must not write anything new"


def test_cells_of_large_samples_are_made_side_by_side_and_are_those_of_one_thread(spec, objects):
    images = np.random.default_rng(5).integers(60, 180, (2, 96, 96, 1)).astype(np.uint8)
    few = smaller(spec, corruptions={"rotation": spec.corruptions["rotation"]})
    stripes = images, ["a", "b"], np.array([0, 1], np.int64)
    alone = frozen(few, stripes, objects)
    met, waiting = threading.Barrier(2), [0, 1]

    class Meeting:
        def put(self, data: bytes) -> str:
            if waiting:
                waiting.pop()
                met.wait(timeout=60)  # two cells are on their way at once, or this breaks
            return objects.put(data)

    assert frozen(few, stripes, Meeting(), workers=2) == alone
    assert not waiting


def test_cells_of_small_samples_are_made_one_after_the_other(spec, stripes, objects):
    threads = set()

    class Watched:
        def put(self, data: bytes) -> str:
            threads.add(threading.get_ident())
            return objects.put(data)

    assert frozen(spec, stripes, Watched(), workers=4) == frozen(spec, stripes, objects)
    assert len(threads - {threading.get_ident()}) == 1


def test_the_digest_covers_definition_pixels_labels_and_origin(spec, stripes, objects):
    images, ids, labels = stripes
    digests = {frozen(spec, stripes, objects).digest}
    touched = images.copy()
    touched[7, 5, 5, 0] += 1
    relabelled = labels.copy()
    relabelled[0] = (relabelled[0] + 1) % 3
    stronger = spec.model_dump()
    stronger["corruptions"]["rotation"]["angle_deg"] = (6, 12, 18, 22, 27)
    variants = [
        (spec, (touched, ids, labels), {}),
        (spec, (images, ids, relabelled), {}),
        (spec, (images, ["other", *ids[1:]], labels), {}),
        (SuiteSpec.model_validate(stronger), stripes, {}),
        (smaller(spec, version="1.0.1"), stripes, {}),
        (spec, stripes, {"snapshot_digest": "6" * 64}),
        (spec, stripes, {"classes": ("left", "middle", "other")}),
    ]
    for variant, split, changes in variants:
        digests.add(frozen(variant, split, objects, **changes).digest)
    assert len(digests) == 1 + len(variants)


def test_a_manifest_survives_its_document_and_says_when_it_was_altered(spec, stripes, objects):
    manifest = frozen(spec, stripes, objects)
    read = from_json(SuiteManifest, canonical_json(manifest))
    read.check()
    assert read == manifest
    for change in (
        {"cells": manifest.cells[:-1]},
        {"classes": ("left", "middle", "other")},
        {"snapshot_digest": "6" * 64},
        {"sample_ids": tuple(reversed(manifest.sample_ids))},
    ):
        with pytest.raises(StoreError, match="manifest of stress suite"):
            dataclasses.replace(manifest, **change).check()


def test_altered_bytes_are_refused_even_where_the_store_gives_them(spec, stripes, objects):
    manifest = frozen(spec, stripes, objects)
    cell = manifest.cells[5]
    data = bytearray(objects.held[cell.objects[0]])
    data[100] ^= 1
    with pytest.raises(StoreError, match=f"{cell.corruption}/{cell.severity}"):
        manifest.samples(cell, lambda digest: bytes(data))
    with pytest.raises(StoreError, match="labels"):
        manifest.read_labels(lambda digest: b"\0" * 480)


def test_a_cell_of_another_size_is_refused(spec, stripes, objects):
    manifest = frozen(spec, stripes, objects)
    short = dataclasses.replace(manifest.cells[0], objects=(objects.put(b"\0" * 100),))
    with pytest.raises(StoreError, match="100 bytes"):
        manifest.samples(short, objects.get)
    with pytest.raises(StoreError, match="0 objects"):
        manifest.samples(dataclasses.replace(manifest.cells[0], objects=()), objects.get)


def test_samples_are_bounded_by_number_and_by_bytes(spec, stripes, objects):
    by_number = frozen(smaller(spec, max_samples=10), stripes, objects)
    assert len(by_number.sample_ids) == 10
    assert by_number.sample_ids == frozen(spec, stripes, objects).sample_ids[:10]
    by_bytes = frozen(smaller(spec, max_suite_gib=41 * 144 * 7.5 / 2**30), stripes, objects)
    assert len(by_bytes.sample_ids) == 7


def test_a_corruption_that_is_only_named_takes_the_published_strengths_and_the_digest_covers_them(spec, monkeypatch):
    named = smaller(spec, corruptions={"fog": None, "rotation": None})
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), np.uint8)
    cells = {(name, severity): cell for name, severity, cell in build(named, images, ["a", "b"])}
    assert (cells["fog", 4] == apply("fog", 4, images, ["a", "b"])).all()
    assert (cells["rotation", 2] == apply("rotation", 2, images, ["a", "b"], params=spec.corruptions["rotation"])).all()
    before = named.digest
    fog = dataclasses.replace(CORRUPTIONS["fog"], large=((9.0, 2.0), *CORRUPTIONS["fog"].large[1:]))
    monkeypatch.setattr("augment_ops.modalities.image.corruptions.catalogue.CORRUPTIONS", {**CORRUPTIONS, "fog": fog})
    assert named.digest != before


def test_no_more_than_a_batch_is_held_and_batches_change_nothing(spec, stripes, objects, monkeypatch):
    whole = frozen(spec, stripes, objects)
    monkeypatch.setattr("augment_ops.stress.suite._BATCH_BYTES", 7 * 144)
    sizes: list[int] = []

    class Small:
        def put(self, data: bytes) -> str:
            sizes.append(len(data))
            return objects.put(data)

    parts = freeze(spec, ArrayPayload(stripes[0]), *stripes[1:], Small().put, snapshot_digest=SNAPSHOT, classes=CLASSES)
    assert max(sizes[:-1]) == 7 * 144
    assert parts.batch == 7
    for a, b in zip(whole.cells, parts.cells, strict=True):
        assert len(b.objects) == 9
        assert [len(batch) for batch in parts.batches(b, objects.get)] == [7] * 8 + [4]
        assert (whole.samples(a, objects.get) == parts.samples(b, objects.get)).all()


def test_memory_is_bounded_by_a_batch_and_not_by_a_cell_or_the_suite(spec, tmp_path, monkeypatch):
    suite = smaller(spec, corruptions={"rotation": None, "fog": None, "motion_blur": None})
    stored = np.memmap(tmp_path / "images", np.uint8, "w+", shape=(600, 64, 64, 1))
    stored[:] = np.random.default_rng(0).integers(0, 256, stored.shape, np.uint8)
    names = [f"m{i}" for i in range(600)]
    monkeypatch.setattr("augment_ops.stress.suite._BATCH_BYTES", 16 * 64 * 64)
    for _ in build(suite, stored[:1], names[:1]):
        pass  # compiled
    tracemalloc.start()
    manifest = freeze(
        suite,
        ArrayPayload(stored),
        names,
        np.zeros(600, np.int64),
        lambda data: hashlib.sha256(data).hexdigest(),
        snapshot_digest=SNAPSHOT,
        classes=("one",),
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(manifest.cells[0].objects) == 38
    assert peak < stored.nbytes / 2, f"{peak:,} bytes for batches of 65,536 and cells of {stored.nbytes:,}"


def test_images_that_a_suite_is_not_made_for_are_refused_and_every_reason_is_given(stripes, objects):
    images, ids, labels = stripes
    coloured = load(POLICIES / "stress" / "common-corruptions.yaml")
    with pytest.raises(DataError) as caught:
        frozen(coloured, (images, ids, labels), objects)
    assert [fault.where.split(": ")[1] for fault in caught.value.faults] == ["saturate"]
    with pytest.raises(DataError) as caught:
        frozen(coloured, (np.ascontiguousarray(images[:, :6, :6]), ids, labels), objects)
    assert {"glass_blur", "snow", "frost", "fog", "spatter", "saturate"} <= {
        fault.where.split(": ")[1] for fault in caught.value.faults
    }
    assert not objects.held


def test_a_corruption_that_changes_no_image_is_refused(spec, objects):
    blank = np.full((4, 12, 12, 1), 90, np.uint8)
    with pytest.raises(DataError, match="translation: found no sample"):
        frozen(spec, (blank, list("abcd"), np.zeros(4, np.int64)), objects)


OF_IMAGES = [path for path in sorted((POLICIES / "stress").glob("*.yaml")) if load(path).modality == "image"]


@pytest.mark.parametrize("path", OF_IMAGES, ids=lambda path: path.stem)
def test_every_shipped_suite_can_be_frozen_and_rebuilt_byte_for_byte(path, objects):
    suite = smaller(load(path), max_samples=3)
    shape = {"image": (32, 32, 3), "tabular": (30,)}[suite.modality]
    samples = modality(suite.modality).invented(4, shape, (1, 2))
    split = (samples, list("abcd"), np.array([0, 1, 2, 0]))
    first = frozen(suite, split, objects, of=suite.modality)
    held = dict(objects.held)
    objects.held.clear()
    assert frozen(suite, split, objects, of=suite.modality) == first
    assert objects.held == held


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda i, d, k: (i[:0], [], k[:0]), "no samples"),
        (lambda i, d, k: (i, d[:-1], k), "59 ids"),
        (lambda i, d, k: (i, d, k[:-1]), "59 labels"),
        (lambda i, d, k: (i, ["s0", "s0", *d[2:]], k), "repeat"),
        (lambda i, d, k: (i, d, k + 1), "labels 1 to 3"),
        (lambda i, d, k: (i, d, k - 1), "labels -1 to 1"),
    ],
)
def test_a_split_that_cannot_be_used_is_refused_before_anything_is_stored(spec, stripes, objects, change, found):
    with pytest.raises(DataError, match=found):
        frozen(spec, change(*stripes), objects)
    assert not objects.held


def write(tmp_path: Path, spec: SuiteSpec, **changes: object) -> Path:
    path = tmp_path / "invariances.yaml"
    content = yaml.safe_load(canonical_json(spec.model_dump(mode="json")))
    path.write_text(yaml.safe_dump(content | changes))
    return path


def test_the_digest_does_not_see_comments_and_layout(spec, tmp_path):
    assert load(write(tmp_path, spec)).digest == spec.digest


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"corruptions": {}}, "corruptions"),
        ({"corruptions": {"rotatoin": {"angle_deg": [1, 2, 3, 4, 5]}}}, "Did you mean rotation"),
        ({"corruptions": {"rotation": {"degrees": [1, 2, 3, 4, 5]}}}, "angle_deg"),
        ({"corruptions": {"rotation": {"angle_deg": [1, 2, 3, 4]}}}, "rotation.angle_deg"),
        ({"corruptions": {"rotation": {"angle_deg": [0, 2, 3, 4, 5]}}}, "angle_deg from 0.001 to 45"),
        ({"corruptions": {"rotation": {"angle_deg": [5, 5, 5, 5, 5]}}}, "rising"),
        ({"corruptions": {"rotation": {"angle_deg": [5, 4, 3, 2, 1]}}}, "rising"),
        ({"corruptions": {"rotation": {"angle_deg": [5, 10, 20, 40, 90]}}}, "to 45"),
        ({"corruptions": {"rotation": {"angle_deg": [1, 2, 3, 4, float("nan")]}}}, "finite"),
        ({"corruptions": {"shot_noise": {"photons": [3, 5, 12, 25, 60]}}}, "photons falling"),
        ({"corruptions": {"motion_blur": {"radius_px": [1, 2, 3, 4, 5]}}}, "sigma_px"),
        ({"corruptions": {"motion_blur": {"radius_px": [3] * 5, "sigma_px": [2] * 5}}}, "another strength"),
        ({"split": "train"}, "split"),
        ({"max_samples": 0}, "max_samples"),
        ({"name": "others"}, "the file's own name"),
        ({"surprise": 1}, "unknown key"),
    ],
)
def test_a_definition_that_would_test_nothing_is_refused(spec, tmp_path, changes, found):
    with pytest.raises(PolicyError, match=found):
        load(write(tmp_path, spec, **changes))


def test_strengths_may_be_bound_to_the_levels_that_the_images_have(spec, stripes, objects):
    images, ids, labels = stripes
    bound = SuiteSpec.model_validate(spec.model_dump() | {"of_levels": ["brightness_down", "noise"]})
    dark = (images // 5).astype(np.uint8)  # 40 levels, and severity 5 takes 102
    cells = {(name, s): shown for name, s, shown in build(bound, dark, ids)}
    assert cells["brightness_down", 5].max() == 40 - round(255 * 0.4 * 40 / 255)
    assert {(name, s): shown.max() for name, s, shown in build(spec, dark, ids)}["brightness_down", 5] == 0
    frozen = freeze(
        bound, ArrayPayload(dark), ids, labels, objects.put, snapshot_digest="5" * 64, classes=("a", "b", "c")
    )
    order = [ids.index(sample) for sample in frozen.sample_ids]
    for cell in frozen.cells:
        assert np.array_equal(frozen.samples(cell, objects.get), cells[cell.corruption, cell.severity][order])


def test_suites_of_before_strengths_could_be_bound_keep_their_digests(spec):
    assert spec.digest == "ee643c16366dbe912627291c91445577a6c3145edf64cee50f2f984764a4d37f"
    assert spec.model_copy(update={"of_levels": ("noise",)}).digest != spec.digest


@pytest.mark.parametrize("names", [["rotation"], ["fog"], ["noise", "noise"], ["brightness"]])
def test_only_shares_of_the_value_range_can_be_bound(spec, names):
    with pytest.raises(ValidationError, match="shares of the value range, once each"):
        SuiteSpec.model_validate(spec.model_dump() | {"of_levels": names})
