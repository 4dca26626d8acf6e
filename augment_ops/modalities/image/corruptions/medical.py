"""What differs between laboratories: the strength of the stain.

Source: colour deconvolution into haematoxylin, eosin and a residual, Ruifrok & Johnston 2001; changing their amounts as
a nuisance between laboratories, Tellez et al. 2019, arXiv:1902.06543.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

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
_DENSITY = -np.log((np.arange(256) + 1) / 256).astype(np.float32)  # optical density of a level


def _stain_shift(images: Image, strengths: Strengths, keys: Keys) -> Image:
    """Each stain becomes stronger or weaker by a share, as the key draws for each of them."""
    signs = np.where(philox.uniforms(keys, 0, philox.PARAMETERS, 3) < 0.5, -1.0, 1.0)
    separate = np.linalg.inv(_STAINS)
    out = np.empty_like(images)
    for row, image in enumerate(images):
        factors = np.diag(1 + strengths[0] * signs[row])
        mix: NDArray[np.float32] = (separate @ factors @ _STAINS).astype(np.float32)
        density = _DENSITY[image] @ mix
        levels = np.exp(-density, out=density)
        out[row] = np.clip(np.rint(256 * levels - 1), 0, 255).astype(np.uint8)
    return out


CORRUPTIONS: Mapping[str, Corruption] = {
    "stain_shift": for_all_sizes(
        {"amount_share": StrengthRange("share by which the amount of each stain changes", 0.9, 0.01)},
        _stain_shift,
        [(0.08,), (0.16,), (0.25,), (0.35,), (0.5,)],
        needs_colour=True,
    )
}
