"""Which pairs the looks at slices were made of: recorded before a look, so that whoever looks later looks at the same.

    rollouts/<data set>/<rollout>.pairs.json of the store: their ids in order; the k-th look is of the first 200 · 2^k

What the logs hold of a stretch of time grows, by files that are written late and by replicas whose clocks are behind.
A look that is made again of whatever lies there by then would be one more look, which no part of α was kept for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from augment_ops.content import canonical_json, from_json
from augment_ops.data.store import Store
from augment_ops.errors import StoreError
from augment_ops.rollout.inputs import look_sizes


@dataclass(frozen=True, kw_only=True)
class _KeptPairs:
    NEWEST_FORMAT: ClassVar[int] = 1

    format: int = 1
    ids: tuple[str, ...] = ()


class LookedPairs:
    """Of one rollout.

    Args:
        rollout: its id.
    """

    def __init__(self, store: Store, dataset: str, rollout: str) -> None:
        self._store, self._name = store, f"rollouts/{dataset}/{rollout}.pairs.json"

    def ids(self) -> tuple[str, ...]:
        """Of the pairs that were looked at, in the order in which they were.

        Raises:
            StoreError: the record cannot be read.
        """
        document = self._store.get_document(self._name)
        return () if document is None else from_json(_KeptPairs, document).ids

    def keep(self, ids: Sequence[str]) -> None:
        """Record what the next looks are made of: as many as the largest look takes.

        Of two drivers that record at the same moment, the later one's counts from then on.

        Args:
            ids: those that were looked at, and behind them others.

        Raises:
            StoreError: they begin otherwise than what was looked at, because the log does not have it any more, or
                because another driver has looked meanwhile; or the record cannot be kept.
        """
        looked, size = self.ids(), max(look_sizes(len(ids)), default=0)
        if tuple(ids[: len(looked)]) != looked:
            found = "other pairs than an earlier look was made of"
            fix = "read again; where a day of the log was deleted meanwhile, slices are judged by what was found before"
            raise StoreError(self._name, found, f"the {len(looked):,} that are recorded", fix)
        if size > len(looked):
            self._store.put_document(self._name, canonical_json(_KeptPairs(ids=tuple(ids[:size]))))
