"""Epochs of a data set that are kept: whose bytes they are, who pays for them, and what they may take."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from starlette.responses import Response

from augment_ops import Augmenter
from augment_ops.content import sha256_hex
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.delivery.nearline import ShardCache
from augment_ops.delivery.offline import known_shard, materialise, shard_identity
from augment_ops.errors import StoreError
from augment_ops.locks import held
from augment_ops.modalities import modality
from augment_ops.serving.augment_request import AugmentRequest, OfDataSet
from augment_ops.serving.augment_service import AugmentService, Nearline
from augment_ops.serving.augmenting_meters import AugmentingMeters
from augment_ops.serving.augmenting_rules import BreakerRules, NearlineRules
from augment_ops.serving.augmenting_thread import AugmentingThread
from augment_ops.serving.breaker import Breaker
from augment_ops.serving.epoch_maker import EpochMaker
from augment_ops.serving.epochs import KeptEpochs
from augment_ops.serving.model import ServedModel
from augment_ops.serving.problems import Problem
from augment_ops.serving.protocol import Interface
from augment_ops.serving.quotas import Quotas
from support.policies import policy_of
from support.service import BREAKER, SHAPE

NAME, POLICY = "tested@1.0.0", policy_of("HorizontalFlip: {p: 0.5}")
ASKED = modality("image").codec.requests({"image_size": "", "channels": "auto"}, SHAPE, None)
SPLIT, EPOCH = "train", 5
MAY_WAIT = 200  # samples of requests; a piece of an epoch takes nothing of it


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    store = Store(str(tmp_path_factory.mktemp("store")))
    return Snapshot.open(store, ingest("digits", store).digest)


@pytest.fixture(scope="module")
def store(snapshot: Snapshot) -> Store:
    return snapshot._store


class Service:
    """One worker's, by a seed of its own: each test asks for epochs that no other has asked for."""

    def __init__(self, store: Store, snapshot: Snapshot, folder: Path, seed: int, **changed: Any) -> None:
        self.store, self.snapshot, self.seed = store, snapshot, seed
        self.split = snapshot.split(SPLIT)
        quota = changed.pop("quota", len(self.split) + 100)
        rules = {"splits": [SPLIT], "space_mib": 64, "retention_days": None, "ahead": 0}
        self.outcomes: list[str] = []
        self.breaker = Breaker(BreakerRules(**BREAKER), lambda change: None)
        self.quotas, self._thread = Quotas(folder / "quotas.sqlite", quota), AugmentingThread(MAY_WAIT)
        self.reading = AugmentingThread(MAY_WAIT)
        meters = AugmentingMeters("digits")
        meters.epoch = self.outcomes.append  # type: ignore[method-assign]
        self.epochs = KeptEpochs(store, NearlineRules.model_validate({**rules, **changed}))
        self.maker = EpochMaker(
            self.epochs,
            breaker=self.breaker,
            thread=self._thread,
            quotas=self.quotas,
            meters=meters,
            lock=folder / "epochs.lock",
        )
        self.service = AugmentService(
            (NAME,),
            "dev",
            breaker=self.breaker,
            thread=self._thread,
            quotas=self.quotas,
            meters=meters,
            nearline=Nearline(self.epochs, self.maker, self.reading),
        )
        self.service.policies, self.service.snapshot = {NAME: POLICY}, snapshot.manifest.digest

    async def ask(
        self, ids: list[Any] | None = None, token: str = "team", epoch: int = EPOCH, snapshot: str = ""
    ) -> Response:
        served = SimpleNamespace(snapshot=self.snapshot.manifest.digest)
        model = SimpleNamespace(requests=ASKED, batcher=SimpleNamespace(waiting=0), served=served)
        asked = AugmentRequest(
            policy=NAME,
            seed=self.seed,
            epoch=epoch,
            ids=list(self.split.ids[:4]) if ids is None else ids,
            samples=OfDataSet(split=SPLIT, snapshot=snapshot),
            in_bytes=False,
        )
        interface = Interface(shape=SHAPE, dtype=np.dtype(np.uint8), limit=1024)
        return await self.service(asked, token, cast("ServedModel", model), interface)

    def online(self, rows: Any = slice(0, 4), epoch: int = EPOCH) -> list[Any]:
        """What the library gives."""
        every = np.arange(len(self.split))[rows]
        ids = [self.split.ids[row] for row in every]
        return Augmenter(POLICY, self.seed)(self.split.take(every), ids, epoch).tolist()

    def shard(self, epoch: int = EPOCH) -> str:
        """The object that keeps an epoch; empty where none does."""
        identity = shard_identity(
            self.snapshot.manifest.digest, SPLIT, Augmenter(POLICY, self.seed), np.dtype(np.uint8)
        )
        return known_shard(self.store, identity, epoch)

    async def settled(self, count: int = 1) -> None:
        """Wait until so many epochs came to something."""
        async with asyncio.timeout(60):
            while len(self.outcomes) < count:
                await asyncio.sleep(0.005)

    def run(self, scenario: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            try:
                await scenario()
            finally:
                await asyncio.to_thread(self.maker.close)

        asyncio.run(whole())


Made = Callable[..., Service]


@pytest.fixture
def made(store: Store, snapshot: Snapshot, tmp_path: Path, request: pytest.FixtureRequest) -> Made:
    seed = int(sha256_hex(request.node.name.encode())[:8], 16)
    return lambda **changed: Service(store, snapshot, tmp_path, seed, **changed)


def samples(response: Response) -> list[Any]:
    return cast("list[Any]", json.loads(response.body)["samples"])


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

    offline = materialise(
        of.store,
        of.split.payload,
        of.split.ids,
        Augmenter(POLICY, of.seed),
        snapshot_digest=of.snapshot.manifest.digest,
        split=SPLIT,
        epochs=1,
    )
    of.run(scenario)
    assert [bool(of.shard(epoch)) for epoch in (0, 1, 2, 3)] == [True, False, True, True]
    assert of.shard(0) == offline.shards[0]
    assert ShardCache(of.store, 0).forget(2e9) >= 2
    assert [bool(of.shard(epoch)) for epoch in (0, 2, 3)] == [True, False, False]


def test_an_epoch_is_left_to_the_worker_that_is_at_one_and_made_when_it_is_missed_again(
    made: Made, tmp_path: Path
) -> None:
    of = made(quota=None)

    async def scenario() -> None:
        with held(tmp_path / "epochs.lock", "make another one", 5):
            assert samples(await of.ask()) == of.online()
            await of.settled()
        assert samples(await of.ask()) == of.online()
        await of.settled(2)

    of.run(scenario)
    assert of.outcomes == ["elsewhere", "made"]


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


def test_a_sample_is_asked_for_once_in_a_request(made: Made) -> None:
    of = made()

    async def scenario() -> None:
        with pytest.raises(Problem) as refused:
            await of.ask([of.split.ids[0]] * 2)
        assert "more than once" in str(refused.value.faults)

    of.run(scenario)
