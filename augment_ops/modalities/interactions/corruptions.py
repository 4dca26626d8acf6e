"""The corruptions of histories: what feeds, bots and late events do between what a user does and what a model sees.

- `dropped_recent`: the newest items are missing: events that come late.
- `noise_clicks`: items of the catalogue drawn evenly in the place of those had: bots, slips, shared accounts.
- `shuffled_recent`: the newest items in any order: events without a clock in common. Ages stay in their places.
- `missing_history`: the oldest items are missing: a deleted cookie, a user who is new here.

One item stays in every history that has one: what is left of it can be judged. Every draw comes from a stream keyed by
(corruption, severity, sample id), so a history is corrupted alike whatever batch it stands in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from augment_ops.engine import philox
from augment_ops.errors import TransformError
from augment_ops.modalities.corruptions import Corrupter, Corruptions, Strengths
from augment_ops.modalities.graded import GradedCorruption, GradedCorruptions, keys_of, strength_of
from augment_ops.modalities.interactions.histories import ITEM, Histories, is_histories, kept, lengths, present
from augment_ops.modalities.interactions.items import Items
from augment_ops.modalities.source import Samples, Schema

CAUSES = ("empty",)  # why nothing is left of a history
_EMPTY = CAUSES.index("empty") + 1

Draws = NDArray[np.float64]  # (N, 2 H), in [0, 1)
# Histories, draws, strength, number of items in the catalogue.
CorruptHistories = Callable[[Histories, Draws, float, int], Histories]


@dataclass(frozen=True, kw_only=True)
class HistoryCorruption(GradedCorruption):
    """One nuisance of a history, as a share of its items."""

    corrupt: CorruptHistories = field(repr=False)


def _newest(histories: Histories, draws: Draws, share: float) -> NDArray[np.bool_]:
    """The newest items, a share of each history: rounded up or down by a draw, so that short ones count as well."""
    room = histories.shape[1]
    many = np.floor(share * lengths(histories) + draws[:, 0]).astype(np.int64)
    found: NDArray[np.bool_] = present(histories) & (np.arange(room) >= (room - many)[:, None])
    return found


def _dropped(histories: Histories, draws: Draws, share: float, items: int) -> Histories:
    keep = present(histories) & ~_newest(histories, draws, share)
    oldest = histories.shape[1] - lengths(histories)
    alone = np.flatnonzero(~keep.any(axis=1) & (lengths(histories) > 0))
    keep[alone, oldest[alone]] = True
    return kept(histories, keep)


def _missing(histories: Histories, draws: Draws, share: float, items: int) -> Histories:
    room, n = histories.shape[1], lengths(histories)
    left = np.maximum(n - np.floor(share * n + draws[:, 0]).astype(np.int64), 1)
    return kept(histories, np.arange(room) >= (room - left)[:, None])


def _clicks(histories: Histories, draws: Draws, share: float, items: int) -> Histories:
    room, out = histories.shape[1], histories.copy()
    wrong = present(histories) & (draws[:, :room] < share)
    out[..., ITEM] = np.where(wrong, 1 + (draws[:, room:] * items).astype(np.int32), histories[..., ITEM])
    return out


def _shuffled(histories: Histories, draws: Draws, share: float, items: int) -> Histories:
    room, out = histories.shape[1], histories.copy()
    # Those that are shuffled are the last places, and sort behind all others by a draw.
    order = np.argsort(
        np.where(_newest(histories, draws, share), room + draws[:, room:], np.arange(room)), axis=1, kind="stable"
    )
    out[..., ITEM] = np.take_along_axis(histories[..., ITEM], order, axis=1)
    return out


def _of_items(
    corrupt: CorruptHistories, strengths: tuple[float, float, float, float, float], unit: str
) -> HistoryCorruption:
    return HistoryCorruption(parameter="share", unit=unit, least=0.001, most=1, corrupt=corrupt, strengths=strengths)


CORRUPTIONS: Mapping[str, HistoryCorruption] = MappingProxyType(
    {
        # From one or two of 32 items to three quarters of a day's session.
        "dropped_recent": _of_items(_dropped, (0.05, 0.10, 0.25, 0.50, 0.75), "share of the items, the newest"),
        # Half and more of clicks are not a user's own where accounts are shared or bots click.
        "noise_clicks": _of_items(_clicks, (0.05, 0.10, 0.20, 0.35, 0.50), "share of the items"),
        "shuffled_recent": _of_items(_shuffled, (0.10, 0.25, 0.50, 0.75, 1.00), "share of the items, the newest"),
        # Of 32 items, 16, 8, 4, 2 and 1 are left: at the end a user of whom one thing is known.
        "missing_history": _of_items(_missing, (0.50, 0.75, 0.875, 0.9375, 1.00), "share of the items, the oldest"),
    }
)


def apply(
    name: str,
    severity: int,
    histories: Histories,
    ids: Sequence[str],
    items: int,
    *,
    params: Strengths | None = None,
) -> Histories:
    """Corrupt a batch.

    Args:
        name: a key of `CORRUPTIONS`.
        severity: 1 to 5.
        histories: int32 (N, H, 2); not modified.
        ids: N sample ids; they key the randomness, so equal ids draw alike.
        items: how many the catalogue has.
        params: the corruption's parameter → five strengths, as in a suite's file; None for the published ones.

    Returns:
        int32 (N, H, 2), a new array.

    Raises:
        TransformError: unknown corruption or severity, strengths that do not fit it, or no histories.
    """
    strength = strength_of(CORRUPTIONS, name, severity, params)
    if not is_histories(histories) or len(ids) != len(histories):
        found = f"{histories.dtype} {histories.shape} and {len(ids)} ids"
        raise TransformError("histories", found, "int32 (N, H, 2) and N ids", "pass histories of the suite's data set")
    draws = philox.uniforms(keys_of(name, severity, ids), 0, philox.PARAMETERS, 2 * histories.shape[1])
    return CORRUPTIONS[name].corrupt(histories, draws, strength, items)


def destroyed(clean: Histories, corrupted: Histories) -> NDArray[np.uint8]:
    """Why nothing is left of each history: 0 where something is, else the place in `CAUSES`, from 1: uint8 (N,).

    `empty`: no item is there any more. A history that was empty before is not the corruption's doing.
    """
    empty = ~present(corrupted).any(axis=1) & present(clean).any(axis=1)
    return np.where(empty, _EMPTY, 0).astype(np.uint8)


class _HistoryCorruptions(GradedCorruptions):
    """See `augment_ops.modalities.corruptions.Corruptions`."""

    corruptions = CORRUPTIONS
    causes = CAUSES

    def bound(self, batches: Iterable[Samples], schema: Schema | None, of_levels: Sequence[str]) -> Corrupter:
        """Clicks come from the catalogue; without one, from the items that the samples hold."""
        if schema is not None:
            items = len(Items.read(schema).names)
        else:
            items = max((int(batch[..., ITEM].max(initial=0)) for batch in batches), default=0) or 1

        def corrupt(
            name: str, severity: int, samples: Samples, ids: Sequence[str], params: Strengths | None = None
        ) -> Samples:
            return apply(name, severity, samples, ids, items, params=params)

        return corrupt

    def remains(self, name: str, clean: Samples, corrupted: Samples) -> NDArray[np.uint8]:
        return destroyed(clean, corrupted)


HISTORY_CORRUPTIONS: Corruptions = _HistoryCorruptions()
