"""One worker's augmentation service with epochs that it keeps, in one process, on the digits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from starlette.responses import Response

from augment_ops import Augmenter
from augment_ops.content import sha256_hex
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.delivery.offline import ShardManifest, known_shard, materialise, shard_identity
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
from augment_ops.serving.protocol import Interface
from augment_ops.serving.quotas import Quotas
from support.policies import policy_of
from support.service import BREAKER, SHAPE

NAME, POLICY = "tested@1.0.0", policy_of("HorizontalFlip: {p: 0.5}")
ASKED = modality("image").codec.requests({"image_size": "", "channels": "auto"}, SHAPE, None)
SPLIT, EPOCH = "train", 5
MAY_WAIT = 200  # samples of requests; a piece of an epoch takes nothing of it


def snapshot_of_digits(folder: Path) -> Snapshot:
    """In a store of its own."""
    store = Store(str(folder))
    return Snapshot.open(store, ingest("digits", store).digest)


class NearlineService:
    """One worker's, by a seed of its own: each test asks for epochs that no other has asked for."""

    def __init__(self, snapshot: Snapshot, folder: Path, test: str, **changed: Any) -> None:
        self.store, self.snapshot = snapshot._store, snapshot
        self.seed = int(sha256_hex(test.encode())[:8], 16)
        self.split = snapshot.split(SPLIT)
        quota = changed.pop("quota", len(self.split) + 100)
        rules = {"splits": [SPLIT], "space_mib": 64, "retention_days": None, "ahead": 0}
        self.outcomes: list[str] = []
        self.breaker = Breaker(BreakerRules(**BREAKER), lambda change: None)
        self.quotas, self._thread = Quotas(folder / "quotas.sqlite", quota), AugmentingThread(MAY_WAIT)
        self.reading = AugmentingThread(MAY_WAIT)
        meters = AugmentingMeters("digits")
        meters.epoch = self.outcomes.append  # type: ignore[method-assign]
        self.epochs = KeptEpochs(self.store, NearlineRules.model_validate({**rules, **changed}))
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

    def materialised(self) -> ShardManifest:
        """The first epoch by offline delivery, in the same store."""
        of = self.split
        digest = self.snapshot.manifest.digest
        augmenter = Augmenter(POLICY, self.seed)
        return materialise(self.store, of.payload, of.ids, augmenter, snapshot_digest=digest, split=SPLIT, epochs=1)

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


Made = Callable[..., NearlineService]


def samples(response: Response) -> list[Any]:
    """What an answer has."""
    return cast("list[Any]", json.loads(response.body)["samples"])
