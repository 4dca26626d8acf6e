"""Images on pages and in galleries: as `data:` URIs, light enough for a page of hundreds, and drawn by matplotlib."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities.base import Html

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

_SHARP_UP_TO = 64  # up to this side a PNG of the very pixels, if it is small; else a JPEG for looking at
_SHARP_BYTES = 4096  # noise in colour takes four times as much
_LONGEST_SIDE = 96
_JPEG_QUALITY = 82


def show(images: NDArray[np.uint8], alt: Sequence[str], css_class: str = "", *, exact: bool = False) -> list[Html]:
    """`<img>` of each of uint8 (N, H, W, C); see `augment_ops.modalities.base.Modality.show`."""
    from markupsafe import escape

    attribute = f' class="{escape(css_class)}"' if css_class else ""
    uri_of = exact_data_uri if exact else data_uri
    return [
        Html(f'<img{attribute} src="{uri_of(image)}" alt="{escape(text)}">')
        for image, text in zip(images, alt, strict=True)
    ]


def data_uri(image: NDArray[Any]) -> str:
    """`data:` URI of uint8 (H, W, C) with 1 or 3 channels: a small lossless PNG up to 64 pixels a side, else a JPEG."""
    pixels = image[..., 0] if image.shape[-1] != 3 else image
    picture = _picture(pixels)
    if max(pixels.shape[:2]) <= _SHARP_UP_TO:
        sharp = _uri(picture, "PNG", optimize=True)
        if len(sharp) <= _SHARP_BYTES:
            return sharp
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return _uri(picture, "JPEG", quality=_JPEG_QUALITY)


def exact_data_uri(image: NDArray[Any]) -> str:
    """`data:` URI of uint8 (H, W, C) as a PNG of its very pixels; of more than three channels the first three."""
    return _uri(_picture(image[..., 0] if image.shape[-1] == 1 else image[..., :3]), "PNG")


def draw(axes: Axes, image: NDArray[Any]) -> None:
    """Draw uint8 (H, W, C): grey on the fixed scale of 0 to 255, more than three channels as the first three."""
    if image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(image[..., :3], interpolation="nearest")


def change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Root mean square of the change in grey levels; of an image of another size how many times as large it is."""
    if after.shape != before.shape:
        return float(np.prod(after.shape)) / before.size
    return float(np.sqrt(np.mean((after.astype(np.float32) - before.astype(np.float32)) ** 2)))


def _picture(pixels: NDArray[Any]) -> Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels))


def _uri(picture: Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
