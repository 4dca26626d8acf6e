"""The seam of what a sample looks like. A modality holds all that knows it; everything else asks the modality.

N samples are an array (N, *shape) of one dtype, and what a dimension means only the modality knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NewType, Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine.key import Key
from augment_ops.errors import Fault
from augment_ops.modalities.catalogue import BatchAugmenter, Catalogue, Imported
from augment_ops.modalities.codec import Codec
from augment_ops.modalities.corruptions import Corruptions
from augment_ops.modalities.source import Samples, Schema

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import nn

    from augment_ops.policy.spec import Policy
    from augment_ops.quality.checks import Checks

    Factory = Callable[[tuple[int, ...], int], nn.Module]  # shape of a sample, number of classes

Scores = Callable[[Samples], NDArray[np.float32]]  # samples (N, *shape) to a score of every class (N, K)
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

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, which labels are places in."""
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

    def with_input(
        self, factory: Factory, size: tuple[int, ...] | None, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> Factory:
        """A factory of nets whose input is resized and normalised, around one of nets that are used to such input.

        Args:
            size: that samples are resized to; None leaves them as they are.
            mean, std: of values in 0 to 1; empty leaves them as they are.

        Raises:
            InputError: samples have no such size; or the net that is made does not fit them, when it is.
        """
        ...

    def as_network(self, net: nn.Module) -> nn.Module:
        """A net that takes N samples as the data sets hold them, around one that takes what networks compute with.

        What happens to a sample on the way then belongs to the exported program, and no service can forget it.

        Raises:
            InputError: networks do not take such samples.
        """
        ...

    def baselines(self, population: Population) -> Mapping[str, Scores]:
        """What ranks the classes without having been trained, and has to be beaten by what was; popularity goes without
        saying.

        Args:
            population: the training split, which is all that it may know.

        Returns:
            by name, as reports call it; empty where classes are not ranked.
        """
        ...

    def categorical(self, schema: Schema | None, shape: tuple[int, ...]) -> tuple[bool, ...]:
        """Which of the F features hold codes of categories; empty where none does, or a sample is no row of features.

        Args:
            schema: of the data set, where its modality has one.
            shape: of a sample.
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
