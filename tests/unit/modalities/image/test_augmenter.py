from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from augment_ops import Augmenter
from augment_ops.errors import TransformError

NOISY = ("Affine: {rotate: [-20, 20], p: 0.9}", "GaussNoise: {std_range: [0.05, 0.2], p: 0.8}")
IDS = [f"id-{i}" for i in range(12)]


def test_shape_dtype_and_input_are_kept(policy, images):
    before = images.copy()
    out = Augmenter(policy(*NOISY), 7)(images, IDS, epoch=3)
    assert out.shape == images.shape
    assert out.dtype == np.uint8
    assert (images == before).all()
    assert not np.shares_memory(out, images)
    assert all((a != b).any() for a, b in zip(out, images, strict=True))


def test_each_part_of_the_key_matters(policy, images):
    p = policy(*NOISY)
    base = Augmenter(p, 7)(images, IDS, 3)
    others = [
        Augmenter(p, 8)(images, IDS, 3),
        Augmenter(p, 7)(images, IDS, 4),
        Augmenter(p, 7)(images, [f"other-{i}" for i in range(12)], 3),
        Augmenter(policy(*NOISY, "HorizontalFlip: {p: 0.0}"), 7)(images, IDS, 3),  # another digest, the same effect
    ]
    for other in others:
        assert all((a != b).any() for a, b in zip(base, other, strict=True))


def test_the_epoch_defaults_to_the_first(policy, images):
    augment = Augmenter(policy(*NOISY), 7)
    assert (augment(images, IDS) == augment(images, IDS, epoch=0)).all()


def test_every_spelling_of_an_id_and_an_epoch_is_one_key(policy, images):
    augment = Augmenter(policy(*NOISY), np.int64(7))
    expected = augment(images, [str(i) for i in range(12)], 3)
    for ids in (range(12), list(range(12)), np.arange(12), np.arange(12, dtype=np.uint8), np.arange(12).astype(str)):
        assert (augment(images, ids, np.int32(3)) == expected).all()


@pytest.mark.parametrize("epoch", [3.0, "3", None])
def test_an_epoch_that_is_no_integer_is_refused(policy, images, epoch):
    with pytest.raises(TypeError):
        Augmenter(policy(*NOISY), 7)(images, IDS, epoch)


def test_a_seed_that_is_no_integer_is_refused(policy):
    with pytest.raises(TypeError):
        Augmenter(policy(*NOISY), 7.9)


def test_one_transforms_draws_do_not_depend_on_another(policy, images):
    """Whether the first step draws much, little or nothing, the second reads its own stream."""

    def second_alone(first: str) -> np.ndarray:
        p = policy(first, "GaussNoise: {std_range: [0.1, 0.2], p: 1.0}")
        object.__setattr__(p, "digest", "the same key for all")
        return Augmenter(p, 7)(np.full_like(images, 128), IDS)

    expected = second_alone("HorizontalFlip: {p: 0.0}")
    for first in (
        "Affine: {rotate: [-9, 9], p: 1.0}",
        "ElasticTransform: {alpha: 0.0, p: 1.0}",
        "VerticalFlip: {p: 0.5}",
    ):
        assert (second_alone(first)[:, 4:8, 4:6] == expected[:, 4:8, 4:6]).all()  # away from the borders that turn in


def test_the_layout_of_memory_does_not_matter(policy, images):
    augment = Augmenter(policy(*NOISY, "CLAHE: {p: 0.5}", "RandomBrightnessContrast: {p: 1.0}"), 7)
    expected = augment(images, IDS)
    read_only = images.copy()
    read_only.flags.writeable = False
    wide = np.zeros((12, 12, 20, 3), np.uint8)
    wide[:, :, ::2] = images
    backwards = images[:, ::-1].copy()[:, ::-1]
    for layout in (read_only, np.asfortranarray(images), wide[:, :, ::2], backwards):
        assert (augment(layout, IDS) == expected).all()


def test_threads_share_one_augmenter(policy, images):
    augment = Augmenter(policy(*NOISY, "PlanckianJitter: {sampling_method: gaussian, p: 1.0}"), 7)
    expected = {epoch: augment(images, IDS, epoch) for epoch in range(16)}
    fresh = Augmenter(augment.policy, 7)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda epoch: fresh(images, IDS, epoch), range(16)))
    assert all((found[epoch] == expected[epoch]).all() for epoch in range(16))


def test_it_travels_between_processes(policy, images):
    augment = Augmenter(policy(*NOISY), 7)
    expected = augment(images, IDS, 2)  # has a plan by now, which cannot travel
    for other in (pickle.loads(pickle.dumps(augment)), copy.deepcopy(augment)):
        assert (other.policy.digest, other.seed) == (augment.policy.digest, augment.seed)
        assert (other(images, IDS, 2) == expected).all()


def test_the_identity_returns_a_copy(policy, images):
    out = Augmenter(policy(), 7)(images, IDS)
    assert (out == images).all()
    assert not np.shares_memory(out, images)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda im: im.astype(np.float64), "float64"),
        (lambda im: im.astype(np.float32), "sample .* numbers from 0 to 1"),
        (lambda im: im[0], r"\(12, 10, 3\)"),
        (lambda im: im[..., None], "uint8"),
        (lambda im: im.tolist(), "list"),
        (lambda im: im[:0], "no empty axis"),
        (lambda im: im[:, :, :0], "no empty axis"),
    ],
)
def test_images_of_another_form_are_refused(policy, images, wrong, said):
    with pytest.raises(TransformError, match=said):
        Augmenter(policy(*NOISY), 7)(wrong(images), IDS)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (IDS[:-1], "11 ids for 12 images"),
        ([*IDS, "more"], "13 ids for 12 images"),
        ([*IDS[:-1], IDS[3]], "'id-3' more than once"),
        ([*range(11), "7"], "'7' more than once"),
        (np.arange(12.0), "float64"),
        ([*IDS[:-1], None], "NoneType"),
        ([*IDS[:-1], True], "bool"),
        ([*IDS[:-1], b"id"], "bytes"),
        (np.arange(24).reshape(12, 2), "ndarray"),
    ],
)
def test_ids_that_do_not_name_the_images_are_refused(policy, images, ids, said):
    for steps in (NOISY, ()):  # the identity is no excuse
        with pytest.raises(TransformError, match=said):
            Augmenter(policy(*steps), 7)(images, ids)


def test_a_repeated_id_is_found_fast_in_a_large_batch(policy):
    n = 50_000  # a search of all pairs would take minutes
    ids = [*range(n - 1), n - 2]
    with pytest.raises(TransformError, match="'49998' more than once"):
        Augmenter(policy(), 7)(np.zeros((n, 1, 1, 1), np.uint8), ids)


CHANGES_SIZE = {
    "LongestMaxSize: {max_size: 8, p: 1}": None,
    "Resize: {height: 9, width: 7, interpolation: 2, p: 1}": (9, 7),
    "RandomCrop: {height: 64, width: 65, pad_if_needed: true, p: 1}": (64, 65),
    "RandomSizedCrop: {min_max_height: [4, 6], size: [5, 6], p: 1}": (5, 6),
    "Pad: {padding: 2, p: 1}": None,
}


@pytest.mark.parametrize("step", CHANGES_SIZE)
def test_a_transform_of_the_library_may_change_the_size_of_all(policy, images, step):
    augment = Augmenter(policy("CLAHE: {}", step), 7)
    found = augment(images, IDS)
    expected = CHANGES_SIZE[step] or found.shape[1:3]
    assert found.shape[1:3] == augment.plan.output_size(images.shape[1:3]) == expected
    assert expected != images.shape[1:3]
    np.testing.assert_array_equal(augment(images[3:4], IDS[3:4]), found[3:4])


def test_a_transform_that_changes_the_size_of_some_is_named(policy, images):
    with pytest.raises(TransformError, match=r"transforms\[1\].LongestMaxSize, sample.*: found applied to some images"):
        Augmenter(policy("HorizontalFlip: {}", "LongestMaxSize: {max_size: 8, p: 0.5}"), 7)(images, IDS)


def test_a_transform_that_cannot_take_the_image_is_named(policy, images):
    for name in ("ChannelDropout", "ISONoise"):  # NotImplementedError and ValueError in the library
        with pytest.raises(TransformError, match=rf"transforms\[0\].{name}, sample id-0( and 11 more)?: "):
            Augmenter(policy(f"{name}: {{p: 1.0}}"), 7)(images[..., :1], IDS)
