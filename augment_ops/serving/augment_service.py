"""`POST /augment`: samples augmented by a policy as the library augments them, for several teams at one place."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from augment_ops.errors import Fault, TransformError
from augment_ops.modalities import augmenter
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.modalities.source import Samples
from augment_ops.policy.spec import Policy
from augment_ops.serving.augment_request import SHOWN, AugmentRequest, OfDataSet
from augment_ops.serving.augmenting_meters import AugmentingMeters
from augment_ops.serving.augmenting_thread import AugmentingThread
from augment_ops.serving.batching import Overloaded
from augment_ops.serving.breaker import Breaker
from augment_ops.serving.epoch_maker import EpochMaker, WantedEpoch
from augment_ops.serving.epochs import EpochOf, KeptEpochs
from augment_ops.serving.model import ServedModel
from augment_ops.serving.problems import Problem
from augment_ops.serving.protocol import HEADER_LENGTH, Interface, written_tensor
from augment_ops.serving.quotas import Quotas

_REMEMBERED = 32  # augmenters, by policy and seed: each holds a compiled plan of some kB


@dataclass(frozen=True)
class Nearline:
    """Epochs that are kept, what makes them, and the thread in which they are read and written out."""

    epochs: KeptEpochs
    maker: EpochMaker
    reading: AugmentingThread


@dataclass(frozen=True)
class _Shown:
    """By what samples are shown."""

    model: ServedModel
    interface: Interface


@dataclass(frozen=True, eq=False)
class _Found:
    """What a request by ids is about, and the answer where its epoch is kept."""

    epoch: EpochOf
    rows: NDArray[np.int64]
    body: tuple[bytes, int | None] | None


class AugmentService:
    """Augments what is asked for, within quotas, as long as its breaker lets it.

    Args:
        offered: policies of the rules, as `name@version`.
        environment: where they have to be admitted, for people.
        nearline: epochs that are kept; None where nobody offers any.
    """

    def __init__(
        self,
        offered: tuple[str, ...],
        environment: str,
        *,
        breaker: Breaker,
        thread: AugmentingThread,
        quotas: Quotas,
        meters: AugmentingMeters,
        nearline: Nearline | None = None,
    ) -> None:
        self.offered, self._environment = offered, environment
        self._breaker, self._thread, self._quotas, self._meters = breaker, thread, quotas, meters
        self.policies: Mapping[str, Policy] = {}  # those that are admitted now
        self.snapshot = ""  # that the champion of now learnt from
        self._nearline = nearline
        self._augmenters: OrderedDict[tuple[str, int], BatchAugmenter] = OrderedDict()
        self._lock = threading.Lock()  # of the augmenters

    @property
    def splits(self) -> tuple[str, ...]:
        """Of the data set, whose samples may be asked for by their ids."""
        return () if self._nearline is None else self._nearline.epochs.rules.splits

    async def __call__(self, asked: AugmentRequest, token: str, model: ServedModel, interface: Interface) -> Response:
        """Samples augmented as asked.

        Raises:
            Problem: the policy is not offered or not admitted, the data set has no such samples, the breaker is open,
                or the token has had its samples.
            TransformError: ids or samples that cannot be used.
            StoreError: the samples of the token cannot be counted, or those of the data set not be read.
        """
        policy = self._admitted(asked.policy)
        if isinstance(asked.samples, OfDataSet):
            return await self._near(asked, asked.samples, policy, token, _Shown(model, interface))
        return await self._online(asked, asked.samples, policy, token, _Shown(model, interface))

    async def _near(self, asked: AugmentRequest, of: OfDataSet, policy: Policy, token: str, shown: _Shown) -> Response:
        """Samples of an epoch that is kept, which costs next to nothing; else made now, and the epoch after that."""
        near = self._nearline
        assert near is not None  # of what read the request

        def found() -> _Found:
            split = near.epochs.split(shown.model.served.snapshot, of)
            epoch = EpochOf(of=split, augment=self._augmenter(policy, asked.seed), epoch=asked.epoch)
            rows = split.rows(asked.ids)
            kept = near.epochs.read(epoch, rows)
            body = None if kept is None else self._body(asked, policy, shown, kept, epoch)
            return _Found(epoch, rows, body)

        try:
            kept, cpu_s = await near.reading(len(asked.ids), found)
        except Overloaded:
            raise self._later("too many samples of kept epochs wait to be read") from None
        named = f"{policy.name}/{policy.version}"

        def over() -> str:
            now = self.policies.get(asked.policy)
            if now is None or now.digest != policy.digest:
                return "not admitted"
            return "" if kept.epoch.of.snapshot == self.snapshot else "superseded"

        wanted = WantedEpoch(epoch=kept.epoch, token=token, policy=named, over=over)
        if kept.body is not None:
            self._meters.stored(token, named, len(kept.rows), cpu_s)
            near.maker.want(wanted, missed=False)
            return _response(*kept.body)
        samples = await asyncio.to_thread(kept.epoch.of.split.take, kept.rows)
        response = await self._online(asked, samples, policy, token, shown, kept.epoch)
        near.maker.want(wanted, missed=True)
        return response

    async def _online(
        self,
        asked: AugmentRequest,
        samples: Samples,
        policy: Policy,
        token: str,
        shown: _Shown,
        epoch: EpochOf | None = None,
    ) -> Response:
        """Samples (n, *shape) augmented now, where the breaker lets them through."""
        passed = self._breaker.enter(shown.model.batcher.waiting + self._thread.waiting)
        if passed is None:
            raise self._later(f"augmentation is off ({self._breaker.state}: {self._breaker.why})")

        def made() -> tuple[bytes, int | None]:
            augmented = self._augmenter(policy, asked.seed)(samples, asked.ids, asked.epoch)
            return self._body(asked, policy, shown, augmented, epoch)

        try:
            body = await self._counted(made, len(samples), token, f"{policy.name}/{policy.version}")
        except Overloaded:
            self._breaker.left(passed, failed=True)
            raise self._later("too many samples wait to be augmented") from None
        except (Problem, TransformError, asyncio.CancelledError):  # of whoever asks
            self._breaker.dropped(passed)
            raise
        except Exception:
            self._breaker.left(passed, failed=True)
            raise
        self._breaker.left(passed, failed=False)
        return _response(*body)

    def _admitted(self, name: str) -> Policy:
        if name not in self.offered:
            fault = Fault("policy, version", name[:SHOWN], f"one of {', '.join(self.offered)}", "name one of them")
            raise Problem(HTTPStatus.NOT_FOUND, faults=[fault])
        policy = self.policies.get(name)
        if policy is None:
            raise Problem(HTTPStatus.FORBIDDEN, f"policy {name} is not admitted in {self._environment} now")
        return policy

    async def _counted(
        self, made: Callable[[], tuple[bytes, int | None]], count: int, token: str, named: str
    ) -> tuple[bytes, int | None]:
        """What is made, where the token may still have so many samples today; what came to nothing is given back."""
        taken = await asyncio.to_thread(self._quotas.take, token, count)
        if taken.wait_s:
            again = {"Retry-After": str(math.ceil(taken.wait_s))}
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "more samples than this token may have a day", headers=again)
        try:
            body, cpu_s = await self._thread(count, made)
        except BaseException:
            await asyncio.to_thread(self._quotas.give_back, token, count, taken.day)
            raise
        self._meters.augmented(token, named, count, cpu_s)
        return body

    def _body(
        self, asked: AugmentRequest, policy: Policy, shown: _Shown, samples: Samples, epoch: EpochOf | None
    ) -> tuple[bytes, int | None]:
        """The body of the answer, and the length of its JSON where bytes follow."""
        told = {
            "policy": policy.name,
            "version": policy.version,
            "digest": policy.digest,
            "engine": self._augmenter(policy, asked.seed).engine,
            "seed": asked.seed,
            "epoch": asked.epoch,
            "ids": asked.ids,
            **({} if epoch is None else {"snapshot": epoch.of.snapshot, "split": epoch.of.split.name}),
        }
        if not asked.in_bytes:
            return _json({**told, "samples": [shown.model.requests.in_json(one) for one in samples]}), None
        tensor, content = written_tensor(samples, shown.interface)
        header = _json({**told, "outputs": [tensor]})
        return header + content, len(header)

    def _augmenter(self, policy: Policy, seed: int) -> BatchAugmenter:
        key = (policy.digest, seed)
        with self._lock:
            found = self._augmenters.pop(key, None) or augmenter(policy, seed)
            self._augmenters[key] = found
            if len(self._augmenters) > _REMEMBERED:
                self._augmenters.popitem(last=False)
        return found

    def _later(self, why: str) -> Problem:
        again = {"Retry-After": str(max(1, math.ceil(self._breaker.left_s)))}
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, why, headers=again)


def _response(content: bytes, length: int | None) -> Response:
    if length is None:
        return Response(content, media_type="application/json")
    return Response(content, headers={HEADER_LENGTH: str(length)}, media_type="application/octet-stream")


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
