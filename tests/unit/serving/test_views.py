"""What goes out where views are asked about, and where they are not; model and augmenter are small and exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from augment_ops.engine.key import SampleIds
from augment_ops.errors import StoreError, TransformError
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.serving.augmenting_rules import BreakerRules, ViewRules
from augment_ops.serving.augmenting_thread import AugmentingThread
from augment_ops.serving.batching import Overloaded
from augment_ops.serving.breaker import Breaker
from augment_ops.serving.model import ServedModel
from augment_ops.serving.views import Scored, Views, views_of

RULES = ViewRules(policy="tested", version="1.0.0", views=3, itself=True, seed=7)
BREAKER = BreakerRules(
    window_s=60,
    min_requests=2,
    latency_share=1,
    latency_ms=0,
    error_rate=0.4,
    waiting=100,
    open_s=60,
    longest_open_s=60,
    trials=1,
)
SAMPLES = np.array([[10.0], [20.0]])


def shifted(samples: np.ndarray, ids: SampleIds, epoch: np.ndarray) -> np.ndarray:
    """A view that tells of whom it is, and which: by the number in the id and the epoch."""
    return samples + np.array([[float(name)] for name in ids.names]) + 100 * epoch[:, None]


@dataclass
class Asked:
    """A model whose score is the sample; it keeps how many it was asked about at once."""

    refuses: Callable[[int], Exception | None] = lambda count: None
    counts: list[int] = field(default_factory=list)
    batcher: Any = field(default_factory=lambda: SimpleNamespace(waiting=0))

    async def __call__(self, samples: np.ndarray) -> tuple[np.ndarray, float]:
        self.counts.append(len(samples))
        error = self.refuses(len(samples))
        if error is not None:
            raise error
        return samples.astype(float), 0.001


class Service:
    """Views, with their breaker."""

    def __init__(self, augmenter: Any = shifted, most: int = 100, rules: ViewRules = RULES) -> None:
        self.now = 0.0
        self.breaker = Breaker(BREAKER, lambda change: None, lambda: self.now)
        self.views = Views(rules, self.breaker, AugmentingThread(most))
        self.views.augmenter = cast("BatchAugmenter", augmenter)

    def ask(self, model: Asked) -> Scored:
        return asyncio.run(self.views(cast("ServedModel", model), SAMPLES, ["1", "2"]))


def test_the_answer_is_the_mean_of_one_call_of_the_model() -> None:
    model = Asked()
    found = Service().ask(model)
    assert model.counts == [6]
    assert found.scores.tolist() == [[10 + (0 + 101 + 201) / 3], [20 + (0 + 102 + 202) / 3]]
    assert found.said == "tested/1.0.0; views=3"


def test_the_number_of_the_view_is_the_epoch_also_where_the_sample_is_none_of_them() -> None:
    rules = RULES.model_copy(update={"itself": False})
    made = views_of(cast("BatchAugmenter", shifted), rules, SAMPLES, ["1", "2"])
    assert made.ravel().tolist() == [11, 22, 111, 122, 211, 222]


def failing(samples: np.ndarray, ids: SampleIds, epoch: np.ndarray) -> np.ndarray:
    raise TransformError("sample", "one", "another", "leave it")


def narrower(samples: np.ndarray, ids: SampleIds, epoch: np.ndarray) -> np.ndarray:
    return samples[:, :0]


@pytest.mark.parametrize("augmenter", [failing, narrower])
def test_what_fails_is_answered_without_and_opens_the_breaker(
    augmenter: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    service, model = Service(augmenter), Asked()
    for _ in range(2):
        found = service.ask(model)
        assert found.scores.tolist() == SAMPLES.tolist()
        assert found.said == "tested/1.0.0; off (it failed)"
    assert "Error" in capsys.readouterr().err
    assert service.ask(model).said == "tested/1.0.0; off (open: 2 of 2 failed)"


def test_what_the_model_does_not_answer_at_all_is_no_fault_of_the_views() -> None:
    service, model = Service(), Asked(lambda count: StoreError("model", "x", "y", "z"))
    for _ in range(3):
        with pytest.raises(StoreError):
            service.ask(model)
    assert service.breaker.state == "closed"
    alone = Asked(lambda count: StoreError("model", "x", "y", "z") if count == 6 else None)
    for _ in range(2):
        assert service.ask(alone).scores.tolist() == SAMPLES.tolist()
    assert service.breaker.state == "open"


def test_a_trial_that_the_model_does_not_answer_is_tried_again() -> None:
    service = Service(failing)
    for _ in range(2):
        service.ask(Asked())
    service.views.augmenter = cast("BatchAugmenter", shifted)
    service.now = 60.0
    with pytest.raises(StoreError):
        service.ask(Asked(lambda count: StoreError("model", "x", "y", "z")))
    assert service.breaker.state == "half-open"
    assert service.ask(Asked()).said == "tested/1.0.0; views=3"
    assert service.breaker.state == "closed"


@pytest.mark.parametrize(
    ("most", "model"), [(5, Asked()), (100, Asked(lambda count: Overloaded() if count == 6 else None))]
)
def test_where_views_would_wait_too_long_the_samples_go_alone(most: int, model: Asked) -> None:
    service = Service(most=most)
    assert service.ask(model).said == "tested/1.0.0; off (too many samples wait)"
    assert service.ask(model).scores.tolist() == SAMPLES.tolist()
    assert service.breaker.state == "open"


def test_a_policy_that_is_not_admitted_is_not_applied() -> None:
    service = Service(augmenter=None)
    assert service.ask(Asked()).said == "tested/1.0.0; off (not admitted)"


def test_who_goes_away_takes_no_trial_along() -> None:
    def refuse(count: int) -> Exception | None:
        return Overloaded() if count == 6 else None

    async def cancelled() -> None:
        service = Service()

        class Slow(Asked):
            async def __call__(self, samples: np.ndarray) -> tuple[np.ndarray, float]:
                self.counts.append(len(samples))
                await asyncio.Event().wait()
                raise AssertionError

        for _ in range(2):
            await service.views(cast("ServedModel", Asked(refuse)), SAMPLES, ["1", "2"])
        service.now = 60.0
        for _ in range(3):
            slow = Slow()
            task = asyncio.create_task(service.views(cast("ServedModel", slow), SAMPLES, ["1", "2"]))
            while not slow.counts:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert service.breaker.state == "half-open"
        found = await service.views(cast("ServedModel", Asked()), SAMPLES, ["1", "2"])
        assert found.said == "tested/1.0.0; views=3"

    asyncio.run(cancelled())


def test_a_thread_tells_how_long_it_has_worked() -> None:
    async def worked() -> None:
        import threading

        thread, go = AugmentingThread(10), threading.Event()
        task = asyncio.create_task(thread(4, lambda: go.wait(60)))
        while not thread.busy_s:
            await asyncio.sleep(0.001)
        assert thread.waiting == 4
        with pytest.raises(Overloaded):
            await thread(7, lambda: None)
        before = thread.busy_s
        go.set()
        done, cpu_s = await task
        assert done
        assert 0 <= cpu_s < before + 60
        assert thread.busy_s >= before
        assert thread.waiting == 0
        assert thread.busy_s == thread.busy_s  # it stands still while nothing is done
        thread.close()

    asyncio.run(worked())
