"""A policy tried on the shape of a data set: what would fail in a run is said before one."""

from __future__ import annotations

import re

import pytest

from augment_ops.policy.spec import Policy
from augment_ops.policy.trial import trial_faults
from support.policies import HEAD


@pytest.mark.parametrize(
    ("steps", "shape", "says"),
    [
        (["RandomCrop: {height: 30, width: 30, p: 1}"], (28, 28, 1), "a crop of 30x30 from images of 28x28"),
        (["Crop: {x_max: 40, y_max: 40, p: 1}"], (28, 28, 3), r"transforms\[0\].Crop"),
        (["D4: {}"], (28, 32, 1), "square images"),
        (["D4: {p: 0.001}"], (28, 32, 1), "square images"),  # seldom, and met
        (["ChannelDropout: {p: 0.001}"], (28, 28, 1), "images of 1 channels"),
        (["CLAHE: {}", "LongestMaxSize: {max_size: 12, p: 0.5}"], (28, 28, 1), "applied to some images"),
        (["OneOf: {transforms: [{Resize: {height: 4, width: 4}}, {Blur: {}}]}"], (8, 8, 1), "applied to some images"),
    ],
)
def test_what_fails_on_a_shape_is_said(steps, shape, says):
    policy = Policy.from_text(HEAD + "".join(f"  - {step}\n" for step in steps))
    (fault,) = trial_faults(policy, shape)
    assert f"on images of {'x'.join(map(str, shape))}" in fault.where
    assert re.search(says, str(fault))


def test_steps_are_tried_where_they_stand():
    steps = ("PadIfNeeded: {min_height: 12, min_width: 12, p: 1}", "RandomCrop: {height: 10, width: 10, p: 1}")
    assert trial_faults(Policy.from_text(HEAD + "".join(f"  - {step}\n" for step in steps)), (8, 8, 1)) == []
