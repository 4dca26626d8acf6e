"""Whether champion and challenger are asked alike: the condition `inputs`, looked at each time there is twice as much.

Where requests are assigned by a key, the inputs of a canary's two arms differ by chance alone; where they differ by
more, the assignment is at fault, or who asks has a hand in it, and no other comparison of the two is worth anything.

There is no interval to look at at any time for the distance of two distributions of any kind, so it is tested: by
Kolmogorov–Smirnov for numbers, by chi-squared for texts. The k-th look is at the moment at which the smaller arm has
200 · 2^k samples, and has the part of α that `of_many` gives it, divided among the inputs. As an arm of millions shows
any difference, one that is shown ends a rollout only where the population stability index is above the rules' limit.

What a look found is recorded (`looked_inputs.py`), and no look is made twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, kw_only=True)
class InputLook:
    """What one look found.

    Attributes:
        n: samples of the smaller arm.
        index: population stability index by input.
        broken: inputs that are shown to differ, by more than the limit.
    """

    n: int
    index: Mapping[str, float]
    broken: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if unknown := {*self.broken} - {*self.index}:
            raise ValueError(f"broken: {min(unknown)!r} has no index")


def looks_at_inputs(
    rules: RolloutRules, champion: ArmSamples, challenger: ArmSamples, made: Sequence[InputLook] = ()
) -> tuple[InputLook, ...]:
    """All looks at one canary: those that were made, and behind them those that there is enough for by now.

    Args:
        champion, challenger: with the same features.
    """
    rule = rules.conditions.inputs
    if rule is None:
        return ()
    names = sorted({*champion.features} & {*challenger.features})
    alpha = alpha_of(rules) / len(rules.canaries) / max(len(names), 1)
    sizes = look_sizes(min(len(champion.times), len(challenger.times)))
    looks = [*made]
    for n in sizes[len(made) :]:
        until = max(champion.times[n - 1], challenger.times[n - 1])
        seen = [int(np.searchsorted(arm.times, until, side="right")) for arm in (champion, challenger)]
        index, broken = dict[str, float](), []
        for name in names:
            theirs, ours = champion.features[name][: seen[0]], challenger.features[name][: seen[1]]
            index[name] = Psi().measure(theirs, ours).effect
            if _is_shown(theirs, ours, alpha * of_many(len(looks) + 1)) and index[name] > rule.psi_at_most:
                broken.append(name)
        looks.append(InputLook(n=n, index=index, broken=tuple(broken)))
    return tuple(looks)


def measure_inputs(rules: RolloutRules, step: int, looks: Sequence[InputLook]) -> tuple[MeasuredCondition, ...]:
    """The inputs that differ, or the one that differs most; nothing before the first look.

    Each as the first look found it that shows it, else as the last one.

    Args:
        step: index of a canary.
    """
    rule = rules.conditions.inputs
    if rule is None or not looks:
        return ()
    found = [_of_one(name, step, rule.psi_at_most, looks) for name in looks[-1].index]
    found += [  # and what an earlier look has shown of inputs that are logged no more
        _of_one(name, step, rule.psi_at_most, looks)
        for name in sorted({name for look in looks for name in look.broken} - {*looks[-1].index})
    ]
    broken = [one for one in found if one.state == "broken"]
    return tuple(broken or sorted(found, key=lambda one: -one.estimate)[:1])


def _of_one(name: str, step: int, limit: float, looks: Sequence[InputLook]) -> MeasuredCondition:
    of_it = [look for look in looks if name in look.index]
    look = next((one for one in of_it if name in one.broken), of_it[-1])
    return MeasuredCondition(
        condition="inputs",
        about=name,
        step=step,
        estimate=look.index[name],
        low=None,
        high=None,
        limit=limit,
        n=look.n,
        state="broken" if name in look.broken else "open",
    )


def _is_shown(theirs: NDArray[Any], ours: NDArray[Any], alpha: float) -> bool:
    """Whether they differ, by more than chance."""
    detector: Detector = KolmogorovSmirnov() if is_numeric(theirs) and is_numeric(ours) else ChiSquared()
    return detector.measure(theirs, ours).p_value <= alpha
