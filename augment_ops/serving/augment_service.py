"""`POST /augment`: samples augmented by a policy as the library augments them, for several teams at one place."""

from __future__ import annotations

import asyncio
import json
import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from augment_ops.errors import Fault, TransformError
from augment_ops.modalities import augmenter
from augment_ops.modalities.catalogue import BatchAugmenter
from augment_ops.modalities.source import Samples
from augment_ops.policy.spec import Policy
from augment_ops.serving.augmenting_meters import AugmentingMeters
from augment_ops.serving.augmenting_thread import AugmentingThread
from augment_ops.serving.batching import Overloaded
from augment_ops.serving.bodies import elsewhere, samples_in, stacked
from augment_ops.serving.breaker import Breaker
from augment_ops.serving.model import ServedModel
from augment_ops.serving.problems import Problem
from augment_ops.serving.protocol import HEADER_LENGTH, Interface, parts, read_tensor, written_tensor
from augment_ops.serving.quotas import Quotas
from augment_ops.serving.rules import RequestLimits

_REMEMBERED = 32  # augmenters, by policy and seed: each holds a compiled plan of some kB
_WORDS = range(-(1 << 63), 1 << 63)  # numbers that other programs can hold as well
_SHOWN = 80  # characters of what somebody sent


@dataclass(frozen=True, kw_only=True, eq=False)
class AugmentRequest:
    """What somebody wants augmented.

    Attributes:
        policy: `name@version`.
        ids: of the samples (n, *shape); in_bytes: whether these came as bytes, and go as such.
    """

    policy: str
    seed: int
    epoch: int
    ids: list[Any]
    samples: Samples
    in_bytes: bool


async def read_asked(
    body: bytes, header_length: str | None, model: ServedModel, limits: RequestLimits, interface: Interface
) -> AugmentRequest:
    """What a request asks for.

    Args:
        header_length: the header of that name; None where the body is JSON alone.

    Raises:
        InputError, Problem: nothing that can be augmented.
    """
    document, tensors = await elsewhere(len(body), lambda: parts(body, header_length))
    if header_length is not None:
        samples = read_tensor(document, tensors, interface)
    else:
        found = await elsewhere(len(body), lambda: samples_in(document, model.requests, limits))
        samples = stacked(found, model.requests)
    ids = document.get("ids")
    if not isinstance(ids, list) or len(ids) != len(samples):
        count = f"{len(ids)} ids" if isinstance(ids, list) else "no list of ids"
        raise _no("ids", f"{count} for {len(samples)} samples", "an id a sample", "send them: an id is part of the key")
    return AugmentRequest(
        policy=f"{_text(document, 'policy')}@{_text(document, 'version')}",
        seed=_number(document, "seed"),
        epoch=_number(document, "epoch"),
        ids=ids,
        samples=samples,
        in_bytes=header_length is not None,
    )


class AugmentService:
    """Augments what is asked for, within quotas, as long as its breaker lets it.

    Args:
        offered: policies of the rules, as `name@version`.
        environment: where they have to be admitted, for people.
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
    ) -> None:
        self.offered, self._environment = offered, environment
        self._breaker, self._thread, self._quotas, self._meters = breaker, thread, quotas, meters
        self.policies: Mapping[str, Policy] = {}  # those that are admitted now
        self._augmenters: OrderedDict[tuple[str, int], BatchAugmenter] = OrderedDict()

    async def __call__(self, asked: AugmentRequest, token: str, model: ServedModel, interface: Interface) -> Response:
        """Samples augmented as asked.

        Raises:
            Problem: the policy is not offered or not admitted, the breaker is open, or the token has had its samples.
            TransformError: ids or samples that cannot be used.
            StoreError: the samples of the token cannot be counted.
        """
        policy = self._admitted(asked.policy)
        passed = self._breaker.enter(model.batcher.waiting + self._thread.waiting)
        if passed is None:
            raise self._later(f"augmentation is off ({self._breaker.state}: {self._breaker.why})")
        try:
            response = await self._counted(asked, policy, token, model, interface)
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
        return response

    def _admitted(self, name: str) -> Policy:
        if name not in self.offered:
            fault = Fault("policy, version", name[:_SHOWN], f"one of {', '.join(self.offered)}", "name one of them")
            raise Problem(HTTPStatus.NOT_FOUND, faults=[fault])
        policy = self.policies.get(name)
        if policy is None:
            raise Problem(HTTPStatus.FORBIDDEN, f"policy {name} is not admitted in {self._environment} now")
        return policy

    async def _counted(
        self, asked: AugmentRequest, policy: Policy, token: str, model: ServedModel, interface: Interface
    ) -> Response:
        """The answer, where the token may still have so many samples today; what came to nothing is given back."""
        count = len(asked.samples)
        wait_s = await asyncio.to_thread(self._quotas.take, token, count)
        if wait_s:
            again = {"Retry-After": str(math.ceil(wait_s))}
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "more samples than this token may have a day", headers=again)
        try:
            made, cpu_s = await self._thread(count, lambda: self._made(asked, policy, model, interface))
        except BaseException:
            await asyncio.to_thread(self._quotas.give_back, token, count)
            raise
        self._meters.augmented(token, f"{policy.name}/{policy.version}", count, cpu_s)
        content, length = made
        if length is None:
            return Response(content, media_type="application/json")
        return Response(content, headers={HEADER_LENGTH: str(length)}, media_type="application/octet-stream")

    def _made(
        self, asked: AugmentRequest, policy: Policy, model: ServedModel, interface: Interface
    ) -> tuple[bytes, int | None]:
        """The body of the answer, and the length of its JSON where bytes follow."""
        augment = self._augmenter(policy, asked.seed)
        samples = augment(asked.samples, asked.ids, asked.epoch)
        told = {
            "policy": policy.name,
            "version": policy.version,
            "digest": policy.digest,
            "engine": augment.engine,
            "seed": asked.seed,
            "epoch": asked.epoch,
            "ids": asked.ids,
        }
        if not asked.in_bytes:
            return _json({**told, "samples": [model.requests.in_json(one) for one in samples]}), None
        tensor, content = written_tensor(samples, interface)
        header = _json({**told, "outputs": [tensor]})
        return header + content, len(header)

    def _augmenter(self, policy: Policy, seed: int) -> BatchAugmenter:
        """In the thread that augments, and nowhere else."""
        key = (policy.digest, seed)
        found = self._augmenters.pop(key, None) or augmenter(policy, seed)
        self._augmenters[key] = found
        if len(self._augmenters) > _REMEMBERED:
            self._augmenters.popitem(last=False)
        return found

    def _later(self, why: str) -> Problem:
        again = {"Retry-After": str(max(1, math.ceil(self._breaker.left_s)))}
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, why, headers=again)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _text(document: Mapping[str, Any], name: str) -> str:
    given = document.get(name)
    if not isinstance(given, str):
        raise _no(name, repr(given)[:_SHOWN], "a text", "name the policy and its version")
    return given


def _number(document: Mapping[str, Any], name: str) -> int:
    given = document.get(name, 0)
    if type(given) is not int or given not in _WORDS:
        raise _no(name, repr(given)[:_SHOWN], "a whole number of at most 63 bits", "send one, or none for 0")
    return given


def _no(where: str, found: str, expected: str, fix: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, faults=[Fault(where, found, expected, fix)])
