"""Batches: their composition does not matter, and what cannot be done is said before anything is written."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from augment_ops.engine.key import SampleIds
from augment_ops.errors import PolicyError, TransformError
from augment_ops.modalities.image import program
from augment_ops.modalities.image.augmenter import REVISION, Augmenter
from augment_ops.modalities.image.transforms import declarations
from augment_ops.policy.spec import Policy
from support.policies import HEAD

N = 24
EVERYTHING = (
    "OneOf: {transforms: [{RandomGamma: {}}, {Perspective: {}}, {CoarseDropout: {}}], p: 0.9}",
    "GaussianBlur: {p: 0.5}",
    "Affine: {rotate: [-20, 20], border_mode: 4, p: 0.7}",
    "CLAHE: {p: 0.3}",
    "ColorJitter: {p: 0.8}",
    "SaltAndPepper: {p: 0.5}",
    "RandAugment: {}",
    "AugMix: {p: 0.5}",
)


def augmenter(*steps: str, seed: int = 3) -> Augmenter:
    return Augmenter(Policy.from_text(HEAD + "".join(f"  - {step}\n" for step in steps)), seed)


def pictures(shape: tuple[int, ...] = (N, 40, 48, 3)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_the_composition_of_batches_does_not_matter(monkeypatch):
    images, ids = pictures(), [f"s{i}" for i in range(N)]
    whole = augmenter(*EVERYTHING)(images, ids, 2)
    order = np.random.default_rng(1).permutation(N)
    assert (augmenter(*EVERYTHING)(images[order], [ids[i] for i in order], 2) == whole[order]).all()
    for size in (1, 5, 7):
        parts = [augmenter(*EVERYTHING)(images[i : i + size], ids[i : i + size], 2) for i in range(0, N, size)]
        assert (np.concatenate(parts) == whole).all()
    monkeypatch.setattr(program, "_IN_CACHE", 3 * images[0].nbytes)  # several chunks, the last one smaller
    assert (augmenter(*EVERYTHING)(images, ids, 2) == whole).all()


@pytest.mark.parametrize("chunk", [N, 3], ids=["one chunk", "several"])
def test_what_was_given_out_stays_as_it_is(monkeypatch, chunk: int):
    """Memory between passes is used again, by the next pass, chunk and batch."""
    images, ids = pictures(), [f"s{i}" for i in range(N)]
    monkeypatch.setattr(program, "_IN_CACHE", chunk * images[0].nbytes)
    augment = augmenter(*EVERYTHING)
    given = [augment(images, ids, epoch) for epoch in range(2)]
    for epoch, out in enumerate(given):
        assert (augmenter(*EVERYTHING)(images, ids, epoch) == out).all()


def test_little_memory_is_kept_and_taken_for_what_has_its_shape():
    spares = program._Spares()
    first, *others = (np.empty((2, 4, 4, 1), np.uint8) for _ in range(program._SPARES + 1))
    for images in (first, *others, np.empty((2, 4, 4, 1), np.float32)):
        spares.give(images)
    assert spares.take((1, 4, 4, 1)).shape == (1, 4, 4, 1)
    assert {id(spares.take(first.shape)) for _ in others} == set(map(id, others))
    assert id(spares.take(first.shape)) not in map(id, (first, *others))
    spares.give(np.empty(program._LARGEST_SPARE + 1, np.uint8))
    assert spares._kept == []


def test_a_batch_takes_the_memory_of_the_one_before_though_no_chunk_fits_the_cache_exactly(monkeypatch):
    """Eleven pictures are more than 8 MiB, and ten less: chunks of 11, 11 and 10. The second pass works in place."""
    images, taken, take = np.zeros((32, 512, 512, 3), np.uint8), list[np.ndarray](), program._Spares.take
    monkeypatch.setattr(program._Spares, "take", lambda *asked: taken.append(take(*asked)) or taken[-1])
    augment = augmenter("HorizontalFlip: {p: 1}", "GaussianBlur: {p: 0}", "VerticalFlip: {p: 1}")
    augment(images, list(range(32)))
    before, taken[:] = taken[:], []
    augment(images, list(range(32)))
    assert [len(one) for one in taken] == [11, 11, 10]
    assert {id(one) for one in taken} <= {id(one) for one in before}


def test_the_layout_of_the_memory_does_not_matter():
    images, ids = pictures(), list(range(N))
    whole = augmenter(*EVERYTHING)(images, ids)
    for other in (np.asfortranarray(images), images[::-1][::-1], np.concatenate([images, images], 1)[:, :40]):
        assert (augmenter(*EVERYTHING)(other, ids) == whole).all()
    read_only = images.copy()
    read_only.flags.writeable = False
    assert (augmenter(*EVERYTHING)(read_only, ids) == whole).all()


def test_hashed_ids_are_the_same_ids():
    images = pictures()
    hashed = SampleIds.of(range(N))
    whole = augmenter(*EVERYTHING)(images, list(range(N)))
    assert (augmenter(*EVERYTHING)(images, hashed) == whole).all()
    rows = np.array([7, 3, 11])
    assert (augmenter(*EVERYTHING)(images[rows], hashed[rows]) == whole[rows]).all()
    with pytest.raises(TransformError, match="a row more than once"):
        hashed[np.array([1, 1])]


def test_threads_share_an_augmenter():
    images, ids = pictures(), list(range(N))
    augment = augmenter(*EVERYTHING)
    expected = {epoch: augment(images, ids, epoch).tobytes() for epoch in range(8)}
    found: dict[int, bytes] = {}

    def work(epoch: int) -> None:
        for _ in range(3):
            found[epoch] = augment(images, ids, epoch).tobytes()

    threads = [threading.Thread(target=work, args=(epoch,)) for epoch in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 9])
def test_any_number_of_channels(channels):
    images, ids = pictures((6, 20, 30, channels)), list(range(6))
    steps = ("Rotate: {p: 1}", "RandomGamma: {p: 0.5}", "GaussNoise: {p: 0.5}", "GaussianBlur: {p: 0.5}")
    whole = augmenter(*steps)(images, ids)
    assert whole.shape == images.shape
    assert (augmenter(*steps)(images[2:3], [2]) == whole[2:3]).all()


def test_images_of_different_sizes():
    rng = np.random.default_rng(0)
    sizes = [(20, 30, 3), (12, 12, 1), (20, 30, 3), (33, 9, 3), (12, 12, 1)]
    images = [rng.integers(0, 256, size, dtype=np.uint8) for size in sizes]
    augment = augmenter("Rotate: {p: 1}", "GaussNoise: {p: 1}")
    out = augment.ragged(images, list("abcde"), 4)
    for i, image in enumerate(images):
        assert (out[i] == augment(image[None], ["abcde"[i]], 4)[0]).all()
    with pytest.raises(TransformError, match="2 ids for 1 images"):
        augment.ragged(images[:1], ["a", "b"])
    with pytest.raises(TransformError, match="more than once"):
        augment.ragged(images[:2], ["a", "a"])
    assert augment.ragged([], []) == []


@pytest.mark.parametrize("shape", [(4, 1, 10, 3), (4, 10, 1, 3)])
@pytest.mark.parametrize("interpolation", [0, 1])
def test_one_row_moved_out_of_the_frame_leaves_the_fill(shape, interpolation):
    step = f"Affine: {{translate_px: [3, 3], rotate: [0.1, 0.1], interpolation: {interpolation}, fill: 9, p: 1}}"
    assert (augmenter(step)(pictures(shape), range(4)) == 9).all()


def test_geometry_is_the_same_for_every_channel():
    images = np.repeat(pictures((6, 90, 100, 1)), 7, axis=3)  # wide enough for the way of three channels
    alone = {c: augmenter("Affine: {rotate: [-30, 30], p: 1}")(images[..., :c], list(range(6))) for c in (1, 2, 3, 7)}
    for c in (2, 3, 7):
        assert (alone[c] == alone[1]).all()


def test_a_size_may_change_for_the_whole_batch():
    steps = ("RandomCrop: {height: 20, width: 10, p: 1}", "GaussNoise: {p: 0.5}")
    assert augmenter(*steps)(pictures(), list(range(N))).shape == (N, 20, 10, 3)
    never = augmenter("Resize: {height: 20, width: 10, p: 1}", "CLAHE: {p: 0}")
    assert never(pictures(), list(range(N))).shape == (N, 20, 10, 3)


def test_the_engine_is_named_in_the_lineage():
    assert augmenter("Rotate: {}").engine == f"compiled-{REVISION}"
    assert augmenter("Rotate: {}", "CLAHE: {}").engine.startswith(f"compiled-{REVISION}+albumentations-")
    for one in declarations().values():  # compiled later: of its policies alone
        if one.compile is not None and one.since > REVISION:
            later = augmenter(json.dumps({one.name: {**one.required}}), "Rotate: {}")
            assert later.engine == f"compiled-{one.since}"


@pytest.mark.parametrize(
    ("step", "shape", "says"),
    [
        ("RandomCrop: {height: 50, width: 10, p: 1}", (2, 40, 40, 3), "a crop of 50x10 from images of 40x40"),
        ("CenterCrop: {height: 4, width: 50, p: 1}", (2, 40, 40, 3), "a crop of 4x50 from images of 40x40"),
        ("Resize: {height: 9, width: 9, p: 0.5}", (40, 8, 8, 3), "to some images of a batch and not to others"),
        ("Transpose: {p: 0.5}", (40, 30, 40, 3), "to some images of a batch and not to others"),
        ("RandomRotate90: {p: 1}", (2, 30, 40, 3), "square images"),
        ("D4: {p: 1}", (2, 30, 40, 3), "square images"),
        ("Rotate: {fill: [1, 2], p: 1}", (2, 40, 40, 3), "found 2 values; expected 1 or 3"),
        ("CoarseDropout: {fill: [1, 2], p: 1}", (2, 40, 40, 3), "found 2 values; expected 1 or 3"),
        ("ChannelDropout: {p: 1}", (2, 40, 40, 1), "images of 1 channels"),
        ("ChannelDropout: {channel_drop_range: [1, 3], p: 1}", (2, 40, 40, 3), "3 of 3 channels"),
        ("HueSaturationValue: {p: 1}", (2, 40, 40, 4), "images of 4 channels"),
        ("GridDropout: {holes_number_xy: [30, 30], p: 1}", (2, 40, 40, 3), "30x30 holes"),
    ],
)
def test_what_cannot_be_done_names_its_place(step, shape, says):
    images = pictures(shape)
    before = images.copy()
    name = step.partition(":")[0]
    with pytest.raises(TransformError, match=says) as caught:
        augmenter("InvertImg: {p: 1}", step)(images, list(range(len(images))))
    where = caught.value.faults[0].where
    assert where.startswith(f"transforms[1].{name}")
    assert where.endswith(f", sample 0 and {len(images) - 1} more")
    assert (images == before).all()


def test_an_image_too_small_among_others_is_named():
    images = [pictures((1, 40, 40, 3))[0], pictures((1, 9, 40, 3))[0], pictures((1, 40, 40))[0]]
    crop = augmenter("RandomCrop: {height: 20, width: 10, p: 1}")
    with pytest.raises(TransformError, match=r"transforms\[0\].RandomCrop, sample small: found a crop of 20x10 from"):
        crop.ragged(images[:2], ["large", "small"])
    with pytest.raises(TransformError, match=r"images, sample flat: found uint8 \(1, 40, 40\)"):
        crop.ragged(images[::2], ["large", "flat"])


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ("RandomCrop: {height: 0, width: 4, p: 1}", "RandomCrop.height"),
        ("CenterCrop: {height: 4, width: -1, p: 1}", "CenterCrop.width"),
        ("RandomResizedCrop: {size: [0, 4], p: 1}", "RandomResizedCrop.size"),
        ("RandomResizedCrop: {size: [4, 4], scale: [0.5, 2.0], p: 1}", "RandomResizedCrop.scale"),
        ("Resize: {height: 4, width: 0, p: 1}", "Resize.width"),
        ("GaussNoise: {std_range: [0.2, 1.5], p: 1}", "GaussNoise.std_range"),
        ("GaussNoise: {std_range: [0.2, 0.1], p: 1}", "GaussNoise.std_range"),
        ("Posterize: {num_bits: 9, p: 1}", "Posterize.num_bits"),
        ("Solarize: {threshold_range: [0.5, 1.5], p: 1}", "Solarize.threshold_range"),
        ("CoarseDropout: {hole_height_range: [0.5, 0.1], p: 1}", "CoarseDropout.hole_height_range"),
        ("GridDropout: {ratio: 1.5, p: 1}", "GridDropout.ratio"),
        ("SaltAndPepper: {amount: [0.1, 1.5], p: 1}", "SaltAndPepper.amount"),
    ],
)
def test_empty_crops_and_ranges_out_of_bounds_are_faults_of_the_policy(step, place):
    with pytest.raises(PolicyError) as caught:
        augmenter("InvertImg: {p: 1}", step)
    assert [fault.where for fault in caught.value.faults] == [f"transforms[1].{place}"]
