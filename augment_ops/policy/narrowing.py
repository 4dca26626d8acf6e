"""What the limits of a domain leave of a family's operations: magnitudes cut, operations left out, and both told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

# What a family spells out: (name, parameters, steps inside).
Step = tuple[str, dict[str, Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Narrowed:
    """An operation of a family that a domain cut or left out.

    Attributes:
        where: the family's place in the policy.
        operation: as its authors name it.
        before, after: the strongest that it was and is, in words; both empty where it is left out.
        why: the key of the limits that bounds it, or the reason why it is forbidden.
    """

    where: str
    operation: str
    before: str
    after: str
    why: str

    def told(self, domain: str) -> str:
        """For people."""
        what = f"narrowed from {self.before} to {self.after}" if self.after else "left out"
        return f"{self.where}: {self.operation} {what} (policies/limits/{domain}.yaml: {self.why})"


@dataclass(frozen=True)
class Expanded:
    """A family spelled out.

    Attributes:
        steps: none where its limits leave no operation.
        narrowed: what they cut and left out.
    """

    steps: tuple[Step, ...]
    narrowed: tuple[Narrowed, ...] = ()


def does_something(steps: Sequence[Step]) -> bool:
    """Whether any step, or one inside, is more than NoOp."""
    return any(name != "NoOp" for name in names(steps))


def names(steps: Sequence[Step]) -> Iterator[str]:
    """Of the transforms in steps, however deep; containers are none."""
    for name, _, inside in steps:
        yield from names(inside) if inside else [name]
