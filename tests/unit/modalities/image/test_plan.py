"""Which transforms share a pass over the pixels, and the reasons why passes end."""

from __future__ import annotations

import pytest

from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.plan import Plan, compile_policy
from augment_ops.policy.spec import Policy
from support.policies import policy_text


def plan(*steps: str) -> Plan:
    return compile_policy(Policy.from_text(policy_text(*steps)))


def names(of: Plan) -> list[list[str]]:
    return [[leaf.transform.name for leaf in segment.leaves] for segment in of.segments]


def test_the_usual_policy_is_one_pass():
    usual = plan(
        "HorizontalFlip: {}",
        "Rotate: {}",
        "Affine: {}",
        "RandomBrightnessContrast: {}",
        "RandomGamma: {}",
        "GaussNoise: {}",
        "CoarseDropout: {}",
    )
    assert len(usual.segments) == 1
    assert not usual.uses_albumentations
    assert usual.describe() == [
        "1. geometry: HorizontalFlip, Rotate, Affine · colour: RandomBrightnessContrast, RandomGamma · "
        "noise: GaussNoise · holes: CoarseDropout"
    ]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (
            ("AugMix: {}", "Normalize: {}"),
            ["on a GPU with triton: two launches, of which the first draws the parameters, then torch normalises"],
        ),
        (
            ("RandomGamma: {}", "OneOf: {transforms: [{Sharpen: {}}, {Rotate: {}}]}", "RandomGamma: {}"),
            ["on a GPU with triton: one launch, with parameters that the CPU draws, because of RandomGamma, Sharpen"],
        ),
        (("CLAHE: {}", "RandomGamma: {}"), ["on a GPU: operation by operation, and CLAHE on the CPU"]),
        (("NoOp: {}",), []),
    ],
)
def test_what_a_gpu_does_of_it(steps, said):
    lines = Augmenter(Policy.from_text(policy_text(*steps)), 0).describe()
    assert [line for line in lines if line.startswith("on a GPU")] == said


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        (("RandomGamma: {}", "Rotate: {}"), "Rotate (geometry) comes after RandomGamma (colour)"),
        (("GaussNoise: {}", "SaltAndPepper: {}"), "a pass draws one kind of noise"),
        (("Rotate: {}", "GaussianBlur: {}"), "GaussianBlur looks at neighbours"),
        (("GaussianBlur: {}", "Rotate: {}"), "GaussianBlur looks at neighbours"),
        (("Rotate: {}", "CLAHE: {}"), "CLAHE runs through albumentations, image by image"),
        (("CLAHE: {}", "Rotate: {}"), "CLAHE runs through albumentations, image by image"),
        (("Rotate: {fill: 9}", "Affine: {}"), "Affine and Rotate differ in border or interpolation"),
        (("Rotate: {interpolation: 0}", "Affine: {}"), "Affine and Rotate differ in border or interpolation"),
        (("Rotate: {fill_mask: 9}", "Affine: {}"), "Affine and Rotate differ in border or interpolation of masks"),
        (("Rotate: {rotate_method: ellipse}", "Affine: {}"), "Affine and Rotate turn boxes in different ways"),
        (
            ("Rotate: {}", "RandomResizedCrop: {size: [8, 8]}"),
            "RandomResizedCrop and Rotate differ in border or interpolation",
        ),
        (("CenterCrop: {height: 4, width: 4}", "Rotate: {}"), "Rotate could bring back what CenterCrop cut off"),
        (("Rotate: {}", "AugMix: {}"), "AugMix mixes chains of its own"),
        (("Rotate: {}", "PadIfNeeded: {}"), "PadIfNeeded adds a rim where Rotate may have moved pixels"),
    ],
)
def test_why_a_pass_ends(steps, why):
    split = plan(*steps)
    assert [segment.why for segment in split.segments] == ["", why]
    assert f"   — {why}" in split.describe()


@pytest.mark.parametrize(
    "steps",
    [
        ("Rotate: {}", "CenterCrop: {height: 4, width: 4}"),
        ("PadIfNeeded: {}", "Rotate: {}"),
        ("HorizontalFlip: {}", "PadIfNeeded: {}", "RandomCrop: {height: 4, width: 4}"),
        ("ColorJitter: {}", "Equalize: {}", "ToGray: {}", "SaltAndPepper: {}", "GridDropout: {}"),
    ],
)
def test_what_shares_a_pass(steps):
    assert len(plan(*steps).segments) == 1


def test_alternatives_are_sorted_to_fit():
    """Only one of them applies, so a colour may stand before a geometry."""
    mixed = plan("OneOf: {transforms: [{CoarseDropout: {}}, {RandomGamma: {}}, {Rotate: {}}]}")
    assert names(mixed) == [["Rotate", "RandomGamma", "CoarseDropout"]]


def test_the_second_steps_of_alternatives_come_after_all_first_ones():
    pair = "{{Sequential: {{transforms: [{{{0}: {{}}}}, {{{1}: {{}}}}]}}}}"
    steps = f"OneOf: {{transforms: [{pair.format('RandomGamma', 'Rotate')}, {pair.format('Affine', 'Posterize')}]}}"
    assert names(plan(steps)) == [["Affine", "RandomGamma"], ["Rotate", "Posterize"]]


def test_what_the_engine_does_not_do_as_asked_goes_to_albumentations():
    assert not plan("Affine: {}").uses_albumentations
    for step in ("Perspective: {fit_output: true}", "Affine: {interpolation: 2}", "CoarseDropout: {fill: random}"):
        assert plan(step).uses_albumentations


def test_streams_are_numbered_by_place_in_the_file():
    of = plan("OneOf: {transforms: [{RandomGamma: {}}, {Rotate: {}}]}", "InvertImg: {}")
    assert [(leaf.transform.name, leaf.index) for segment in of.segments for leaf in segment.leaves] == [
        ("Rotate", 2),
        ("RandomGamma", 1),
        ("InvertImg", 3),
    ]


def test_output_size():
    assert plan("Resize: {height: 9, width: 7, p: 1.0}", "CLAHE: {}").output_size((30, 20)) == (9, 7)
    assert plan("Rotate: {}").output_size((30, 20)) == (30, 20)


def test_families_are_spelled_out():
    rand = plan("RandAugment: {num_ops: 2, magnitude: 9}")
    leaves = [leaf.transform.name for segment in rand.segments for leaf in segment.leaves]
    assert leaves.count("Equalize") == 2
    assert len(plan("AutoAugment: {policy: svhn}").segments) > 1
    assert not plan("TrivialAugment: {}").uses_albumentations
