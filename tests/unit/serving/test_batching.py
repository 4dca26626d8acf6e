"""Requests that come together are answered together, each with its own answer."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from augment_ops.errors import StoreError
from augment_ops.serving.batching import Ask, Batcher, Overloaded


class Model:
    """Twice the samples; what it was asked is kept. `hold` keeps it from answering."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, samples: np.ndarray) -> np.ndarray:
        self.asked.append(len(samples))
        await asyncio.wait_for(self.free.wait(), 30)
        if (samples == 13).any():
            raise StoreError("model", "thirteen", "another number", "ask for another")
        return np.asarray(samples * 2, np.float32)


def batcher(model: Ask, **more) -> Batcher:
    asked = {"max_samples": 8, "max_delay_s": 0.0, "max_waiting": 100, "told": lambda n, s: None} | more
    return Batcher(model, **asked)


def rows(*values: float) -> np.ndarray:
    return np.array(values, np.float64)[:, None]


async def while_held(model: Model, made: Batcher, requests: list[np.ndarray]) -> list:
    """Ask all while the model computes for the first of them."""
    model.free.clear()
    tasks = [asyncio.create_task(made(requests[0]))]
    while not model.asked:
        await asyncio.sleep(0.001)
    tasks += [asyncio.create_task(made(one)) for one in requests[1:]]
    await asyncio.sleep(0)
    while made.waiting < sum(map(len, requests[1:])):
        await asyncio.sleep(0.001)
    model.free.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    await made.close()
    return found


def test_what_comes_while_the_model_computes_is_one_batch_and_each_gets_its_own() -> None:
    model = Model()
    found = asyncio.run(while_held(model, batcher(model), [rows(1), rows(2, 3), rows(4), rows(5, 6, 7)]))
    assert model.asked == [1, 6]
    assert [one.ravel().tolist() for one, _ in found] == [[2], [4, 6], [8], [10, 12, 14]]


def test_no_batch_is_larger_than_it_may_be_and_a_larger_request_goes_in_parts() -> None:
    model = Model()
    found = asyncio.run(
        while_held(model, batcher(model, max_samples=4), [rows(1), rows(2, 3, 4), rows(5, 6), rows(*range(20, 30))])
    )
    assert model.asked == [1, 3, 2, 4, 4, 2]
    assert found[3][0].ravel().tolist() == list(range(40, 60, 2))


def test_what_the_model_does_not_answer_for_takes_no_other_request_with_it() -> None:
    model = Model()
    first, bad, good = asyncio.run(while_held(model, batcher(model), [rows(1), rows(13), rows(2)]))
    assert isinstance(bad, StoreError)
    assert (first[0].ravel().tolist(), good[0].ravel().tolist()) == ([2], [4])


def test_a_fault_of_any_kind_is_an_answer_and_the_next_request_is_answered() -> None:
    async def broken(samples: np.ndarray) -> np.ndarray:
        if samples[0, 0] == 0:
            raise ZeroDivisionError
        return np.asarray(samples, np.float32)

    async def ask() -> float:
        made = batcher(broken)
        with pytest.raises(ZeroDivisionError):
            await made(rows(0))
        return float((await made(rows(5)))[0][0, 0])

    assert asyncio.run(ask()) == 5


def test_more_than_may_wait_is_refused_at_once() -> None:
    model = Model()

    async def ask() -> None:
        made = batcher(model, max_waiting=3)
        model.free.clear()
        first = asyncio.create_task(made(rows(1)))
        while not model.asked:
            await asyncio.sleep(0.001)
        second = asyncio.create_task(made(rows(2, 3)))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await made(rows(4, 5))
        model.free.set()
        await asyncio.gather(first, second)
        assert (await made(rows(6)))[0][0, 0] == 12

    asyncio.run(ask())


def test_a_lone_request_waits_for_nobody_and_those_that_came_together_wait_for_each_other() -> None:
    """An hour of delay would not end if a lone request waited; and three that came together wait for three."""
    model = Model()

    async def ask() -> None:
        made = batcher(model, max_delay_s=3600.0)
        await asyncio.wait_for(made(rows(1)), 30)
        await asyncio.wait_for(asyncio.gather(made(rows(1)), made(rows(2)), made(rows(3))), 30)
        assert model.asked == [1, 3]
        waits = asyncio.create_task(made(rows(4)))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waits.done()
        await asyncio.wait_for(asyncio.gather(waits, made(rows(5)), made(rows(6))), 30)
        assert model.asked == [1, 3, 3]

    asyncio.run(ask())


def test_whoever_has_gone_is_passed_over() -> None:
    model = Model()

    async def ask() -> float:
        made = batcher(model)
        model.free.clear()
        gone = asyncio.create_task(made(rows(1)))
        while not model.asked:
            await asyncio.sleep(0.001)
        stays = asyncio.create_task(made(rows(2)))
        await asyncio.sleep(0)
        gone.cancel()
        model.free.set()
        return float((await stays)[0][0, 0])

    assert asyncio.run(ask()) == 4
