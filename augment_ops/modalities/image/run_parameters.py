"""The parameters of a run that only images have.

It imports the standard library alone, so that a DAG file can read it, which Airflow parses every few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from augment_ops.parameter import DATA, About


@dataclass(frozen=True, kw_only=True)
class ImageParameters:
    """How images are read and kept."""

    image_size: Annotated[
        str,
        About(
            title="Image size",
            section=DATA,
            pattern=r"^([1-9][0-9]{0,3}x[1-9][0-9]{0,3})?$",
            form="height x width in pixels, such as 64x64, or nothing",
            help="Height x width in pixels, such as 64x64, to resize to when reading; empty keeps the images.",
            after="dataset_name",
        ),
    ] = ""
    channels: Annotated[
        Literal["auto", "1", "3", "as-is"],
        About(
            title="Grey and colour",
            section=DATA,
            help="1 reads everything as grey, 3 as colour; auto brings the rarer kind to the more frequent one, as-is "
            "leaves the rarer ones out.",
            after="image_size",
        ),
    ] = "auto"
    keep: Annotated[
        Literal["pixels", "encoded"],
        About(
            title="Kept as",
            section=DATA,
            help="Pixels, which nobody has to decode; or encoded: the files as they are, smaller for photos, which are "
            "decoded whenever they are read.",
            after="allow_outside",
            storage=True,
        ),
    ] = "pixels"


DECLARED = ImageParameters
