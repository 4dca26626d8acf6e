"""What both models made of the inputs of a rollout's shadows, read at each look of the conditions about slices."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from augment_ops.errors import AugmentOpsError, DataError
from augment_ops.governance.rollouts import STEP
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.rollout.arm_inputs import LAST_LOOK
from augment_ops.rollout.comparisons import ComparisonLog
from augment_ops.rollout.inputs import FIRST_LOOK
from augment_ops.rollout.look import Look, Measured, inputs_of
from augment_ops.rollout.rules import SLICES, RolloutRules
from augment_ops.rollout.slices import PairedInputs, measure_slices
from augment_ops.rollout.state import Rollout
from augment_ops.rollout.tally import Tally

_NAMED = ["champion_prediction", "challenger_prediction"]
_LATER = 1.1  # times as many pairs, at least, before it is read again: the prediction log may keep few of them


class PairedShadows:
    """The conditions `slice_agreement` and `slice_accuracy` of one rollout.

    Args:
        log: of predictions, with its store where samples are kept beside it.
    """

    def __init__(self, rules: RolloutRules, log: PredictionLog, comparisons: ComparisonLog) -> None:
        self._rules, self._log, self._comparisons = rules, log, comparisons
        self._wanted = any(getattr(rules.conditions, name) is not None for name in SLICES)
        self._look = Look()
        self._due = float(FIRST_LOOK)  # pairs of the next look

    def measured(self, rollout: Rollout, tally: Tally, now: datetime, *, wait: bool = False) -> Measured:
        """What is known of them; nothing where the logs cannot be read.

        Args:
            now: until when a shadow that runs is read, with a zone.
            wait: for what is being read.
        """
        pairs = int(sum(int(counts.sum()) for counts in tally.agreement.values()))
        if self._wanted and pairs >= self._due and not self._look.is_running:
            self._due = float("inf")  # until this look says when
            self._look.begin(lambda: self._read(rollout, pairs, now))
        return self._look.found(wait=wait)

    def _read(self, rollout: Rollout, pairs: int, now: datetime) -> Measured:
        try:
            found = self._pairs(rollout, now)
        except (AugmentOpsError, ValueError):  # a log that cannot be read is named by the monitor
            self._due = 2.0 * pairs
            return ()
        known = len(found.same)
        look = FIRST_LOOK
        while look <= known:
            look *= 2
        # Of the pairs that are compared the prediction log may have a share, and not yet the last ones.
        self._due = max(_LATER * pairs, look * pairs / max(known, 1)) if look <= LAST_LOOK else float("inf")
        return measure_slices(self._rules, found)

    def _pairs(self, rollout: Rollout, now: datetime) -> PairedInputs:
        steps = [datetime.fromisoformat(one.at) for one in rollout.acts if one.act == STEP]
        shadows = len(self._rules.shadows)
        end = steps[shadows - 1] if len(steps) >= shadows else now
        window = read_window(self._log, datetime.fromisoformat(rollout.began), end)
        rows, inputs = inputs_of(window)
        named = self._named()
        place = pc.index_in(pa.array(rows["sample_id"].astype(str)), named.column("sample_id")).to_numpy(
            zero_copy_only=False
        )
        both = np.flatnonzero(~np.isnan(place.astype(np.float64)))
        both = both[np.argsort(rows["time"].to_numpy(dtype="datetime64[us]")[both], kind="stable")]
        at = place[both].astype(np.int64)
        champion, challenger = (named.column(one).to_numpy()[at] for one in _NAMED)
        label = rows["label"].to_numpy(dtype=object)[both]
        return PairedInputs(
            features={name: values[both] for name, values in inputs.items()},
            same=champion == challenger,
            lost=(champion == label).astype(np.int64) - (challenger == label),
            labelled=np.array([one is not None and one == one for one in label], bool),  # noqa: PLR0124 - NaN is no label
        )

    def _named(self) -> pa.Table:
        """What both said of the same samples; the first answer to one that was asked about twice."""
        tables = [table for name in self._comparisons.files() if (table := self._table(name)) is not None]
        return pa.concat_tables(tables) if tables else pa.table({name: [] for name in ("sample_id", *_NAMED)})

    def _table(self, name: str) -> pa.Table | None:
        try:
            table = self._comparisons.read(name)
        except DataError:  # counted where the comparisons are
            return None
        kept = pc.equal(table.column("arm"), "shadow")
        for one in _NAMED:
            kept = pc.and_(kept, pc.is_valid(table.column(one)))
        return table.filter(kept).select(["sample_id", *_NAMED])
