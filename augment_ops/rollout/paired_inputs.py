"""What both models made of the inputs of a rollout's shadows: read for each look of the conditions about slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from augment_ops.errors import AugmentOpsError, DataError, StoreError
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.rollout.comparisons import ComparisonLog
from augment_ops.rollout.inputs import FIRST_LOOK, LAST_LOOK, look_sizes
from augment_ops.rollout.look import Look, Measured, inputs_of
from augment_ops.rollout.looked_pairs import LookedPairs
from augment_ops.rollout.rules import SLICES, RolloutRules
from augment_ops.rollout.slices import PairedInputs, measure_slices
from augment_ops.rollout.tally import Tally

_NAMED = ("champion_prediction", "challenger_prediction")
_WRITTEN_S = 10.0  # after which the prediction log has what the comparisons have: both are written after seconds
_BESIDE = timedelta(minutes=1)  # between a pair's time in one log and in the other
_MORE = 1.1  # times as many pairs, at least and at most twice, before they are read again
_AGAIN_S = 10.0  # after a log that could not be read
_LABELS = 1.1  # times as many labels before they are held against slices again


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pairs:
    """What was read: N samples with their ids and what the two models called them, and the inputs.

    `looks`: of how many of them, the first ones, each look is made; `known`: how many pairs there are for looks, those
    that are in no log any more among them.
    """

    ids: list[str]
    looks: tuple[int, ...]
    known: int
    champion: NDArray[np.object_]
    challenger: NDArray[np.object_]
    features: Mapping[str, NDArray[np.generic]]

    def with_labels(self, labels: Mapping[str, str]) -> PairedInputs:
        label = np.array([*(labels.get(one) for one in self.ids), None], object)[:-1]
        return PairedInputs(
            features=self.features,
            same=np.asarray(self.champion == self.challenger, bool),
            lost=(self.champion == label).astype(np.int64) - (self.challenger == label),
            labelled=np.array([one is not None for one in label], bool),
            looks=self.looks,
        )


class PairedShadows:
    """The conditions `slice_agreement` and `slice_accuracy` of one rollout.

    Args:
        log: of predictions, with its store where samples are kept beside it.
        labels: sample id → class, which grows as labels come.
        looked: what earlier looks were made of.
    """

    def __init__(
        self,
        rules: RolloutRules,
        log: PredictionLog,
        comparisons: ComparisonLog,
        labels: Mapping[str, str],
        looked: LookedPairs,
    ) -> None:
        self._rules, self._log, self._comparisons, self._labels = rules, log, comparisons, labels
        self._looked = looked
        self._wanted = any(getattr(rules.conditions, name) is not None for name in SLICES)
        self._look = Look()
        self._pairs: _Pairs | None = None
        self._due = float(FIRST_LOOK)  # pairs at which they are read the next time
        self._not_before = 0.0
        self._over = False
        self._labelled = 0

    def measured(self, tally: Tally, *, over: bool, wait: bool = False) -> Measured:
        """What is known of them; nothing where the logs cannot be read.

        Args:
            over: whether there will be no more pairs.
            wait: for what is being read.
        """
        if over and not self._over:  # once more, when the last ones are written
            self._over, self._due = True, min(self._due, 1.0)
            self._not_before = monotonic() + _WRITTEN_S if self._pairs is not None else 0.0
        if self._wanted and not self._look.is_running:
            pairs = sum(int(counts.sum()) for counts in tally.agreement.values())
            reads = pairs >= self._due and monotonic() >= self._not_before
            if reads or self._has_more_labels:
                labels = dict(self._labels)
                self._labelled = len(labels)
                self._look.begin(lambda: self._made(pairs if reads else 0, labels))
        return self._look.found(wait=wait)

    @property
    def _has_more_labels(self) -> bool:
        return self._pairs is not None and len(self._labels) > self._labelled * _LABELS

    def _made(self, pairs: int, labels: Mapping[str, str]) -> Measured:
        """One look; of no pairs, at the labels alone."""
        if pairs:
            try:
                self._pairs = self._read()
            except (AugmentOpsError, ValueError):  # a log that cannot be read is named by the monitor
                self._not_before = monotonic() + _AGAIN_S
            else:
                self._due = self._next(pairs, self._pairs.known)
        return () if self._pairs is None else measure_slices(self._rules, self._pairs.with_labels(labels))

    def _next(self, pairs: int, known: int) -> float:
        """How many pairs it takes to the next look; the prediction log may keep a share of them."""
        self._not_before = monotonic() + _WRITTEN_S
        look = FIRST_LOOK
        while look <= known:
            look *= 2
        if look > LAST_LOOK or self._over:
            return float("inf")
        if known == 0:  # not written yet, as the first ones of a burst are
            return float(pairs)
        return min(max(_MORE * pairs, look * pairs / known), 2.0 * pairs)

    def _read(self) -> _Pairs:
        """The pairs of all looks in their order, as far as the logs have them; those that are new are recorded."""
        looked = self._looked.ids()
        named = self._named(looked)
        if not len(named):
            if looked:  # what was found of them stands
                found, fix = "none of the pairs that were looked at", "look whether its files can be read"
                raise StoreError("comparisons of a rollout", found, f"{len(looked):,} of them", fix)
            nothing = np.array([], object)
            return _Pairs(ids=[], looks=(), known=0, champion=nothing, challenger=nothing, features={})
        times, ids = pc.min_max(named.column("time")).as_py(), named.column("sample_id")
        window = read_window(self._log, times["min"] - _BESIDE, times["max"] + _BESIDE, ids=ids.to_pylist())
        at = pc.index_in(ids, pa.array(window.rows["sample_id"].astype(str), pa.string()))
        place = at.to_numpy().astype(np.float64)  # NaN where the prediction log does not have it
        inputs = inputs_of(window, place[~np.isnan(place)].astype(np.int64))
        order = {int(row): position for position, row in enumerate(inputs.rows)}
        both = [number for number, row in enumerate(place) if row == row and int(row) in order]  # noqa: PLR0124
        there = dict(zip(ids.take(pa.array(both, pa.int64())).to_pylist(), both, strict=True))
        recorded = self._looked.grown(there)
        both = [there[one] for one in recorded if one in there]
        positions = np.array([order[int(place[number])] for number in both], np.int64)
        kept = named.take(pa.array(both, pa.int64()))
        champion, challenger = (kept.column(one).to_numpy().astype(object) for one in _NAMED)
        return _Pairs(
            ids=kept.column("sample_id").to_pylist(),
            looks=tuple(sum(one in there for one in recorded[:size]) for size in look_sizes(len(recorded))),
            known=len({*recorded, *there}),
            champion=champion,
            challenger=challenger,
            features={name: values[positions] for name, values in inputs.features.items()},
        )

    def _named(self, looked: Sequence[str]) -> pa.Table:
        """What both said of the same samples: of those that were looked at, then of the others, oldest first.

        The first answer to one that was asked about twice.
        """
        tables = [table for name in self._comparisons.files() if (table := self._table(name)) is not None]
        if not tables:
            return pa.table({})
        table = pa.concat_tables(tables).sort_by([("time", "ascending"), ("sample_id", "ascending")])
        first = {one: number for number, one in reversed([*enumerate(table.column("sample_id").to_pylist())])}
        order = [first.pop(one) for one in looked if one in first] + sorted(first.values())
        return table.take(pa.array(order[: 2 * LAST_LOOK], pa.int64()))

    def _table(self, name: str) -> pa.Table | None:
        try:
            table = self._comparisons.read(name)
        except DataError:  # counted where the comparisons are
            return None
        kept = pc.equal(table.column("arm"), "shadow")
        for one in _NAMED:
            kept = pc.and_(kept, pc.is_valid(table.column(one)))
        return table.filter(kept).select(["sample_id", "time", *_NAMED])
