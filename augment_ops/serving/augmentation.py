"""What workers may augment with, as they are told: the text of each policy with its digest, and why others are off."""

from __future__ import annotations

from dataclasses import dataclass, field

from augment_ops.errors import PolicyError
from augment_ops.policy.spec import Policy
from augment_ops.serving.breaker import State


@dataclass(frozen=True, kw_only=True)
class LaidPolicy:
    """A policy that is admitted where the service answers.

    Attributes:
        name: `name@version`; text: of its file, with the bounds that it was narrowed to; digest: of what it says.
    """

    name: str
    text: str
    digest: str

    def read(self) -> Policy:
        """The policy.

        Raises:
            PolicyError: the text is another one.
        """
        policy = Policy.from_text(self.text, self.name)
        if policy.digest != self.digest:
            found, expected = f"content {policy.digest[:12]}…", f"{self.digest[:12]}…, which was admitted"
            raise PolicyError(self.name, found, expected, "start the service again")
        return policy


@dataclass(frozen=True)
class AdmittedNow:
    """Which policies workers may augment with from now on.

    Attributes:
        policies: those that are admitted.
        refused: `name@version` → why it is not, for people.
    """

    policies: tuple[LaidPolicy, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BreakerChanged:
    """A worker's breaker has changed; why, for people."""

    breaker: str
    to: State
    why: str

    @property
    def told(self) -> str:
        """A line for people."""
        because = f": {self.why}" if self.why and self.to == "open" else ""
        return f"breaker {self.breaker} of a worker is {self.to}{because}"
