"""Which pairs the looks at slices were made of: recorded before a look, so that whoever looks later looks at the same.

    rollouts/<data set>/<rollout>.pairs.json of the store: their ids in order; the k-th look is of the first 200 · 2^k

What the logs hold of a stretch of time grows, by files that are written late and by replicas whose clocks are behind.
A look that is made again of whatever lies there by then would be one more look, which no part of α was kept for. It may
shrink as well, by days that are deleted and files that cannot be read: then a look is of those of its pairs that are
left, and no others take their places.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from augment_ops.content import canonical_json, from_json
from augment_ops.data.store import Store
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

    def grown(self, others: Iterable[str]) -> tuple[str, ...]:
        """Record what the next looks are made of, as many as the largest of them takes; all that is recorded then.

        Of two drivers that record different pairs at the same moment, what the later one records counts from then on.

        Args:
            others: pairs that may follow those that are recorded; of these it may have some.

        Raises:
            StoreError: the record cannot be read or kept.
        """
        looked = self.ids()
        ids = tuple(dict.fromkeys((*looked, *others)))
        size = max(look_sizes(len(ids)), default=0)
        if size <= len(looked):
            return looked
        self._store.put_document(self._name, canonical_json(_KeptPairs(ids=ids[:size])))
        return self.ids()
