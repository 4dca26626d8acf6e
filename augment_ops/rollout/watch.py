"""One rollout, looked at again and again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from augment_ops.errors import StoreError
from augment_ops.monitoring.drift.log_labels import LoggedLabels
from augment_ops.monitoring.drift.prediction_log import CLOCKS_APART, PredictionLog
from augment_ops.rollout.arm_inputs import ArmInputs
from augment_ops.rollout.comparisons import ComparisonLog
from augment_ops.rollout.counted import CountedComparisons
from augment_ops.rollout.evidence import Looked, SeriesPoint, grown, keep_progress, progress, rules_of
from augment_ops.rollout.judge import judge
from augment_ops.rollout.looked_inputs import LookedInputs
from augment_ops.rollout.looked_pairs import LookedPairs
from augment_ops.rollout.measures import measure
from augment_ops.rollout.paired_inputs import PairedShadows
from augment_ops.rollout.state import Rollout
from augment_ops.rollout.step_clock import StepClock
from augment_ops.workspace import Workspace, log_uri


class Watch:
    """What is known of a rollout; keeps what it has read between two looks.

    Raises:
        StoreError: its rules cannot be read.
    """

    def __init__(self, workspace: Workspace, rollout: Rollout) -> None:
        self.id, self._store = rollout.id, workspace.store
        self.rules = rules_of(workspace.store, rollout)
        uri, began = log_uri(workspace.settings), datetime.fromisoformat(rollout.began)
        log = PredictionLog(uri, rollout.dataset, workspace.store)
        labels = LoggedLabels(log, (began - CLOCKS_APART).date())
        self._inputs = ArmInputs(self.rules, log, LookedInputs(workspace.store, rollout.dataset, rollout.id))
        comparisons = ComparisonLog(uri, rollout.dataset, rollout.id)
        looked = LookedPairs(workspace.store, rollout.dataset, rollout.id)
        self._pairs = PairedShadows(self.rules, log, comparisons, labels.labels, looked)
        self._counted = CountedComparisons(self.rules, comparisons, labels)
        self._series = _series_so_far(workspace, rollout)
        self._clock = StepClock(workspace.store)

    def look(self, rollout: Rollout, *, whole: bool = False) -> Looked:
        """Read what has come, and judge.

        Args:
            rollout: as it stands now, in a step that its rules have.
            whole: read all that there is, however long it takes; else what a second takes one to.

        Raises:
            StoreError: the log cannot be read.
        """
        tally, now, step = self._counted.tally(whole=whole), datetime.now(UTC), rollout.step
        hours = self._clock.hours(rollout)
        answers = int(tally.asked[step])
        measured = (
            *measure(self.rules, tally, step),
            *self._inputs.measured(rollout, tally, now, wait=whole),
            *self._pairs.measured(tally, over=step not in self.rules.shadows, wait=whole),
        )
        looked = Looked(
            rollout=rollout,
            rules=self.rules,
            at=now,
            answers=answers,
            hours=hours,
            tally=tally,
            measured=measured,
            judgement=judge(
                self.rules,
                step,
                measured,
                answers=answers,
                champion_answers=tally.champion_answers(step),
                hours=hours,
            ),
        )
        self._series = grown(self._series, looked)
        return replace(looked, series=self._series)

    def keep(self, looked: Looked) -> None:
        """Keep what is known for people who look, and how long the step has lasted for the next driver.

        Raises:
            StoreError: it cannot be kept.
        """
        keep_progress(self._store, looked)
        self._clock.keep(looked.rollout)


def _series_so_far(workspace: Workspace, rollout: Rollout) -> tuple[SeriesPoint, ...]:
    try:
        kept = progress(workspace.store, rollout)
    except StoreError:
        return ()  # for people alone: it begins anew
    return () if kept is None else kept.series
