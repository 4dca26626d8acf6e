"""Boxes, keypoints and masks over several passes: what is lost is lost for good, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.errors import TransformError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.targets import Annotated, Targets
from augment_ops.policy.spec import Policy
from support.policies import HEAD

SIDE = 40


def annotated(steps: list[str], *, n: int = 1, **more: object) -> Annotated:
    policy = Policy.from_text(HEAD + "".join(f"  - {step}\n" for step in steps))
    names = ("min_visibility", "min_area", "min_width", "min_height", "clip")
    said = {name: more.pop(name) for name in names if name in more}
    images = np.zeros((n, SIDE, SIDE, 1), np.uint8)
    return Augmenter(policy, 7).annotated(images, range(n), Targets(**more), **said)  # type: ignore[arg-type]


def painted(box: list[int]) -> np.ndarray:
    x0, y0, x1, y1 = box
    mask = np.zeros((1, SIDE, SIDE, 1), np.uint8)
    mask[0, y0:y1, x0:x1] = 255
    return mask


SHIFT = "Affine: {{translate_px: {{x: [{0}, {0}], y: [0, 0]}}, p: 1}}"
LOSSY = {
    "crop and pad": ["CenterCrop: {height: 20, width: 20, p: 1}", "PadIfNeeded: {min_height: 40, min_width: 40, p: 1}"],
    "shift, blur and back": [SHIFT.format(12), "GaussianBlur: {blur_limit: 3, p: 1}", SHIFT.format(-12)],
    "zoom and pad": ["Affine: {scale: [2, 2], p: 1}", "PadIfNeeded: {min_height: 60, min_width: 60, p: 1}"],
    "crop, pad and shift": [
        "CenterCrop: {height: 20, width: 20, p: 1}",
        "PadIfNeeded: {min_height: 40, min_width: 40, p: 1}",
        "Sharpen: {p: 1}",
        SHIFT.format(8),
    ],
}


@pytest.mark.parametrize("box", [[4, 6, 16, 18], [14, 14, 36, 30], [30, 30, 38, 38], [0, 0, 40, 40]])
@pytest.mark.parametrize("name", LOSSY)
def test_a_box_is_what_its_mask_shows_whatever_was_cut_off_on_the_way(name, box):
    last = [np.array([[box[2] - 1.0, box[3] - 1.0]])]
    found = annotated(LOSSY[name], masks=painted(box), boxes=[np.array([box], float)], keypoints=last)
    assert found.targets.boxes is not None
    assert found.inside is not None
    mask = np.asarray(found.targets.masks)[0, ..., 0]
    rows, columns = np.nonzero(mask)
    seen = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] if len(rows) else np.empty((0, 4))
    np.testing.assert_allclose(found.targets.boxes[0], seen, atol=0.51)
    x, y = np.rint(found.targets.keypoints[0][0]).astype(int)  # type: ignore[index]
    shown = 0 <= x < mask.shape[1] and 0 <= y < mask.shape[0] and bool(mask[y, x])
    assert found.inside[0].tolist() == [shown]


def test_a_box_that_loses_nothing_stays_as_tight_as_one_map_makes_it():
    """Two turns that cancel: an upright box around the first turn would have grown."""
    turns = ["Rotate: {limit: [30, 30], p: 1}", "GaussianBlur: {p: 1}", "Rotate: {limit: [-30, -30], p: 1}"]
    found = annotated(turns, boxes=[np.array([[14.0, 12.0, 28.0, 25.0]])]).targets.boxes
    assert found is not None
    np.testing.assert_allclose(found[0], [[14, 12, 28, 25]], atol=1e-9)


def test_the_shares_that_passes_leave_visible_multiply():
    halves = [SHIFT.format(20), "GaussianBlur: {p: 1}", SHIFT.format(-30)]  # 20 of 40 columns stay, then 10 of 20
    for share, kept in ((0.25, 1), (0.26, 0)):
        found = annotated(halves, boxes=[np.array([[0.0, 0.0, 40.0, 40.0]])], min_visibility=share)
        assert found.kept_boxes is not None
        assert len(found.kept_boxes[0]) == kept


def test_boxes_too_small_are_dropped():
    boxes = [np.array([[10.0, 10.0, 14.0, 20.0], [10.0, 10.0, 30.0, 12.0], [10.0, 10.0, 13.0, 13.0]])]
    for name, least, kept in (("min_width", 4, [0, 1]), ("min_height", 3, [0, 2]), ("min_area", 10, [0, 1])):
        found = annotated(["HorizontalFlip: {p: 1}"], boxes=boxes, **{name: least}).kept_boxes
        assert found is not None
        assert found[0].tolist() == kept, name
    with pytest.raises(TransformError, match="min_area: found -1"):
        annotated(["HorizontalFlip: {p: 1}"], boxes=boxes, min_area=-1)


def test_boxes_beyond_their_image_are_cut_where_that_is_asked_for():
    boxes = [np.array([[-5.0, 30.0, 10.0, 50.0], [41.0, 0.0, 50.0, 10.0]])]
    with pytest.raises(TransformError, match="inside 40x40 pixels"):
        annotated(["HorizontalFlip: {p: 1}"], boxes=boxes)
    found = annotated(["HorizontalFlip: {p: 1}"], boxes=boxes, clip=True)
    assert found.targets.boxes is not None
    assert found.targets.boxes[0].tolist() == [[30, 30, 40, 40]]


TURNS = (
    "Rotate: {limit: [45, 45]",
    "Affine: {rotate: [45, 45]",
    "ShiftScaleRotate: {scale_limit: [0, 0], shift_limit: [0, 0], rotate_limit: [45, 45]",
)


@pytest.mark.filterwarnings("ignore:ShiftScaleRotate")
@pytest.mark.parametrize("step", TURNS)
def test_a_box_turns_as_the_ellipse_inside_it(step):
    boxes = [np.array([[8.0, 8.0, 32.0, 32.0]])]
    round_ = annotated([f"{step}, rotate_method: ellipse, p: 1}}"], boxes=boxes).targets.boxes
    square = annotated([f"{step}, p: 1}}"], boxes=boxes).targets.boxes
    assert round_ is not None
    assert square is not None
    np.testing.assert_allclose(round_[0], boxes[0], atol=0.01)  # a circle turned stays where it is
    np.testing.assert_allclose(square[0], [[3.03, 3.03, 36.97, 36.97]], atol=0.01)


def test_what_lies_behind_the_horizon_of_a_perspective_is_not_seen():
    from augment_ops.modalities.image.following import Boxes, Keypoints, follow_boxes, follow_keypoints

    # The depth is 1 - x / 25: columns from 25 on lie behind the horizon.
    bent = np.array([[[1.0, 0, 0], [0, 1.0, 0], [-1 / 25, 0, 1.0]]])
    boxes = Boxes.of([np.array([[2.0, 2.0, 6.0, 6.0], [10.0, 2.0, 34.0, 6.0], [28.0, 2.0, 34.0, 6.0]])])
    moved = follow_boxes(boxes, bent, np.array([False]), (40, 40))
    x0, x1 = (25 * (x - 0.5) / (25 - (x - 0.5)) + 0.5 for x in (10, 34))
    assert moved.visible[2] == 0
    assert moved.visible[1] > 0
    assert x1 < 0  # where the corner behind the horizon would be mirrored to
    np.testing.assert_allclose(moved.edges((40, 40))[1, [0, 2]], [x0, 40])
    points = Keypoints.of([np.array([[4.0, 4.0], [30.0, 4.0]])], (40, 40))
    assert follow_keypoints(points, bent, (200, 2000)).inside.tolist() == [True, False]


KINDS = {
    "a list": lambda m: m.tolist(),
    "strided": lambda m: np.repeat(m, 2, axis=2)[:, :, ::2],
    "bool": lambda m: m.astype(bool),
    "int32": lambda m: m.astype(np.int32),
    "Fortran's order": np.asfortranarray,
}


@pytest.mark.parametrize("kind", KINDS)
def test_masks_of_any_kind_of_array_move_alike_and_keep_their_type(kind):
    mask = painted([4, 6, 16, 18]) // 255 if kind == "bool" else painted([4, 6, 16, 18])
    expected = annotated(["HorizontalFlip: {p: 1}"], masks=mask).targets.masks
    given = KINDS[kind](mask)
    found = np.asarray(annotated(["HorizontalFlip: {p: 1}"], masks=given).targets.masks)
    np.testing.assert_array_equal(found, np.asarray(expected).astype(found.dtype))
    assert found.dtype == np.asarray(given).dtype
    assert found.any()


def test_masks_that_nobody_may_write_are_read():
    mask = painted([4, 6, 16, 18])
    mask.flags.writeable = False
    assert np.asarray(annotated(["HorizontalFlip: {p: 1}"], masks=mask).targets.masks).any()


@pytest.mark.parametrize("level", [-1, 256])
def test_levels_that_no_mask_has_are_refused(level):
    mask = np.full((1, SIDE, SIDE, 1), level, np.int32)
    with pytest.raises(TransformError, match="levels from 0 to 255"):
        annotated(["HorizontalFlip: {p: 1}"], masks=mask)
