"""What somebody asks of `POST /augment` by the ids of a data set's samples: read, or refused with its place."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from augment_ops.modalities import modality
from augment_ops.serving.augment_request import AugmentRequest, OfDataSet, read_asked
from augment_ops.serving.model import ServedModel
from augment_ops.serving.problems import Problem
from augment_ops.serving.protocol import Interface
from support.service import SHAPE, images, rules

REQUESTS = modality("image").codec.requests({"image_size": "", "channels": "auto"}, SHAPE, None)
BY_IDS = {"policy": "digits-robust", "version": "1.0.0", "ids": ["a", "b"]}


def read(splits: tuple[str, ...] = ("train", "holdout"), **changed: Any) -> AugmentRequest:
    body = json.dumps({**BY_IDS, **changed}).encode()
    model = cast("ServedModel", SimpleNamespace(requests=REQUESTS))
    interface = Interface(shape=SHAPE, dtype=np.dtype(np.uint8), limit=64)
    return asyncio.run(read_asked(body, None, model, rules(limits__samples=3).limits, interface, splits))


def test_ids_alone_are_samples_of_the_first_split_of_whichever_snapshot() -> None:
    found = read()
    assert (found.samples, found.ids) == (OfDataSet(split="train", snapshot=""), ["a", "b"])
    assert (found.policy, found.seed, found.epoch, found.in_bytes) == ("digits-robust@1.0.0", 0, 0, False)
    named = read(split="holdout", snapshot="f" * 64)
    assert named.samples == OfDataSet(split="holdout", snapshot="f" * 64)


def test_samples_that_are_sent_are_what_is_asked_about() -> None:
    found = read(samples=images(2).tolist(), split="holdout")
    np.testing.assert_array_equal(cast("Any", found.samples), images(2))


@pytest.mark.parametrize(
    ("changed", "where", "found"),
    [
        ({"split": "test"}, "split", "'test'"),
        ({"split": ["train"]}, "split", "['train']"),
        ({"snapshot": 7}, "snapshot", "7"),
        ({"ids": "a"}, "ids", "no list of ids"),
        ({"ids": []}, "ids", "0 ids"),
        ({"ids": ["a"] * 4}, "ids", "4 ids"),
        ({"inputs": []}, "samples", "no list of samples"),
        ({"splits": ()}, "samples", "no list of samples"),
        ({"samples": images(1).tolist()}, "ids", "2 ids for 1 samples"),
        ({"version": None}, "version", "None"),
        ({"seed": True}, "seed", "True"),
        ({"epoch": 1 << 63}, "epoch", str(1 << 63)),
    ],
)
def test_what_cannot_be_augmented_is_refused_with_its_place(changed: dict[str, Any], where: str, found: str) -> None:
    with pytest.raises(Problem) as refused:
        read(**changed)
    (fault,) = refused.value.faults
    assert (refused.value.status, fault.where, fault.found) == (422, where, found)
