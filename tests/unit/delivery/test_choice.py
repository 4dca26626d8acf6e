"""Which delivery is chosen, by figures alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from augment_ops.content import canonical_json, from_json
from augment_ops.delivery.choice import Choice, DeliveryMeasured, Rate, Shards, choose

GIB = 1 << 30
FITS = Shards(size_bytes=GIB, limit_bytes=2 * GIB, read_us=1.0)


def measured(
    *loops: tuple[int, float], step: float = 100.0, shards: Shards = FITS, **others: object
) -> DeliveryMeasured:
    about = {"device": "cuda:0", "cores": 16, "threads": 1, **others}
    return DeliveryMeasured(step_us=step, loops=tuple(Rate(*one) for one in loops), shards=shards, **about)


@pytest.mark.parametrize(
    ("found", "idle"),
    [
        (measured((0, 25.0)), 0.2),  # the trainer augments for itself: 25 of 125
        (measured((1, 100.0)), 0.0),
        (measured((1, 200.0)), 0.5),  # waits for the one worker
        (measured((1, 25.0), cores=1), 0.2),  # one core for both, as without a worker
        (measured((3, 100.0), cores=2, threads=1), 0.3333),  # 100 + 2 cores for 100 in 2 cores: 150
        (measured((1, 100.0), cores=4, threads=4), 0.2),  # 400 + 100 in 4 cores: 125
    ],
)
def test_a_trainer_waits_for_the_slower_and_for_cores(found: DeliveryMeasured, idle: float) -> None:
    assert found.idle_share(found.loops[0]) == pytest.approx(idle, abs=1e-4)


def test_online_takes_the_fewest_workers_that_keep_the_trainer_busy() -> None:
    choice = choose(measured((1, 400.0), (2, 200.0), (4, 104.0), (8, 50.0)))
    assert (choice.mode, choice.workers) == ("online", 4)  # it waits 3.8%, where 5% are no matter
    assert "4 workers" in choice.reason and "0.1 ms for one on cuda:0" in choice.reason


@pytest.mark.parametrize(
    ("shards", "mode", "said"),
    [
        (FITS, "offline", "1 GiB of shards are written first; online, the trainer would wait 50%"),
        (replace(FITS, there=True, limit_bytes=0), "nearline", "The shards of all epochs are in the store"),
        (replace(FITS, limit_bytes=GIB - 1), "online", "shards of all epochs take 1 GiB"),
        (replace(FITS, read_us=20.0, there=True), "online", "reading shards would let it wait 17%"),
        (replace(FITS, refused="it ends with Normalize"), "online", "there are no shards: it ends with Normalize"),
    ],
)
def test_shards_are_read_where_no_number_of_workers_is_enough(shards: Shards, mode: str, said: str) -> None:
    choice = choose(measured((1, 800.0), (8, 200.0), shards=shards))
    assert (choice.mode, choice.workers) == (mode, 8)
    assert said in choice.reason


def test_more_workers_that_are_slower_are_not_taken() -> None:
    nothing = Shards(refused="none")
    assert choose(measured((1, 300.0), (2, 200.0), (4, 250.0), shards=nothing)).workers == 2


def test_whoever_has_a_choice_can_make_it_again() -> None:
    for shards in (FITS, replace(FITS, there=True), replace(FITS, limit_bytes=0)):
        choice = choose(measured((1, 200.0), shards=shards))
        kept = from_json(Choice, canonical_json(choice))
        assert kept.measured is not None
        assert choose(kept.measured) == kept == choice


def test_every_figure_is_told() -> None:
    told = "\n".join(choose(measured((1, 200.0), (15, 180.0), tensors_us=10.0)).said())
    for part in ("trainer on cuda:0: 0.1 ms", "1 worker: 0.2 ms a sample, the trainer waits 50.0%", "15 workers: 0.18"):
        assert part in told
    assert "from shards (nearline, offline): 0.001 ms" in told
    assert "on cuda:0, not offered: a GPU rounds otherwise: 0.01 ms a sample, the trainer waits 9.1%" in told
