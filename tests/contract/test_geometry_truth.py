"""Geometry against an analytic truth, and masks, boxes and keypoints against brute force: no half-pixel shifts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from augment_ops.engine import philox
from augment_ops.engine.key import SampleIds, sample_key
from augment_ops.errors import TransformError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.targets import Targets, corners
from augment_ops.modalities.image.transforms.geometry import Geometry
from augment_ops.policy.spec import Policy
from support.policies import HEAD

N, SIDE = 48, 64
IDS = SampleIds.of(range(N))


def augmenter(*steps: str) -> Augmenter:
    return Augmenter(Policy.from_text(HEAD + "".join(f"  - {step}\n" for step in steps)), 3)


def scene(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth picture defined at every point, in grey levels."""
    return 127 + 60 * np.sin(0.11 * x + 0.05 * y) + 50 * np.cos(0.08 * y - 0.06 * x)


GEOMETRIES = [
    ("Affine: {rotate: [-40, 40], scale: [0.7, 1.3], translate_percent: [-0.1, 0.1], shear: [-8, 8], p: 1}",),
    ("Perspective: {p: 1}",),
    ("HorizontalFlip: {p: 0.5}", "Rotate: {limit: 30, p: 1}", "Affine: {scale: [0.8, 1.2], p: 0.7}"),
    ("RandomCrop: {height: 40, width: 50, p: 1}", "Resize: {height: 64, width: 64, p: 1}"),
]


@pytest.mark.parametrize("steps", GEOMETRIES)
def test_a_warp_shows_the_scene_where_the_matrix_says(steps):
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(float)
    images = np.repeat(np.rint(scene(x, y)).astype(np.uint8)[None, :, :, None], N, 0)
    augment = augmenter(*steps)
    found = augment(images, IDS)[..., 0].astype(float)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    corner = [np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])] * N
    moved = augment.annotated(images, IDS, Targets(keypoints=corner)).targets.keypoints
    assert moved is not None
    errors, shifted = [], []
    for i in range(N):
        inverse = np.linalg.inv(_homography(corner[0], moved[i]))
        source = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ inverse.T
        sx, sy = source[:, 0] / source[:, 2], source[:, 1] / source[:, 2]
        inside = (sx > 1) & (sx < SIDE - 2) & (sy > 1) & (sy < SIDE - 2)
        errors.append(np.abs(found[i].ravel() - scene(sx, sy))[inside].mean())
        shifted.append(np.abs(found[i].ravel() - scene(sx + 0.5, sy + 0.5))[inside].mean())
    assert np.mean(errors) < 1.0  # rounding alone costs a quarter of a grey level or more
    assert np.mean(shifted) > 2 * np.mean(errors)  # a shift of half a pixel would be seen


def _homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Direct linear transform of four points."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y, -u], [0, 0, 0, x, y, 1, -v * x, -v * y, -v]]
    return np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)


ANNOTATED = [
    ("HorizontalFlip: {p: 0.5}", "VerticalFlip: {p: 0.5}"),
    ("RandomRotate90: {p: 1}",),
    ("D4: {p: 1}", "GaussianBlur: {p: 1}", "Transpose: {p: 0.5}"),
    ("RandomCrop: {height: 48, width: 52, p: 1}",),
    ("PadIfNeeded: {min_height: 70, min_width: 80, p: 1}", "HorizontalFlip: {p: 0.5}"),
]


def objects() -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """A rectangle an image as mask and box, and its first pixel as mask and keypoint."""
    rng = np.random.default_rng(0)
    masks, boxes, points = np.zeros((N, SIDE, SIDE, 2), np.uint8), [], []
    for i in range(N):
        (x, y), (w, h) = rng.integers(18, 36, 2), rng.integers(4, 10, 2)
        masks[i, y : y + h, x : x + w, 0] = 1
        masks[i, y, x, 1] = 1
        boxes.append(np.array([[x, y, x + w, y + h]], float))
        points.append(np.array([[x, y]], float))
    return masks, boxes, points


def around(mask: np.ndarray) -> list[int]:
    """The box around the pixels of a mask, by looking at all of them."""
    ys, xs = np.nonzero(mask)
    return [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


@pytest.mark.parametrize("steps", ANNOTATED)
def test_targets_follow_whole_pixels_exactly(steps):
    masks, boxes, points = objects()
    result = augmenter(*steps).annotated(masks[..., :1] * 255, IDS, Targets(masks, boxes, points))
    moved = result.targets
    assert moved.masks is not None
    assert moved.boxes is not None
    assert moved.keypoints is not None
    assert (result.images[..., 0] == 255).sum() == masks[..., 0].sum() or "GaussianBlur: {p: 1}" in steps
    for i in range(N):
        assert moved.boxes[i][0].tolist() == around(moved.masks[i, ..., 0])
        ys, xs = np.nonzero(moved.masks[i, ..., 1])
        assert moved.keypoints[i][0].tolist() == [xs[0], ys[0]]


def test_targets_follow_warps_without_a_shift():
    masks, boxes, points = objects()
    moved = (
        augmenter(*GEOMETRIES[0], "Perspective: {p: 0.5}")
        .annotated(masks[..., :1] * 255, IDS, Targets(masks, boxes, points))
        .targets
    )
    assert moved.masks is not None
    assert moved.boxes is not None
    assert moved.keypoints is not None
    off = np.array([np.array(around(moved.masks[i, ..., 0])) - moved.boxes[i][0] for i in range(N)])
    assert np.abs(off).max() <= 1.5  # corners of a turned box have hardly any pixels
    assert np.abs(off[:, :2] + off[:, 2:]).mean() / 2 < 0.35  # the same on both sides: it is not shifted
    assert np.abs((off[:, :2] + off[:, 2:]).mean(0)).max() / 2 < 0.15
    for i in range(N):
        ys, xs = np.nonzero(moved.masks[i, ..., 1])
        if len(xs):
            assert np.abs(moved.keypoints[i][0] - [xs.mean(), ys.mean()]).max() < 1


@pytest.mark.parametrize("box_format", ["voc", "coco", "yolo"])
def test_formats_say_the_same(box_format):
    masks, boxes, _ = objects()
    given = {
        "voc": boxes,
        "coco": [np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], 1) for b in boxes],
        "yolo": [np.concatenate([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]], 1) / SIDE for b in boxes],
    }
    step = "RandomCrop: {height: 48, width: 56, p: 1}"
    plain = augmenter(step).annotated(masks[..., :1], IDS, Targets(boxes=boxes)).targets.boxes
    found = augmenter(step).annotated(masks[..., :1], IDS, Targets(boxes=given[box_format], box_format=box_format))
    assert found.targets.boxes is not None
    assert plain is not None
    for ours, voc in zip(found.targets.boxes, plain, strict=True):
        assert corners(ours, box_format, (48, 56)) == pytest.approx(voc)


def test_boxes_out_of_sight_are_dropped_and_their_positions_told():
    images = np.zeros((1, 20, 20, 1), np.uint8)
    boxes = [np.array([[0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 10.0, 10.0], [8.0, 8.0, 12.0, 12.0]])]
    crop = augmenter("CenterCrop: {height: 10, width: 10, p: 1}")  # of 5 … 15
    kept = crop.annotated(images, ["a"], Targets(boxes=boxes))
    assert kept.kept_boxes is not None
    assert kept.targets.boxes is not None
    assert kept.kept_boxes[0].tolist() == [1, 2]
    assert kept.targets.boxes[0].tolist() == [[0, 0, 5, 5], [3, 3, 7, 7]]
    strict = crop.annotated(images, ["a"], Targets(boxes=boxes), min_visibility=0.5).kept_boxes
    assert strict is not None
    assert strict[0].tolist() == [2]  # 25 of 64 square pixels are not half


def test_keypoints_outside_are_marked():
    images = np.zeros((1, 20, 20, 1), np.uint8)
    points = [np.array([[5.0, 5.0], [4.0, 7.0], [14.4, 14.4], [14.6, 14.0]])]
    inside = augmenter("CenterCrop: {height: 10, width: 10, p: 1}").annotated(images, ["a"], Targets(keypoints=points))
    assert inside.inside is not None
    assert inside.inside[0].tolist() == [True, False, True, False]


def test_holes_go_through_masks_where_they_have_a_fill():
    masks = np.ones((N, SIDE, SIDE, 1), np.uint8)
    for fill, cut in (("null", False), ("0", True)):
        step = f"CoarseDropout: {{fill: 9, fill_mask: {fill}, p: 1}}"
        found = augmenter(step).annotated(masks, IDS, Targets(masks))
        assert found.targets.masks is not None
        assert ((found.targets.masks == 0) == ((found.images == 9) & cut)).all()


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        (Targets(masks=np.zeros((1, 20, 19, 1), np.uint8)), "masks: found"),
        (Targets(masks=np.zeros((1, 20, 20, 1))), "masks: found float64"),
        (Targets(boxes=[]), "boxes: found 0 for 1 images"),
        (Targets(boxes=[np.array([[1.0, 1.0, 1.0, 5.0]])]), r"boxes\[0\]\[0\], sample a:"),
        (Targets(boxes=[np.array([[1.0, 1.0, 30.0, 5.0]])]), "inside 20x20 pixels"),
        (Targets(boxes=[np.array([[np.nan, 1.0, 3.0, 5.0]])]), "not finite"),
        (Targets(keypoints=[np.zeros((3, 3))]), r"keypoints\[0\], sample a: found shape \(3, 3\)"),
    ],
)
def test_targets_that_do_not_match_are_refused(targets, says):
    with pytest.raises(TransformError, match=says):
        augmenter("HorizontalFlip: {p: 1}").annotated(np.zeros((1, 20, 20, 1), np.uint8), ["a"], targets)


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan])
def test_a_visibility_that_is_no_share_is_refused(share):
    with pytest.raises(TransformError, match="min_visibility"):
        augmenter("HorizontalFlip: {}").annotated(
            np.zeros((1, 4, 4, 1), np.uint8), ["a"], Targets(), min_visibility=share
        )


def test_a_transform_that_masks_cannot_follow_is_refused():
    images, targets = np.zeros((1, 20, 20, 3), np.uint8), Targets(masks=np.zeros((1, 20, 20, 1), np.uint8))
    with pytest.raises(TransformError, match=r"transforms\[0\].ElasticTransform.*not compiled"):
        augmenter("ElasticTransform: {p: 1}").annotated(images, ["a"], targets)
    with pytest.raises(TransformError, match=r"transforms\[0\].AugMix.*mixes several moves"):
        augmenter("AugMix: {}").annotated(images, ["a"], targets)
    augmenter("CLAHE: {p: 1}").annotated(images, ["a"], targets)  # moves nothing


OVER = 8  # samples a pixel and axis
CHAIN = ("Rotate: {limit: [10, 40], p: 1}", "Affine: {scale: [0.8, 1.2], p: 1}", "Affine: {shear: [-9, 9], p: 1}")


def in_detail() -> np.ndarray:
    """A picture with edges, at eight times the resolution."""
    rng = np.random.default_rng(4)
    coarse = rng.random((SIDE // 4, SIDE // 4), dtype=np.float32)
    return cv2.resize(coarse, (SIDE * OVER, SIDE * OVER), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255


def coarser(detailed: np.ndarray) -> np.ndarray:
    return detailed.reshape(SIDE, OVER, SIDE, OVER).mean((1, 3))


def oversampled(detailed: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a camera would see of the moved scene, each pixel as the mean of 64 points; and whether it lies inside."""
    at = (np.arange(SIDE * OVER) + 0.5) / OVER - 0.5
    x, y = np.meshgrid(at, at)
    source = np.stack([x.ravel(), y.ravel(), np.ones(x.size)], 1) @ np.linalg.inv(matrix).T
    sx, sy = (source[:, :2] / source[:, 2:]).T.reshape(2, *x.shape)
    seen = cv2.remap(
        detailed, np.float32((sx + 0.5) * OVER - 0.5), np.float32((sy + 0.5) * OVER - 0.5), cv2.INTER_LINEAR
    )
    inside = (sx > 1) & (sx < SIDE - 2) & (sy > 1) & (sy < SIDE - 2)
    return coarser(seen), coarser(inside.astype(float)) == 1


@pytest.mark.parametrize(
    ("steps", "most", "gain"), [(GEOMETRIES[0], 1.8, 1.0), (GEOMETRIES[1], 2.2, 1.0), (CHAIN, 1.8, 1.5)]
)
def test_geometry_against_an_oversampled_truth(steps, most, gain):
    """Mean error in grey levels, ours and that of OpenCV's warps one after the other, which is how albumentations
    goes: no larger for one warp, and much smaller for three that became one.
    """
    detailed = in_detail()
    images = np.repeat(np.rint(coarser(detailed)).astype(np.uint8)[None, :, :, None], N, 0)
    augment = augmenter(*steps)
    found = augment(images, IDS)
    keys = philox.derive(sample_key(augment.policy.digest, 3, 0), IDS.words)
    matrices = [
        node.operation.matrices(
            philox.uniforms(keys, node.index, philox.PARAMETERS, node.operation.draws), (SIDE, SIDE)
        )
        for node in augment.plan.nodes
        if isinstance(node.operation, Geometry)
    ]
    ours, theirs = [], []
    for i in range(N):
        total, chained, never_cut = np.eye(3), images[i, :, :, 0], np.full((SIDE, SIDE), 255, np.uint8)
        for matrix in matrices:
            total = matrix[i] @ total
            chained, never_cut = (cv2.warpPerspective(x, matrix[i], (SIDE, SIDE)) for x in (chained, never_cut))
        truth, inside = oversampled(detailed, total)
        inside &= never_cut == 255
        ours.append(np.abs(found[i, :, :, 0] - truth)[inside].mean())
        theirs.append(np.abs(chained - truth)[inside].mean())
    assert np.mean(ours) < most
    assert np.mean(theirs) > gain * np.mean(ours), (np.mean(ours), np.mean(theirs))
