"""Bodies of requests: read within bounds of size and time, and made into samples."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

import numpy as np
from starlette.requests import ClientDisconnect, Request

from augment_ops.errors import Fault
from augment_ops.modalities.codec import One, Requests
from augment_ops.modalities.source import Defect, Samples
from augment_ops.serving.problems import Problem
from augment_ops.serving.protocol import read_json
from augment_ops.serving.rules import RequestLimits

T = TypeVar("T")

_JSON = "application/json"
_AT_ONCE = (
    64 << 10
)  # bytes that are decoded where the requests are handled; what is larger would keep the others waiting


async def read_body(request: Request, limits: RequestLimits) -> bytes:
    """The body of a request.

    Raises:
        Problem: it is too large, or does not come.
    """
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told[:18]) > limits.body_bytes:
        raise _too_large(limits)
    parts, size = [], 0
    try:
        async with asyncio.timeout(limits.body_s):
            async for part in request.stream():
                size += len(part)
                if size > limits.body_bytes:
                    raise _too_large(limits)
                parts.append(part)
    except TimeoutError:
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {limits.body_s:g} s") from None
    except ClientDisconnect:
        raise Problem(HTTPStatus.BAD_REQUEST, "the connection ended before the body did") from None
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def samples_of(body: bytes, content_type: str, requests: Requests, limits: RequestLimits) -> Samples:
    """The samples (n, *shape) in a plain request: one file, or JSON `{"samples": [...]}`.

    Raises:
        Problem: another media type, or what is no sample.
        InputError: no JSON object.
    """
    media = content_type.partition(";")[0].strip().lower()
    if media in requests.media:
        found = await elsewhere(len(body), lambda: [requests.of_file(body)])
    elif media == _JSON:
        found = await elsewhere(len(body), lambda: samples_in(read_json(body), requests, limits))
    else:
        wanted = ", ".join((_JSON, *requests.media))
        fault = Fault("Content-Type", repr(media)[:80], wanted, "say what the body is")
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, faults=[fault])
    return stacked(found, requests)


def stacked(found: Sequence[One | Defect], requests: Requests) -> Samples:
    """Samples (n, *shape) of those that were read.

    Raises:
        Problem: one is none.
    """
    faults = [
        Fault(f"samples[{place}]", one.text, requests.form, "send what the model takes")
        for place, one in enumerate(found)
        if isinstance(one, Defect)
    ]
    if faults:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, faults=faults[:20])
    return np.stack([one for one in found if not isinstance(one, Defect)])


def samples_in(document: Mapping[str, Any], requests: Requests, limits: RequestLimits) -> list[One | Defect]:
    """What stands under `samples` in a JSON object.

    Raises:
        Problem: no list of so many as may be asked about.
    """
    given = document.get("samples")
    if not isinstance(given, list) or not 1 <= len(given) <= limits.samples:
        found = f"{len(given):,} samples" if isinstance(given, list) else "no list of samples"
        wanted = f'{{"samples": […]}}, a list of 1 to {limits.samples:,}, each {requests.form}'
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, faults=[Fault("samples", found, wanted, "send fewer, or some")])
    return [requests.of_json(one) for one in given]


async def elsewhere(size: int, decode: Callable[[], T]) -> T:
    """What `decode` gives; of a large body in a thread, so that others are answered meanwhile."""
    return decode() if size <= _AT_ONCE else await asyncio.to_thread(decode)


def _too_large(limits: RequestLimits) -> Problem:
    # The rest of the body is not read, so the connection is of no more use.
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"a request has at most {limits.body_mib:g} MiB",
        headers={"Connection": "close"},
    )
