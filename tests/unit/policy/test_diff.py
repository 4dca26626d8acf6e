"""What changed between two policies, as a person and as a program reads it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from augment_ops.errors import PolicyError
from augment_ops.modalities.image.bounds import ImageLimits
from augment_ops.policy.diff import compare
from augment_ops.policy.spec import Policy

LIMITS = ImageLimits(domain="tested", description="d", max_rotation_deg=20, scale_range=(0.5, 2.0))


@pytest.fixture
def diff(text):
    def make(before, after, **head):
        return compare(Policy.from_text(text(*before)), Policy.from_text(text(*after, **head)), LIMITS)

    return make


def told(found):
    return [(c.kind, c.where, c.from_) for c in found.transforms]


def test_nothing(diff):
    found = diff(["Rotate: {limit: 5}"], ["Rotate: {limit: 5.0}  # the same"])
    assert found.same
    assert found.lines() == [f"digest {found.digests[0][:12]} (the same)"]


def test_parameters_are_compared_as_they_are_used(diff):
    found = diff(["Rotate: {limit: 5}"], ["Rotate: {limit: 8, p: 0.5}"])
    (change,) = found.transforms
    assert (change.kind, change.where) == ("changed", "transforms[0].Rotate")
    assert change.parameters == {"limit": ((-5.0, 5.0), (-8.0, 8.0))}  # p is 0.5 by default
    assert "~ transforms[0].Rotate.limit: [-5.0, 5.0] → [-8.0, 8.0]" in found.lines()


def test_added_and_removed(diff):
    found = diff(["Rotate: {}", "Blur: {}"], ["Rotate: {}", "HorizontalFlip: {p: 0.3}"])
    assert told(found) == [("removed", "transforms[1]", ""), ("added", "transforms[1]", "")]
    assert "+ transforms[1]: HorizontalFlip: {p: 0.3}" in found.lines()


def test_another_order(diff):
    found = diff(["Blur: {p: 0.1}", "Rotate: {}", "InvertImg: {}"], ["Rotate: {}", "InvertImg: {}", "Blur: {p: 0.1}"])
    assert told(found) == [("moved", "transforms[2]", "transforms[0]")]
    assert "> transforms[2] (was transforms[0]): Blur: {p: 0.1}" in found.lines()


def test_one_of_two_that_are_alike(diff):
    twice = ["Blur: {}", "Blur: {}", "Rotate: {}"]
    assert [c[0] for c in told(diff(twice, twice[1:]))] == ["removed"]
    assert [c[0] for c in told(diff(twice[1:], twice))] == ["added"]


def test_inside_containers_and_families(diff):
    before = "OneOf: {transforms: [{Rotate: {limit: 5}}, {Blur: {}}], p: 0.5}"
    after = "OneOf: {transforms: [{Rotate: {limit: 6}}], p: 0.7}"
    assert told(diff([before], [after])) == [
        ("changed", "transforms[0].OneOf", ""),
        ("changed", "transforms[0].OneOf.transforms[0].Rotate", ""),
        ("removed", "transforms[0].OneOf.transforms[1]", ""),
    ]
    (change,) = diff(["RandAugment: {magnitude: 5}"], ["RandAugment: {magnitude: 9}"]).transforms
    assert change.parameters == {"magnitude": (5, 9)}


def test_strengths_of_the_whole_chain_against_the_limits(diff):
    found = diff(["Rotate: {limit: 5}"], ["Rotate: {limit: 15}", "Affine: {rotate: 9, scale: [0.8, 1.25]}"])
    reach = {r.bound: (r.before, r.after, r.limit, r.exceeded) for r in found.reach}
    assert reach["max_rotation_deg"] == (5, 24, 20, True)
    assert reach["zoom out"] == pytest.approx((1, 0.8, 0.5, False))
    assert reach["zoom in"] == pytest.approx((1, 1.25, 2, False))
    assert "strength max_rotation_deg: 5 → 24 of 20, beyond it" in found.lines()


def test_the_head(diff):
    found = diff(
        ["Rotate: {}"], ["Rotate: {}"], version="1.1.0", mixing="{kind: mixup}", budget="{p95_ms: 2, at: [8, 8, 1]}"
    )
    assert set(found.head) == {"version", "mixing", "budget"}
    assert found.head["version"] == ("1.0.0", "1.1.0")
    assert not found.transforms
    assert not found.same


def test_as_json(diff):
    found = json.loads(diff(["Rotate: {limit: 5}"], ["Rotate: {limit: 8}"], mixing="{kind: mixup}").to_json())
    assert found["same"] is False
    assert found["transforms"][0]["parameters"]["limit"] == [[-5, 5], [-8, 8]]
    assert found["head"]["mixing"][1]["kind"] == "mixup"


def test_policies_of_two_modalities_are_not_compared(text):
    images = Policy.from_text(text("Rotate: {}"))
    with pytest.raises(PolicyError, match=r"modality: found rows; expected image, as .* has it"):
        compare(images, replace(images, modality="rows"), LIMITS)
