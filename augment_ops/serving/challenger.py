"""A challenger beside the champion, in one worker: who answers which request, and what each of them made of it.

Nobody's request is lost to a challenger: what it does not answer, or not in time, the champion answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import AugmentOpsError
from augment_ops.modalities.source import Samples
from augment_ops.rollout.comparisons import Arm, Comparison
from augment_ops.serving.background import Background
from augment_ops.serving.comparing import Compared
from augment_ops.serving.exposure import Exposure
from augment_ops.serving.model import ServedModel
from augment_ops.serving.rollout_meters import ChallengerMeters
from augment_ops.serving.views import Scored

Answerer = Literal["champion", "challenger", "shadow"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Posed:
    """One request.

    Attributes:
        request: its id; subject: by whom it is assigned, where the rules say so; empty where nobody was named.
        ids: of its samples (n, *shape).
    """

    request: str
    subject: str
    ids: list[str]
    samples: Samples


@dataclass(frozen=True, kw_only=True, eq=False)
class ServedAnswer:
    """An answer.

    Attributes:
        model: that gave it.
        scored: what it says.
        rollout: id of the rollout that runs, and who answered; empty where none does.
    """

    model: ServedModel
    scored: Scored
    rollout: str = ""
    arm: Literal["champion", "challenger", ""] = ""


Ask = Callable[[ServedModel, Samples, Sequence[str]], Awaitable[Scored]]  # what a model says of samples with their ids


class Challenger:
    """See the module.

    Args:
        model: that was loaded and held against its probe.
        exposure: how far the rollout has come; another takes its place as it goes on.
        ask: asks either of the two.
        compared: takes what is to be written.
        meters: counts.
        most_shadows: samples that may wait for it in the shadow: it is to see what is asked, not to be kept up with.
        fails: called once, with the reason, when so many answers in a row have failed that nobody waits for statistics.
    """

    def __init__(
        self,
        model: ServedModel,
        exposure: Exposure,
        ask: Ask,
        compared: Background[Compared],
        meters: ChallengerMeters,
        most_shadows: int,
        fails: Callable[[Exposure, str], None],
    ) -> None:
        self.model, self.exposure = model, exposure
        self._ask, self._compared, self._meters, self._fails = ask, compared, meters, fails
        self._in_a_row, self._tripped = 0, False
        self._shadows: set[asyncio.Task[None]] = set()
        self._most_shadows = most_shadows

    async def answer(self, champion: ServedModel, posed: Posed) -> ServedAnswer:
        """The answer of whoever the request is assigned to.

        Raises:
            Overloaded, StoreError: the champion gives none.
        """
        exposure = self.exposure
        by = posed.subject if exposure.rules.by == "subject" and posed.subject else posed.request
        taken = exposure.takes(by) and not self._tripped
        if taken and not exposure.now.shadow:
            return await self._by_challenger(exposure, champion, posed)
        given, arm = await self._by_champion(exposure, champion, posed, shadow=taken)
        if taken:
            self._follow_up(exposure, posed, arm)
        return given

    async def close(self) -> None:
        """Let what is on its way end, then end the model."""
        self._tripped = True
        self._meters.tripped(False)  # nobody is to ask it any more
        await asyncio.gather(*self._shadows, return_exceptions=True)
        await self.model.close()

    async def _by_champion(
        self, exposure: Exposure, champion: ServedModel, posed: Posed, *, shadow: bool
    ) -> tuple[ServedAnswer, Arm]:
        began = monotonic()
        try:
            scored = await self._ask(champion, posed.samples, posed.ids)
        except AugmentOpsError:
            self._keep(exposure, posed, "champion", champion=_failed(began))
            raise
        arm = _arm(champion, scored.scores, began)
        self._meters.answered("shadow" if shadow else "champion")
        if not shadow:
            self._keep(exposure, posed, "champion", champion=arm)
        return self._answer(exposure, "champion", champion, scored), arm

    async def _by_challenger(self, exposure: Exposure, champion: ServedModel, posed: Posed) -> ServedAnswer:
        began = monotonic()
        try:
            with self.model.in_use():
                scored = await self._in_time(exposure, posed)
        except Exception as error:  # whatever it is, somebody waits for an answer
            failed = _failed(began)
            # Where the champion fails as well, it is the request's fault.
            given = await self._ask(champion, posed.samples, posed.ids)
            self._keep(exposure, posed, "challenger", challenger=failed)
            self._meters.fell_back()
            self._has_failed(exposure, error)
            return self._answer(exposure, "champion", champion, given)
        self._in_a_row = 0
        self._meters.answered("challenger")
        self._keep(exposure, posed, "challenger", challenger=_arm(self.model, scored.scores, began))
        return self._answer(exposure, "challenger", self.model, scored)

    async def _in_time(self, exposure: Exposure, posed: Posed) -> Scored:
        return await asyncio.wait_for(self._ask(self.model, posed.samples, posed.ids), exposure.rules.patience_s)

    @staticmethod
    def _answer(
        exposure: Exposure,
        arm: Literal["champion", "challenger"],
        model: ServedModel,
        scored: Scored,
    ) -> ServedAnswer:
        return ServedAnswer(model=model, scored=scored, rollout=exposure.rollout, arm=arm)

    def _follow_up(self, exposure: Exposure, posed: Posed, champion: Arm) -> None:
        """Ask the challenger what the champion has answered, while nobody waits for it."""
        if self.model.batcher.waiting + len(posed.samples) > self._most_shadows:
            self._meters.shadow_lost("busy")
            return
        task = asyncio.create_task(self._in_the_shadow(exposure, posed, champion))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _in_the_shadow(self, exposure: Exposure, posed: Posed, champion: Arm) -> None:
        began = monotonic()
        try:
            scored = await self._in_time(exposure, posed)
        except Exception as error:  # whatever it is, the champion has answered
            self._keep(exposure, posed, "shadow", champion=champion, challenger=_failed(began))
            self._has_failed(exposure, error)
            return
        self._in_a_row = 0
        self._keep(exposure, posed, "shadow", champion=champion, challenger=_arm(self.model, scored.scores, began))

    def _has_failed(self, exposure: Exposure, error: BaseException) -> None:
        """Stop asking a challenger that has failed again and again, while the champion has answered."""
        self._in_a_row += 1
        if self._in_a_row < exposure.rules.trip.failures or self._tripped:
            return
        self._tripped = True
        self._meters.tripped(True)
        late = f"no answer in {exposure.rules.patience_s:g} s"
        why = late if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        self._fails(exposure, f"{self._in_a_row} answers in a row failed in a worker, the last with: {why}")

    def _keep(
        self,
        exposure: Exposure,
        posed: Posed,
        arm: Answerer,
        *,
        champion: Arm | None = None,
        challenger: Arm | None = None,
    ) -> None:
        if not exposure.is_kept(posed.request):
            return
        comparison = Comparison(
            step=exposure.step,
            request=posed.request,
            subject=posed.subject if exposure.rules.by == "subject" else "",  # of nobody who need not be known
            ids=tuple(posed.ids),
            at=datetime.now(UTC),
            arm=arm,
            champion=champion,
            challenger=challenger,
        )
        self._compared.offer(Compared(exposure.rollout, comparison))


def _arm(model: ServedModel, scores: NDArray[np.float64], began: float) -> Arm:
    best, classes = scores.argmax(axis=1), model.served.classes
    confidences = np.take_along_axis(scores, best[:, None], axis=1)[:, 0].astype(np.float32)
    return Arm(
        predictions=tuple(classes[place] for place in best), confidences=confidences, seconds=monotonic() - began
    )


def _failed(began: float) -> Arm:
    return Arm(predictions=None, confidences=None, seconds=monotonic() - began)
