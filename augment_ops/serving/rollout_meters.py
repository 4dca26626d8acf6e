"""What a rollout says to Prometheus: its step and its end by the supervisor, its requests by the workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from augment_ops.monitoring.telemetry.metrics import Family
from augment_ops.serving.instruments import Instruments
from augment_ops.serving.supervisor_meters import TextMeters

Outcome = Literal["promoted", "rolled_back", "aborted", "compared", "overtaken", "invalid"]
Arm = Literal["champion", "challenger", "shadow"]

_OF = ("dataset", "environment", "challenger")
_ASKED = ("dataset", "challenger")
STEP = Family(
    otel="augment_ops.rollout.step",
    kind="gauge",
    unit="",
    labels=(*_OF, "step"),
    meaning="1 for the step that a rollout is at.",
)
STEP_BEGAN = Family(
    otel="augment_ops.rollout.step_timestamp",
    kind="gauge",
    unit="s",
    labels=_OF,
    meaning="When a rollout came to its step.",
)
SHARE = Family(
    otel="augment_ops.rollout.share",
    kind="gauge",
    unit="",
    labels=_OF,
    meaning="Requests that the challenger answers, of all.",
)
WAITING = Family(
    otel="augment_ops.rollout.waiting",
    kind="gauge",
    unit="",
    labels=_OF,
    meaning="1 while a rollout waits for a person.",
)
ENDED = Family(
    otel="augment_ops.rollout.ended", kind="counter", unit="{rollout}", labels=("dataset", "environment", "outcome"),
    meaning="Rollouts by what they came to.",
)  # fmt: skip
ANSWERS = Family(
    otel="augment_ops.rollout.answers", kind="counter", unit="{answer}", labels=(*_ASKED, "arm"),
    meaning="Answers by who gave them; those of a shadow are compared and thrown away.",
)  # fmt: skip
FALLBACKS = Family(
    otel="augment_ops.rollout.fallbacks", kind="counter", unit="{answer}", labels=_ASKED,
    meaning="Requests that the challenger failed and the champion answered.",
)  # fmt: skip
SHADOW_LOST = Family(
    otel="augment_ops.rollout.shadow_lost", kind="counter", unit="{answer}", labels=(*_ASKED, "reason"),
    meaning="Requests that a shadow was not asked, or did not answer.",
)  # fmt: skip
TRIPPED = Family(
    otel="augment_ops.rollout.tripped",
    kind="gauge",
    unit="{worker}",
    labels=_ASKED,
    meaning="Workers that ask the challenger no more: it failed.",
)
OF_SUPERVISOR = (STEP, STEP_BEGAN, SHARE, WAITING, ENDED)
FAMILIES = (*OF_SUPERVISOR, ANSWERS, FALLBACKS, SHADOW_LOST, TRIPPED)


class RolloutMeters:
    """The rollout of one data set in one environment, as a supervisor says it.

    Args:
        folder: where the processes of the service count.
        say: gets a line where nothing could be written.
    """

    def __init__(self, folder: Path, dataset: str, environment: str, say: Callable[[str], None]) -> None:
        self._file = TextMeters(folder, "rollout", OF_SUPERVISOR, say)
        self._place = {"dataset": dataset, "environment": environment}
        self._at: tuple[str, str] | None = None  # challenger and step

    def begins(self) -> None:
        """Nothing has ended yet: a rate needs to have seen that."""
        self._file.keep(*(ENDED.add(0, **self._place, outcome=outcome) for outcome in get_args(Outcome)))

    def at(self, challenger: str, step: str, share: float, *, since: float, waiting: bool = False) -> None:
        """A rollout is at a step; may be said as often as one likes.

        Args:
            challenger: its version.
            share: of the requests, 0 to 1, that the challenger answers.
            since: Unix time at which it came to this step.
            waiting: whether a person has to say that it goes on.
        """
        if self._at not in (None, (challenger, step)):
            self._leave()
        self._at, of = (challenger, step), {**self._place, "challenger": challenger}
        self._file.keep(
            STEP.set(1, **of, step=step),
            STEP_BEGAN.set(since, **of),
            SHARE.set(share, **of),
            WAITING.set(waiting, **of),
        )

    def ended(self, outcome: str) -> None:
        """The rollout came to its end; an outcome that is none of ours is `invalid`."""
        self._leave()
        self._at = None
        outcome = outcome if outcome in get_args(Outcome) else "invalid"
        self._file.keep(ENDED.add(1, **self._place, outcome=outcome))

    def _leave(self) -> None:
        """No step and no share is that of now any more; a chart shows the fall to 0."""
        if self._at is None:
            return
        challenger, step = self._at
        of = {**self._place, "challenger": challenger}
        self._file.keep(
            STEP.set(0, **of, step=step), STEP_BEGAN.unknown(**of), SHARE.set(0, **of), WAITING.set(0, **of)
        )


class ChallengerMeters:
    """The requests of a rollout, as one worker counts them.

    Args:
        dataset: label of all of them; challenger: the version, another label.
    """

    def __init__(self, dataset: str, challenger: str) -> None:
        made, of = Instruments(), (dataset, challenger)
        answers = made.counter(ANSWERS)
        self._answers = {arm: answers.labels(*of, arm) for arm in get_args(Arm)}
        self._fallbacks = made.counter(FALLBACKS).labels(*of)
        self._lost = made.counter(SHADOW_LOST)
        self._of = of
        self._tripped = made.gauge(TRIPPED, "livesum").labels(*of)

    def answered(self, arm: Arm) -> None:
        """One was answered by the champion, the challenger, or beside the answer by the shadow."""
        self._answers[arm].inc()

    def fell_back(self) -> None:
        """The challenger failed, and the champion answered in its place."""
        self._fallbacks.inc()

    def shadow_lost(self, reason: str) -> None:
        """A shadow was not asked, or did not answer; the reason is one of a few words."""
        self._lost.labels(*self._of, reason).inc()

    def tripped(self, is_: bool) -> None:
        """Whether this worker asks the challenger no more."""
        self._tripped.set(is_)
