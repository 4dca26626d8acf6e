"""What somebody asks of `POST /augment`: samples that they send, or samples of the data set by their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from augment_ops.errors import Fault
from augment_ops.modalities.source import Samples
from augment_ops.serving.bodies import elsewhere, samples_in, stacked
from augment_ops.serving.model import ServedModel
from augment_ops.serving.problems import Problem
from augment_ops.serving.protocol import Interface, parts, read_tensor
from augment_ops.serving.rules import RequestLimits

_WORDS = range(-(1 << 63), 1 << 63)  # numbers that other programs can hold as well
SHOWN = 80  # characters of what somebody sent


@dataclass(frozen=True, kw_only=True)
class OfDataSet:
    """Samples that are known by their ids.

    Attributes:
        split: of the snapshot; snapshot: its digest, empty for that of the champion, whichever it is.
    """

    split: str
    snapshot: str


@dataclass(frozen=True, kw_only=True, eq=False)
class AugmentRequest:
    """What somebody wants augmented.

    Attributes:
        policy: `name@version`.
        ids: of the samples (n, *shape), or what says where those of the ids are.
        in_bytes: whether samples come as bytes, and go as such.
    """

    policy: str
    seed: int
    epoch: int
    ids: list[Any]
    samples: Samples | OfDataSet
    in_bytes: bool


async def read_asked(
    body: bytes,
    header_length: str | None,
    model: ServedModel,
    limits: RequestLimits,
    interface: Interface,
    splits: Sequence[str] = (),
) -> AugmentRequest:
    """What a request asks for.

    Args:
        header_length: the header of that name; None where the body is JSON alone.
        splits: of the data set, whose samples may be asked for by their ids.

    Raises:
        InputError, Problem: nothing that can be augmented.
    """
    document, tensors = await elsewhere(len(body), lambda: parts(body, header_length))
    samples: Samples | OfDataSet
    if splits and "samples" not in document and "inputs" not in document:
        samples = _of_data_set(document, splits)
        ids = _some_ids(document, limits.samples)
    else:
        if header_length is not None:
            samples = read_tensor(document, tensors, interface)
        else:
            found = await elsewhere(len(body), lambda: samples_in(document, model.requests, limits))
            samples = stacked(found, model.requests)
        ids = _ids_of(document, len(samples))
    return AugmentRequest(
        policy=f"{_text(document, 'policy')}@{_text(document, 'version')}",
        seed=_number(document, "seed"),
        epoch=_number(document, "epoch"),
        ids=ids,
        samples=samples,
        in_bytes=header_length is not None,
    )


def no(where: str, found: str, expected: str, fix: str) -> Problem:
    """What somebody sent cannot be used."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, faults=[Fault(where, found, expected, fix)])


def _of_data_set(document: Mapping[str, Any], splits: Sequence[str]) -> OfDataSet:
    split, snapshot = document.get("split", splits[0]), document.get("snapshot", "")
    if split not in splits:
        raise no("split", repr(split)[:SHOWN], f"one of {', '.join(splits)}", "name one, or send the samples")
    if not isinstance(snapshot, str):
        raise no("snapshot", repr(snapshot)[:SHOWN], "a digest", "take it from an answer, or leave it out")
    return OfDataSet(split=split, snapshot=snapshot)


def _ids_of(document: Mapping[str, Any], count: int) -> list[Any]:
    ids = document.get("ids")
    if not isinstance(ids, list) or len(ids) != count:
        found = f"{len(ids)} ids" if isinstance(ids, list) else "no list of ids"
        raise no("ids", f"{found} for {count} samples", "an id a sample", "send them: an id is part of the key")
    return ids


def _some_ids(document: Mapping[str, Any], most: int) -> list[Any]:
    ids = document.get("ids")
    if not isinstance(ids, list) or not 1 <= len(ids) <= most:
        count = f"{len(ids):,} ids" if isinstance(ids, list) else "no list of ids"
        raise no("ids", count, f"1 to {most:,} ids of the split", "send fewer, or some")
    return ids


def _text(document: Mapping[str, Any], name: str) -> str:
    given = document.get(name)
    if not isinstance(given, str):
        raise no(name, repr(given)[:SHOWN], "a text", "name the policy and its version")
    return given


def _number(document: Mapping[str, Any], name: str) -> int:
    given = document.get(name, 0)
    if type(given) is not int or given not in _WORDS:
        raise no(name, repr(given)[:SHOWN], "a whole number of at most 63 bits", "send one, or none for 0")
    return given
