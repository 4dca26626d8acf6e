"""The transforms that a policy may name: albumentations' own, with their parameters, defaults and validation.

Read from the installed library rather than copied, so that a policy means exactly what albumentations documents.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel, ValidationError

from augment_ops.errors import Fault, nearest
from augment_ops.modalities.catalogue import Catalogue
from augment_ops.modalities.image.bounds import ImageBounds, ImageBudget, ImageLimits
from augment_ops.modalities.image.families import FAMILIES, bearing, expanded
from augment_ops.modalities.image.strength import EFFECTS
from augment_ops.modalities.image.transforms import declarations
from augment_ops.policy.bounds import Bounds
from augment_ops.policy.containers import CONTAINERS
from augment_ops.policy.narrowing import Expanded
from augment_ops.policy.steps import Transform

LIBRARY = f"albumentations {version('albumentations')}"
_LAST = "Normalize"  # it leaves the levels that all others work on


# Name → why no policy may use it; the error repeats the reason.
_EXCLUDED: Mapping[str, str] = {
    **dict.fromkeys(
        ("BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D"),
        "it is a base class",
    ),
    **dict.fromkeys(
        (
            "AtLeastOneBBoxRandomCrop", "BBoxSafeRandomCrop", "ConstrainedCoarseDropout", "CropNonEmptyMaskIfExists",
            "MaskDropout", "RandomCropNearBBox", "RandomSizedBBoxSafeCrop", "TextImage",
        ),
        "it needs boxes, masks or texts beside the image",
    ),
    **dict.fromkeys(
        ("FDA", "HistogramMatching", "Mosaic", "OverlayElements", "PixelDistributionAdaptation"),
        "it needs other images, so its result would not be a function of the sample and its key",
    ),
    **dict.fromkeys(
        ("CenterCrop3D", "CoarseDropout3D", "CubicSymmetry", "Pad3D", "PadIfNeeded3D", "RandomCrop3D"),
        "it works on volumes, not on images",
    ),
    **dict.fromkeys(
        ("RandomCropFromBorders", "RandomScale"),
        "it gives every image a size of its own, and a batch has one",
    ),
    **dict.fromkeys(
        ("FromFloat", "ToFloat", "ToRGB", "ToTensor3D", "ToTensorV2"),
        "it changes the type of the pixels or the number of channels; the model's own program scales its input",
    ),
    # A second name would slip past a domain's `forbidden`.
    "FrequencyMasking": "it is another name of XYMasking",
    "SquareSymmetry": "it is another name of D4",
    "TimeMasking": "it is another name of XYMasking",
    "TimeReverse": "it is another name of HorizontalFlip",
    "Lambda": "it holds Python code, which a file cannot",
}  # fmt: skip
_NOT_FOR_POLICIES = frozenset({"strict"})  # a switch of the library's own validation


def albumentations() -> Any:
    """The library, imported without its request to the network for updates."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations as module

    return module


@cache
def transform_classes() -> Mapping[str, type]:
    """Name → class of every transform that a policy may use outside containers."""
    library = albumentations()
    return {
        name: cls
        for name, cls in vars(library).items()
        if isinstance(cls, type) and issubclass(cls, library.BasicTransform) and name not in _EXCLUDED
    }


@cache
def own() -> Mapping[str, type[BaseModel]]:
    """What albumentations does not have, and the compiled engine alone runs: name → parameters."""
    ours = {one.name: one.parameters for one in declarations().values() if one.parameters is not None}
    return {**ours, **FAMILIES}


def names() -> list[str]:
    """Every transform and family that a policy may name outside containers."""
    return [*transform_classes(), *own()]


def defaults(name: str) -> dict[str, Any]:
    """Parameter → default of a transform, as albumentations declares them, or of a family."""
    if name in own():
        return {key: field.default for key, field in own()[name].model_fields.items()}
    cls = getattr(albumentations(), name)
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty and p.name != "self"}


def parameters(name: str) -> frozenset[str]:
    """The parameters of a transform that a policy may set."""
    return frozenset(_schema(name).model_fields) - _NOT_FOR_POLICIES


def resolved(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` over the defaults as albumentations reads them: what the transform will really use.

    Its validation turns a number into a range where that is its meaning (Rotate's 5 into ±5) and a text into a number.

    Args:
        params: free of faults.
    """
    values = {**defaults(name), **params}
    if name == "NoOp":
        return values
    schema = _schema(name)
    known = {key: value for key, value in values.items() if key in schema.model_fields}
    return (schema(**known) if name in own() else schema(**known, strict=False)).model_dump()


def construct(name: str, params: Mapping[str, Any]) -> Any:
    """Make albumentations' own object for a transform.

    Args:
        params: as written in the file.
    """
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in params.items()}
    return getattr(albumentations(), name)(**values)


def unknown_fault(where: str, name: str) -> Fault:
    """The fault of a name that no policy may use, with the reason or the nearest name."""
    if name in _EXCLUDED:
        return Fault(where, f"{name!r}: {_EXCLUDED[name]}", "a transform of images alone", "remove it, or name another")
    return Fault(
        where,
        f"unknown transform {name!r}",
        f"a transform of {LIBRARY} that a file can express",
        f"correct the name.{nearest(name, [*names(), *CONTAINERS])}",
    )


def parameter_faults(where: str, name: str, params: Mapping[str, Any]) -> list[Fault]:
    """Every fault of one transform's parameters: unknown names, wrong types, values out of bounds."""
    schema, known = _schema(name), sorted(parameters(name))
    declared = declarations().get(name)
    without_effect = {} if declared is None else declared.without_effect
    faults = [
        Fault(f"{where}.{name}.{key}", repr(value)[:120], f"nothing: {without_effect[key]}", "remove it")
        for key, value in params.items()
        if key in without_effect and value != defaults(name)[key]
    ]
    faults += [
        Fault(
            f"{where}.{name}.{key}",
            f"unknown parameter {key!r}",
            f"one of {', '.join(known)}",
            f"remove it or correct its name.{nearest(str(key), known)}",
        )
        for key in params
        if key not in known
    ]
    values = {key: value for key, value in {**defaults(name), **params}.items() if key in known}
    try:
        schema(**values) if name in own() else schema(**values, strict=False)
        if not faults and name not in own():
            construct(name, params)  # constructors check what schemas do not
    except ValidationError as error:
        faults += _schema_faults(f"{where}.{name}", error, params)
    except Exception as error:  # whatever the library raises for a value that it did not foresee
        faults.append(_parameters_fault(f"{where}.{name}", params, " ".join(str(error).split())[:200]))
    return faults or _size_faults(where, name, params)


def order_faults(transforms: Sequence[Transform]) -> list[Fault]:
    """Normalize leaves the levels that all other transforms work on, so it comes last, for all images."""
    faults = []
    for i, transform in enumerate(transforms):
        last = i == len(transforms) - 1
        if transform.name == _LAST and not (last and transform.params.get("p", 1) == 1):
            found = f"p: {transform.params['p']}" if last else "before other transforms"
            faults.append(
                Fault(f"transforms[{i}].Normalize", found, "the last step, with p: 1.0", "move or correct it")
            )
        if _holds(transform.children, _LAST):
            faults.append(
                Fault(f"transforms[{i}].{transform.name}", "Normalize inside", "it as the last step", "move it there")
            )
    return faults


def rescales(name: str) -> bool:
    """Whether a transform leaves the levels of images."""
    return name == _LAST


def run_faults(transforms: Sequence[Transform]) -> list[Fault]:
    """Of a policy that normalises: stress tests and production send levels."""
    if not (transforms and rescales(transforms[-1].name)):
        return []
    return [
        Fault(
            f"transforms[{len(transforms) - 1}].Normalize",
            "float32 images on a scale of their own",
            "images as stress tests and production send them",
            "remove it: the model's own program scales its input",
        )
    ]


def needs_population(name: str) -> bool:
    """None does."""
    return False


def strengths(name: str, values: Mapping[str, Any], effect: str) -> dict[str, float]:
    """See `Catalogue`. What nobody has declared is bounded by nothing, and so forbidden by name or not at all."""
    declared = declarations().get(name)
    found = () if declared is None else declared.strengths
    return {one.parameter: one.measure(values[one.parameter]) for one in found if one.effect == effect}


def teaches(name: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """See `Catalogue`."""
    declared = declarations().get(name)
    found = () if declared is None else declared.trains
    trained = [one.corruptions for one in found if one.parameter is None or one.when(values[one.parameter])]
    return tuple(dict.fromkeys(corruption for corruptions in trained for corruption in corruptions))


def _holds(transforms: Sequence[Transform], name: str) -> bool:
    return any(t.name == name or _holds(t.children, name) for t in transforms)


def _size_faults(where: str, name: str, params: Mapping[str, Any]) -> list[Fault]:
    declared = declarations().get(name)
    if declared is None or declared.own_sizes is None:
        return []
    parameter, varies = declared.own_sizes
    value = resolved(name, params)[parameter]
    if not varies(value):
        return []
    expected = "one size for all images: a batch has one"
    return [Fault(f"{where}.{name}.{parameter}", repr(value)[:120], expected, "let the transform keep the size")]


def _schema(name: str) -> type[BaseModel]:
    if name in own():
        return own()[name]
    schema: type[BaseModel] = transform_classes()[name].InitSchema  # type: ignore[attr-defined]
    return schema


def _parameters_fault(where: str, params: Mapping[str, Any], message: str) -> Fault:
    return Fault(where, repr(dict(params))[:120], message, f"give values that {LIBRARY} accepts together")


def _schema_faults(where: str, error: ValidationError, params: Mapping[str, Any]) -> list[Fault]:
    # A union reports one error an alternative; a reader needs one fault a parameter that lists them.
    by_parameter: dict[str, list[str]] = {}
    found: dict[str, str] = {}
    faults: list[Fault] = []
    for item in error.errors(include_url=False):
        message = item["msg"].removeprefix("Value error, ").rstrip(".")
        if not item["loc"]:
            faults.append(_parameters_fault(where, params, message))
        elif item["type"] == "missing":
            faults.append(Fault(f"{where}.{item['loc'][0]}", "nothing", "a value: it has no default", "add it"))
        else:
            by_parameter.setdefault(str(item["loc"][0]), []).append(message)
            found.setdefault(str(item["loc"][0]), repr(item["input"])[:120])
    return faults + [
        Fault(
            f"{where}.{parameter}",
            found[parameter],
            "; or ".join(dict.fromkeys(messages)),
            f"give a value that {LIBRARY} accepts for this parameter",
        )
        for parameter, messages in by_parameter.items()
    ]


class _ImageCatalogue:
    """See `Catalogue`."""

    budget, bounds, limits = ImageBudget, ImageBounds, ImageLimits
    effects = EFFECTS
    families = tuple(FAMILIES)
    side_by_side = ("AugMix",)
    mixings = ("mixup", "cutmix")

    names = staticmethod(names)
    defaults = staticmethod(defaults)
    resolved = staticmethod(resolved)
    unknown_fault = staticmethod(unknown_fault)
    parameter_faults = staticmethod(parameter_faults)
    order_faults = staticmethod(order_faults)
    rescales = staticmethod(rescales)
    run_faults = staticmethod(run_faults)
    needs_population = staticmethod(needs_population)
    strengths = staticmethod(strengths)
    teaches = staticmethod(teaches)
    bearing = staticmethod(bearing)

    def expand(
        self, name: str, params: Mapping[str, Any], where: str, bounds: Bounds | None, shape: tuple[int, ...]
    ) -> Expanded:
        """See `Catalogue`."""
        return expanded(name, params, where, bounds, (shape[0], shape[1]) if shape else (1, 1))


CATALOGUE: Catalogue = _ImageCatalogue()
