"""Every transform of albumentations that a policy may name, with its defaults, through one suite.

Each is a pure function of the key, or says clearly why it cannot work; what is neither may not be named.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
from collections.abc import Mapping

import cv2
import numpy as np
import pytest
import torch

from augment_ops.errors import PolicyError, TransformError
from augment_ops.modalities.image import catalogue
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.families import FAMILIES
from augment_ops.modalities.image.plan import compile_policy
from augment_ops.modalities.image.program import Program
from augment_ops.modalities.image.transforms import declarations
from augment_ops.policy.spec import Policy
from support.policies import HEAD

# Advice of the library to the author of a policy, and to users of grey images.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

N = 4
IDS = [f"s{i}" for i in range(N)]
DECLARED = declarations()
SQUARE = {"D4", "RandomRotate90"}  # refused for other images
BRANCHES = [(name, branch) for name, one in DECLARED.items() for branch in one.branches]
CONTAINERS = [
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


def policy_of(name: str, params: Mapping[str, object]) -> Policy:
    """One step, applied to every image, with values for what has no default."""
    step = {name: {"p": 1.0, **DECLARED[name].required, **params}}
    return Policy.from_text(f"{HEAD}  - {json.dumps(step)}\n")


def test_every_transform_is_declared_and_nothing_else():
    assert set(DECLARED) == {name for name in catalogue.names() if name not in FAMILIES}


@pytest.mark.parametrize("channels", [1, 3], ids=["grey", "rgb"])
@pytest.mark.parametrize("name", names())
def test_a_transform_is_pure_or_says_why_not(name, channels):
    policy, batch = policy_of(name, {}), images(channels)[: 2 if DECLARED[name].slow else N]
    if channels == 1 and DECLARED[name].needs_colour:
        with pytest.raises(TransformError, match="channel") as caught:
            assert_pure(policy, batch)
        assert f"transforms[0].{name}" in str(caught.value)
    else:
        assert_pure(policy, batch)


@pytest.mark.parametrize("size", [(1, 1), (1, 24), (24, 1), (2, 3)])
@pytest.mark.parametrize("name", names())
def test_the_smallest_images_work_or_are_refused(name, size):
    with contextlib.suppress(TransformError):
        assert Augmenter(policy_of(name, {}), 7)(np.full((1, *size, 3), 9, np.uint8), ["a"]).shape[3] == 3


@pytest.mark.parametrize(("name", "branch"), BRANCHES)
def test_other_branches_are_pure(name, branch):
    whole = assert_pure(policy_of(name, branch), images(3))
    assert not DECLARED[name].chance or (whole != images(3)).any()


@pytest.mark.parametrize("step", CONTAINERS)
def test_containers_are_pure(step):
    policy = Policy.from_text(f"{HEAD}  - {step}\n")
    assert (assert_pure(policy, images(3)) != images(3)).any()


@pytest.mark.parametrize(
    ("name", "params"),
    [(n, {}) for n, one in DECLARED.items() if one.compile] + [case for case in BRANCHES if DECLARED[case[0]].compile],
)
def test_a_tensor_gets_the_bytes_of_the_array(name, params):
    """The operation that a declaration names has loops for the CPU, and tensors that compute the same."""
    augment = Augmenter(policy_of(name, params), 7)
    for batch in (images(3),) if DECLARED[name].needs_colour else (images(1), images(3)):
        try:
            expected = augment(batch, IDS, 1)
        except TransformError:  # of so many channels: the tensors refuse them as well
            with pytest.raises(TransformError):
                augment.tensors(torch.from_numpy(batch), IDS, 1)
        else:
            np.testing.assert_array_equal(augment.tensors(torch.from_numpy(batch), IDS, 1).numpy(), expected)


def test_every_random_transform_draws_from_its_key():
    """A transform that ignored its stream would be pure too: other ids must give other results."""
    batch = np.repeat(images(3)[:1], 12, 0)
    for name in names():
        if not DECLARED[name].slow:
            out = Augmenter(policy_of(name, {}), 7)(batch, range(12))
            assert DECLARED[name].chance == (len({image.tobytes() for image in out}) > 1), name


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


def test_every_size_that_a_declaration_refuses_is_tried():
    refused = {name for name, one in DECLARED.items() if one.own_sizes is not None}
    assert refused == {step.partition(":")[0] for step in SIZES} & set(DECLARED)


@pytest.mark.parametrize("step", SIZES)
def test_what_gives_every_image_a_size_of_its_own_is_refused(step):
    with pytest.raises(PolicyError, match="a batch has one"):
        Policy.from_text(f"{HEAD}  - {step}\n")


def test_nothing_that_is_accepted_gives_images_sizes_of_their_own():
    """Every transform of the library that can move pixels, on images that are not square, seed by seed."""
    library, varied = catalogue.albumentations(), {}
    for name in names():
        step = catalogue.construct(name, DECLARED[name].required)
        if isinstance(step, library.DualTransform) and name not in SQUARE:
            sizes = set()
            for seed in range(6):
                step.set_random_seed(seed)
                sizes.add(step(image=np.zeros((40, 60, 3), np.uint8), force_apply=True)["image"].shape)
            varied |= {name: sizes} if len(sizes) > 1 else {}
    assert varied == {}


@pytest.mark.parametrize("name", sorted(name for name, one in DECLARED.items() if one.required))
def test_what_is_required_is_asked_for(name):
    """By the policy, or, where only the size of the images makes the defaults wrong, as soon as it runs."""
    with pytest.raises((PolicyError, TransformError)) as caught:
        Augmenter(Policy.from_text(f"{HEAD}  - {name}: {{p: 1.0}}\n"), 7)(images(3), IDS)
    assert f"transforms[0].{name}" in str(caught.value)


def test_nothing_else_lacks_a_default():
    for name in names():
        if not DECLARED[name].required:
            Policy.from_text(f"{HEAD}  - {name}: {{}}\n")


def test_every_excluded_name_exists_and_is_refused_with_its_reason():
    library = catalogue.albumentations()
    for name, reason in catalogue._EXCLUDED.items():
        assert issubclass(getattr(library, name), library.BasicTransform)
        with pytest.raises(PolicyError, match=re.escape(reason)):
            Policy.from_text(f"{HEAD}  - {name}: {{}}\n")


def test_every_object_of_albumentations_reads_the_keyed_stream():
    """None may keep a generator of its own."""
    others = [{name: {**one.required}} for name, one in DECLARED.items() if one.compile is None and name != "NoOp"]
    program = Program(compile_policy(Policy.from_text(f"{HEAD}  {json.dumps(others)}\n")))
    assert len(program._steps) == len(others)
    for step in program._steps.values():
        assert step._step.random_generator is step._stream.numpy
        assert step._step.py_random is step._stream.python


ODD = (
    "null", "{}", "true", "x", "''", "-1", "0", "1.0e+300", "'nan'", "[1]", "[2, 1]", "{x: [1, 2]}", ".nan", "1e3",
    "99999999999999999999999", "[[1, 2], [3, 4]]", "[null, null]", "[0, 0]", "[0, 1]", "[-1, 1]", "0.5", "2", "100",
)  # fmt: skip
SMALL = {"height": "4", "width": "4", "size": "[4, 4]", "min_height": "12", "min_width": "12"}  # for images of 8x8


@pytest.mark.parametrize("name", [*(n for n, one in DECLARED.items() if one.compile), *FAMILIES])
def test_odd_parameters_are_faults_or_work(name):
    """Without a warning of arithmetic: those are errors here."""
    worked, parameters = 0, sorted(catalogue.parameters(name))
    small = {key: value for key, value in SMALL.items() if key in parameters}
    for parameter in parameters:
        for value in ODD:
            params = {"p": "1.0", **small, parameter: value}
            step = ", ".join(f"{key}: {text}" for key, text in params.items())
            with contextlib.suppress(PolicyError, TransformError):
                Augmenter(Policy.from_text(f"{HEAD}  - {name}: {{{step}}}\n"), 7)(images(3)[:2, :8, :8], IDS[:2])
                worked += 1
    assert worked > 0
