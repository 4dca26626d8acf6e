"""What changed between two policies: transforms in their order, strengths, limits, head, digest."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from typing import Any, Literal

import yaml

from augment_ops.errors import PolicyError
from augment_ops.modalities import modality
from augment_ops.modalities.catalogue import Catalogue
from augment_ops.policy.bounds import Bounds, Limits
from augment_ops.policy.limits import reaches
from augment_ops.policy.spec import NARROWED_TO, Policy
from augment_ops.policy.steps import Transform, values_of

_HEAD = (
    "name",
    "version",
    "domain",
    "owner",
    "description",
    "limitations",
    "discovered_by",
    "budget",
    "mixing",
    NARROWED_TO,
)
_WHOLE = "not narrowed"
_TINY = 1e-9  # a strength that differs by less differs by rounding


@dataclass(frozen=True)
class Change:
    """One change of a transform.

    Attributes:
        kind: `added`, `removed`, `moved` (the same transform at another place) or `changed` (other parameters).
        where: its place after the change, or before it where it was removed; from_: the place before a move.
        parameters: of a `changed` one: name → as it was and is used, defaults filled in.
        text: the transform as written, of an added, removed or moved one.
    """

    kind: Literal["added", "removed", "moved", "changed"]
    where: str
    from_: str = ""
    parameters: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True)
class Reach:
    """The strongest effect of all transforms together, in the unit of a bound.

    Attributes:
        bound: as the limits name it.
        before, after: of the two policies.
        limit: of the second policy's domain; None where it does not bind.
        exceeded: whether `after` is beyond it.
    """

    bound: str
    before: float
    after: float
    limit: float | None
    exceeded: bool


@dataclass(frozen=True)
class PolicyDiff:
    """Everything that differs.

    Attributes:
        digests: of both policies; equal where nothing that counts differs.
        head: field → before and after.
        transforms: in the order of the second policy, removed ones where they stood.
        reach: the bounds whose strength differs.
        narrowed: operation of a family with its place → what its domain leaves of it, before and after.
    """

    digests: tuple[str, str]
    head: Mapping[str, tuple[Any, Any]]
    transforms: tuple[Change, ...]
    reach: tuple[Reach, ...]
    narrowed: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        """Whether both are the same policy."""
        return self.digests[0] == self.digests[1]

    def to_json(self) -> str:
        """As one JSON object."""
        return json.dumps({"same": self.same, **asdict(self)}, default=lambda value: value.model_dump())

    def lines(self) -> list[str]:
        """For people."""
        before, after = (digest[:12] for digest in self.digests)
        lines = [f"digest {before} (the same)" if self.same else f"digest {before} → {after}"]
        lines += [f"{name}: {_yaml(old)} → {_yaml(new)}" for name, (old, new) in self.head.items()]
        for change in self.transforms:
            if change.kind == "changed":
                lines += [f"~ {change.where}.{k}: {_yaml(a)} → {_yaml(b)}" for k, (a, b) in change.parameters.items()]
            else:
                sign = {"added": "+", "removed": "-", "moved": ">"}[change.kind]
                came = f" (was {change.from_})" if change.from_ else ""
                lines.append(f"{sign} {change.where}{came}: {change.text}")
        lines += [f"narrowed {operation}: {old} → {new}" for operation, (old, new) in self.narrowed.items()]
        for reach in self.reach:
            bound = "" if reach.limit is None else f" of {reach.limit:g}{', beyond it' if reach.exceeded else ''}"
            lines.append(f"strength {reach.bound}: {reach.before:g} → {reach.after:g}{bound}")
        return lines


def compare(before: Policy, after: Policy, limits: Limits) -> PolicyDiff:
    """What changed from one policy to another.

    Args:
        limits: of the domain of `after`.

    Raises:
        PolicyError: they are of different modalities.
    """
    if before.modality != after.modality:
        raise PolicyError(
            f"{after.name} {after.version}: modality",
            f"{after.modality}",
            f"{before.modality}, as {before.name} {before.version} has it",
            "compare policies of one modality",
        )
    catalogue = modality(after.modality).catalogue
    old, new = reaches(before, limits), reaches(after, limits)
    left = _left_of(before), _left_of(after)
    pairs = {name: (left[0].get(name, _WHOLE), left[1].get(name, _WHOLE)) for name in left[0] | left[1]}
    return PolicyDiff(
        (before.digest, after.digest),
        {name: pair for name in _HEAD if (pair := (_head(before, name), _head(after, name)))[0] != pair[1]},
        tuple(_moves(_changes(before.transforms, after.transforms, "transforms", catalogue))),
        tuple(
            Reach(bound, old[bound][0], strength, limit, exceeded)
            for bound, (strength, limit, exceeded) in new.items()
            if abs(old[bound][0] - strength) > _TINY
        ),
        {name: pair for name, pair in pairs.items() if pair[0] != pair[1]},
    )


def kept_and_reached(policy: Policy, limits: Limits) -> tuple[list[str], list[str]]:
    """The transforms of a policy as its file has them, and how far it goes towards each limit of its domain."""
    families = modality(policy.modality).catalogue.families
    nothing = {effect.name: effect.reached(0.0) for effect in modality(policy.modality).catalogue.effects}
    reached = [
        f"{bound} {strength:g} of {limit:g}"
        for bound, (strength, limit, _) in reaches(policy, limits).items()
        if limit is not None and abs(strength - nothing[bound]) > _TINY
    ]
    return [_written(transform, families) for transform in policy.transforms], reached


def _head(policy: Policy, name: str) -> Any:
    value = getattr(policy, name)
    return value.content() if isinstance(value, Bounds) else value


def _left_of(policy: Policy) -> dict[str, str]:
    """Operation of a family, with its place → what the policy's domain leaves of it, where it takes something."""
    return {f"{one.where} {one.operation}": one.after or "left out" for one in policy.narrowed}


def _changes(before: Sequence[Transform], after: Sequence[Transform], where: str, catalogue: Catalogue) -> list[Change]:
    """Align both lists by name, the longest common order first; what is left over was added or removed."""
    changes: list[Change] = []
    matcher = SequenceMatcher(None, [t.name for t in before], [t.name for t in after], autojunk=False)
    for _, a0, a1, b0, b1 in matcher.get_opcodes():
        if a1 - a0 == b1 - b0 and [t.name for t in before[a0:a1]] == [t.name for t in after[b0:b1]]:
            for i, (old, new) in enumerate(zip(before[a0:a1], after[b0:b1], strict=True)):
                changes += _changed(old, new, f"{where}[{b0 + i}].{new.name}", catalogue)
            continue
        families = catalogue.families
        changes += [Change("removed", f"{where}[{i}]", text=_written(before[i], families)) for i in range(a0, a1)]
        changes += [Change("added", f"{where}[{i}]", text=_written(after[i], families)) for i in range(b0, b1)]
    return changes


def _changed(old: Transform, new: Transform, where: str, catalogue: Catalogue) -> list[Change]:
    values = [values_of(transform, catalogue) for transform in (old, new)]
    different = {k: (values[0].get(k), v) for k, v in values[1].items() if values[0].get(k) != v}
    changes = [Change("changed", where, parameters=different)] if different else []
    # What a family holds follows from its parameters.
    if old.name in catalogue.families:
        return changes
    return changes + _changes(old.children, new.children, f"{where}.transforms", catalogue)


def _moves(changes: list[Change]) -> list[Change]:
    """A transform that was removed at one place and added at another was moved."""
    moved: dict[int, Change] = {}  # position of what was added → what was removed elsewhere
    for i, change in enumerate(changes):
        if change.kind == "added":
            gone = (c for c in changes if c.kind == "removed" and c.text == change.text and c not in moved.values())
            match = next(gone, None)
            if match is not None:
                moved[i] = match
    return [
        Change("moved", change.where, moved[i].where, text=change.text) if i in moved else change
        for i, change in enumerate(changes)
        if change not in moved.values()
    ]


def _written(transform: Transform, families: Collection[str]) -> str:
    """A transform as one line."""
    inside = ""
    if transform.children and transform.name not in families:
        inside = f"transforms: [{', '.join(_written(child, families) for child in transform.children)}]"
    parameters = ", ".join(filter(None, [*(f"{k}: {_yaml(v)}" for k, v in transform.params.items()), inside]))
    return f"{transform.name}: {{{parameters}}}"


def _yaml(value: Any) -> str:
    """A value as it stands in a policy's file, on one line."""
    written = yaml.safe_dump(_of_yaml(value), default_flow_style=True, width=math.inf, allow_unicode=True)
    return written.removesuffix("\n").removesuffix("\n...")


def _of_yaml(value: Any) -> Any:
    """Of the kinds that YAML has."""
    if hasattr(value, "model_dump"):
        return _of_yaml(value.model_dump())
    if isinstance(value, Mapping):
        return {str(name): _of_yaml(part) for name, part in value.items()}
    return [_of_yaml(part) for part in value] if isinstance(value, (list, tuple)) else value
