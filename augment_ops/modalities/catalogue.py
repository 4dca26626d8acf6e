"""The seam of policies: what they may name for a modality, and what applies them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from augment_ops.engine.key import Ids, SampleIds
from augment_ops.engine.keys import Epoch
from augment_ops.errors import Fault
from augment_ops.modalities.source import Samples
from augment_ops.statistics import total

if TYPE_CHECKING:
    from augment_ops.policy.bounds import Bounds, Limits
    from augment_ops.policy.narrowing import Expanded
    from augment_ops.policy.spec import LatencyBudget, Policy
    from augment_ops.policy.steps import Transform


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What transforms do more or less of, and a domain may bound: rotation, noise.

    Attributes:
        name: as comparisons of policies name it.
        key: of the limits' file; several effects may share one.
        limit: what the file says → the largest strength.
        expected: what the file says → what an error expects.
        joint: strengths of what follows each other → the strength of it all.
        shown: the strength of a chain → in the words of the file.
        reached: a strength → the number that comparisons show.
    """

    name: str
    key: str
    limit: Callable[[Any], float] = float
    expected: Callable[[Any], str] = lambda limit: f"within ±{limit:g}"
    joint: Callable[[Sequence[float]], float] = total
    shown: Callable[[float], str] = lambda strength: f"{strength:g}"
    reached: Callable[[float], float] = float


@dataclass(frozen=True)
class Imported:
    """A pipeline as a policy.

    Attributes:
        text: the policy file.
        lost: what the pipeline had and a policy has not, for people.
    """

    policy: Policy
    text: str
    lost: tuple[str, ...]


class Catalogue(Protocol):
    """The transforms and families that a policy of a modality may name. Containers are the policy's own, not its.

    `values` are parameters as `resolved` gives them, `params` as a file has them.
    """

    @property
    def budget(self) -> type[LatencyBudget]:
        """What a policy's budget is checked as: `at` is the shape of a sample."""
        ...

    @property
    def bounds(self) -> type[Bounds]:
        """What a domain may bound: a field a key of an effect. Frozen, and None where it does not bind."""
        ...

    @property
    def limits(self) -> type[Limits]:
        """What a file of limits is checked as: `bounds` with the head of the file."""
        ...

    @property
    def effects(self) -> Sequence[Effect]:
        """All of them, in the order in which they are told."""
        ...

    @property
    def families(self) -> Collection[str]:
        """Names that stand for several transforms (`RandAugment`)."""
        ...

    @property
    def side_by_side(self) -> Collection[str]:
        """The families whose steps do not follow each other, so that of their strengths the largest counts."""
        ...

    @property
    def mixings(self) -> Collection[str]:
        """The kinds of mixing that samples of this modality know."""
        ...

    def names(self) -> Sequence[str]:
        """Of all transforms and families."""
        ...

    def defaults(self, name: str) -> Mapping[str, Any]:
        """Parameter → default of a transform or family; `p` is among them."""
        ...

    def resolved(self, name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """All parameters as they are used: `params`, free of faults, over the defaults, in one form of each."""
        ...

    def unknown_fault(self, where: str, name: str) -> Fault:
        """The fault of a name that no policy may use, with the reason or the nearest name."""
        ...

    def parameter_faults(self, where: str, name: str, params: Mapping[str, Any]) -> list[Fault]:
        """Every fault of one transform's or family's parameters; `where` is the step's place, without its name."""
        ...

    def order_faults(self, transforms: Sequence[Transform]) -> list[Fault]:
        """What is wrong with the order of a policy's steps: what must come last, say."""
        ...

    def rescales(self, name: str) -> bool:
        """Whether a transform leaves the scale and the type of the samples, so that nothing can follow it."""
        ...

    def run_faults(self, transforms: Sequence[Transform]) -> list[Fault]:
        """Why a policy may not train a model that is stress-tested and served: it would see what those do not."""
        ...

    def needs_population(self, name: str) -> bool:
        """Whether what a transform does to a sample depends on its data set (`augment_ops.modalities.base.Population`),
        or on the others of a batch where that is not at hand.
        """
        ...

    def strengths(self, name: str, values: Mapping[str, Any], effect: str) -> Mapping[str, float]:
        """Parameter → the largest strength of an effect that any draw has by it. Only parameters that have a say."""
        ...

    def teaches(self, name: str, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The corruptions that a transform, no family, trains on with these parameters; each once."""
        ...

    def expand(
        self, name: str, params: Mapping[str, Any], where: str, bounds: Bounds | None, shape: tuple[int, ...]
    ) -> Expanded:
        """What a family is made of.

        Args:
            params: free of faults.
            where: its place in the policy.
            bounds: that its steps are cut to; None leaves them as published.
            shape: of the samples that the policy is for; empty where its budget has faults.
        """
        ...

    def bearing(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """What of the content of bounds can bear on a family."""
        ...


class BatchAugmenter(Protocol):
    """A policy and a seed, applied to batches: a pure function of (policy digest, seed, epoch, sample id).

    The same key gives the same bytes whatever the batch, its order, the thread or the process. Thread-safe; picklable.
    """

    @property
    def policy(self) -> Policy:
        """What is applied."""
        ...

    @property
    def seed(self) -> int:
        """With it."""
        ...

    @property
    def engine(self) -> str:
        """What computes: part of the lineage, raised whenever the same key may give other bytes."""
        ...

    @property
    def holds_the_interpreter(self) -> bool:
        """Whether threads would wait for each other, so that several augment faster as processes."""
        ...

    def __call__(self, samples: Samples, /, ids: Ids | SampleIds, epoch: Epoch = 0) -> Samples:
        """Augment a batch.

        Args:
            samples: (N, *shape); not modified.
            ids: N sample ids, integers or strings, distinct; 7 and "7" are the same id. `SampleIds` are hashed already.
            epoch: number of the epoch, or of the copy; or int64 (N,), that of each sample.

        Returns:
            (N, *output_shape(shape)), a new array of the same dtype unless the policy rescales.

        Raises:
            TransformError: samples or ids that cannot be used, or a sample that a transform refuses.
        """
        ...

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what comes of samples of `shape` when every transform applies."""
        ...

    def describe(self) -> list[str]:
        """How the policy is run, for people, a line a pass; empty for the identity."""
        ...
