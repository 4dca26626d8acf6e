"""What differs between laboratories: the strength of the stain.

Source: colour deconvolution into haematoxylin, eosin and a residual, Ruifrok & Johnston 2001; changing their amounts as
a nuisance between laboratories, Tellez et al. 2019, arXiv:1902.06543.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from augment_ops.engine import philox
from augment_ops.modalities.image.corruptions.base import (
    Corruption,
    Image,
    Keys,
    StrengthRange,
    Strengths,
    for_all_sizes,
)

# Optical density of each stain in red, green and blue (rows: haematoxylin, eosin, DAB), normalised to length one.
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_STAINS /= np.linalg.norm(_STAINS, axis=1, keepdims=True)
_FIRST, _SECOND, _THIRD = _STAINS
_SEPARATE = np.stack(  # the inverse: pixels' densities → amounts of the stains
    [np.cross(_SECOND, _THIRD), np.cross(_THIRD, _FIRST), np.cross(_FIRST, _SECOND)], axis=1
) / np.sum(_FIRST * np.cross(_SECOND, _THIRD))
_DENSITY = -np.log((np.arange(256) + 1) / 256).astype(np.float32)  # optical density of a level


def _stain_shift(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Each stain becomes stronger or weaker by a share, as the key draws for each of them.

    Sums of three are written out: a library's product of matrices adds in an order that depends on the processor.
    """
    signs = np.where(philox.uniforms(keys, 0, philox.PARAMETERS, 3) < 0.5, -1.0, 1.0)
    out, levels = np.empty_like(images), np.empty((3, *images.shape[1:3]), np.float32)
    for row, image in enumerate(images):
        factors = 1 + strengths[0] * signs[row]
        amounts = _SEPARATE * factors
        mix = np.sum(amounts.T[:, :, None] * _STAINS[:, None], axis=0).astype(np.float32)
        red, green, blue = _DENSITY[np.ascontiguousarray(image.transpose(2, 0, 1))]
        for channel, shares in enumerate(-mix.T):
            np.multiply(red, shares[0], out=levels[channel])
            levels[channel] += green * shares[1]
            levels[channel] += blue * shares[2]
        np.exp(levels, out=levels)
        levels *= 256
        levels -= 1
        np.clip(np.rint(levels, out=levels), 0, 255, out=levels)
        out[row] = levels.transpose(1, 2, 0)
    return out


CORRUPTIONS: Mapping[str, Corruption] = {
    "stain_shift": for_all_sizes(
        {"amount_share": StrengthRange("share by which the amount of each stain changes", 0.9, 0.01)},
        _stain_shift,
        [(0.08,), (0.16,), (0.25,), (0.35,), (0.5,)],
        needs_colour=True,
    )
}
