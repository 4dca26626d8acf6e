"""What albumentations makes of the same draws, and how it draws: a module a group of transforms, found here.

A module has `COMPARED` and `DRAWN`, by step as a policy has it; a transform that has neither says why in its
declaration. Where limits bind a transform, it has `EDGES`, an `Edge` → why these numbers.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

Shape = tuple[int, int, int]
Theirs = Callable[[Any, np.ndarray, np.ndarray], np.ndarray]  # node, uniforms of a sample, image → image
Ours = Callable[[Any, np.ndarray], np.ndarray]  # operation, uniforms (N, draws) → (N, columns)
Parameters = Callable[[dict[str, Any]], list[float]]  # albumentations' parameters of a sample → columns

Edge = tuple[str, str, str, str]  # step with a gap {}, what fills it at a bound, and just beyond it, the parameter

SHAPES: tuple[Shape, ...] = ((40, 40, 1), (30, 50, 3), (24, 20, 2), (80, 70, 3), (20, 24, 4), (20, 24, 6))
SIZE = (40, 60)  # of the image that distributions are drawn for


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What a step gives, held against albumentations pixel by pixel.

    Attributes:
        theirs: what they make of the same draws.
        largest, mean: of the absolute differences in grey levels, at most, on each of `shapes`.
        percentile: the 99th, at most.
        table: the shape on which docs/fidelity.md tells the differences.
    """

    theirs: Theirs
    largest: float = 0
    mean: float = 0.01
    percentile: float = np.inf
    shapes: tuple[Shape, ...] = ((40, 40, 3), (17, 90, 3))
    table: Shape = (40, 40, 3)


@dataclass(frozen=True)
class Drawn:
    """The parameters of a step, whose distributions are held against albumentations'."""

    ours: Ours
    theirs: Parameters


@cache
def compared() -> Mapping[str, Compared]:
    """Step → how it compares, of all modules of this folder."""
    return _all("COMPARED")


@cache
def drawn() -> Mapping[str, Drawn]:
    """Step → how it draws, of all modules of this folder."""
    return _all("DRAWN")


@cache
def edges() -> Sequence[Edge]:
    """Parameters at a bound and just beyond it, of all modules of this folder."""
    return list(_all("EDGES"))


def name_of(step: str) -> str:
    """The transform of a step."""
    return step.partition(":")[0]


def _all(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for module in pkgutil.iter_modules(__path__):
        found |= getattr(import_module(f"{__name__}.{module.name}"), kind, {})
    return found


def arguments(node: Any, u: np.ndarray, channels: int = 3) -> np.ndarray:
    """Our arguments of a colour operation, in the precision in which they are used."""
    return np.float32(node.operation.arguments(u[None], channels)).reshape(-1)


def matrix_of(params: dict[str, Any]) -> list[float]:
    """Of an affine transform."""
    return params["matrix"][:2].ravel().tolist()


def affine_of(operation: Any, u: np.ndarray) -> np.ndarray:
    """Ours of the same."""
    return operation.matrices(u, SIZE)[:, :2].reshape(len(u), -1)
