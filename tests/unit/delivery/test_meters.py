from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from augment_ops.delivery import meters
from augment_ops.delivery.batches import Batch
from augment_ops.delivery.meters import DeliveryMeters, OtherWork, WaitMeter, advice


class Source:
    """Two batches of four samples, each of which lets its consumer wait two seconds."""

    def __init__(self, clock: list[float], depths: list[int | None]) -> None:
        self.clock, self.depths = clock, depths

    def epoch(self, epoch: int, start: int = 0, step: int = 1, share: object = None) -> Iterator[Batch]:
        for augment_s in (0.4, 0.8):
            self.clock[0] += 2.0
            yield Batch(np.zeros((4, 1, 1, 1), np.uint8), np.zeros(4, np.int64), np.arange(4), augment_s)

    def ready(self) -> int | None:
        return self.depths.pop(0)

    def close(self) -> None:
        return


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(meters.time, "perf_counter", lambda: now[0])
    return now


def test_the_meter_counts_waiting_and_not_working(clock):
    meter, source = WaitMeter(), Source(clock, [1, 4, 0])
    for _ in meter.watch(source, source.epoch(0)):
        clock[0] += 5.0  # the consumer works
    assert meter.wait_s == 4.0
    assert meter.per_sample_ms == pytest.approx([100.0, 200.0])
    assert meter.depths == [1, 4]  # the last look found no batch
    result = meter.result(16.0)
    assert result == DeliveryMeters(0.25, *map(pytest.approx, (150.0, 190.0, 195.0, 199.0)), 2.5)


def test_meters_add_up(clock):
    total = WaitMeter()
    for _ in range(3):
        meter, source = WaitMeter(), Source(clock, [None, None, None])
        list(meter.watch(source, source.epoch(0)))
        total.add(meter)
    assert total.wait_s == 12.0
    assert len(total.per_sample_ms) == 6
    assert total.result(100.0).queue_depth is None


def test_nothing_measured_is_zero():
    assert WaitMeter().result(1.0) == DeliveryMeters(0.0, 0.0, 0.0, 0.0, 0.0, None)


@pytest.mark.parametrize(
    ("share", "depth", "workers", "taken", "says"),
    [
        (0.05, None, 0, 4.0, "Not held back"),
        (0.3, None, 0, 0.0, "set workers to 1"),
        (0.3, 3.5, 1, 0.0, "a bigger prefetch (8 batches in place of 4) or smaller batches"),
        (0.3, 0.2, 1, 2.0, "set workers to 2"),
        (0.3, 0.2, 3, 0.4, "set workers to 4"),
        (0.3, 0.2, 4, 0.0, "delivery: offline"),
        (0.3, None, 8, 0.0, "delivery: offline"),
        (
            0.3,
            0.2,
            2,
            1.25,
            "other processes kept 1.2 of 4 cores busy, which leaves too few for a trainer and 2 workers",
        ),
        (0.3, 0.2, 1, 2.25, "a trainer and 1 worker; train"),
        (0.3, 3.5, 2, 1.25, "a bigger prefetch"),
    ],
)
def test_advice(share, depth, workers, taken, says):
    text = advice(DeliveryMeters(share, 1, 1, 1, 1, depth), workers=workers, cores=4, taken=taken)
    assert says in text
    assert f"{share:.1%}" in text


@pytest.mark.parametrize(("machine_s", "busy"), [(117.0, 0.8), (108.0, 0.0)], ids=["busy", "counted late"])
def test_work_of_others(monkeypatch, machine_s, busy):
    """In ten seconds the machine worked for 17: four for the process that began it all, of which one for a child that
    has ended, and five for a child that lives, of which one for a child of its own that has ended."""
    machine, head, child, now = (
        iter([100.0, machine_s]),
        iter([(7.0, 0.0), (10.0, 1.0)]),
        iter([(1.0, 2.0), (5.0, 3.0)]),
        iter([50.0, 60.0]),
    )

    def times(own: float, ended: float) -> SimpleNamespace:
        return SimpleNamespace(user=own, system=0.0, children_user=ended, children_system=0.0)

    class Child:
        def cpu_times(self):
            return times(*next(child))

    class Gone:
        def cpu_times(self):
            raise psutil.NoSuchProcess(1)

    class Head:
        def __init__(self, process):
            assert process == 7

        def cpu_times(self):
            return times(*next(head))

        def children(self, recursive):
            assert recursive
            return [Gone(), Child()]

    monkeypatch.setattr(psutil, "cpu_times", lambda: SimpleNamespace(user=next(machine), system=0.0))
    monkeypatch.setattr(psutil, "Process", Head)
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    assert OtherWork(7).cores() == pytest.approx(busy)
