"""Epochs of a data set that are kept: whose bytes they are, who pays for them, and what they may take."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from starlette.responses import Response

from augment_ops.data.payload import FilePayload
from augment_ops.delivery.nearline import ShardCache
from augment_ops.errors import StoreError
from augment_ops.serving import epochs
from augment_ops.serving.augment_request import OfDataSet
from augment_ops.serving.epochs import ServedSplit
from augment_ops.serving.problems import Problem
from support.nearline import EPOCH, SPLIT, Made, samples


def test_the_first_is_answered_at_once_and_the_next_from_what_was_kept_with_the_same_bytes(made: Made) -> None:
    of = made()

    async def scenario() -> None:
        first = await of.ask()
        assert samples(first) == of.online()
        await of.settled()
        assert (of.outcomes, bool(of.shard())) == (["made"], True)
        rows = [len(of.split) - 1, 0, 7]
        again = await of.ask([of.split.ids[row] for row in rows], token="another")
        assert samples(again) == [of.online(slice(row, row + 1))[0] for row in rows]
        told = json.loads(again.body)
        assert (told["snapshot"], told["split"]) == (of.snapshot.manifest.digest, SPLIT)

    of.run(scenario)
    kept = of.store.get(of.shard())
    assert kept == np.array(of.online(slice(None)), np.uint8).tobytes()


def test_who_asks_first_pays_for_the_epoch_and_what_is_kept_is_free(made: Made) -> None:
    of = made()
    left = 100 - 4

    async def scenario() -> None:
        await of.ask()
        await of.settled()
        for _ in range(4):
            await of.ask(list(of.split.ids[:100]))
            await of.ask(list(of.split.ids[:100]), token="another")

    of.run(scenario)
    assert of.quotas.take("team", left + 1).wait_s > 0
    assert of.quotas.take("team", left).wait_s == 0
    assert of.quotas.take("another", len(of.split) + 100).wait_s == 0


def test_what_is_kept_is_given_while_the_breaker_is_open(made: Made) -> None:
    of = made()

    async def scenario() -> None:
        await of.ask()
        await of.settled()
        of.breaker._open(1000.0, "for the test")
        assert samples(await of.ask()) == of.online()
        with pytest.raises(Problem) as refused:
            await of.ask(epoch=EPOCH + 1)
        assert refused.value.status == 503

    of.run(scenario)


def test_no_more_is_read_at_once_than_may_wait(made: Made) -> None:
    of = made(quota=None)

    async def scenario() -> None:
        await of.ask()
        await of.settled()
        many = [of.ask(list(of.split.ids[:100])) for _ in range(4)]
        found = await asyncio.gather(*many, return_exceptions=True)
        assert [one.status for one in found if isinstance(one, Problem)] == [503, 503]
        assert [len(samples(one)) for one in found if isinstance(one, Response)] == [100, 100]

    of.run(scenario)


@pytest.mark.parametrize(
    ("changed", "outcome"), [({"quota": 100}, "no quota"), ({"space_mib": 0.01, "quota": 100_000}, "no room")]
)
def test_an_epoch_beyond_the_quota_or_the_room_is_not_made_and_answers_go_on(
    made: Made, changed: dict[str, Any], outcome: str
) -> None:
    of = made(**changed)

    async def scenario() -> None:
        for number in range(3):
            assert samples(await of.ask()) == of.online()
            await of.settled(number + 1)

    of.run(scenario)
    assert of.outcomes == [outcome] * 3
    assert of.quotas.take("team", changed["quota"] - 3 * 4).wait_s == 0  # nothing but what was answered is counted


def test_what_was_used_longest_ago_goes_first_and_what_a_manifest_counts_on_stays(made: Made) -> None:
    of = made(quota=None)
    of.epochs._cache._limit = 2 * len(of.split) * 64

    async def scenario() -> None:
        for number, epoch in enumerate((1, 2, 3)):
            await of.ask(epoch=epoch)
            await of.settled(number + 1)

    offline = of.materialised()
    of.run(scenario)
    assert [bool(of.shard(epoch)) for epoch in (0, 1, 2, 3)] == [True, False, True, True]
    assert of.shard(0) == offline.shards[0]
    assert ShardCache(of.store, 0).forget(2e9) >= 2
    assert [bool(of.shard(epoch)) for epoch in (0, 2, 3)] == [True, False, False]


def test_an_epoch_that_was_damaged_is_made_again(made: Made) -> None:
    of = made(quota=None)

    async def scenario() -> None:
        await of.ask()
        await of.settled()
        path = of.store.local(of.shard())
        path.chmod(0o600)
        path.write_bytes(b"\0" * path.stat().st_size)
        assert samples(await of.ask()) == of.online()
        await of.settled(2)
        assert samples(await of.ask()) == of.online()

    of.run(scenario)
    assert of.outcomes == ["made", "made"]


def test_an_epoch_that_cannot_be_read_now_stays(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    of = made(quota=None)

    def full(shard: str) -> Path:
        raise StoreError("the cache", "no space left", "some", "free some")

    async def scenario() -> None:
        await of.ask()
        await of.settled()
        with monkeypatch.context() as away:
            away.setattr(of.store, "verified", full)
            assert samples(await of.ask()) == of.online()
        await of.settled(2)

    of.run(scenario)
    assert of.outcomes == ["made", "there"]


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"ids": ["nobody"]}, 422, "such as 'nobody'"),
        ({"ids": [7.5, 7.5]}, 422, "2 ids that train does not have"),
        ({"ids": [None]}, 422, "1 ids that train does not have"),
        ({"snapshot": "f" * 64}, 409, "snapshot ffffffffffff"),
    ],
)
def test_what_the_data_set_does_not_have_is_a_problem(
    made: Made, changed: dict[str, Any], status: int, said: str
) -> None:
    of = made()

    async def scenario() -> None:
        with pytest.raises(Problem) as refused:
            await of.ask(**changed)
        assert refused.value.status == status
        assert said in refused.value.detail + str(refused.value.faults)

    of.run(scenario)
    assert of.outcomes == []


def test_an_epoch_that_another_removes_while_it_is_read_is_answered_online(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = made(quota=None)

    def gone(payload: Any, rows: Any) -> None:
        raise FileNotFoundError

    async def scenario() -> None:
        await of.ask()
        await of.settled()
        with monkeypatch.context() as patch:
            patch.setattr(FilePayload, "take", gone)
            assert samples(await of.ask()) == of.online()
        await of.settled(2)

    of.run(scenario)


def test_an_epoch_of_offline_delivery_that_is_given_may_be_removed_no_more_than_before(made: Made) -> None:
    of = made(quota=None)
    of.materialised()

    async def scenario() -> None:
        assert samples(await of.ask(epoch=0)) == of.online(epoch=0)

    of.run(scenario)
    assert not ShardCache(of.store, 0).owns(of.shard(0))


def test_that_an_epoch_is_in_use_is_noted_once_in_a_while_and_of_so_many(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, noted = made(quota=None), list[str]()
    monkeypatch.setattr(epochs, "_NOTED", 1)

    async def scenario() -> None:
        for epoch in (EPOCH, EPOCH + 1):
            await of.ask(epoch=epoch)
        await of.settled(2)
        monkeypatch.setattr(of.epochs._cache, "use", lambda shard, size: noted.append(shard))
        for epoch in (EPOCH, EPOCH, EPOCH + 1):
            await of.ask(epoch=epoch)

    of.run(scenario)
    assert noted == [of.shard(), of.shard(EPOCH + 1)]
    assert len(of.epochs._noted) == 1


def test_after_a_promotion_ids_are_those_of_its_snapshot(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    of = made()
    monkeypatch.setattr(epochs.Snapshot, "open", lambda store, digest: SimpleNamespace(split=lambda name: digest))
    assert of.epochs.split("before", OfDataSet(split="train", snapshot="")).split == "before"
    assert of.epochs.split("after", OfDataSet(split="holdout", snapshot="")).split == "after"
    assert list(of.epochs._splits) == ["holdout"]
    assert of.epochs.split("after", OfDataSet(split="train", snapshot="")).split == "after"
    assert of.epochs.split("before", OfDataSet(split="train", snapshot="")).split == "before"


@pytest.mark.parametrize("odd", [None, 1.5, ["a"]])
def test_what_is_no_id_is_none_whatever_it_reads_as(odd: Any) -> None:
    split = cast("Any", SimpleNamespace(name="train", ids=("None", "1.5", "['a']", "7")))
    assert ServedSplit("", split).rows([7]).tolist() == [3]
    with pytest.raises(Problem):
        ServedSplit("", split).rows([odd])


def test_a_sample_is_asked_for_once_in_a_request(made: Made) -> None:
    of = made()

    async def scenario() -> None:
        with pytest.raises(Problem) as refused:
            await of.ask([of.split.ids[0]] * 2)
        assert "more than once" in str(refused.value.faults)

    of.run(scenario)
