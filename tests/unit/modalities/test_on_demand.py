from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError

import pytest

from augment_ops.modalities.on_demand import OnDemand


def test_threads_that_ask_at_once_get_what_the_first_of_them_makes() -> None:
    both, made = Barrier(2), []

    def make() -> object:
        with suppress(BrokenBarrierError):
            both.wait(0.2)  # for another thread that makes it as well
        made.append(object())
        return made[-1]

    value = OnDemand(make)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: value(), range(2))
    assert first is second is value() and len(made) == 1


def test_a_pickle_holds_what_was_made_and_what_failed_is_tried_again() -> None:
    answers = [{"rows": 3}]
    value = OnDemand(answers.pop)
    copy = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(value))))
    assert copy() == value() == {"rows": 3}
    failed = OnDemand(answers.pop)
    with pytest.raises(IndexError):
        failed()
    answers.append({"rows": 4})
    assert failed() == {"rows": 4}
