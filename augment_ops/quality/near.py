"""Near copies among many images: an exact brute-force search made cheap by bounds that cannot lose a pair.

RMS distance between images ≥ RMS distance between their 8×8 area thumbnails ≥ difference of their means. So the
references are sorted by mean, a block of queries meets only the window of means within reach, thumbnail distances come
from one matrix product a block, and the few candidates left are compared at full size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from augment_ops.quality.pixels import Floats, Images, Rows, area_thumbnails, contrast

_SIDE = 8
_QUERIES, _REFERENCES = 512, 4096  # a block of distances is 8 MB: it stays near the processor's cache
_MAX_CANDIDATES = 32  # full-size comparisons a query; more happen only where all images look alike at 8×8
_PAIRS_AT_ONCE_VALUES = 2_000_000


@dataclass(frozen=True)
class Gallery:
    """Images that take part in a search.

    Attributes:
        images: uint8 (N, H, W, C), perhaps memory-mapped.
        rows: int64 (M,), positions in `images` of the members.
        thumbnails: float32 (M, up to 64·C).
    """

    images: Images
    rows: Rows
    thumbnails: Floats

    @classmethod
    def of(cls, images: Images, rows: Rows | None = None) -> Gallery:
        """All images, or those at `rows`."""
        rows = np.arange(len(images), dtype=np.int64) if rows is None else rows
        thumbnails = area_thumbnails(images, rows, _SIDE)
        return cls(images, rows, thumbnails.reshape(len(rows), int(np.prod(thumbnails.shape[1:]))))

    def members(self, which: Rows) -> Gallery:
        """The members at positions `which`, in that order."""
        return Gallery(self.images, self.rows[which], self.thumbnails[which])


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
    if not len(queries.rows) or not len(references.rows):
        return Copies(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), 0)
    reach = np.minimum(max_rms, max_contrast_share * contrast(queries.images, queries.rows)).astype(np.float32)
    query, reference, capped = _candidates(queries.thumbnails, references.thumbnails, reach)
    rms = _full_rms(queries, references, query, reference)
    hit = rms <= reach[query]
    query, reference, rms = query[hit], reference[hit], rms[hit]
    order = np.lexsort((reference, rms, query))
    first = order[np.unique(query[order], return_index=True)[1]]
    return Copies(query[first], reference[first], rms[first], capped)


def _candidates(a: Floats, b: Floats, reach: Floats) -> tuple[Rows, Rows, int]:
    """Pairs whose thumbnails are within the query's reach: positions in `a`, positions in `b`, queries capped."""
    centre = b.mean(axis=0)  # distances stay, and float32 keeps more of them
    a, b = a - centre, b - centre
    mean_a, mean_b = a.mean(axis=1), b.mean(axis=1)
    order_a, order_b = np.argsort(mean_a, kind="stable"), np.argsort(mean_b, kind="stable")
    a, b, reach, mean_a, mean_b = a[order_a], b[order_b], reach[order_a], mean_a[order_a], mean_b[order_b]
    half_a, half_b = np.square(a).sum(axis=1) / 2, np.square(b).sum(axis=1) / 2
    # (a, 1, -|a|²/2) · (b, -|b|²/2, 1) = -|a-b|²/2: distance and both norms in one product
    left = np.column_stack([a, np.ones_like(half_a), -half_a])
    right = np.column_stack([b, -half_b, np.ones_like(half_b)]).T
    rounding = 8 * float(np.finfo(np.float32).eps) * float(half_a.max() + half_b.max())
    floor = -(a.shape[1] * np.square(reach) / 2 + rounding)
    found: list[tuple[Rows, Rows]] = []
    capped = 0
    for start in range(0, len(a), _QUERIES):
        block = slice(start, min(start + _QUERIES, len(a)))
        margin = 1e-2  # grey levels; the means are float32 sums
        low = np.searchsorted(mean_b, (mean_a[block] - reach[block]).min() - margin)
        high = np.searchsorted(mean_b, (mean_a[block] + reach[block]).max() + margin)
        query, reference, over = _block_candidates(left[block], right[:, low:high], floor[block])
        found.append((order_a[query + start], order_b[reference + low]))
        capped += over
    return np.concatenate([q for q, _ in found]), np.concatenate([r for _, r in found]), capped


def _block_candidates(left: Floats, right: Floats, floor: Floats) -> tuple[Rows, Rows, int]:
    """Positions within the block, at most `_MAX_CANDIDATES` a query, closest first; and the queries that had more."""
    parts: list[tuple[Rows, Rows, Floats]] = []
    total = np.zeros(len(left), np.int64)
    for start in range(0, right.shape[1], _REFERENCES):
        closeness = left @ right[:, start : start + _REFERENCES]
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
    size = max(1, _PAIRS_AT_ONCE_VALUES // max(1, int(np.prod(queries.images.shape[1:]))))
    for start in range(0, len(query), size):
        part = slice(start, start + size)
        difference = queries.images[queries.rows[query[part]]].astype(np.float32)
        difference -= references.images[references.rows[reference[part]]]
        out[part] = np.sqrt(np.square(difference).mean(axis=(1, 2, 3)))
    return out
