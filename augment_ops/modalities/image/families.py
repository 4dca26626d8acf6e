"""Policy families as single entries, spelled out as the transforms that they are made of.

A family is a container: what it expands to are albumentations' transforms with fixed ranges, so limits, strength,
preview and the compiled engine treat it like anything else that a policy may hold. Magnitudes are those of the
authors' code; `limits: domain` cuts them to what the policy's domain allows (`narrowing.py`). Two things differ from it
on purpose: geometry interpolates linearly, and shears turn about the centre of the image, not about its corner, which
would move the image as well.

Sources: AutoAugment, Cubuk et al. 2018, arXiv:1805.09501 (tables of its appendix); RandAugment, Cubuk et al. 2019,
arXiv:1909.13719; TrivialAugment (Wide), Müller & Hutter 2021, arXiv:2103.10158; AugMix, Hendrycks et al. 2019,
arXiv:1912.02781.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from augment_ops.modalities.image.narrowing import BOUNDS, Narrower, same_bound
from augment_ops.policy.bounds import Bounds
from augment_ops.policy.narrowing import Expanded, Step, names

_BINS = 31  # magnitudes 0 … 30 of RandAugment and TrivialAugment
_TABLE_BINS = 10  # magnitudes 0 … 9 of AutoAugment's tables
_TRANSLATION = 150 / 331  # of the image: AutoAugment's 150 pixels of its 331
_TRIVIAL_TRANSLATION_PX = 32
_BITS = 8


class _Family(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    fill: Annotated[float, Field(ge=0, le=255)] = 0.0
    limits: Literal["domain"] | None = None  # None: as published, or refused
    p: Annotated[float, Field(ge=0, le=1)] = 1.0


class RandAugment(_Family):
    """`num_ops` of 14 operations, one after the other, all of one magnitude (0 to 30)."""

    num_ops: Annotated[int, Field(ge=1, le=10)] = 2
    magnitude: Annotated[int, Field(ge=0, lt=_BINS)] = 9


class TrivialAugment(_Family):
    """One of 14 operations, of a magnitude drawn uniformly from a wide range."""


class AutoAugment(_Family):
    """One of 25 pairs of operations that were found on a data set."""

    policy: Literal["cifar10", "imagenet", "svhn"] = "imagenet"


class AugMix(_Family):
    """`width` chains of one to three operations each, mixed with each other and with the image by random weights.

    The operations are AugMix's nine, without those that stress suites corrupt with. `severity` is 1 to 10.
    """

    severity: Annotated[int, Field(ge=1, le=10)] = 3
    width: Annotated[int, Field(ge=1, le=5)] = 3


FAMILIES: Mapping[str, type[_Family]] = {
    "AugMix": AugMix,
    "AutoAugment": AutoAugment,
    "RandAugment": RandAugment,
    "TrivialAugment": TrivialAugment,
}


def expand(name: str, params: Mapping[str, Any], narrower: Narrower | None = None) -> tuple[Step, ...]:
    """The steps of a family with parameters that are free of faults; none where its limits leave no operation."""
    family, narrower = FAMILIES[name](**params), narrower or Narrower()
    if isinstance(family, RandAugment):
        share = family.magnitude / (_BINS - 1)
        found = [_operation(o, share, family.fill, narrower, family.num_ops) for o in _RAND_OPERATIONS]
        return _one_of(found) * family.num_ops
    if isinstance(family, AugMix):
        return _chain(family.severity / 10, family.fill, narrower) * family.width
    if isinstance(family, AutoAugment):
        return _one_of([_pair(row, family.fill, narrower) for row in _TABLES[family.policy]])
    return _one_of([_wide(o, family.fill, narrower) for o in _RAND_OPERATIONS])


def expanded(
    name: str, params: Mapping[str, Any], where: str, bounds: Bounds | None, size: tuple[int, int]
) -> Expanded:
    """A family at its place in a policy, cut to bounds where there are any.

    Args:
        size: (H, W) of the images that the policy is for.
    """
    narrower = Narrower(bounds, size)
    return Expanded(expand(name, params, narrower), narrower.narrowed(where))


def bearing(content: Mapping[str, Any]) -> dict[str, Any]:
    """What of the content of bounds can bear on a family: the rest may change without changing what families do."""
    found = {name: value for name, value in content.items() if name in BOUNDS}
    forbidden = {name: why for name, why in content.get("forbidden", {}).items() if name in _held()}
    return {**found, "forbidden": forbidden} if forbidden else found


@cache
def _held() -> frozenset[str]:
    """The transforms that families are made of."""
    others = [expand(name, {}) for name in FAMILIES if name != "AutoAugment"]
    return frozenset(
        name
        for steps in (*others, *(expand("AutoAugment", {"policy": table}) for table in _TABLES))
        for name in names(steps)
    )


def _one_of(alternatives: Sequence[Sequence[Step]]) -> tuple[Step, ...]:
    """One of the steps; those that were left out are no alternatives."""
    steps = tuple(step for found in alternatives for step in found)
    return (("OneOf", {"p": 1.0}, steps),) if steps else ()


def _chain(share: float, fill: float, narrower: Narrower) -> tuple[Step, ...]:
    """One operation, then with 2/3 another, then with 1/2 a third: one, two or three, each as often."""
    operation = _one_of([_mild(name, share, fill, narrower) for name in _MIX_OPERATIONS])
    if not operation:
        return ()
    third: Step = ("Sequential", {"p": 1 / 2}, operation)
    second: Step = ("Sequential", {"p": 2 / 3}, (*operation, third))
    return (("Sequential", {"p": 1.0}, (*operation, second)),)


def _mild(name: str, share: float, fill: float, narrower: Narrower) -> list[Step]:
    """AugMix's operation at up to `share` of its largest magnitude."""
    if name in _MIX_LARGEST:
        make = _SIGNED[name][0]
        return narrower.made(
            name, _MIX_LARGEST[name] * share, lambda largest: make((-largest, largest), fill), _MIX_LENGTH
        )
    if name == "Posterize":
        step: Step = ("Posterize", {"num_bits": [max(1, 4 - int(4 * share)), 4], "p": 1.0}, ())
    elif name == "Solarize":
        step = ("Solarize", {"threshold_range": [1 - share, 0.99], "p": 1.0}, ())
    else:
        step = _UNSIGNED[name](0.0)
    return narrower.allowed(name, step)


def _pair(row: str, fill: float, narrower: Narrower) -> list[Step]:
    """A sub-policy: 'Posterize .4 8, Rotate .6 9' is two operations with probability and magnitude."""
    parts = [(name, float(p), magnitude) for name, p, magnitude in map(str.split, row.split(", ")) if float(p)]
    steps = []
    for name, p, magnitude in parts:
        share = 0.0 if magnitude == "-" else int(magnitude) / (_TABLE_BINS - 1)
        found = _operation(name, share, fill, narrower, same_bound(name, [other for other, _, _ in parts]))
        steps += [_with_p(step, p) for step in found]
    return [("Sequential", {"p": 1.0}, tuple(steps))] if steps else []


def _with_p(step: Step, p: float) -> Step:
    name, params, children = step
    return (name, {**params, "p": p}, children)


def _operation(name: str, share: float, fill: float, narrower: Narrower, in_a_row: int) -> list[Step]:
    """An operation at `share` of its largest magnitude; either sign with the same probability."""
    if name not in _SIGNED:
        return narrower.allowed(name, _UNSIGNED[name](share))
    make, largest = _SIGNED[name]

    def either(value: float) -> Step:
        if value == 0:
            return ("NoOp", {"p": 1.0}, ())
        return ("OneOf", {"p": 1.0}, (make((value, value), fill), make((-value, -value), fill)))

    return narrower.made(name, share * largest, either, in_a_row)


def _wide(name: str, fill: float, narrower: Narrower) -> list[Step]:
    """TrivialAugment's wide range of an operation."""
    if name in _SIGNED:
        make = _SIGNED[name][0]

        def both(largest: float) -> Step:
            return make((-largest, largest), fill)

        if name in _WIDE:
            return narrower.made(name, _WIDE[name], both)
        return narrower.made_of_pixels(name, _TRIVIAL_TRANSLATION_PX, _pixels(name[-1].lower(), fill), both)
    if name == "Posterize":  # 8 to 2 bits; 8 changes nothing
        posterized: Step = ("Posterize", {"num_bits": [2, _BITS - 1], "p": 6 / 7}, ())
        step: Step = ("OneOf", {"p": 1.0}, (posterized, ("NoOp", {"p": 1 / 7}, ())))
    elif name == "Solarize":
        step = ("Solarize", {"threshold_range": [0.0, 1.0], "p": 1.0}, ())
    else:
        step = _UNSIGNED[name](0.0)
    return narrower.allowed(name, step)


def _pixels(axis: str, fill: float) -> Callable[[float], Step]:
    return lambda most: ("Affine", {"translate_px": {axis: [-most, most]}, "fill": fill, "p": 1.0}, ())


def _shear(axis: str) -> Callable[[tuple[float, float], float], Step]:
    def make(limits: tuple[float, float], fill: float) -> Step:
        degrees = [math.degrees(math.atan(v)) for v in limits]
        return ("Affine", {"shear": {axis: degrees, _other(axis): [0.0, 0.0]}, "fill": fill, "p": 1.0}, ())

    return make


def _translation(axis: str) -> Callable[[tuple[float, float], float], Step]:
    def make(limits: tuple[float, float], fill: float) -> Step:
        return (
            "Affine",
            {"translate_percent": {axis: list(limits), _other(axis): [0.0, 0.0]}, "fill": fill, "p": 1.0},
            (),
        )

    return make


def _rotation(limits: tuple[float, float], fill: float) -> Step:
    return ("Rotate", {"limit": list(limits), "fill": fill, "p": 1.0}, ())


def _jitter(parameter: str) -> Callable[[tuple[float, float], float], Step]:
    def make(limits: tuple[float, float], fill: float) -> Step:
        still = {"brightness": [1.0, 1.0], "contrast": [1.0, 1.0], "saturation": [1.0, 1.0], "hue": [0.0, 0.0]}
        return ("ColorJitter", {**still, parameter: [1 + v for v in limits], "p": 1.0}, ())

    return make


def _sharpness(limits: tuple[float, float], fill: float) -> Step:
    return ("Sharpness", {"factor_range": [1 + v for v in limits], "p": 1.0}, ())


def _other(axis: str) -> str:
    return "y" if axis == "x" else "x"


def _posterize(share: float) -> Step:
    bits = _BITS - round(4 * share)
    return ("Posterize", {"num_bits": bits, "p": 1.0}, ()) if bits < _BITS else ("NoOp", {"p": 1.0}, ())


def _plain(name: str, **params: Any) -> Callable[[float], Step]:
    return lambda share: (name, {**params, "p": 1.0}, ())


# Operations whose magnitude has a sign: how to make one, and the largest magnitude.
_SIGNED: Mapping[str, tuple[Callable[[tuple[float, float], float], Step], float]] = {
    "ShearX": (_shear("x"), 0.3),
    "ShearY": (_shear("y"), 0.3),
    "TranslateX": (_translation("x"), _TRANSLATION),
    "TranslateY": (_translation("y"), _TRANSLATION),
    "Rotate": (_rotation, 30.0),
    "Brightness": (_jitter("brightness"), 0.9),
    "Color": (_jitter("saturation"), 0.9),
    "Contrast": (_jitter("contrast"), 0.9),
    "Sharpness": (_sharpness, 0.9),
}
_UNSIGNED: Mapping[str, Callable[[float], Step]] = {
    "Identity": _plain("NoOp"),
    "Posterize": _posterize,
    "Solarize": lambda share: ("Solarize", {"threshold_range": [1 - share, 1 - share], "p": 1.0}, ()),
    "AutoContrast": _plain("AutoContrast", method="pil"),
    "Equalize": _plain("Equalize", mode="pil"),
    "Invert": _plain("InvertImg"),
}
_WIDE: Mapping[str, float] = {
    "ShearX": 0.99, "ShearY": 0.99, "Rotate": 135.0,
    "Brightness": 0.99, "Color": 0.99, "Contrast": 0.99, "Sharpness": 0.99,
}  # fmt: skip
_MIX_OPERATIONS = (
    "AutoContrast", "Equalize", "Posterize", "Rotate", "Solarize", "ShearX", "ShearY", "TranslateX", "TranslateY",
)  # fmt: skip
_MIX_LENGTH = 3  # operations of a chain at most
_MIX_LARGEST: Mapping[str, float] = {
    "Rotate": 30.0, "ShearX": 0.3, "ShearY": 0.3, "TranslateX": 1 / 3, "TranslateY": 1 / 3,
}  # fmt: skip
_RAND_OPERATIONS = (
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast",
    "Sharpness", "Posterize", "Solarize", "AutoContrast", "Equalize",
)  # fmt: skip
# Operation, probability, magnitude (0 to 9, - where there is none).
_TABLES: Mapping[str, tuple[str, ...]] = {
    "imagenet": (
        "Posterize .4 8, Rotate .6 9", "Solarize .6 5, AutoContrast .6 -", "Equalize .8 -, Equalize .6 -",
        "Posterize .6 7, Posterize .6 6", "Equalize .4 -, Solarize .2 4", "Equalize .4 -, Rotate .8 8",
        "Solarize .6 3, Equalize .6 -", "Posterize .8 5, Equalize 1 -", "Rotate .2 3, Solarize .6 8",
        "Equalize .6 -, Posterize .4 6", "Rotate .8 8, Color .4 0", "Rotate .4 9, Equalize .6 -",
        "Equalize 0 -, Equalize .8 -", "Invert .6 -, Equalize 1 -", "Color .6 4, Contrast 1 8",
        "Rotate .8 8, Color 1 2", "Color .8 8, Solarize .8 7", "Sharpness .4 7, Invert .6 -",
        "ShearX .6 5, Equalize 1 -", "Color .4 0, Equalize .6 -", "Equalize .4 -, Solarize .2 4",
        "Solarize .6 5, AutoContrast .6 -", "Invert .6 -, Equalize 1 -", "Color .6 4, Contrast 1 8",
        "Equalize .8 -, Equalize .6 -",
    ),
    "cifar10": (
        "Invert .1 -, Contrast .2 6", "Rotate .7 2, TranslateX .3 9", "Sharpness .8 1, Sharpness .9 3",
        "ShearY .5 8, TranslateY .7 9", "AutoContrast .5 -, Equalize .9 -", "ShearY .2 7, Posterize .3 7",
        "Color .4 3, Brightness .6 7", "Sharpness .3 9, Brightness .7 9", "Equalize .6 -, Equalize .5 -",
        "Contrast .6 7, Sharpness .6 5", "Color .7 7, TranslateX .5 8", "Equalize .3 -, AutoContrast .4 -",
        "TranslateY .4 3, Sharpness .2 6", "Brightness .9 6, Color .2 8", "Solarize .5 2, Invert 0 -",
        "Equalize .2 -, AutoContrast .6 -", "Equalize .2 -, Equalize .6 -", "Color .9 9, Equalize .6 -",
        "AutoContrast .8 -, Solarize .2 8", "Brightness .1 3, Color .7 0", "Solarize .4 5, AutoContrast .9 -",
        "TranslateY .9 9, TranslateY .7 9", "AutoContrast .9 -, Solarize .8 3", "Equalize .8 -, Invert .1 -",
        "TranslateY .7 9, AutoContrast .9 -",
    ),
    "svhn": (
        "ShearX .9 4, Invert .2 -", "ShearY .9 8, Invert .7 -", "Equalize .6 -, Solarize .6 6",
        "Invert .9 -, Equalize .6 -", "Equalize .6 -, Rotate .9 3", "ShearX .9 4, AutoContrast .8 -",
        "ShearY .9 8, Invert .4 -", "ShearY .9 5, Solarize .2 6", "Invert .9 -, AutoContrast .8 -",
        "Equalize .6 -, Rotate .9 3", "ShearX .9 4, Solarize .3 3", "ShearY .8 8, Invert .7 -",
        "Equalize .9 -, TranslateY .6 6", "Invert .9 -, Equalize .6 -", "Contrast .3 3, Rotate .8 4",
        "Invert .8 -, TranslateY 0 2", "ShearY .7 6, Solarize .4 8", "Invert .6 -, Rotate .8 4",
        "ShearY .3 7, TranslateX .9 3", "ShearX .1 6, Invert .6 -", "Solarize .7 2, TranslateY .6 7",
        "ShearY .8 4, Invert .8 -", "ShearX .7 9, TranslateY .8 3", "ShearY .8 5, AutoContrast .7 -",
        "ShearX .7 2, Invert .1 -",
    ),
}  # fmt: skip
