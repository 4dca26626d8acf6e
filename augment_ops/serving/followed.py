"""What a supervisor looks at again and again: who is to answer, how far a rollout is, what may be augmented with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from augment_ops.serving.augmentation import AdmittedNow
from augment_ops.serving.exposure import Exposure
from augment_ops.serving.served import Served


class Followed(Protocol):
    """Which version is to answer."""

    @property
    def served(self) -> Served:
        """The one of now."""
        ...

    def changed(self) -> Served | None:
        """The one of now, where it is another than at the last call; it never raises."""
        ...

    def again(self) -> Served | None:
        """The one of now, laid out anew after a worker refused it; None where it cannot be had. It never raises."""
        ...


class Rolling(Protocol):
    """How far the rollout has come that runs."""

    def now(self) -> Exposure | None:
        """The challenger and how far it has come; None where no rollout runs. It never raises."""
        ...

    def fails(self, exposure: Exposure, why: str) -> None:
        """A worker does not ask the challenger any more: end the rollout. It never raises."""
        ...

    def has_won(self, exposure: Exposure) -> bool:
        """Whether this rollout is over, and its challenger champion; it never raises."""
        ...

    @property
    def driver(self) -> Sequence[str] | None:
        """The command that judges the rollout that runs; None where none does."""
        ...


class FollowedPolicies(Protocol):
    """What workers may augment with."""

    @property
    def augmentation(self) -> AdmittedNow:
        """As of now."""
        ...

    def changed(self) -> AdmittedNow | None:
        """As of now, where it is another than at the last call; it never raises."""
        ...
