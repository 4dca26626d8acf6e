"""Pixels to `data:` URIs, small enough that a page with hundreds of pictures stays light."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHARP_UP_TO = 64  # up to this side a PNG of the very pixels; above, a JPEG for looking at
_LONGEST_SIDE = 128
_JPEG_QUALITY = 82


def data_uri(image: NDArray[Any]) -> str:
    """`data:` URI of uint8 (H, W, C) with 1 or 3 channels: a lossless PNG up to 64 pixels a side, else a small JPEG."""
    from PIL import Image

    pixels = np.ascontiguousarray(image[..., 0] if image.shape[-1] != 3 else image)
    picture = Image.fromarray(pixels)
    buffer = io.BytesIO()
    if max(pixels.shape[:2]) <= _SHARP_UP_TO:
        picture.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
