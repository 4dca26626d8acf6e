"""Near copies among many images: an exact brute-force search made cheap by bounds that cannot lose a pair.

RMS distance between images ≥ RMS distance between their 8×8 area thumbnails ≥ difference of their means. So the
references are sorted by mean, a block of queries meets only the window of means within reach, thumbnail distances come
from one matrix product a block, and the few candidates left are compared at full size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from augment_ops.data.payload import SamplesOrPayload, payload_of
from augment_ops.modalities.base import Payload
from augment_ops.modalities.image.pixels import Floats, Rows, Thumbnails, chunks, contrast_of

_SIDE = 8
_QUERIES, _REFERENCES = 512, 4096  # a block of distances is 8 MB: it stays near the processor's cache
_MAX_CANDIDATES = 32  # full-size comparisons a query; more happen only where all images look alike at 8×8
_PAIRS_AT_ONCE_VALUES = 2_000_000


@dataclass(frozen=True, eq=False)
class Gallery:
    """Images that take part in a search, and what was seen of each of them in one reading.

    What is kept of an image is 4 bytes, and 4 a value of its thumbnail: 772 bytes in colour, 260 in grey.

    Attributes:
        images: all of them.
        rows: int64 (K,), positions in `images` of those that were looked at.
        thumbnails: float32 (K, up to 64·C); contrasts: float32 (K,), see `contrast`.
        places: int64 (M,), which of the K are members.
    """

    images: Payload
    rows: Rows
    thumbnails: Floats
    contrasts: Floats
    places: Rows

    @classmethod
    def of(cls, images: SamplesOrPayload, rows: Rows | None = None) -> Gallery:
        """All images, or those at `rows`, each read once."""
        payload = payload_of(images)
        rows = np.arange(len(payload), dtype=np.int64) if rows is None else rows
        small = Thumbnails(payload.shape, _SIDE)
        thumbnails = np.empty((len(rows), int(np.prod(small.shape))), np.float32)
        contrasts = np.empty(len(rows), np.float32)
        for part, batch in chunks(payload, rows):
            thumbnails[part] = small(batch).reshape(len(batch), -1)
            contrasts[part] = contrast_of(batch)
        return cls(payload, rows, thumbnails, contrasts, np.arange(len(rows)))

    def __len__(self) -> int:
        return len(self.places)

    def members(self, which: Rows) -> Gallery:
        """The members at positions `which`, in that order; nothing is copied."""
        return Gallery(self.images, self.rows, self.thumbnails, self.contrasts, self.places[which])

    def looks(self, which: Rows, centre: Floats) -> Floats:
        """Thumbnails of the members at positions `which`, less `centre`: float32 (n, D), a copy."""
        found: Floats = self.thumbnails[self.places[which]] - centre
        return found

    def take(self, which: Rows) -> Floats:
        """The members at positions `which` at full size: float32 (n, H, W, C); one that repeats is read once."""
        distinct, back = np.unique(self.rows[self.places[which]], return_inverse=True)
        return self.images.take(distinct).astype(np.float32)[back]


@dataclass(frozen=True)
class Copies:
    """What was found: for each query that has one, its closest near copy.

    Attributes:
        queries, references: int64 (K,), positions in the galleries; queries ascend.
        rms: float32 (K,), grey levels.
        capped: queries with more candidates than were compared (the closest thumbnails were).
    """

    queries: Rows
    references: Rows
    rms: Floats
    capped: int


def near_copies(queries: Gallery, references: Gallery, max_rms: float, max_contrast_share: float) -> Copies:
    """The closest reference of each query, where its RMS difference is within both limits.

    Args:
        queries, references: galleries of images of one shape.
        max_rms: grey levels.
        max_contrast_share: of the query's own contrast (standard deviation in grey levels).
    """
    if not len(queries) or not len(references):
        return Copies(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), 0)
    contrasts = queries.contrasts[queries.places]
    reach = np.minimum(max_rms, max_contrast_share * contrasts).astype(np.float32)
    query, reference, capped = _candidates(queries, references, reach)
    rms = _full_rms(queries, references, query, reference)
    hit = rms <= reach[query]
    query, reference, rms = query[hit], reference[hit], rms[hit]
    order = np.lexsort((reference, rms, query))
    first = order[np.unique(query[order], return_index=True)[1]]
    return Copies(query[first], reference[first], rms[first], capped)


def _candidates(queries: Gallery, references: Gallery, reach: Floats) -> tuple[Rows, Rows, int]:
    """Pairs whose thumbnails are within the query's reach: positions in both galleries, and queries capped."""
    centre = _centre(references)  # distances stay, and float32 keeps more of them
    mean_a, half_a = _means(queries, centre)
    mean_b, half_b = _means(references, centre)
    order_a, order_b = np.argsort(mean_a, kind="stable"), np.argsort(mean_b, kind="stable")
    mean_b = mean_b[order_b]
    rounding = 8 * float(np.finfo(np.float32).eps) * float(half_a.max() + half_b.max())
    found: list[tuple[Rows, Rows]] = []
    capped = 0
    for start in range(0, len(order_a), _QUERIES):
        block = order_a[start : start + _QUERIES]
        within, margin = reach[block], 1e-2  # grey levels; the means are float32 sums
        low = np.searchsorted(mean_b, (mean_a[block] - within).min() - margin)
        high = np.searchsorted(mean_b, (mean_a[block] + within).max() + margin)
        # (a, 1, -|a|²/2) · (b, -|b|²/2, 1) = -|a-b|²/2: distance and both norms in one product
        left = np.column_stack([queries.looks(block, centre), np.ones_like(within), -half_a[block]])
        floor = np.asarray(-(len(centre) * np.square(within) / 2 + rounding), np.float32)
        window = order_b[low:high]
        query, reference, over = _block_candidates(left, _right(references, window, half_b, centre), floor)
        found.append((block[query], window[reference]))
        capped += over
    return np.concatenate([q for q, _ in found]), np.concatenate([r for _, r in found]), capped


def _parts(gallery: Gallery) -> Iterator[Rows]:
    """Positions of all members, a few thousand at a time."""
    for start in range(0, len(gallery), _REFERENCES):
        yield np.arange(start, min(start + _REFERENCES, len(gallery)))


def _centre(gallery: Gallery) -> Floats:
    """Mean thumbnail: float32 (D,)."""
    zero = np.zeros(gallery.thumbnails.shape[1], np.float32)
    total = sum(gallery.looks(part, zero).sum(axis=0, dtype=np.float64) for part in _parts(gallery))
    return np.asarray(total / len(gallery), np.float32)


def _means(gallery: Gallery, centre: Floats) -> tuple[Floats, Floats]:
    """Mean, and half the squared length, of each member's thumbnail less the centre: float32 (M,) each."""
    means, halves = np.empty(len(gallery), np.float32), np.empty(len(gallery), np.float32)
    for part in _parts(gallery):
        looks = gallery.looks(part, centre)
        means[part], halves[part] = looks.mean(axis=1), np.square(looks).sum(axis=1) / 2
    return means, halves


def _right(references: Gallery, window: Rows, half: Floats, centre: Floats) -> Iterator[Floats]:
    """The right factors of a block's products: float32 (D + 2, n), n up to `_REFERENCES`."""
    for start in range(0, len(window), _REFERENCES):
        which = window[start : start + _REFERENCES]
        looks = references.looks(which, centre)
        yield np.column_stack([looks, -half[which], np.ones(len(which), np.float32)]).T


def _block_candidates(left: Floats, rights: Iterable[Floats], floor: Floats) -> tuple[Rows, Rows, int]:
    """Positions within the block, at most `_MAX_CANDIDATES` a query, closest first; and the queries that had more."""
    parts: list[tuple[Rows, Rows, Floats]] = []
    total = np.zeros(len(left), np.int64)
    start = 0
    for right in rights:
        closeness = left @ right
        close = closeness >= floor[:, None]
        counts = close.sum(axis=1)
        total += counts
        if (counts > _MAX_CANDIDATES).any():
            top = np.argpartition(closeness, -_MAX_CANDIDATES, axis=1)[:, -_MAX_CANDIDATES:]
            kept = np.zeros_like(close)
            np.put_along_axis(kept, top, True, axis=1)
            close &= kept
        query, reference = np.nonzero(close)
        parts.append((query, reference + start, closeness[query, reference]))
        start += right.shape[1]
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), 0
    query, reference, score = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((-score, query))
    query, reference = query[order], reference[order]
    rank = np.arange(len(query)) - np.searchsorted(query, query)  # 0 for a query's closest candidate
    keep = rank < _MAX_CANDIDATES
    return query[keep], reference[keep], int((total > _MAX_CANDIDATES).sum())


def _full_rms(queries: Gallery, references: Gallery, query: Rows, reference: Rows) -> Floats:
    """RMS difference in grey levels of each candidate pair at full size: float32 (K,)."""
    out = np.empty(len(query), np.float32)
    size = max(1, _PAIRS_AT_ONCE_VALUES // max(1, int(np.prod(queries.images.shape))))
    for start in range(0, len(query), size):
        part = slice(start, start + size)
        difference = queries.take(query[part])
        difference -= references.take(reference[part])
        out[part] = np.sqrt(np.square(difference).mean(axis=(1, 2, 3)))
    return out
