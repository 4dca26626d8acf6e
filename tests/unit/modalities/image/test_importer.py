"""Saved albumentations pipelines as policies."""

from __future__ import annotations

import json
from pathlib import Path

import albumentations as A  # noqa: N812
import numpy as np
import pytest

from augment_ops.errors import PolicyError
from augment_ops.modalities.image import catalogue
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.importer import import_pipeline
from augment_ops.policy.spec import Policy

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def imported(path: Path):
    return import_pipeline(path, name="mine", owner="team", domain="general")


@pytest.mark.parametrize("data_format", ["json", "yaml"])
def test_a_pipeline_becomes_a_policy(tmp_path: Path, data_format):
    path = tmp_path / "pipeline"
    pipeline = A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.OneOf([A.GaussianBlur(sigma_limit=(0.1, 2), p=0.3), A.RandomGamma(p=0.7)], p=0.4),
            A.SomeOf([A.InvertImg(), A.Transpose()], n=1, p=0.8),
            A.Affine(rotate=(-5, 5), p=1),
        ]
    )
    A.save(pipeline, path, data_format=data_format)
    result = imported(path)
    by_hand = Policy.from_text(result.text)
    assert by_hand.digest == result.policy.digest
    assert result.lost == ()
    assert [t.name for t in result.policy.transforms] == ["HorizontalFlip", "OneOf", "SomeOf", "Affine"]
    blur, gamma = result.policy.transforms[1].children
    assert (blur.params["sigma_limit"], blur.params["p"]) == ([0.1, 2], 0.3)
    assert gamma.params == {"p": 0.7}  # nothing but p differs from the defaults
    assert result.policy.transforms[2].params == {"n": 1, "replace": False, "p": 0.8}
    assert result.policy.transforms[3].params["rotate"] == [-5.0, 5.0]


def test_what_is_lost_is_said(tmp_path: Path):
    path = tmp_path / "pipeline.json"
    pipeline = A.Compose([A.HorizontalFlip()], bbox_params=A.BboxParams("coco"), seed=3)
    A.save(pipeline, path)
    document = json.loads(path.read_text())
    document["__version__"] = "1.4.0"
    document["transform"]["transforms"][0]["always_apply"] = False
    path.write_text(json.dumps(document))
    lost = imported(path).lost
    assert len(lost) == 3
    assert "albumentations 1.4.0" in lost[0]
    assert "bbox_params" in lost[1]
    assert "HorizontalFlip.always_apply" in lost[2]


def test_a_pipeline_that_applies_sometimes_stays_one_that_does(tmp_path: Path):
    A.save(A.Compose([A.HorizontalFlip()], p=0.3), tmp_path / "p.json")
    (transform,) = imported(tmp_path / "p.json").policy.transforms
    assert (transform.name, transform.params["p"]) == ("Sequential", 0.3)


def test_a_single_transform_is_a_pipeline_too(tmp_path: Path):
    A.save(A.HorizontalFlip(p=0.2), tmp_path / "p.json")
    (transform,) = imported(tmp_path / "p.json").policy.transforms
    assert (transform.name, transform.params) == ("HorizontalFlip", {"p": 0.2})


def test_how_most_pipelines_end(tmp_path: Path):
    A.save(
        A.Compose([A.HorizontalFlip(), A.Normalize(mean=(0.5,), std=(0.25,)), A.pytorch.ToTensorV2()]),
        tmp_path / "p.json",
    )
    found = imported(tmp_path / "p.json")
    assert [t.name for t in found.policy.transforms] == ["HorizontalFlip", "Normalize"]
    assert found.lost == ("ToTensorV2: batches become tensors where they are delivered",)
    images = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    assert Augmenter(found.policy, 7)(images, [1]).dtype == np.float32


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "expected JSON or YAML"),
        ("[1, 2]", "a saved albumentations pipeline"),
        ("name: digits-robust", "a saved albumentations pipeline"),
        (json.dumps({"__class_fullname__": "Compose", "transforms": 5}), "transforms: found 5"),
        (json.dumps({"__class_fullname__": "a.b.ToFloat"}), "changes the type of the pixels"),
        (json.dumps({"__class_fullname__": "NoSuchThing"}), "unknown transform 'NoSuchThing'"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, content, says):
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises(PolicyError, match=says):
        imported(path)


def test_no_file(tmp_path: Path):
    with pytest.raises(PolicyError, match="No such file"):
        imported(tmp_path / "nothing.json")


# Values for what has no default.
REQUIRED = {
    "CenterCrop": {"height": 16, "width": 12},
    "CropAndPad": {"percent": 0.1},
    "GridElasticDeform": {"num_grid_xy": (2, 3), "magnitude": 2},
    "LongestMaxSize": {"max_size": 16},
    "PadIfNeeded": {"min_height": None, "pad_height_divisor": 32},  # a null that overrules a default
    "RandomCrop": {"height": 16, "width": 12},
    "RandomResizedCrop": {"size": (16, 12)},
    "RandomSizedCrop": {"min_max_height": (8, 16), "size": (16, 12)},
    "Resize": {"height": 16, "width": 12},
    "SmallestMaxSize": {"max_size": 16},
}


@pytest.mark.parametrize("data_format", ["json", "yaml"])
@pytest.mark.parametrize("name", sorted(catalogue.transform_classes()))
def test_every_transform_comes_back_as_it_was_saved(tmp_path: Path, name: str, data_format):
    path, p = tmp_path / "pipeline", 1.0 if name == "Normalize" else 0.3
    saved = catalogue.construct(name, {**REQUIRED.get(name, {}), "p": p})
    A.save(A.Compose([saved]), path, data_format=data_format)
    result = imported(path)
    (step,) = result.policy.transforms
    assert result.lost == ()
    assert _listed(A.to_dict(catalogue.construct(step.name, step.params))) == _listed(A.to_dict(saved))


def _listed(value):
    """Tuples as lists: the library keeps some as they were given."""
    return json.loads(json.dumps(value))


def test_one_or_other_becomes_a_one_of_with_its_probability(tmp_path: Path):
    A.save(A.Compose([A.OneOrOther(A.HorizontalFlip(p=0.9), A.InvertImg(p=0.1), p=0.3)]), tmp_path / "p.json")
    (transform,) = imported(tmp_path / "p.json").policy.transforms
    assert (transform.name, transform.params["p"]) == ("OneOf", 1.0)
    assert [(t.name, t.params["p"]) for t in transform.children] == [("HorizontalFlip", 0.3), ("InvertImg", 0.7)]


def test_nothing_to_do_is_one_of_the_alternatives(tmp_path: Path):
    A.save(A.Compose([A.OneOf([A.NoOp(p=3 / 4), A.InvertImg(p=1 / 4)], p=1)]), tmp_path / "p.json")
    images = np.zeros((400, 4, 4, 1), np.uint8)
    inverted = Augmenter(imported(tmp_path / "p.json").policy, 7)(images, range(400)).any(axis=(1, 2, 3))
    assert 60 < inverted.sum() < 140  # a quarter, within four and a half standard errors
