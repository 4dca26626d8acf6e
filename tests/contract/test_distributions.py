"""Parameters of compiled transforms are distributed as albumentations draws them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from augment_ops.engine import philox
from augment_ops.engine.key import SampleIds, sample_key
from augment_ops.modalities.image import catalogue
from augment_ops.modalities.image.plan import compile_policy
from augment_ops.modalities.image.transforms import geometry
from augment_ops.modalities.image.transforms.noise import POOL_SCALE
from augment_ops.policy.spec import Policy
from support.policies import HEAD

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

N, SIZE = 2000, (40, 60)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
KEYS = philox.derive(sample_key("distributions"), SampleIds.of(range(N)).words)


def _matrix(params: dict[str, Any]) -> list[float]:
    return params["matrix"][:2].ravel().tolist()


def _crop(params: dict[str, Any]) -> list[float]:
    left, top, right, bottom = params["crop_coords"]
    return [left, top, right - left, bottom - top]


def _resized(matrices: np.ndarray) -> np.ndarray:
    """Crop coordinates from the matrices of RandomResizedCrop to 20x30."""
    width, height = 30 / matrices[:, 0, 0], 20 / matrices[:, 1, 1]
    left = -(matrices[:, 0, 2] - matrices[:, 0, 0] / 2 + 0.5) / matrices[:, 0, 0]
    top = -(matrices[:, 1, 2] - matrices[:, 1, 1] / 2 + 0.5) / matrices[:, 1, 1]
    return np.rint(np.stack([left, top, width, height], axis=1))


def _affine(operation: Any, u: np.ndarray) -> np.ndarray:
    return operation.matrices(u, SIZE)[:, :2].reshape(len(u), -1)


def _holes(rectangles: np.ndarray) -> np.ndarray:
    """How many, how large together, and where they begin on average."""
    sides = rectangles[..., 2:] - rectangles[..., :2]
    count = (sides > 0).all(-1).sum(-1)
    start = rectangles[..., :2].sum(-2) / np.maximum(count, 1)[:, None]
    return np.concatenate([count[:, None], sides.sum(-2), start], axis=1)


def _their_holes(params: dict[str, Any]) -> list[float]:
    return _holes(params["holes"].reshape(1, -1, 4))[0].tolist()


Ours = Callable[[Any, np.ndarray], np.ndarray]  # operation, uniforms (N, draws) → (N, columns)
Theirs = Callable[[dict[str, Any]], list[float]]  # albumentations' parameters of a sample → columns
_D4 = {"e": 0, "r90": 1, "r180": 2, "r270": 3, "v": 4, "hvt": 5, "h": 6, "t": 7}
_SQUARE = (40, 40)


def _symmetry(operation: Any, u: np.ndarray) -> np.ndarray:
    """Which of the eight, from where two corners go."""
    known = {geometry._D4[i].tobytes(): i for i in range(8)}
    linear = operation.matrices(u, _SQUARE)[:, :2, :2].reshape(len(u), 4)
    return np.array([[known[(row + 0.0).tobytes()]] for row in linear], float)


def _gauss(operation: Any, u: np.ndarray) -> np.ndarray:
    """Standard deviation and mean in grey levels from fixed point."""
    gain, mean, back = operation.arguments(u, SIZE).T
    return np.stack([gain * back / (1 << 32) * POOL_SCALE, mean * back / (1 << 16)], axis=1)


CASES: dict[str, tuple[Ours, Theirs]] = {
    "RandomRotate90: {}": (_symmetry, lambda p: [float(p["factor"])]),
    "D4: {}": (_symmetry, lambda p: [float(_D4[str(p["group_element"])])]),
    "PadIfNeeded: {min_height: 50, min_width: 90, position: random}": (
        lambda o, u: o.matrices(u, SIZE)[:, :2, 2][:, ::-1],
        lambda p: [p["pad_top"], p["pad_left"]],
    ),
    "RGBShift: {r_shift_limit: [-30, 10]}": (
        lambda o, u: o.arguments(u, 3)[:, 3:],
        lambda p: np.trunc(p["noise_map"]).tolist(),
    ),
    "GaussNoise: {std_range: [0.02, 0.1], mean_range: [-0.1, 0.2]}": (
        _gauss,
        lambda p: [float(p["noise_map"].std()), float(p["noise_map"].mean())],
    ),
    "ISONoise: {}": (lambda o, u: o.arguments(u, SIZE)[:, :2], lambda p: [p["color_shift"], p["intensity"]]),
    "MultiplicativeNoise: {multiplier: [0.5, 1.5], per_channel: true}": (
        lambda o, u: o.arguments(u, 3)[:, :3],
        lambda p: list(map(float, p["multiplier"])),
    ),
    "Posterize: {num_bits: [[1, 3], [2, 4], [5, 7]]}": (lambda o, u: o.arguments(u, 3), lambda p: p["num_bits"]),
    "GridDropout: {holes_number_xy: [3, 5], random_offset: true}": (
        lambda o, u: _holes(o.rectangles(u, SIZE)),
        _their_holes,
    ),
    "Affine: {rotate: [-20, 30], scale: [0.8, 1.4], translate_percent: [-0.1, 0.2], shear: [-5, 8]}": (
        _affine,
        _matrix,
    ),
    "Affine: {scale: [0.5, 1.2], balanced_scale: true}": (_affine, _matrix),
    "Affine: {scale: [0.5, 1.2], keep_ratio: true, translate_px: [-3, 7]}": (_affine, _matrix),
    "Rotate: {limit: [-10, 60]}": (_affine, _matrix),
    "ShiftScaleRotate: {}": (_affine, _matrix),
    "RandomCrop: {height: 20, width: 30}": (
        lambda o, u: np.concatenate([-o.matrices(u, SIZE)[:, :2, 2], np.tile([30, 20], (len(u), 1))], axis=1),
        _crop,
    ),
    "RandomResizedCrop: {size: [20, 30]}": (lambda o, u: _resized(o.matrices(u, SIZE)), _crop),
    "RandomResizedCrop: {size: [20, 30], scale: [0.9, 1.0], ratio: [0.3, 0.4]}": (
        lambda o, u: _resized(o.matrices(u, SIZE)),
        _crop,
    ),
    "CoarseDropout: {num_holes_range: [1, 4]}": (lambda o, u: _holes(o.rectangles(u, SIZE)), _their_holes),
    "CoarseDropout: {num_holes_range: [2, 2], hole_height_range: [3, 9], hole_width_range: [2, 12]}": (
        lambda o, u: _holes(o.rectangles(u, SIZE)),
        _their_holes,
    ),
    "Erasing: {}": (lambda o, u: _holes(o.rectangles(u, SIZE)), _their_holes),
    "GridDropout: {holes_number_xy: [3, 5]}": (lambda o, u: _holes(o.rectangles(u, SIZE)), _their_holes),
    "RandomBrightnessContrast: {brightness_limit: [-0.1, 0.4], contrast_limit: 0.3}": (
        lambda o, u: o.arguments(u, 1),
        lambda p: [p["alpha"], p["beta"]],
    ),
    "RandomGamma: {gamma_limit: [50, 150]}": (lambda o, u: o.arguments(u, 1).reshape(-1, 1), lambda p: [p["gamma"]]),
    "ColorJitter: {}": (
        lambda o, u: o.arguments(u, 3),
        lambda p: [p["brightness"], p["contrast"], p["saturation"], p["hue"], *p["order"]],
    ),
    "HueSaturationValue: {}": (
        lambda o, u: o.arguments(u, 3),
        lambda p: [p["hue_shift"], p["sat_shift"], p["val_shift"]],
    ),
    "Solarize: {threshold_range: [0.2, 0.9]}": (
        lambda o, u: o.arguments(u, 1).reshape(-1, 1) / 255,
        lambda p: [p["threshold"]],
    ),
    "Posterize: {num_bits: [2, 6]}": (lambda o, u: o.arguments(u, 1), lambda p: [p["num_bits"]]),
    "ChannelDropout: {channel_drop_range: [1, 2]}": (
        lambda o, u: (o.arguments(u, 3)[:, :3] == 0).astype(float),
        lambda p: [float(c in p["channels_to_drop"]) for c in range(3)],
    ),
    "ChannelShuffle: {}": (lambda o, u: o.arguments(u, 3), lambda p: list(map(float, p["channels_shuffled"]))),
    "MultiplicativeNoise: {multiplier: [0.5, 1.5]}": (
        lambda o, u: o.arguments(u, 3)[:, :1],
        lambda p: [float(np.ravel(p["multiplier"])[0])],
    ),
    "GaussianBlur: {sigma_limit: [0.5, 3.0]}": (
        lambda o, u: o.kernels(u).max(1)[:, None],
        lambda p: [float(np.max(p["kernel"]))],
    ),
    "MotionBlur: {blur_limit: [3, 9]}": (
        lambda o, u: np.stack([o.kernels(u).max((1, 2)), (o.kernels(u) > 0).sum((1, 2))], axis=1),
        lambda p: [float(p["kernel"].max()), float((p["kernel"] > 0).sum())],
    ),
    "Sharpen: {}": (lambda o, u: o.kernels(u)[:, 1, :2], lambda p: p["sharpening_matrix"][1, :2].tolist()),
    "SaltAndPepper: {amount: [0.01, 0.1]}": (
        lambda o, u: np.stack(
            [o.arguments(u, SIZE)[:, 1], (o.arguments(u, SIZE)[:, 0] - o.arguments(u, SIZE)[:, 1])], 1
        ),
        lambda p: [float(p["salt_mask"].sum()), float(p["pepper_mask"].sum())],
    ),
    "Perspective: {scale: [0.05, 0.2]}": (
        _affine,
        lambda p: (
            (np.diag([SIZE[1] / p["max_width"], SIZE[0] / p["max_height"], 1]) @ p["matrix"])[:2].ravel().tolist()
        ),
    ),
}


@pytest.mark.parametrize("step", CASES)
def test_parameters(step):
    """Two-sample Kolmogorov–Smirnov column by column; seeded, so the outcome is fixed."""
    ours, theirs = CASES[step]
    policy = Policy.from_text(f"{HEAD}  - {step}\n")
    (node,) = compile_policy(policy).nodes
    (transform,) = policy.transforms
    found = ours(node.operation, philox.uniforms(KEYS, 0, philox.PARAMETERS, max(1, node.operation.draws)))
    library = catalogue.construct(transform.name, transform.params)
    library.set_random_seed(5)
    expected = np.array([theirs(_drawn(library)) for _ in range(N)], float)
    assert found.shape == expected.shape
    for column, theirs_column in zip(found.T, expected.T, strict=True):
        if np.ptp(theirs_column) < 1e-9:
            assert column == pytest.approx(theirs_column, abs=1e-6)
        else:
            assert stats.ks_2samp(column, theirs_column).pvalue > 1e-4


def _drawn(library: Any) -> dict[str, Any]:
    params = library.get_params()
    return params | library.get_params_dependent_on_data({"shape": IMAGE.shape}, {"image": IMAGE})
