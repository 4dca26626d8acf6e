from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from augment_ops.modalities.image.show import change, data_uri, exact_data_uri, show


def pixels_of(uri: str) -> tuple[str, np.ndarray]:
    kind, data = uri.split(",")
    return kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def noise(*shape: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(2)).integers(0, 256, shape, dtype=np.uint8)


def test_small_pictures_keep_their_very_pixels_and_large_ones_shrink():
    small = np.random.Generator(np.random.Philox(2)).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    kind, data = data_uri(small).split(",")
    assert kind == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), small)
    kind, data = data_uri(np.zeros((300, 200, 1), np.uint8)).split(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (64, 96)


def test_an_exact_picture_keeps_its_pixels_at_any_size():
    for image in (noise(100, 90, 1), noise(100, 90, 3), noise(70, 70, 4)):
        kind, found = pixels_of(exact_data_uri(image))
        assert kind == "data:image/png;base64"
        assert np.array_equal(found.reshape(*image.shape[:2], -1), image[..., :3])


def test_what_somebody_wrote_about_a_picture_stays_text():
    images = np.zeros((2, 2, 2, 1), np.uint8)
    found, other = show(images, ['"><script>alert(1)</script>', "b"], "px")
    assert found.startswith(f'<img class="px" src="{data_uri(images[0])}" alt="')
    assert found.count("<") == 1 and "&#34;&gt;&lt;script" in found
    assert other.endswith(' alt="b">')
    assert show(images[:1], ["a"], exact=True) == [f'<img src="{exact_data_uri(images[0])}" alt="a">']


def test_a_change_is_a_mean_square_in_grey_levels_or_a_share_of_the_size():
    before = np.full((4, 4, 1), 100, np.uint8)
    assert change(before, before) == 0
    half = before.copy()
    half[:2] = 90  # uint8 would wrap round to 246
    assert change(before, half) == pytest.approx(np.sqrt(50))
    assert change(before, np.zeros((8, 4, 1), np.uint8)) == 2
