"""Whether champion and challenger are asked alike: the condition `inputs`, looked at each time there is twice as much.

Where requests are assigned by a key, the inputs of a canary's two arms differ by chance alone; where they differ by
more, the assignment is at fault, or who asks has a hand in it, and no other comparison of the two is worth anything.

There is no interval to look at at any time for the distance of two distributions of any kind, so it is tested: by
Kolmogorov–Smirnov for numbers, by chi-squared for texts. The k-th look is at the moment at which the smaller arm has
200 · 2^k samples, and has the part of α that `of_many` gives it, divided among the inputs. As an arm of millions shows
any difference, one that is shown ends a rollout only where the population stability index is above the rules' limit.

Whoever looks later makes all earlier looks again, and finds the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.monitoring.drift.detectors.base import Detector
from augment_ops.monitoring.drift.detectors.chi_squared import ChiSquared
from augment_ops.monitoring.drift.detectors.histogram import is_numeric
from augment_ops.monitoring.drift.detectors.kolmogorov_smirnov import KolmogorovSmirnov
from augment_ops.monitoring.drift.detectors.psi import Psi
from augment_ops.rollout.judge import MeasuredCondition
from augment_ops.rollout.measures import alpha_of
from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.sequential import of_many

# The last look, in samples of the smaller arm: by then a shift beyond the limit has been shown at six looks or at none.
_LOOKS = 7
FIRST_LOOK = 200  # samples of the smaller arm: below it the noise of PSI is not well below its limit (policies/drift)
LAST_LOOK = FIRST_LOOK * 2 ** (_LOOKS - 1)


def look_sizes(n: int) -> list[int]:
    """At how many samples one looks, of n that there are."""
    return [size for size in (FIRST_LOOK * 2**k for k in range(_LOOKS)) if size <= n]


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmSamples:
    """What one arm was asked in one step.

    Attributes:
        times: datetime64 (N,), sorted: when each sample came.
        features: N numbers or texts by name, in the order of `times`.
    """

    times: NDArray[np.datetime64]
    features: Mapping[str, NDArray[Any]]


def measure_inputs(
    rules: RolloutRules, step: int, champion: ArmSamples, challenger: ArmSamples
) -> tuple[MeasuredCondition, ...]:
    """The inputs that differ, or the one that differs most; nothing before the first look.

    Args:
        step: index of a canary.
        champion, challenger: with the same features.
    """
    rule = rules.conditions.inputs
    smaller = min(len(champion.times), len(challenger.times))
    if rule is None or smaller < FIRST_LOOK:
        return ()
    names = sorted({*champion.features} & {*challenger.features})
    alpha = alpha_of(rules) / len(rules.canaries) / max(len(names), 1)
    found = [_of_one(name, step, rule.psi_at_most, alpha, champion, challenger) for name in names]
    broken = [one for one in found if one.state == "broken"]
    return tuple(broken or sorted(found, key=lambda one: -one.estimate)[:1])


def _of_one(
    name: str, step: int, limit: float, alpha: float, champion: ArmSamples, challenger: ArmSamples
) -> MeasuredCondition:
    """At the first look that shows it, or at the last one."""
    looks = []
    for look, (n, theirs, ours) in enumerate(_looks(name, champion, challenger), 1):
        numbers = is_numeric(theirs) and is_numeric(ours)
        detector: Detector = KolmogorovSmirnov() if numbers else ChiSquared()
        shown = detector.measure(theirs, ours).p_value <= alpha * of_many(look)
        index = Psi().measure(theirs, ours).effect
        looks.append((shown and index > limit, index, n))
    broken, index, n = next((one for one in looks if one[0]), looks[-1])
    return MeasuredCondition(
        condition="inputs",
        about=name,
        step=step,
        estimate=index,
        low=None,
        high=None,
        limit=limit,
        n=n,
        state="broken" if broken else "open",
    )


def _looks(name: str, champion: ArmSamples, challenger: ArmSamples) -> Iterator[tuple[int, NDArray[Any], NDArray[Any]]]:
    """How many the smaller arm had at each look, and what both had been asked by then."""
    for n in look_sizes(min(len(champion.times), len(challenger.times))):
        until = max(champion.times[n - 1], challenger.times[n - 1])
        arms = [arm.features[name][: np.searchsorted(arm.times, until, side="right")] for arm in (champion, challenger)]
        yield n, arms[0], arms[1]
