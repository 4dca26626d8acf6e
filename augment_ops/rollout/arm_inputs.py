"""What the two arms of a canary were asked, read from the prediction log at each look of the condition `inputs`."""

from __future__ import annotations

from datetime import datetime
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import AugmentOpsError
from augment_ops.governance.rollouts import STEP
from augment_ops.monitoring.drift.log_reader import LogWindow, read_window
from augment_ops.monitoring.drift.prediction_log import PredictionLog
from augment_ops.rollout.inputs import FIRST_LOOK, LAST_LOOK, ArmSamples, InputLook, looks_at_inputs, measure_inputs
from augment_ops.rollout.look import Look, Measured, inputs_of
from augment_ops.rollout.looked_inputs import LookedInputs
from augment_ops.rollout.rules import RolloutRules
from augment_ops.rollout.state import Rollout
from augment_ops.rollout.tally import Tally

_AGAIN_S = 10.0  # after a log that could not be read


class ArmInputs:
    """The condition `inputs` of one rollout, measured when there is twice as much as at the last look.

    Args:
        log: of predictions, with its store where samples are kept beside it.
        looked: what earlier looks found.
    """

    def __init__(self, rules: RolloutRules, log: PredictionLog, looked: LookedInputs) -> None:
        self._rules, self._log, self._kept = rules, log, looked
        self._looked: dict[int, int] = {}  # step → samples of the smaller arm at its last look
        self._looks: dict[int, Look] = {}
        self._not_before = 0.0

    def measured(self, rollout: Rollout, tally: Tally, now: datetime, *, wait: bool = False) -> Measured:
        """What is known of the canaries that have begun; what was found before, where predictions cannot be read.

        Args:
            now: until when the step that runs is read, with a zone.
            wait: for what is being read.
        """
        canaries = self._rules.canaries if self._rules.conditions.inputs is not None else ()
        for step in canaries:
            if step <= rollout.step and self._is_time(step, int(tally.failed_sides[step].sum(axis=1).min())):
                self._looks.setdefault(step, Look()).begin(lambda step=step: self._look(rollout, step, now))  # type: ignore[misc]
        return tuple(one for look in self._looks.values() for one in look.found(wait=wait))

    def _is_time(self, step: int, n: int) -> bool:
        """Whether the smaller arm has come to its next look, and the last one is over."""
        least = max(FIRST_LOOK, 2 * self._looked.get(step, 0))
        if not least <= n or self._looked.get(step, 0) >= LAST_LOOK or monotonic() < self._not_before:
            return False
        if step in self._looks and self._looks[step].is_running:
            return False
        self._looked[step] = n
        return True

    def _look(self, rollout: Rollout, step: int, now: datetime) -> Measured:
        began = [rollout.began, *(one.at for one in rollout.acts if one.act == STEP)]
        moments = [*map(datetime.fromisoformat, began), now]
        looks: tuple[InputLook, ...] = ()
        try:
            looks = self._kept.looks(step)
            window = read_window(self._log, moments[step], moments[step + 1])
            champion, challenger = (_arm(window, version) for version in (rollout.champion, rollout.challenger))
            looks = self._kept.keep(step, looks_at_inputs(self._rules, champion, challenger, looks))
        except (AugmentOpsError, ValueError):  # a log that cannot be read is named by the monitor
            self._looked[step], self._not_before = 0, monotonic() + _AGAIN_S
        return measure_inputs(self._rules, step, looks)


def _arm(window: LogWindow, version: str) -> ArmSamples:
    """What one version answered in a window."""
    own = np.flatnonzero(window.rows["model_version"].to_numpy() == version)
    inputs = inputs_of(window, own)
    times = window.rows["time"].to_numpy(dtype="datetime64[us]")[inputs.rows]
    order = np.argsort(times, kind="stable")
    features: dict[str, NDArray[Any]] = {name: values[order] for name, values in inputs.features.items()}
    return ArmSamples(times=times[order], features=features)
