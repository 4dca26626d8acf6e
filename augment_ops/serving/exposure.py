"""How far a rollout has come, as a worker is told: which version is the challenger, and who is answered by it."""

from __future__ import annotations

from dataclasses import dataclass

from augment_ops.rollout.rules import RolloutRules, StepRules
from augment_ops.serving.assignment import place_of
from augment_ops.serving.served import Served


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """A challenger beside the champion.

    Attributes:
        rollout: id of the rollout.
        challenger: the version on trial, laid out as a champion is.
        step: place of the step of now in the rules, from 0.
    """

    rollout: str
    challenger: Served
    rules: RolloutRules
    step: int

    @property
    def now(self) -> StepRules:
        """The step of now."""
        return self.rules.steps[self.step]

    def takes(self, assigned_by: str) -> bool:
        """Whether who is assigned by this id or subject is among the step's share.

        Who is among the share of one step is among that of each later one.
        """
        return place_of(assigned_by, f"rollout {self.rollout}") < self.now.share

    def is_kept(self, request: str) -> bool:
        """Whether the comparison of a request is among the share of those that are written."""
        kept = self.rules.kept
        return kept >= 1 or place_of(request, f"rollout {self.rollout}, kept") < kept
