from __future__ import annotations

import numpy as np
import pytest

from augment_ops.errors import DataError
from augment_ops.modalities.image.features import check, features


def test_features_of_known_pictures():
    flat = np.full((1, 8, 8, 1), 40, np.uint8)
    steps = np.zeros((1, 8, 8, 1), np.uint8)
    steps[:, :, 4:] = 200
    found = features(np.concatenate([flat, steps]))
    assert found["mean"].tolist() == [40.0, 100.0]
    assert found["contrast"].tolist() == [0.0, 100.0]
    assert found["sharpness"][0] == 0.0
    # Laplacian of a vertical step of 200 over 6 interior columns: +200, −200 and four zeros.
    assert found["sharpness"][1] == pytest.approx(200 * np.sqrt(2 / 6))


def test_features_of_colour_weigh_green_most():
    green = np.zeros((5, 4, 4, 3), np.uint8)
    green[..., 1] = 100
    assert features(green)["mean"] == pytest.approx([58.7] * 5)


def test_features_refuse_floats_and_tiny_pictures_have_no_sharpness():
    with pytest.raises(DataError, match=r"image features: found float32 of shape \(2, 4, 4, 1\)"):
        features(np.zeros((2, 4, 4, 1), np.float32))
    assert np.isnan(features(np.zeros((2, 2, 2, 1), np.uint8))["sharpness"]).all()


@pytest.mark.parametrize(
    "odd", [[[0]], np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 0, 1), np.uint8), np.zeros((2, 4, 4, 1))]
)
def test_what_is_no_image_is_refused_where_it_was_found(odd):
    check(np.zeros((0, 4, 4, 1), np.uint8), "here")
    with pytest.raises(DataError, match=r"^here: "):
        check(odd, "here")
