"""Epochs that are made while requests are answered: which, when, how many, and what they are left away for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from augment_ops.errors import StoreError, TransformError
from augment_ops.locks import held
from augment_ops.serving import epoch_maker
from augment_ops.serving.augment_request import OfDataSet
from augment_ops.serving.epoch_maker import WantedEpoch
from augment_ops.serving.epochs import EpochOf
from support.nearline import EPOCH, MAY_WAIT, SPLIT, Made, samples


def test_epochs_that_come_next_are_made_ahead_on_a_hit_as_well(made: Made) -> None:
    of = made(ahead=1, quota=None)

    async def scenario() -> None:
        await of.ask()
        await of.settled(2)
        assert samples(await of.ask(epoch=EPOCH + 1)) == of.online(epoch=EPOCH + 1)
        await of.settled(3)
        assert samples(await of.ask(epoch=EPOCH + 2)) == of.online(epoch=EPOCH + 2)
        await of.settled(4)

    of.run(scenario)
    assert of.outcomes == ["made"] * 4
    assert not of.shard(EPOCH + 4)


def test_an_epoch_is_left_to_the_worker_that_is_at_one_and_made_when_it_is_missed_again(
    made: Made, tmp_path: Path
) -> None:
    of = made(quota=None, ahead=1)

    async def scenario() -> None:
        with held(tmp_path / "epochs.lock", "make another one", 5):
            assert samples(await of.ask()) == of.online()
            await of.settled(2)
        assert samples(await of.ask()) == of.online()
        await of.settled(4)

    of.run(scenario)
    assert of.outcomes == ["elsewhere"] * 2 + ["made"] * 2


def test_what_waits_or_was_made_is_wanted_once(made: Made) -> None:
    of = made(quota=None, ahead=1)

    async def scenario() -> None:
        await asyncio.gather(*(of.ask() for _ in range(3)))
        await of.settled(2)
        await of.ask()
        await of.ask(epoch=EPOCH + 10)
        await of.settled(4)

    of.run(scenario)
    assert of.outcomes == ["made"] * 4


def test_an_end_while_an_epoch_is_made_leaves_nothing_and_does_not_wait_for_it(made: Made) -> None:
    of = made(quota=10**6)
    really, pieces = of.maker._one, []

    async def one(*given: Any) -> Any:
        pieces.append(1)
        of.breaker._open(1000.0, "from here on nothing is augmented")
        return await really(*given)

    of.maker._one = one  # type: ignore[method-assign]

    async def scenario() -> None:
        await of.ask()
        async with asyncio.timeout(60):
            while not pieces:
                await asyncio.sleep(0.005)

    of.run(scenario)
    assert not of.shard()
    assert not list(of.store.scratch.glob("*.part"))
    assert of.quotas.take("team", 10**6 - 4).wait_s == 0  # what came to nothing is given back


def test_where_one_epoch_fails_those_that_wait_are_not_tried(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    of = made(quota=10**6, ahead=3)

    def full(*given: Any, **named: Any) -> str:
        raise StoreError("the store", "no space left", "some", "free some")

    monkeypatch.setattr(of.store, "put_resumable", full)

    async def scenario() -> None:
        await of.ask()
        await of.settled()
        assert samples(await of.ask()) == of.online()

    of.run(scenario)
    assert of.outcomes == ["failed"]
    assert not of.maker._wanted
    assert of.quotas.take("team", 10**6 - 8).wait_s == 0


def test_a_piece_of_an_epoch_is_small_takes_nothing_of_what_may_wait_and_hides_no_request_that_fails(
    made: Made,
) -> None:
    of = made(quota=None)
    really, seen = of.maker._one, []

    async def one(wanted: Any, piece: Any, *given: Any) -> Any:
        found = await asyncio.gather(really(wanted, piece, *given), of._thread(MAY_WAIT, lambda: None))
        seen.append((len(piece), of.breaker._total().requests))
        return found[0]

    of.maker._one = one  # type: ignore[method-assign]

    async def scenario() -> None:
        await of.ask()
        await of.settled()

    of.run(scenario)
    assert of.outcomes == ["made"]
    assert max(size for size, _ in seen) <= 64
    assert {requests for _, requests in seen} == {1}  # what was asked for


def test_what_a_revoked_policy_was_making_is_left_away_and_counts_for_nobody(made: Made) -> None:
    of = made(quota=10**6, ahead=1)
    really, room = of.maker._one, []

    async def one(*given: Any) -> Any:
        of.service.policies = {}
        return await really(*given)

    of.maker._one = one  # type: ignore[method-assign]
    of.epochs._cache.make_room = lambda size: not room.append(size)  # type: ignore[method-assign, func-returns-value]

    async def scenario() -> None:
        await of.ask()
        await of.settled(2)

    of.run(scenario)
    assert of.outcomes == ["not admitted"] * 2
    assert len(room) == 1  # of others, for the one that was begun
    assert not of.shard()
    assert of.quotas.take("team", 10**6 - 4).wait_s == 0


def test_what_was_being_made_of_the_snapshot_before_a_promotion_is_left_away_and_counts_for_nobody(made: Made) -> None:
    """It could be given to nobody: whoever names that snapshot is refused from then on."""
    of = made(quota=10**6, ahead=1)
    really = of.maker._one

    async def one(*given: Any) -> Any:
        of.service.snapshot = "f" * 64
        return await really(*given)

    of.maker._one = one  # type: ignore[method-assign]

    async def scenario() -> None:
        await of.ask()
        await of.settled(2)

    of.run(scenario)
    assert of.outcomes == ["superseded"] * 2
    assert not of.shard()
    assert of.quotas.take("team", 10**6 - 4).wait_s == 0


def test_no_more_epochs_wait_or_are_remembered_than_so_many(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    of = made(ahead=8, quota=None)
    monkeypatch.setattr(epoch_maker, "_WAITING", 3)
    monkeypatch.setattr(epoch_maker, "_SETTLED", 2)

    async def scenario() -> None:
        await of.ask()
        await of.settled(3)
        assert not of.maker._wanted

    of.run(scenario)
    assert of.outcomes == ["made"] * 3
    assert len(of.maker._settled) == 2


def test_a_worker_that_ends_begins_no_epoch(made: Made) -> None:
    of = made()

    async def scenario() -> None:
        of.maker.close()
        assert samples(await of.ask()) == of.online()

    of.run(scenario)
    assert of.maker._thread is None


def test_a_piece_that_fails_counts_for_the_breaker(made: Made) -> None:
    of = made()

    def fails(*given: Any) -> Any:
        raise TransformError("a transform", "broken", "one that works", "mend it")

    split = of.epochs.split(of.snapshot.manifest.digest, OfDataSet(split=SPLIT, snapshot=""))
    epoch = EpochOf(of=split, augment=cast("Any", fails), epoch=EPOCH)
    wanted = WantedEpoch(epoch=epoch, token="team", policy="tested/1.0.0", over=lambda: "")

    async def scenario() -> None:
        rows = np.arange(1)
        with pytest.raises(TransformError):
            await of.maker._one(wanted, of.split.take(rows), split.hashed[rows], EPOCH)

    of.run(scenario)
    assert of.breaker._total().failed == 1


def test_pieces_that_go_well_close_a_breaker_that_tries_again(made: Made) -> None:
    of = made(quota=None)

    async def scenario() -> None:
        await of.ask()
        of.breaker._open(0.0, "for the test")
        await of.settled()

    of.run(scenario)
    assert (of.outcomes, of.breaker.state) == (["made"], "closed")
