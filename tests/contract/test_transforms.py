"""Every transform of albumentations that a policy may name, with its defaults, through one suite.

Each is a pure function of the key, or says clearly why it cannot work; what is neither may not be named.
"""

from __future__ import annotations

import contextlib
import random
import re

import cv2
import numpy as np
import pytest
import yaml

from augment_ops.errors import PolicyError, TransformError
from augment_ops.modalities.image import catalogue
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.plan import _BUILDERS, compile_policy
from augment_ops.modalities.image.program import Program
from augment_ops.policy.spec import Policy
from support.policies import HEAD

# Advice of the library to the author of a policy, and to users of grey images.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

N = 4
IDS = [f"s{i}" for i in range(N)]
# Values for what has no default. Together they keep the size, where the transform can.
ARGUMENTS = {
    "CenterCrop": "height: 16, width: 16",
    "CropAndPad": "percent: 0.1",
    "GridElasticDeform": "num_grid_xy: [2, 2], magnitude: 2",
    "LongestMaxSize": "max_size: 16",
    "RandomCrop": "height: 16, width: 16",
    "RandomResizedCrop": "size: [16, 16]",
    "RandomSizedCrop": "min_max_height: [8, 16], size: [16, 16]",
    "Resize": "height: 16, width: 16",
    "SmallestMaxSize": "max_size: 16",
}
# With defaults only: what the message has to say. A transform that is added here needs somebody who has read why.
NEVER_WITH_DEFAULTS = {
    "Crop": "Values for crop",
}
SQUARE = {"D4", "RandomRotate90"}  # refused for other images
NOT_ON_GREY = {
    "ChannelDropout",
    "ChromaticAberration",
    "HEStain",
    "ISONoise",
    "Normalize",
    "PlanckianJitter",
    "RandomFog",
    "RandomGravel",
    "RandomRain",
    "RandomSnow",
    "RandomSunFlare",
    "Spatter",
}
SLOW = {"RandomFog", "Superpixels"}  # a tenth of a second an image, however small
# The same change for every key, by nature, or with these arguments on these images.
WITHOUT_CHANCE = {
    "Affine",
    "AutoContrast",
    "CLAHE",
    "CenterCrop",
    "CropAndPad",
    "Downscale",
    "Equalize",
    "HorizontalFlip",
    "InvertImg",
    "LongestMaxSize",
    "Morphological",
    "NoOp",
    "Normalize",
    "Pad",
    "PadIfNeeded",
    "Posterize",
    "RandomCrop",
    "RandomGravel",
    "Resize",
    "SmallestMaxSize",
    "Solarize",
    "ToGray",
    "ToSepia",
    "Transpose",
    "VerticalFlip",
    "XYMasking",
}
# Other branches of the code than the defaults take, each with draws of its own.
VARIANTS = [
    "PlanckianJitter: {sampling_method: gaussian, p: 1.0}",
    "RandomSunFlare: {method: physics_based, p: 1.0}",
    "RandomSnow: {method: texture, p: 1.0}",
    "Spatter: {mode: mud, p: 1.0}",
    "AdditiveNoise: {noise_type: gaussian, spatial_mode: per_pixel, noise_params: {mean_range: [0, 0], "
    "std_range: [0.1, 0.2]}, p: 1.0}",
    "AdditiveNoise: {noise_type: beta, spatial_mode: shared, noise_params: {alpha_range: [0.5, 1.5], "
    "beta_range: [0.5, 1.5], scale_range: [0.1, 0.3]}, p: 1.0}",
    "CoarseDropout: {fill: random, p: 1.0}",
    "CoarseDropout: {fill: random_uniform, p: 1.0}",
    "GridDropout: {random_offset: true, p: 1.0}",
    "ElasticTransform: {same_dxdy: true, p: 1.0}",
    "OneOf: {p: 0.7, transforms: [{GaussNoise: {p: 0.3}}, {Rotate: {p: 0.7}}]}",
    "SomeOf: {n: 3, replace: true, transforms: [{GaussNoise: {}}, {Rotate: {}}]}",
    "Sequential: {p: 0.7, transforms: [{GaussNoise: {}}, {OneOf: {transforms: [{HorizontalFlip: {}}, {D4: {}}]}}]}",
    "Sequential: {p: 1.0, transforms: [{RandomCrop: {height: 9, width: 9, p: 1.0}}, {Resize: {height: 16, width: 16, "
    "p: 1.0}}]}",
]


def images(channels: int) -> np.ndarray:
    y, x, c = np.mgrid[0:16, 0:16, 0:channels]
    return np.stack([(9 * y + 7 * x + 40 * c + 31 * n + (y * x) % 11 * 5) % 256 for n in range(N)]).astype(np.uint8)


def assert_pure(policy: Policy, batch: np.ndarray) -> np.ndarray:
    before = batch.copy()
    state = random.getstate(), np.random.get_state()[1].tobytes()
    cv2.setRNGSeed(1)
    augment = Augmenter(policy, 7)
    ids = IDS[: len(batch)]
    whole = augment(batch, ids, 1)
    cv2.setRNGSeed(2)
    other = Augmenter(policy, 7)
    other(batch[:1], ["earlier"], 5)
    assert (other(batch[::-1], ids[::-1], 1) == whole[::-1]).all()
    assert (augment(batch[1:2], ids[1:2], 1) == whole[1:2]).all()
    assert (batch == before).all()
    assert state == (random.getstate(), np.random.get_state()[1].tobytes())
    assert whole.shape[:1] + whole.shape[3:] == batch.shape[:1] + batch.shape[3:]
    assert whole.dtype == (np.float32 if policy.normalises else np.uint8)
    return whole


def names() -> list[str]:
    return sorted(catalogue.transform_classes())


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "rgb"])
@pytest.mark.parametrize("name", names())
def test_a_transform_is_pure_or_says_why_not(name, channels):
    arguments = ", ".join(filter(None, ("p: 1.0", ARGUMENTS.get(name))))
    policy = Policy.from_text(f"{HEAD}  - {name}: {{{arguments}}}\n")
    refusal = NEVER_WITH_DEFAULTS.get(name)
    if channels == 1 and name in NOT_ON_GREY:
        refusal = "channel"
    batch = images(channels)[: 2 if name in SLOW else N]
    if refusal is None:
        assert_pure(policy, batch)
    else:
        with pytest.raises(TransformError, match=refusal) as caught:
            assert_pure(policy, batch)
        assert f"transforms[0].{name}" in str(caught.value)


@pytest.mark.parametrize("size", [(1, 1), (1, 24), (24, 1), (2, 3)])
@pytest.mark.parametrize("name", names())
def test_the_smallest_images_work_or_are_refused(name, size):
    arguments = ", ".join(filter(None, ("p: 1.0", ARGUMENTS.get(name))))
    policy = Policy.from_text(f"{HEAD}  - {name}: {{{arguments}}}\n")
    with contextlib.suppress(TransformError):
        assert Augmenter(policy, 7)(np.full((1, *size, 3), 9, np.uint8), ["a"]).shape[3] == 3


@pytest.mark.parametrize("step", VARIANTS)
def test_other_branches_are_pure(step):
    policy = Policy.from_text(f"{HEAD}  - {step}\n")
    whole = assert_pure(policy, images(3))
    assert (whole != images(3)).any()


def test_every_random_transform_draws_from_its_key():
    """A transform that ignored its stream would be pure too: other ids must give other results."""
    batch = np.repeat(images(3)[:1], 12, 0)
    same = set()
    for name in set(names()) - set(NEVER_WITH_DEFAULTS) - SLOW:
        arguments = ", ".join(filter(None, ("p: 1.0", ARGUMENTS.get(name))))
        out = Augmenter(Policy.from_text(f"{HEAD}  - {name}: {{{arguments}}}\n"), 7)(batch, range(12))
        if len({image.tobytes() for image in out}) == 1:
            same.add(name)
    assert same == WITHOUT_CHANCE


# Steps that could give images sizes of their own with other values than the defaults, as the library has them.
SIZES = (
    "Affine: {rotate: [-20, 20], fit_output: true}",
    "CropAndPad: {px: [1, 5], keep_size: false}",
    "LongestMaxSize: {max_size: [16, 24]}",
    "Perspective: {keep_size: false}",
    "RandomCropFromBorders: {}",
    "RandomScale: {}",
    "Rotate: {crop_border: true}",
    "SmallestMaxSize: {max_size: [16, 24]}",
)


@pytest.mark.parametrize("step", SIZES)
def test_what_gives_every_image_a_size_of_its_own_is_refused(step):
    with pytest.raises(PolicyError, match="a batch has one"):
        Policy.from_text(f"{HEAD}  - {step}\n")


def test_nothing_that_is_accepted_gives_images_sizes_of_their_own():
    """Every transform of the library that can move pixels, on images that are not square, seed by seed."""
    library, varied = catalogue.albumentations(), {}
    for name in names():
        values = yaml.safe_load("{" + ARGUMENTS.get(name, "") + "}")
        step = catalogue.construct(name, values)
        if isinstance(step, library.DualTransform) and name not in {*NEVER_WITH_DEFAULTS, *SQUARE}:
            sizes = set()
            for seed in range(6):
                step.set_random_seed(seed)
                sizes.add(step(image=np.zeros((40, 60, 3), np.uint8), force_apply=True)["image"].shape)
            varied |= {name: sizes} if len(sizes) > 1 else {}
    assert varied == {}


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_what_has_no_default_is_asked_for(name):
    with pytest.raises(PolicyError) as caught:
        Policy.from_text(f"{HEAD}  - {name}: {{p: 1.0}}\n")
    assert f"transforms[0].{name}" in str(caught.value)


def test_nothing_else_lacks_a_default():
    for name in set(names()) - set(ARGUMENTS):
        Policy.from_text(f"{HEAD}  - {name}: {{}}\n")


def test_every_excluded_name_exists_and_is_refused_with_its_reason():
    library = catalogue.albumentations()
    for name, reason in catalogue._EXCLUDED.items():
        assert issubclass(getattr(library, name), library.BasicTransform)
        with pytest.raises(PolicyError, match=re.escape(reason)):
            Policy.from_text(f"{HEAD}  - {name}: {{}}\n")


def test_every_object_of_albumentations_reads_the_keyed_stream():
    """None may keep a generator of its own."""
    steps = "\n".join(f"  - {step}" for step in VARIANTS)
    program = Program(compile_policy(Policy.from_text(f"{HEAD}{steps}\n")))
    assert len(program._steps) >= 8
    for step in program._steps.values():
        assert step._step.random_generator is step._stream.numpy
        assert step._step.py_random is step._stream.python


ODD = (
    "null", "{}", "true", "x", "''", "-1", "0", "1.0e+300", "'nan'", "[1]", "[2, 1]", "{x: [1, 2]}", ".nan", "1e3",
    "99999999999999999999999", "[[1, 2], [3, 4]]", "[null, null]", "[0, 0]", "[0, 1]", "[-1, 1]", "0.5", "2", "100",
)  # fmt: skip
NEEDED = {
    "CenterCrop": {"height": "4", "width": "4"},
    "RandomCrop": {"height": "4", "width": "4"},
    "RandomResizedCrop": {"size": "[4, 4]"},
    "Resize": {"height": "4", "width": "4"},
    "PadIfNeeded": {"min_height": "12", "min_width": "12"},
}


@pytest.mark.parametrize("name", [*_BUILDERS, "RandAugment", "TrivialAugment", "AutoAugment", "AugMix"])
def test_odd_parameters_are_faults_or_work(name):
    """Without a warning of arithmetic: those are errors here."""
    worked = 0
    for parameter in [*catalogue.defaults(name), *NEEDED.get(name, ())]:
        for value in ODD:
            params = {"p": "1.0", **NEEDED.get(name, {}), parameter: value}
            step = ", ".join(f"{key}: {text}" for key, text in params.items())
            with contextlib.suppress(PolicyError, TransformError):
                Augmenter(Policy.from_text(f"{HEAD}  - {name}: {{{step}}}\n"), 7)(images(3)[:2, :8, :8], IDS[:2])
                worked += 1
    assert worked > 0
