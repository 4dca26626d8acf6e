"""Corruptions of one strength each, which rises with severity: what modalities share that have a handful of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import sample_key
from augment_ops.errors import TransformError, nearest
from augment_ops.modalities.corruptions import SEVERITIES, Strengths


@dataclass(frozen=True, kw_only=True)
class GradedCorruption:
    """One nuisance; what it does to samples, a modality adds.

    Attributes:
        parameter: what a suite's file calls the strength.
        unit: of it, in words.
        least, most: a strength beyond them is refused: nothing happens, or nothing is left.
        strengths: by severity.
    """

    parameter: str
    unit: str
    least: float
    most: float
    strengths: tuple[float, float, float, float, float]

    def fault(self, params: Strengths) -> str:
        """What is wrong with explicit strengths, as (expectation); empty where nothing is."""
        values = params.get(self.parameter, ())
        if set(params) != {self.parameter} or len(values) != len(SEVERITIES):
            return f"five strengths for {self.parameter} ({self.unit})"
        if not all(self.least <= value <= self.most for value in values):
            return f"{self.parameter} from {self.least:g} to {self.most:g} ({self.unit})"
        if not all(a < b for a, b in pairwise(values)):
            return f"{self.parameter} rising with severity ({self.unit})"
        return ""


def strength_of(
    corruptions: Mapping[str, GradedCorruption], name: str, severity: int, params: Strengths | None
) -> float:
    """How strong a corruption is at a severity.

    Args:
        severity: 1 to 5.
        params: the corruption's parameter → five strengths, as in a suite's file; None for the published ones.

    Raises:
        TransformError: unknown corruption or severity, or strengths that do not fit it.
    """
    if name not in corruptions:
        fix = f"correct the name.{nearest(name, corruptions)}"
        raise TransformError("corruption", repr(name), f"one of {', '.join(corruptions)}", fix)
    if severity not in SEVERITIES:
        raise TransformError(f"{name}: severity", repr(severity), "an integer from 1 to 5", "correct the severity")
    corruption = corruptions[name]
    fault = "" if params is None else corruption.fault(params)
    if params is not None and fault:
        raise TransformError(f"{name}: params", repr(dict(params))[:120], fault, "correct the strengths")
    strengths = corruption.strengths if params is None else params[corruption.parameter]
    return float(strengths[severity - 1])


def keys_of(name: str, severity: int, ids: Sequence[str]) -> NDArray[np.uint64]:
    """What a corruption's draws come from: uint64 (N, 2), a key a sample, whatever batch it stands in."""
    return np.array([sample_key("stress", name, severity, sample_id) for sample_id in ids], np.uint64).reshape(-1, 2)


class GradedCorruptions:
    """What follows from the strengths alone; see `augment_ops.modalities.corruptions.Corruptions`.

    Attributes:
        corruptions: by their names.
    """

    corruptions: Mapping[str, GradedCorruption]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self.corruptions)

    def parameters(self, name: str) -> Mapping[str, str]:
        """The one that it has."""
        return {self.corruptions[name].parameter: self.corruptions[name].unit}

    def fault(self, name: str, params: Strengths) -> str:
        """See `GradedCorruption`."""
        return self.corruptions[name].fault(params)

    def in_levels(self, name: str) -> bool:
        """None is: they are shares and factors of a sample's own."""
        return False

    def published(self, name: str, shape: tuple[int, ...]) -> Strengths:
        """The same for every shape."""
        return {self.corruptions[name].parameter: self.corruptions[name].strengths}

    def published_content(self, name: str) -> object:
        """These strengths."""
        return {self.corruptions[name].parameter: self.corruptions[name].strengths}

    def shape_fault(self, name: str, shape: tuple[int, ...]) -> str:
        """They work on every shape."""
        return ""
