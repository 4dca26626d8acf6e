"""scikit-learn's digits: 1,797 grey images of 8×8, bundled with it, so that everything runs offline."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

import numpy as np

from augment_ops.modalities.source import Leftovers, RawSample

_FULL_SCALE = 16  # the bundled images count ink in 4×4 blocks: 0 to 16


class DigitsSource:
    """UCI's Optical Recognition of Handwritten Digits (its test part), as scikit-learn ships it."""

    schema = None

    name = "digits"

    def __init__(self) -> None:
        self.leftovers = Leftovers()

    def samples(self) -> Iterator[RawSample]:
        """1,797 samples, uint8 (8, 8), ids `0000` to `1796`, no splits."""
        from sklearn.datasets import load_digits

        data = load_digits()
        images = np.rint(data.images * (255 / _FULL_SCALE)).astype(np.uint8)
        for number, (image, label) in enumerate(zip(images, data.target, strict=True)):
            name = f"{number:04d}"
            yield RawSample(
                id=name,
                label=str(label),
                split=None,
                subject=None,
                time=None,
                source=f"sklearn.datasets.load_digits/{name}",
                data=image,
            )

    def contents(self) -> Iterator[tuple[str, ...]]:
        """The release that they are bundled with; see `Source`."""
        yield "scikit-learn", version("scikit-learn")
