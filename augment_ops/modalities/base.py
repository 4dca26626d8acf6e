"""The seam of what a sample looks like. A modality holds all that knows it; everything else asks the modality.

N samples are an array (N, *shape) of one dtype, and what a dimension means only the modality knows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NewType, Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import Ids, Key, SampleIds
from augment_ops.errors import Fault
from augment_ops.modalities import source
from augment_ops.modalities.codec import Codec
from augment_ops.statistics import total

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import nn

    from augment_ops.policy.bounds import Bounds, Limits
    from augment_ops.policy.narrowing import Expanded
    from augment_ops.policy.spec import LatencyBudget, Policy
    from augment_ops.policy.steps import Transform
    from augment_ops.quality.checks import Checks

Samples = NDArray[Any]  # (N, *shape)
Schema = source.Schema  # what there is to know of a data set's samples beside their arrays
Html = NewType("Html", str)  # a piece of a page in which every text is escaped


class Payload(Protocol):
    """N samples of one shape, wherever they lie and however they are kept.

    Safe to read from several threads. A pickle of it says where the samples lie rather than what they are, so that
    worker processes can have it.
    """

    def __len__(self) -> int:
        """N."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every sample."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of every sample."""
        ...

    def take(self, rows: NDArray[np.int64]) -> Samples:
        """The samples at `rows`, in that order: (n, *shape) in C order, a copy that belongs to the caller.

        Args:
            rows: int64 (n,), 0 to N - 1; any order, and a row more than once.

        Raises:
            IndexError: a row beyond the last.
            StoreError: the samples are missing or altered.
        """
        ...


SEVERITIES = (1, 2, 3, 4, 5)  # of a corruption; 0 is the untouched sample
Strengths = Mapping[str, Sequence[float]]  # each parameter of a corruption → five strengths, one for each severity


class Corrupter(Protocol):
    """The corruptions as they are for one data set."""

    def __call__(
        self, name: str, severity: int, samples: Samples, ids: Sequence[str], params: Strengths | None = None
    ) -> Samples:
        """Corrupt a batch. Every draw is keyed by (corruption, severity, sample id), so that no batch matters.

        Args:
            name: of the corruption; severity: 1 to 5.
            samples: (N, *shape) of the modality's dtype; not modified.
            ids: N sample ids; equal ids draw alike.
            params: the strengths that a suite gives; None for the published ones.

        Returns:
            A new array of that shape and dtype.

        Raises:
            TransformError: unknown corruption or severity, strengths that do not fit it, or samples that it cannot
                work on.
        """
        ...


class Corruptions(Protocol):
    """The nuisances that stress suites of a modality are made of, one at a time, at five severities."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every corruption; the other methods take one of them."""
        ...

    @property
    def causes(self) -> tuple[str, ...]:
        """How a corruption can destroy a sample, a word each; up to 255."""
        ...

    def parameters(self, name: str) -> Mapping[str, str]:
        """Each parameter → its unit in words."""
        ...

    def fault(self, name: str, params: Strengths) -> str:
        """What is expected of explicit strengths, where these are wrong; else empty. Strengths rise with severity."""
        ...

    def in_levels(self, name: str) -> bool:
        """Whether its strengths are shares of a range of values, which a suite may bind to what a data set has."""
        ...

    def published(self, name: str, shape: tuple[int, ...]) -> Strengths:
        """The strengths that samples of a shape meet where a suite gives none."""
        ...

    def published_content(self, name: str) -> object:
        """All that decides `published`, as plain values: it enters the digest of suites that give no strengths."""
        ...

    def shape_fault(self, name: str, shape: tuple[int, ...]) -> str:
        """What it needs that samples of a shape do not have; empty where it works on them."""
        ...

    def bound(self, batches: Iterable[Samples], schema: Schema | None, of_levels: Sequence[str]) -> Corrupter:
        """What corrupts a data set: strengths that are relative to it are measured here, once.

        Args:
            batches: all of its samples that are corrupted, a part at a time; read only where something is measured.
            schema: of the data set, where its modality has one.
            of_levels: the corruptions whose strengths are shares of the range of values that this data set has.
        """
        ...

    def remains(self, name: str, clean: Samples, corrupted: Samples) -> NDArray[np.uint8]:
        """Why nothing is left of each sample: uint8 (N,), 0 where something is, else the place in `causes`, from 1.

        Each sample by itself, from nothing but these two, so that it is found again from frozen ones.

        Args:
            clean, corrupted: (N, *shape), sample by sample.
        """
        ...


# What a policy may name, and what applies it: asked by `policy/` and by whoever augments.


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

    def __call__(self, samples: Samples, /, ids: Ids | SampleIds, epoch: int = 0) -> Samples:
        """Augment a batch.

        Args:
            samples: (N, *shape); not modified.
            ids: N sample ids, integers or strings, distinct; 7 and "7" are the same id. `SampleIds` are hashed already.
            epoch: number of the epoch, or of the copy.

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


class Population(Protocol):
    """The samples that a policy augments, for transforms that look at others of them (SMOTE at neighbours)."""

    @property
    def payload(self) -> Payload:
        """N samples."""
        ...

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,)."""
        ...

    @property
    def ids(self) -> tuple[str, ...]:
        """N sample ids."""
        ...

    @property
    def schema(self) -> Schema | None:
        """Of the data set, where its modality has one."""
        ...


class Modality(Protocol):
    """All that knows what a sample looks like."""

    @property
    def name(self) -> str:
        """As policies and manifests name it."""
        ...

    @property
    def codec(self) -> Codec:
        """What its data sets are read by."""
        ...

    # Words for rules, reports and pages.

    @property
    def plural(self) -> str:
        """What samples are called in rules, reports and messages: `images`, `rows`."""
        ...

    @property
    def one(self) -> str:
        """What one is called, with its article: `an image`, `a row`."""
        ...

    @property
    def shown_as(self) -> str:
        """What samples are called where they are looked at: `pictures`, `rows`."""
        ...

    @property
    def axes(self) -> tuple[str, ...]:
        """What each dimension of a sample is called, in order."""
        ...

    # What drift looks at.

    @property
    def properties(self) -> tuple[str, ...]:
        """Names of the features, where they are the same for every data set; empty where a sample is a row of a table
        and its columns are its features, which a prediction log keeps as columns.
        """
        ...

    def features(self, samples: Samples, schema: Schema | None = None) -> Mapping[str, NDArray[Any]]:
        """What distributions are compared of, sample by sample.

        Args:
            samples: (N, *shape); a few MB, of as many batches as there are.
            schema: of the data set, where its modality has one.

        Returns:
            by name: float64 (N,) with NaN for missing, or object (N,) of text with None for missing. `properties`, in
            that order, where there are any; the columns of the table otherwise.
        """
        ...

    def size(self, shape: tuple[int, ...]) -> float:
        """How large a sample of that shape is, as drift compares it; its unit is the modality's."""
        ...

    def check(self, samples: object, where: str) -> None:
        """Refuse what are no samples of this modality.

        Args:
            samples: what claims to be (N, *shape); an array is not read.
            where: it was found, for the error.

        Raises:
            DataError: no array, another dtype, another number of dimensions, or an empty one.
        """
        ...

    # What pages and galleries show.

    def show(
        self,
        samples: Samples,
        alt: Sequence[str],
        *,
        against: Samples | None = None,
        schema: Schema | None = None,
        css_class: str = "",
        exact: bool = False,
    ) -> list[Html]:
        """A piece of a page for each sample; it refers to nothing, and runs nothing.

        Args:
            samples: (N, *shape).
            alt: N texts that say what each is, for who cannot see it; anybody's, and so escaped here.
            against: (N, *shape), what each sample was made of: what differs from it may be marked.
            schema: of the data set, where its modality has one.
            css_class: by which the page lays the pieces out; none by default.
            exact: all that a sample holds, where by default what is large may be shown smaller.
        """
        ...

    def draw(
        self, axes: Axes, sample: Samples, *, against: Samples | None = None, schema: Schema | None = None
    ) -> None:
        """Draw one sample into axes of matplotlib, whose ticks and frame are taken away afterwards.

        Args:
            axes: about an inch wide and high.
            sample: (*shape).
            against: (*shape), what it was made of: what differs from it may be marked.
            schema: of the data set, where its modality has one.
        """
        ...

    def change(self, before: Samples, after: Samples) -> float:
        """How far one sample is from what it was made of: 0 where nothing changed, and more the more did.

        Args:
            before: (*shape).
            after: (*shape), or of another shape where a policy brings samples to one.
        """
        ...

    # What suites are made of, and what samples are measured by.

    @property
    def corruptions(self) -> Corruptions:
        """What stress suites do to samples."""
        ...

    @property
    def checks(self) -> Checks:
        """What samples are measured by before augmentation and after it."""
        ...

    # What trains on the samples.

    @property
    def trainer(self) -> str:
        """Name of the trainer that `auto` means."""
        ...

    @property
    def network(self) -> str:
        """`package.module:factory` of the network where a run names none; empty where there is none."""
        ...

    def as_network(self, net: nn.Module) -> nn.Module:
        """A net that takes N samples as the data sets hold them, around one that takes what networks compute with.

        What happens to a sample on the way then belongs to the exported program, and no service can forget it.

        Raises:
            InputError: networks do not take such samples.
        """
        ...

    def categorical(self, manifest: Any) -> tuple[bool, ...]:
        """Which of the F features hold codes of categories, by the manifest of a data set's snapshot.

        Empty where none does, or where a sample is not a row of features.
        """
        ...

    # What a policy may name, and what applies it.

    @property
    def catalogue(self) -> Catalogue:
        """What a policy may name."""
        ...

    def imported(self, path: Path, *, name: str, owner: str, domain: str) -> Imported:
        """A pipeline that the best known library of this modality saved, as a policy.

        Args:
            path: the saved pipeline.
            name: of the policy; owner, domain: as the policy file has them.

        Raises:
            PolicyError: no such file, not a saved pipeline, a transform that no policy may use, or a modality without a
                library whose pipelines are known.
        """
        ...

    def augmenter(self, policy: Policy, seed: int, population: Population | None = None) -> BatchAugmenter:
        """What applies a policy.

        Args:
            policy: of this modality.
            seed: any integer; other seeds give independent results.
            population: what the batches are taken from. The result may depend on it where a transform looks at other
                samples; without it, such a transform takes the batch for the whole.
        """
        ...

    def invented(self, n: int, shape: tuple[int, ...], key: Key) -> Samples:
        """`n` samples of a shape, drawn from a key: to time a policy on, and to try it."""
        ...

    def shape_faults(self, policy: Policy, before: tuple[int, ...], after: tuple[int, ...]) -> list[Fault]:
        """Why a policy that makes samples of shape `after` of those of `before` cannot train on them; empty if it can.

        Models are trained and tested at one shape.
        """
        ...

    def pasted(
        self, own: Samples, other: Samples, weights: NDArray[np.float64], u: NDArray[np.float64]
    ) -> tuple[Samples, NDArray[np.float64]]:
        """Samples with a part of others in them: the mixing `cutmix`, of modalities that have it among their mixings.

        Args:
            own, other: (N, *shape); not modified.
            weights: float64 (N,), the share that is to stay of `own`; u: float64 (N, 2), uniform, places the part.

        Returns:
            A new array (N, *shape) of that dtype, and the shares that stayed.
        """
        ...
