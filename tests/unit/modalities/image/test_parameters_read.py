"""Every parameter that a policy may set is read by what runs it, or refused: derived from the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from augment_ops.errors import PolicyError
from augment_ops.modalities.image import catalogue
from augment_ops.modalities.image.transforms import declarations
from augment_ops.policy.spec import Policy
from support.policies import HEAD

DECLARED = declarations()
IMAGE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
TARGETS = {
    "mask": IMAGE[..., 0],
    "bboxes": np.array([[0.2, 0.2, 0.8, 0.8]]),  # shares of the sides
    "keypoints": np.array([[4.0, 5.0, 0.0, 0.0, 1.0]]),  # x, y, z, angle, scale
}
ELSEWHERE = {"p"}  # by what decides


class Read(Mapping[str, Any]):
    """Values that remember which of them were asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values, self.names = dict(values), set[str]()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def read(name: str, params: Mapping[str, Any]) -> set[str]:
    """What a transform asks for, from the file to the numbers of a batch; everything where the library runs it."""
    values = Read(catalogue.resolved(name, params))
    operation = DECLARED[name].compile(values)
    if operation is None:
        return set(values)
    u, size = np.random.default_rng(0).random((4, max(1, getattr(operation, "draws", 0)))), (16, 16)
    calls = {"matrices": [(u, size)], "rectangles": [(u, size)], "size": [(size,)], "kernels": [(u,)]}
    calls["arguments"] = [(u, size if type(operation).__name__ == "Noise" else 3)]
    for method, arguments in calls.items():
        for given in arguments if hasattr(operation, method) else ():
            getattr(operation, method)(*given)
    return values.names


def read_by_the_library(name: str, params: Mapping[str, Any]) -> set[str]:
    """What albumentations' own object looks up in itself while it works on an image and what belongs to it."""
    names: set[str] = set()
    step = catalogue.construct(name, params)

    class Watched(type(step)):
        def __getattribute__(self, name: str) -> Any:
            names.add(name)
            return super().__getattribute__(name)

    step.__class__ = Watched
    targets = TARGETS if isinstance(step, catalogue.albumentations().DualTransform) else {}
    for seed in range(6):  # of the ways that chance chooses between, all
        step.set_random_seed(seed)
        step(image=IMAGE, **targets, force_apply=True)
    return names


def unread(name: str, how: Callable[[str, Mapping[str, Any]], set[str]]) -> set[str]:
    """The parameters that a policy may set and that nobody asks for, whichever way the transform takes."""
    one = DECLARED[name]
    ways = [how(name, {**one.required, **branch}) for branch in ({}, *one.branches)]
    return set(catalogue.parameters(name)) - ELSEWHERE - set(one.without_effect) - set().union(*ways)


@pytest.mark.parametrize("name", sorted(name for name, one in DECLARED.items() if one.compile))
def test_every_parameter_of_a_compiled_transform_is_read_or_refused(name):
    assert unread(name, read) == set()


@pytest.mark.filterwarnings("ignore::UserWarning")  # advice of the library to the author of a policy
@pytest.mark.parametrize("name", sorted(name for name, one in DECLARED.items() if not one.compile))
def test_every_parameter_of_any_other_transform_is_read_or_refused(name):
    assert unread(name, read_by_the_library) == set()


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, parameter) for name, one in DECLARED.items() for parameter in one.without_effect]
)
def test_what_would_change_nothing_is_refused(name, parameter):
    value = {"mask_params": ["mask"]}.get(parameter, 128)
    with pytest.raises(PolicyError, match=rf"{name}.{parameter}: found .*expected nothing: n.*\n *Fix: remove it"):
        Policy.from_text(f"{HEAD}  - {name}: {{{parameter}: {value}}}\n")
