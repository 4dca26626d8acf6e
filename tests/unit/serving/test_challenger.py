"""Who answers while a rollout runs, and what is kept of it: whatever a challenger does, the champion can answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import yaml

from augment_ops.errors import StoreError
from augment_ops.rollout.rules import RolloutRules
from augment_ops.serving.batching import Computed
from augment_ops.serving.challenger import Challenger, Posed, ServedAnswer
from augment_ops.serving.comparing import Compared
from augment_ops.serving.exposure import Exposure
from augment_ops.serving.views import Scored
from support.service import ROOT, images
from support.still import STILL

NEVER = 60.0


@dataclass
class Batcher:
    waiting: int = 0


@dataclass
class Model:
    """Says the same of every sample, or fails, or keeps everybody waiting."""

    place: int
    fails: bool = False
    seconds: float = 0.0
    served: Any = STILL
    batcher: Batcher = field(default_factory=Batcher)
    asked: int = 0
    closed: bool = False

    async def __call__(self, samples: np.ndarray) -> tuple[np.ndarray, Computed]:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        if self.fails:
            raise StoreError("model", "no answer", "an answer", "none")
        return np.eye(10)[[self.place] * len(samples)], Computed(seconds=self.seconds, began_ns=0, samples=len(samples))

    @contextmanager
    def in_use(self) -> Iterator[Model]:
        yield self

    async def close(self) -> None:
        self.closed = True


class Counts(Counter[str]):
    def answered(self, arm: str) -> None:
        self[arm] += 1

    def fell_back(self) -> None:
        self["fell back"] += 1

    def shadow_lost(self, reason: str) -> None:
        self[f"lost: {reason}"] += 1

    def tripped(self, is_: bool) -> None:
        self["tripped"] = int(is_)


class Kept(list[Compared]):
    def offer(self, one: Compared) -> None:
        self.append(one)


def exposure(step: int, **changed: Any) -> Exposure:
    content = yaml.safe_load((ROOT / "policies/rollout/default.yaml").read_text())
    steps = [{**one, "share": 1.0} for one in content["steps"]]
    content["conditions"].pop("inputs")
    asked = RolloutRules.model_validate({**content, "steps": steps, **changed})
    return Exposure(rollout="7", challenger=replace(STILL, version="2"), rules=asked, step=step)


@dataclass
class Trial:
    challenger: Any
    champion: Any
    kept: Kept
    counts: Counts
    failures: list[str]

    def ask(self, n: int = 1, name: str = "r") -> ServedAnswer:
        async def asked() -> ServedAnswer:
            found = await self.challenger.answer(self.champion, posed(name, n))
            await asyncio.gather(*self.challenger._shadows)
            return found

        return asyncio.run(asked())


async def ask(model: Any, samples: np.ndarray, ids: Sequence[str]) -> Scored:
    return Scored(*await model(samples))


def posed(name: str, n: int = 1) -> Posed:
    return Posed(request=name, subject="anna", ids=[f"{name}/{row}" for row in range(n)], samples=images(n))


@pytest.fixture
def trial() -> Callable[..., Trial]:
    def made(shown: Exposure, most_shadows: int = 8, **model: Any) -> Trial:
        kept, counts, failures = Kept(), Counts(), []
        on_trial: Any = Model(2, **model, served=shown.challenger)
        told = Challenger(on_trial, shown, ask, kept, counts, most_shadows, lambda _, why: failures.append(why))  # type: ignore[arg-type]
        return Trial(told, Model(1), kept, counts, failures)

    return made


SHADOW, CANARY = 0, 1


def test_in_the_shadow_the_champion_answers_and_both_are_kept(trial: Callable[..., Trial]) -> None:
    found = trial(exposure(SHADOW))
    answer = found.ask(3)
    assert (answer.model, answer.arm, answer.rollout) == (found.champion, "champion", "7")
    (one,) = [each.comparison for each in found.kept]
    assert one.arm == "shadow"
    assert (one.champion.predictions, one.challenger.predictions) == (("b",) * 3, ("c",) * 3)
    assert found.counts == {"shadow": 1}


def test_a_shadow_that_does_not_keep_up_is_not_asked_and_that_is_counted(trial: Callable[..., Trial]) -> None:
    found = trial(exposure(SHADOW), most_shadows=4)
    found.challenger.model.batcher.waiting = 3
    found.ask(2)
    assert found.counts == {"shadow": 1, "lost: busy": 1}
    assert found.challenger.model.asked == 0
    assert not found.kept


@pytest.mark.parametrize("how", [{"fails": True}, {"seconds": NEVER}])
def test_what_a_canary_does_not_answer_in_time_the_champion_answers(
    trial: Callable[..., Trial], how: dict[str, Any]
) -> None:
    found = trial(exposure(CANARY, patience_s=0.01), **how)
    answer = found.ask()
    assert (answer.model, answer.arm) == (found.champion, "champion")
    (one,) = [each.comparison for each in found.kept]
    assert (one.arm, one.champion, one.challenger.predictions) == ("challenger", None, None)
    assert found.counts == {"fell back": 1}
    assert not found.failures


def test_after_failures_in_a_row_it_is_asked_no_more_and_that_is_said_once(trial: Callable[..., Trial]) -> None:
    found = trial(exposure(CANARY, trip={"failures": 3}), fails=True)
    for _ in range(2):
        found.ask()
    found.challenger.model.fails = False
    found.ask()
    found.challenger.model.fails = True
    for _ in range(5):
        found.ask()
    assert len(found.failures) == 1
    assert "3 answers in a row failed" in found.failures[0]
    assert found.challenger.model.asked == 6
    assert found.counts["tripped"] == 1


def test_failures_in_the_shadow_count_as_well(trial: Callable[..., Trial]) -> None:
    found = trial(exposure(SHADOW, patience_s=0.01, trip={"failures": 2}), seconds=NEVER)
    for _ in range(3):
        found.ask()
    assert "no answer in 0.01 s" in found.failures[0]
    assert found.challenger.model.asked == 2


def test_what_both_fail_on_is_the_requests_fault(trial: Callable[..., Trial]) -> None:
    found = trial(exposure(CANARY, trip={"failures": 1}), fails=True)
    found.champion.fails = True
    with pytest.raises(StoreError):
        found.ask()
    assert not found.kept
    assert not found.failures


def test_the_champions_failures_are_kept_where_it_is_asked_first(trial: Callable[..., Trial]) -> None:
    found = trial(exposure(SHADOW))
    found.champion.fails = True
    with pytest.raises(StoreError):
        found.ask()
    (one,) = [each.comparison for each in found.kept]
    assert (one.arm, one.champion.predictions, one.challenger) == ("champion", None, None)
    assert found.challenger.model.asked == 0


def test_a_share_of_comparisons_is_kept_by_the_request(trial: Callable[..., Trial]) -> None:
    found = trial(exposure(CANARY, kept=0.25))
    for n in range(400):
        found.ask(name=f"r{n}")
    assert 60 < len(found.kept) < 140  # 100 ± 4.6 standard deviations of 8.7
    assert found.counts["challenger"] == 400


@pytest.mark.parametrize(("by", "kept"), [("request", ""), ("subject", "anna")])
def test_whom_a_request_is_about_is_kept_where_it_is_assigned_by_that_alone(
    trial: Callable[..., Trial], by: str, kept: str
) -> None:
    found = trial(exposure(SHADOW, by=by))
    found.ask()
    assert [one.comparison.subject for one in found.kept] == [kept]


def test_closing_waits_for_what_is_on_its_way(trial: Callable[..., Trial]) -> None:
    found = trial(exposure(SHADOW), seconds=0.05)

    async def closed() -> None:
        await found.challenger.answer(found.champion, posed("r"))
        await found.challenger.close()

    asyncio.run(closed())
    assert found.challenger.model.closed
    assert [one.comparison.arm for one in found.kept] == ["shadow"]
