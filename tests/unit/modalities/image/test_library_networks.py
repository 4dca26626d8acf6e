"""Networks of torchvision and timm: found by their names, built of what is installed, exported as any other."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
import pytest
import torch

from augment_ops import extras
from augment_ops.errors import InputError, NotInstalled
from augment_ops.modalities import modality
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact
from augment_ops.training import trainer
from augment_ops.training.export import exported
from augment_ops.training.factory import library_version, load_factory
from augment_ops.training.loop import build

IMAGES = modality("image")
SMALL = ("torchvision:resnet18", "timm:vit_tiny_patch16_224")
LARGE = (
    "torchvision:mobilenet_v3_small", "torchvision:resnet50", "torchvision:convnext_tiny",
    "torchvision:vit_b_32", "torchvision:googlenet",
    "timm:resnet18.a1_in1k", "timm:efficientnet_b0", "timm:convnext_atto", "timm:regnety_002", "timm:mixer_s32_224",
)  # fmt: skip


def answered(reference: str, shape: tuple[int, ...]) -> None:
    """The isolated program answers what the network does."""
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), np.uint8)
    model = build(load_factory(reference), IMAGES, images, 4, 7)
    content = exported(model, images)
    with load(Artifact(content, hashlib.sha256(content).hexdigest(), reference)) as answers:
        found = answers(images)
    with torch.no_grad():
        np.testing.assert_allclose(found, model(torch.from_numpy(images)).numpy(), atol=1e-4)


@pytest.mark.parametrize("reference", SMALL)
def test_it_is_exported_and_answers_in_its_isolated_process(reference: str) -> None:
    answered(reference, (64, 64, 3))


@pytest.mark.slow
@pytest.mark.parametrize("reference", LARGE)
def test_larger_ones_as_well(reference: str) -> None:
    answered(reference, (64, 64, 3))


def test_a_grey_image_is_given_in_three_channels_and_other_ones_are_refused() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), np.uint8)
    factory = load_factory("torchvision:resnet18")
    grey, colour = (build(factory, IMAGES, one, 4, 7) for one in (images, images.repeat(3, axis=3)))
    with torch.no_grad():
        found, expected = grey(torch.from_numpy(images)), colour(torch.from_numpy(images.repeat(3, axis=3)))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=0)
    with pytest.raises(InputError, match="images of 4 channels"):
        build(factory, IMAGES, images.repeat(4, axis=3), 4, 7)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("torchvision:resnet81", "Did you mean resnet18"),
        ("torchvision:fasterrcnn_resnet50_fpn", "networks that this torchvision has"),
        ("timm:resnet_18", "Did you mean resnet18"),
        ("timm:hf-hub:timm/resnet18.a1_in1k", "nothing is asked of a hub"),
        ("timm:local-dir:/tmp/net", "nothing is asked of a hub"),
    ],
)
def test_a_name_that_it_has_not_is_refused_before_the_run(reference: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        trainer("torch").check(reference, "cpu")


def test_rows_and_columns_are_as_many_where_the_network_asks_for_that() -> None:
    with pytest.raises(InputError, match="64×32; expected as many rows as columns"):
        build(load_factory("torchvision:vit_b_32"), IMAGES, np.zeros((0, 64, 32, 3), np.uint8), 4, 7)


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_library_that_is_not_there_is_named_with_its_extra(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda module: None if module == library else sys)
    with pytest.raises(NotInstalled, match=r"augment-ops\[networks\]"):
        load_factory(f"{library}:resnet18")


def test_the_version_of_a_library_says_what_the_network_is_and_that_of_a_function_nothing() -> None:
    assert library_version("timm:resnet18").startswith("timm 1.")
    assert library_version("my.nets:resnet18") == ""
