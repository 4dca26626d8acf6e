"""The comparisons of a rollout, counted as they come: each file once, and again only what labels change."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import DataError
from augment_ops.monitoring.drift.log_labels import LoggedLabels
from augment_ops.rollout.comparisons import ComparisonLog
from augment_ops.rollout.counting import tally, tally_labels
from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa

# At a time, so that a driver that starts late in a rollout judges what it has read so far: what is shown to be broken
# by some of the comparisons is shown.
_FOLD_S = 1.0


class CountedComparisons:
    """What is known of a rollout by its log.

    Args:
        labels: that come for its samples.
    """

    def __init__(self, rules: RolloutRules, log: ComparisonLog, labels: LoggedLabels) -> None:
        self._rules, self._log, self._labels = rules, log, labels
        self._seen = Tally.nothing(len(rules.steps))
        self._right = Tally.nothing(len(rules.steps))
        # Of the samples in each file: hashes, eight bytes each. Two that are the same have a file read once too often.
        self._ids: dict[str, NDArray[np.int64]] = {}
        self._labelled: dict[str, str] = {}

    def tally(self, *, whole: bool = False) -> Tally:
        """Of all that was read by now, with what was written since the last time as far as a second takes one.

        Args:
            whole: read all of it, however long it takes.

        Raises:
            StoreError: the log cannot be read.
        """
        self._take_labels()
        until = monotonic() + _FOLD_S
        for name in self._log.files():
            if name not in self._ids:
                self._fold(name)
                if monotonic() > until and not whole:
                    break
        return self._seen + self._right

    def _fold(self, name: str) -> None:
        table = self._read(name)
        if table is None:
            self._ids[name] = np.array([], np.int64)
            self._seen += Tally.nothing(len(self._rules.steps), unreadable=1)
            return
        self._ids[name] = _hashes(table.column("sample_id").to_pylist())
        self._seen += tally(self._rules, table)
        if self._labels.labels:
            self._right += tally_labels(self._rules, table, self._labels.labels)

    def _take_labels(self) -> None:
        """Count the samples whose labels are new; all of them anew where one was called something else before."""
        changed = self._labels.refresh()
        again = any(one in self._labelled for one in changed)
        if again:
            self._right = Tally.nothing(len(self._rules.steps))
        wanted = self._labels.labels if again else changed
        self._labelled |= changed
        hashes = _hashes(list(wanted))
        for name, ids in self._ids.items() if wanted else ():
            if np.isin(ids, hashes).any() and (table := self._read(name)) is not None:
                self._right += tally_labels(self._rules, table, wanted)

    def _read(self, name: str) -> pa.Table | None:
        """The rows of a file; None where it cannot be read, whoever wrote it."""
        try:
            return self._log.read(name)
        except DataError:
            return None


def _hashes(ids: list[str]) -> NDArray[np.int64]:
    return np.array([hash(one) for one in ids], np.int64)
