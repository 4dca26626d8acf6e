"""A policy as a plan: which transforms share a pass over the pixels, and why the passes end where they do.

A leaf is one transform at its place in the policy. Leaves in a row that fit one pass (geometry, then colour, then
noise, then holes) form a segment; what looks at neighbours, or is not compiled, stands alone. The alternatives of a
OneOf exclude each other, so their order is free and they are sorted to fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.modalities.image.catalogue import CATALOGUE
from augment_ops.modalities.image.library_size import size_after
from augment_ops.modalities.image.transforms import declarations
from augment_ops.modalities.image.transforms.colour import Colour
from augment_ops.modalities.image.transforms.convolution import Convolution
from augment_ops.modalities.image.transforms.geometry import Geometry, Size
from augment_ops.modalities.image.transforms.holes import Holes
from augment_ops.modalities.image.transforms.noise import Noise
from augment_ops.modalities.image.transforms.normalise import Normalise
from augment_ops.policy.containers import planned
from augment_ops.policy.spec import Mixing, Policy
from augment_ops.policy.steps import Transform, values_of


@dataclass(frozen=True)
class Mix:
    """Chains that are run beside each other and mixed with the image: AugMix.

    Attributes:
        chains: the segments of every chain.
    """

    chains: tuple[tuple[Segment, ...], ...]

    @property
    def leaves(self) -> list[Node]:
        """All that the chains hold."""
        return [leaf for chain in self.chains for segment in chain for leaf in segment.leaves]

    def weights(self, keys: NDArray[np.uint64], index: int) -> NDArray[np.float64]:
        """Shares of the image itself and of every chain, (N, 1 + chains), for samples with `keys` (N, 2).

        The result is (1 - m) · image + m · Σ wᵢ · chainᵢ(image), m uniform, w uniform on the simplex.
        """
        u = philox.uniforms(keys, index, philox.PARAMETERS, 1 + len(self.chains))
        # Exponential numbers over their sum are uniform on the simplex (Devroye 1986, chapter XI).
        shares = -np.log1p(-u[:, 1:])
        shares *= u[:, :1] / np.maximum(shares.sum(axis=1, keepdims=True), TINY)
        return np.concatenate([1 - u[:, :1], shares], axis=1)


Operation = Geometry | Colour | Noise | Holes | Convolution | Mix | Normalise | None

_STAGES: Mapping[type, int] = {Geometry: 0, Colour: 1, Noise: 2, Holes: 3, Convolution: 4, Mix: 5, Normalise: 6}
_STAGE_NAMES = ("geometry", "colour", "noise", "holes", "convolution", "mix", "normalise", "albumentations")
_NOT_COMPILED = len(_STAGES)
_LARGEST = 1e6
TINY = 1e-300  # keeps a sum of zeros, which never comes, from being divided by


@dataclass(frozen=True)
class Node:
    """A transform or container at its place in the policy.

    Attributes:
        index: in the order of the file, containers included: the transform index of its random streams.
        where: as errors name it.
        operation: what a compiled leaf does (AugMix counts as one); None for containers and what albumentations does.
    """

    transform: Transform
    index: int
    where: str
    values: Mapping[str, Any]
    children: tuple[Node, ...] = ()
    operation: Operation = None

    @property
    def name(self) -> str:
        """Of the transform or container."""
        return self.transform.name

    @property
    def applies_whole(self) -> bool:
        """Whether its children apply to whatever it applies to."""
        return isinstance(self.operation, Mix)

    @property
    def stage(self) -> int:
        """Where in a pass it belongs; what stands alone comes last."""
        return _STAGES.get(type(self.operation), _NOT_COMPILED)


@dataclass
class Segment:
    """Leaves that share a pass over the pixels.

    Attributes:
        why: the reason for not continuing the segment before; empty for the first.
    """

    why: str
    leaves: list[Node] = field(default_factory=list)

    def of(self, kind: type) -> list[Node]:
        """Its leaves of one kind of operation."""
        return [leaf for leaf in self.leaves if isinstance(leaf.operation, kind)]

    def output_size(self, size: Size) -> Size:
        """The size of what comes of images of `size`."""
        for leaf in self.leaves:
            if isinstance(leaf.operation, Geometry):
                size = leaf.operation.size(size)
            elif leaf.operation is None:
                size = size_after(leaf.transform, size, leaf.where)
        return size

    def describe(self) -> str:
        """One line for people."""
        by_stage: dict[int, list[str]] = {}
        for leaf in self.leaves:
            by_stage.setdefault(leaf.stage, []).append(leaf.transform.name)
        return " · ".join(f"{_STAGE_NAMES[stage]}: {', '.join(names)}" for stage, names in sorted(by_stage.items()))


@dataclass(frozen=True)
class Plan:
    """A compiled policy.

    Attributes:
        nodes: the policy's transforms as a forest.
        segments: the passes, in order.
        mixing: of the samples that the passes leave.
    """

    nodes: tuple[Node, ...]
    segments: tuple[Segment, ...]
    mixing: Mixing | None = None

    @property
    def uses_albumentations(self) -> bool:
        """Whether a transform is not compiled."""
        return any(leaf.stage == _NOT_COMPILED for segment in self.segments for leaf in segment.leaves)

    @property
    def since(self) -> int:
        """The newest revision of the engine that one of its transforms is compiled since; 0 where none is."""
        leaves = [leaf for segment in self.segments for leaf in segment.leaves]
        inside = [inner for leaf in leaves if isinstance(leaf.operation, Mix) for inner in leaf.operation.leaves]
        compiled = [leaf for leaf in (*leaves, *inside) if leaf.operation is not None and leaf.name in declarations()]
        return max((declarations()[leaf.name].since for leaf in compiled), default=0)

    def output_size(self, size: Size) -> Size:
        """The size of what comes of images of `size` when every transform applies."""
        for segment in self.segments:
            size = segment.output_size(size)
        return size

    def describe(self) -> list[str]:
        """The plan for people: a line a segment, and the reason where one ends."""
        lines = []
        for number, segment in enumerate(self.segments, 1):
            if segment.why:
                lines.append(f"   — {segment.why}")
            lines.append(f"{number}. {segment.describe()}")
        if self.mixing is not None:
            share = f"alpha {self.mixing.alpha:g}, p {self.mixing.p:g}"
            lines.append(f"then {self.mixing.kind} with a sample of the split that the key draws ({share})")
        return lines


def compile_policy(policy: Policy) -> Plan:
    """Compile a policy that is free of faults."""
    counter = iter(range(1 << 30))
    nodes = tuple(_node(t, f"transforms[{i}]", counter) for i, t in enumerate(policy.transforms))
    return Plan(nodes, _segments(nodes), policy.mixing)


def _segments(nodes: Sequence[Node]) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    for leaf in _leaves(nodes):
        why = _why_not(segments[-1], leaf) if segments else ""
        if why or not segments:
            segments.append(Segment(why))
        segments[-1].leaves.append(leaf)
    return tuple(segments)


def _node(transform: Transform, where: str, counter: Iterator[int]) -> Node:
    index, name = next(counter), transform.name
    place = f"{where}.{name}"
    values = values_of(transform, CATALOGUE)
    places = planned(name, values, list(enumerate(transform.children)))
    children = tuple(_node(t, f"{place}.transforms[{i}]", counter) for i, t in places)
    operation: Operation
    if name == "AugMix":
        operation = Mix(tuple(_segments([child]) for child in children))
    else:
        operation = None if children else _compiled(name, values)
    return Node(transform, index, place, values, children, operation)


def _compiled(name: str, values: Mapping[str, Any]) -> Operation:
    declared = declarations().get(name)
    build = declared and declared.compile
    return build(values) if build and _sane(values) else None


def _sane(value: Any) -> bool:
    """Whether all numbers of a transform are such as arithmetic is made for; else albumentations answers for it."""
    if isinstance(value, Mapping):
        return all(map(_sane, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_sane, value))
    return not isinstance(value, (int, float)) or abs(value) <= _LARGEST


def _leaves(nodes: Sequence[Node]) -> Iterator[Node]:
    for step in _steps(nodes):
        yield from sorted(step, key=lambda leaf: leaf.stage)


def _steps(nodes: Sequence[Node]) -> list[list[Node]]:
    """The leaves in order, those together that exclude each other and may run in any order."""
    steps: list[list[Node]] = []
    for node in nodes:
        if node.transform.name == "OneOf":
            branches = [_steps([child]) for child in node.children]
            steps += [[leaf for leaves in step for leaf in leaves] for step in zip_longest(*branches, fillvalue=[])]
        elif isinstance(node.operation, Mix):
            steps.append([node])
        elif node.children:
            steps += _steps(node.children)
        elif node.transform.name != "NoOp":
            steps.append([node])
    return steps


def _why_not(segment: Segment, leaf: Node) -> str:
    """Why a leaf cannot join a segment; empty where it can."""
    name, last = leaf.transform.name, segment.leaves[-1]
    alone = _alone(leaf) or _alone(last)
    if alone:
        return alone
    if leaf.stage < last.stage:
        return f"{name} ({_STAGE_NAMES[leaf.stage]}) comes after {last.transform.name} ({_STAGE_NAMES[last.stage]})"
    if isinstance(leaf.operation, Geometry):
        return _why_not_one_warp(segment, leaf, leaf.operation)
    if leaf.stage == last.stage and not isinstance(leaf.operation, Colour):
        return f"a pass draws one kind of {_STAGE_NAMES[leaf.stage]}"
    return ""


def _alone(leaf: Node) -> str:
    """Why a leaf shares its pass with no other; empty where it may."""
    name = leaf.transform.name
    if leaf.operation is None:
        return f"{name} runs through albumentations, image by image"
    if isinstance(leaf.operation, Convolution):
        return f"{name} looks at neighbours"
    if isinstance(leaf.operation, Normalise):
        return f"{name} leaves the levels of pixels"
    return f"{name} mixes chains of its own" if isinstance(leaf.operation, Mix) else ""


def _why_not_one_warp(segment: Segment, leaf: Node, new: Geometry) -> str:
    for earlier in segment.of(Geometry):
        before = earlier.operation
        assert isinstance(before, Geometry)
        if before.crops:
            return f"{leaf.transform.name} could bring back what {earlier.transform.name} cut off"
        if new.pads and before.border is not None:
            return f"{leaf.transform.name} adds a rim where {earlier.transform.name} may have moved pixels"
        if before.border is None or new.border is None:
            continue  # one of them reads no pixel outside the source, nor between two
        names = f"{leaf.transform.name} and {earlier.transform.name}"
        if before.border != new.border:
            return f"{names} differ in border or interpolation"
        if before.mask_border != new.mask_border:
            return f"{names} differ in border or interpolation of masks"
        if before.ellipse != new.ellipse:
            return f"{names} turn boxes in different ways"
    return ""
