"""Steps that hold other steps: what every modality's policies have in common.

Named as albumentations names its own, with its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

Child = TypeVar("Child")

# Container → its parameters and their defaults, beside `transforms`, the steps that it holds.
CONTAINERS: Mapping[str, Mapping[str, Any]] = {
    "OneOf": {"p": 0.5},
    "Sequential": {"p": 0.5},
    "SomeOf": {"n": 1, "replace": False, "p": 1},
}


def planned(name: str, values: Mapping[str, Any], children: Sequence[Child]) -> list[Child]:
    """The steps of a container as a plan has them: a SomeOf that may choose one again has each as many times as it
    could choose it, one copy after the other, with streams of their own (`engine/decisions.py` counts on it).

    Args:
        values: the container's parameters.
    """
    copies = int(values["n"]) if name == "SomeOf" and values["replace"] else 1
    return [child for child in children for _ in range(copies)]
