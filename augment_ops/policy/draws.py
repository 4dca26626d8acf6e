"""One transform at a time: its policy alone, and its draws from the weakest to the strongest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from augment_ops.content import digest_of
from augment_ops.engine.key import Ids, SampleIds
from augment_ops.modalities import modality
from augment_ops.policy.spec import Policy
from augment_ops.policy.steps import Transform

# Of the draws that change anything, in the order of what they change; the very ends would show accidents.
LEVELS = {"low": 0.1, "middle": 0.5, "high": 0.95}


@dataclass(frozen=True)
class Draw:
    """One draw of a transform on one sample, which anybody can make again.

    Attributes:
        level: `low`, `middle` or `high` of what the transform does to this sample.
        epoch: with the policy, the seed and the sample id the key of the draw.
        rms: root mean square of the change, in units of the sample; what is no number before or after counts as kept.
        sample: of the policy's output shape.
    """

    level: str
    epoch: int
    rms: float
    sample: NDArray[Any]


def each_alone(policy: Policy, *, always: bool) -> Iterator[tuple[str, Policy]]:
    """Every step of a policy as a policy of its own, with its place. Mixing, which needs partners, is left out.

    Args:
        always: apply it to every sample (p = 1), as a gallery shows it, and not as often as the policy does.
    """
    for i, step in enumerate(policy.transforms):
        params = {**step.params, "p": 1.0} if always else step.params
        shown = Transform(step.name, params, step.children)
        place = f"transforms[{i}].{step.name}"
        yield place, replace(policy, transforms=(shown,), mixing=None, digest=digest_of([policy.digest, place, always]))


def levels_of(policy: Policy, sample: NDArray[Any], sample_id: str, seed: int, *, draws: int = 64) -> list[Draw]:
    """What a policy does to a sample at low, middle and high strength.

    Strength is measured, not read from parameters: of `draws` draws those that change anything are put in the order of
    how much they change, which serves every transform, container and family alike.

    Args:
        sample: of the policy's modality.

    Returns:
        A draw a level; none where no draw changes anything.
    """
    kind, ids = modality(policy.modality), SampleIds.of([sample_id])
    augment = kind.augmenter(policy, seed)
    made: list[tuple[float, int, NDArray[Any]]] = []
    for epoch in range(draws):
        out = augment(sample[None], ids, epoch)[0]
        moved = kind.change(sample, out)
        if moved > 0:
            made.append((moved, epoch, out))
    made.sort(key=lambda draw: draw[:2])
    found = []
    for level, share in LEVELS.items() if made else ():
        moved, epoch, out = made[round(share * (len(made) - 1))]
        found.append(Draw(level, epoch, moved, out))
    return found


def sampled(policy: Policy, samples: NDArray[Any], ids: Ids, seed: int, copies: int) -> list[NDArray[Any]]:
    """The whole policy on every sample, `copies` times: epochs 0, 1, … of the same key as in training."""
    augment, known = modality(policy.modality).augmenter(policy, seed), SampleIds.of(ids)
    return [augment(samples, known, epoch) for epoch in range(copies)]
