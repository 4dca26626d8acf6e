"""The seam of what a sample looks like. A modality holds all that knows it; everything else asks the modality.

N samples are an array (N, *shape) of one dtype, and what a dimension means only the modality knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NewType, Protocol

import numpy as np
from numpy.typing import NDArray

from augment_ops.modalities import source
from augment_ops.modalities.codec import Codec

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
        """What samples are called in rules and reports: `images`, `rows`."""
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
