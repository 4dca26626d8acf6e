"""Corrupted bytes as they were when this was written.

A frozen suite that is gone from the store is made again to the byte, and what models said of one is used again: after a
change here neither holds. Fields of values are written in blocks of sixteen; the sizes have whole blocks and parts.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from augment_ops.modalities.image.corruptions import apply

# Loops of this program alone: what OpenCV computes in floats may differ by processor.
DIGESTS = {
    "gaussian_noise": "1a196263c1697c26fff1cff03f07b26fc75100c55cbb94813acacb01d34ac044",
    "impulse_noise": "aff83af1f909ccb46b81744d7c3eb3b8113d7a61f9628016c902ec8b9ecd571b",
    "speckle_noise": "2566758b4b39f8b8bf3322b72af165111f8fc6058e7a3743b945a67520b47cf5",
    "contrast": "bb753a47c3123c249cf396249c00e9c4dd9a8a585fa074bd7a80666c326ac1da",
    "brightness_down": "e4857111517c4775c5b600784e14557ae01410b53a2f166129584d20bf4e805b",
    "exposure_shift": "07baf3d3e1ad526a9ffafddc96f4bc5be3030957abaf4c426a4e486e1bd33092",
    "fog": "07cfde0f13b8b11103ff717ab2a1ec812d558e806ccb74014ba0d655878cb89f",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_bytes(name: str) -> None:
    found = hashlib.sha256()
    for shape in ((2, 9, 11, 3), (1, 40, 33, 3)):
        images = (np.arange(np.prod(shape)) * 37 % 251).astype(np.uint8).reshape(shape)
        for severity in (1, 5):
            found.update(apply(name, severity, images, [f"sample {n}" for n in range(len(images))]).tobytes())
    assert found.hexdigest() == DIGESTS[name]
