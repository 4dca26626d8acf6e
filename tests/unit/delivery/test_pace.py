"""How fast samples come: by a clock that the source itself moves, and of real ones that they are timed at all."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

from augment_ops.data.store import Store
from augment_ops.delivery import pace
from augment_ops.delivery.batches import WHOLE, Batch, Share
from augment_ops.delivery.choice import Rate
from augment_ops.delivery.mixing import Mixer
from augment_ops.delivery.on_device import works_on_tensors
from augment_ops.delivery.online import OnlineBatches
from augment_ops.engine.key import SampleIds
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.policy.spec import Mixing


class Clock:
    now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Slow:
    """Batches of ten samples, three an epoch, each after so many seconds; the last number goes on for ever."""

    def __init__(self, clock: Clock, *seconds: float) -> None:
        self.clock, self.seconds, self.closed = clock, list(seconds), False

    def __len__(self) -> int:
        return 3

    def epoch(self, epoch: int, start: int = 0, step: int = 1, share: Share = WHOLE) -> Iterator[Batch]:
        for _ in range(3):
            self.clock.now += self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]
            nothing = np.zeros(10, np.int64)
            yield Batch(np.zeros((10, 1)), nothing, nothing, 0.0)

    def ready(self) -> int | None:
        return None

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pace, "time", SimpleNamespace(perf_counter=made.perf_counter))
    return made


def test_neither_the_start_nor_one_hiccup_counts(clock: Clock) -> None:
    assert pace.sample_us(Slow(clock, 9.0, 0.1, 0.1, 5.0, 0.1), limit_s=0.6) == pytest.approx(10_000)


def test_it_ends_with_its_time_and_looks_at_a_few_batches_however_long(clock: Clock) -> None:
    pace.sample_us(Slow(clock, 0.001), limit_s=1.0)
    assert clock.now == pytest.approx(1.0, abs=0.01)
    clock.now = 0.0
    assert pace.sample_us(Slow(clock, 50.0), limit_s=1.0) == pytest.approx(5e6)
    assert clock.now == 7 * 50  # the first, and two of each window


def test_workers_are_added_until_they_are_enough_and_each_source_is_closed(clock: Clock) -> None:
    made: list[Slow] = []

    def source(workers: int) -> Slow:
        made.append(Slow(clock, 1.0 / workers))
        return made[-1]

    found = pace.loops(source, (1, 2, 4, 8), lambda rate: rate.sample_us < 60_000, limit_s=1.0)
    assert found == (Rate(1, pytest.approx(100_000)), Rate(2, pytest.approx(50_000)))
    assert [one.closed for one in made] == [True, True]


@pytest.mark.parametrize(
    ("asked", "free", "tried"),
    [(1, 1, (1,)), (1, 15, (1, 2, 4, 8, 15)), (0, 1, (0, 1)), (4, 1, (4,)), (3, 8, (3, 6, 8))],
)
def test_as_many_are_tried_as_asked_for_and_as_there_are_cores(asked: int, free: int, tried: tuple[int, ...]) -> None:
    assert pace.numbers_of_workers(asked, free) == tried


def test_what_augments_and_reads_is_timed_as_it_is(
    store: Store, images: np.ndarray, labels: np.ndarray, ids: tuple[str, ...], augmenter: Augmenter
) -> None:
    source = OnlineBatches(images, labels, ids, augmenter, seed=7, batch_size=16, workers=1)
    assert 0 < pace.sample_us(source, 0.01) < 1e6
    source.close()
    assert works_on_tensors(augmenter)
    assert 0 < pace.tensors_us(augmenter, images, SampleIds.of(ids), "cpu", 0.01) < 1e6
    mixer = Mixer(Mixing(kind="mixup", alpha=0.2), augmenter, SampleIds.of(ids), labels, 3)
    for mixes in (None, mixer):  # of the 61 rows that are asked for, 16 are there
        assert 0 < pace.read_us(store, images[:16], len(images), mixes, 32, 0.01) < 1e6
    assert not any(store.scratch.iterdir())
