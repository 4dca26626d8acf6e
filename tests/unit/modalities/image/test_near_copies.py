"""The pruned search finds what comparing every pair at full size finds."""

from __future__ import annotations

import numpy as np
import pytest

from augment_ops.modalities.image import near
from augment_ops.modalities.image.near import Gallery, near_copies
from augment_ops.modalities.image.pixels import area_thumbnails


def _brute_force(a: np.ndarray, b: np.ndarray, max_rms: float, max_share: float) -> dict[int, float]:
    rms = np.sqrt(np.square(a[:, None].astype(float) - b[None]).mean(axis=(2, 3, 4)))
    contrast = a.astype(float).std(axis=(1, 2)).max(axis=1)
    closest = rms.min(axis=1)
    hits = (closest <= max_rms) & (closest <= max_share * contrast)
    return {int(i): float(closest[i]) for i in np.flatnonzero(hits)}


def _related(shape: tuple[int, int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """References, and queries that are changed copies of some of them by 0 to about 12 grey levels."""
    rng = np.random.default_rng(seed)
    b = rng.integers(0, 256, (300, *shape))
    a = b[rng.integers(0, 300, 250)] + rng.normal(0, 1, (250, *shape)) * rng.uniform(0, 12, (250, 1, 1, 1))
    return np.clip(np.round(a), 0, 255).astype(np.uint8), b.astype(np.uint8)


@pytest.mark.parametrize("shape", [(8, 8, 1), (13, 9, 3), (5, 20, 1)], ids=str)
def test_same_as_brute_force(shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "_QUERIES", 64)  # several blocks both ways, the last ones not full
    monkeypatch.setattr(near, "_REFERENCES", 48)
    a, b = _related(shape, seed=sum(shape))
    found = near_copies(Gallery.of(a), Gallery.of(b), 6.0, 0.1)
    expected = _brute_force(a, b, 6.0, 0.1)
    assert 50 < len(expected) < 200
    assert dict(zip(found.queries.tolist(), found.rms.tolist(), strict=True)) == pytest.approx(expected, abs=1e-3)
    assert found.capped == 0


def test_positions_are_of_the_members_not_of_the_images() -> None:
    images = np.random.default_rng(2).integers(0, 256, (40, 8, 8, 1), np.uint8)
    images[31] = images[7]
    gallery = Gallery.of(images, np.arange(5, 40))
    found = near_copies(gallery.members(np.array([26])), gallery.members(np.array([0, 2, 4])), 1.0, 1.0)
    assert (found.queries.tolist(), found.references.tolist(), found.rms.tolist()) == ([0], [1], [0.0])


def test_dull_images_are_not_near_each_other_only_because_they_are_dull() -> None:
    """Contrast of about 3 grey levels: any two are within 6 levels, none within a tenth of the contrast."""
    rng = np.random.default_rng(3)
    a, b = (rng.integers(100, 110, (50, 8, 8, 1), np.uint8) for _ in range(2))
    assert len(near_copies(Gallery.of(a), Gallery.of(b), 6.0, 0.5).queries) == 0  # 4.1 levels apart, contrast 2.9
    assert len(near_copies(Gallery.of(a), Gallery.of(b), 6.0, 2.0).queries) == 50


def test_both_limits_hold_at_full_size() -> None:
    """Thumbnails agree; at full size a fine pattern is 4 levels apart, which is 13% of the contrast."""
    slope = np.broadcast_to(np.linspace(50, 154, 32)[None, :, None, None], (1, 32, 32, 1))
    pattern = np.where(np.indices((32, 32)).sum(axis=0) % 2, 2.0, -2.0)[None, :, :, None]
    a, b = (np.round(slope + sign * pattern).astype(np.uint8) for sign in (1, -1))
    assert len(near_copies(Gallery.of(a), Gallery.of(b), 6.0, 0.1).queries) == 0
    assert near_copies(Gallery.of(a), Gallery.of(b), 6.0, 0.15).rms.tolist() == pytest.approx([4.0], abs=0.05)
    assert len(near_copies(Gallery.of(a), Gallery.of(b), 3.5, 0.15).queries) == 0


def test_of_several_near_copies_the_closest_is_named() -> None:
    a = np.random.default_rng(7).integers(20, 230, (1, 8, 8, 1), np.uint8)
    b = np.concatenate([a + 3, a + 1, a + 2])
    found = near_copies(Gallery.of(a), Gallery.of(b), 6.0, 0.1)
    assert (found.references.tolist(), found.rms.tolist()) == ([1], [1.0])


def test_many_look_alikes_are_bounded_and_said_but_the_copy_is_still_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fine noise averages out at 8×8, so every pair is a candidate; the true copy has the closest thumbnail."""
    monkeypatch.setattr(near, "_REFERENCES", 50)  # the closest must survive within a block and across blocks
    b = np.random.default_rng(4).integers(118, 138, (300, 64, 64, 1), np.uint8)
    a = b[:20].copy()
    a[:, 0, 0] ^= 1
    queries, references = Gallery.of(a), Gallery.of(b)
    found = near_copies(queries, references, 6.0, 0.5)
    assert found.queries.tolist() == found.references.tolist() == list(range(20))
    assert found.capped == 20
    compared, _, _ = near._candidates(queries, references, np.full(20, 2.9, np.float32))
    assert np.bincount(compared).tolist() == [near._MAX_CANDIDATES] * 20


def test_no_members_no_copies() -> None:
    images = np.zeros((3, 8, 8, 1), np.uint8)
    assert len(near_copies(Gallery.of(images, np.zeros(0, np.int64)), Gallery.of(images), 6.0, 0.1).queries) == 0


@pytest.mark.parametrize("shape", [(28, 28, 1), (37, 8, 3), (5, 50, 1)], ids=str)
def test_thumbnail_distance_never_exceeds_image_distance(shape: tuple[int, int, int]) -> None:
    """The bound that the search stands on, for sizes that 8 does not divide."""
    images = np.random.default_rng(6).integers(0, 256, (60, *shape), np.uint8)
    small = area_thumbnails(images, None, 8).astype(float)
    full = np.sqrt(np.square(np.diff(images.astype(float), axis=0)).mean(axis=(1, 2, 3)))
    assert (np.sqrt(np.square(np.diff(small, axis=0)).mean(axis=(1, 2, 3))) <= full + 1e-3).all()
    assert small.mean(axis=(1, 2, 3)) == pytest.approx(images.mean(axis=(1, 2, 3)), abs=1e-2)
