"""The pool of normal numbers, and what noise makes of images."""

from __future__ import annotations

import albumentations as A  # noqa: N812
import cv2
import numpy as np
import pytest
from scipy import stats

from augment_ops.engine import philox
from augment_ops.engine.key import SampleIds, sample_key
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.kernels.noise import RUN
from augment_ops.modalities.image.transforms.geometry import between
from augment_ops.modalities.image.transforms.noise import POOL_SIZE, pool
from augment_ops.policy.spec import Policy
from support.policies import HEAD

N = 40
IDS = SampleIds.of(range(N))
GREY = np.full((N, 64, 64, 3), 128, np.uint8)


def noisy(step: str, images: np.ndarray = GREY, epoch: int = 0) -> np.ndarray:
    return Augmenter(Policy.from_text(f"{HEAD}  - {step}\n"), 3)(images, IDS, epoch).astype(int)


def drawn(step: str, columns: int) -> np.ndarray:
    """The uniforms that the noise of every sample is made of."""
    digest = Policy.from_text(f"{HEAD}  - {step}\n").digest
    return philox.uniforms(philox.derive(sample_key(digest, 3, 0), IDS.words), 0, philox.PARAMETERS, columns)


def test_the_pool_is_normal():
    values = pool()[:POOL_SIZE] / 7680
    assert abs(values.mean()) < 1e-3
    assert abs(values.std() - 1) < 1e-3
    assert abs(stats.kurtosis(values)) < 0.01
    assert stats.kstest(values, "norm").statistic < 2e-4
    assert (pool()[POOL_SIZE:] == pool()[: RUN - 1]).all()
    neighbours = np.corrcoef(values[:-1], values[1:])[0, 1]
    assert abs(neighbours) < 4 / np.sqrt(POOL_SIZE)


@pytest.mark.parametrize("per_channel", ["true", "false"])
def test_mean_and_spread_are_those_drawn(per_channel):
    step = f"GaussNoise: {{std_range: [0.02, 0.1], mean_range: [-0.1, 0.1], per_channel: {per_channel}, p: 1}}"
    u = drawn(step, 2)
    sigma, mean = between(u[:, 0], (0.02, 0.1)) * 255, between(u[:, 1], (-0.1, 0.1)) * 255
    found = noisy(step) - 128
    n = 64 * 64 * (3 if per_channel == "true" else 1)
    # Rounding down costs half a grey level on average, and adds 1/12 to the variance.
    assert np.abs(found.mean((1, 2, 3)) - (mean - 0.5) < 5 * sigma / np.sqrt(n)).all()
    assert found.std((1, 2, 3)) == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=5 / np.sqrt(2 * n))


def test_strong_noise_is_cut_and_not_folded():
    found = noisy("GaussNoise: {std_range: [1.0, 1.0], p: 1}")
    assert (found == 0).mean() == pytest.approx(stats.norm.cdf(-128 / 255), abs=0.01)
    assert (found == 255).mean() == pytest.approx(stats.norm.sf(127 / 255), abs=0.01)


def test_channels_share_their_noise_where_asked():
    shared = noisy("GaussNoise: {per_channel: false, std_range: [0.05, 0.1], p: 1}")
    assert (shared == shared[..., :1]).all()
    own = noisy("GaussNoise: {per_channel: true, std_range: [0.05, 0.1], p: 1}").reshape(N, -1, 3)
    assert abs(np.corrcoef(own[:, :, 0].ravel(), own[:, :, 1].ravel())[0, 1]) < 0.02


def test_samples_epochs_and_runs_do_not_share_noise():
    step = "GaussNoise: {std_range: [0.05, 0.05], p: 1}"
    first, later = noisy(step) - 128, noisy(step, epoch=1) - 128
    flat = first.reshape(N, -1)
    bound = 5 / np.sqrt(flat.shape[1])
    assert abs(np.corrcoef(first.ravel(), later.ravel())[0, 1]) < 0.01
    correlations = np.corrcoef(flat) - np.eye(N)
    assert np.abs(correlations).max() < 2 * bound
    runs = flat[:, : 12 * RUN].reshape(-1, RUN)[:200]
    assert np.abs(np.corrcoef(runs) - np.eye(200)).max() < 0.2  # a repeated run would be 1


def test_salt_and_pepper_sets_exactly_as_many_pixels_as_drawn():
    step = "SaltAndPepper: {amount: [0.01, 0.2], salt_vs_pepper: [0.2, 0.8], p: 1}"
    u = drawn(step, 2)
    count = (64 * 64 * between(u[:, 0], (0.01, 0.2))).astype(int)
    white = (count * between(u[:, 1], (0.2, 0.8))).astype(int)
    found = noisy(step)
    assert (found == found[..., :1]).all()
    assert ((found[..., 0] == 255).sum((1, 2)) == white).all()
    assert ((found[..., 0] == 0).sum((1, 2)) == count - white).all()


def test_salt_and_pepper_lies_everywhere():
    found = noisy("SaltAndPepper: {amount: [0.2, 0.2], salt_vs_pepper: [0.5, 0.5], p: 1}")[..., 0]
    blocks = (found != 128).reshape(N, 8, 8, 8, 8).sum((0, 2, 4))
    assert stats.chisquare(blocks.ravel()).pvalue > 1e-4
    halves = (found == 255).reshape(N, 2, 32, 64).sum((0, 2, 3))
    assert stats.chisquare(halves).pvalue > 1e-4  # white ones come as much at the end as at the beginning


def test_elementwise_factors_are_uniform_and_own():
    grey = np.full((N, 64, 64, 3), 200, np.uint8)
    step = "MultiplicativeNoise: {multiplier: [0.2, 1.2], elementwise: true, per_channel: true, p: 1}"
    found = noisy(step, grey)
    assert stats.kstest((found.ravel() + 0.5) / 200, stats.uniform(0.2, 1.0).cdf).statistic < 0.006
    flat = found.reshape(N, -1)
    assert abs(np.corrcoef(flat[0], flat[1])[0, 1]) < 0.05
    shared = noisy(step.replace("per_channel: true", "per_channel: false"), grey)
    assert (shared == shared[..., :1]).all()


def test_iso_noise_has_the_moments_of_albumentations():
    rng = np.random.default_rng(0)
    images = np.stack([cv2.resize(x, (64, 64)) for x in rng.integers(0, 256, (N, 16, 16, 3), dtype=np.uint8)])
    found = noisy("ISONoise: {color_shift: [0.03, 0.03], intensity: [0.5, 0.5], p: 1}", images) - images
    theirs = A.ISONoise(color_shift=(0.03, 0.03), intensity=(0.5, 0.5), p=1)
    theirs.set_random_seed(3)
    expected = np.stack([theirs(image=x)["image"] for x in images]).astype(int) - images
    assert found.mean() == pytest.approx(expected.mean(), rel=0.1)
    assert found.std() == pytest.approx(expected.std(), rel=0.05)
    assert (found > 5).mean() == pytest.approx((expected > 5).mean(), rel=0.1)


def test_iso_noise_of_no_intensity_is_the_image():
    images = np.random.default_rng(0).integers(0, 256, (N, 20, 20, 3), dtype=np.uint8)
    assert (noisy("ISONoise: {color_shift: [0, 0], intensity: [0, 0], p: 1}", images) == images).all()
