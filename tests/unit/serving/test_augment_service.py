"""What `POST /augment` answers with, in one process: quotas, the breaker, and whose fault a failure is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from starlette.responses import Response

from augment_ops import Augmenter
from augment_ops.errors import TransformError
from augment_ops.modalities import modality
from augment_ops.serving import augment_service
from augment_ops.serving.augment_request import AugmentRequest
from augment_ops.serving.augment_service import AugmentService
from augment_ops.serving.augmenting_meters import AugmentingMeters
from augment_ops.serving.augmenting_rules import BreakerRules
from augment_ops.serving.augmenting_thread import AugmentingThread
from augment_ops.serving.breaker import Breaker
from augment_ops.serving.model import ServedModel
from augment_ops.serving.problems import Problem
from augment_ops.serving.protocol import Interface
from augment_ops.serving.quotas import Quotas
from support.policies import policy_of
from support.service import BREAKER, SHAPE, images

NAME, POLICY = "tested@1.0.0", policy_of("HorizontalFlip: {p: 0.5}")
ASKED = modality("image").codec.requests({"image_size": "", "channels": "auto"}, SHAPE, None)


class Service:
    """A service with a quota of ten, and a clock that stands."""

    def __init__(self, folder: Path, most: int = 100) -> None:
        self.now = 0.0
        rules = BreakerRules(**{**BREAKER, "min_requests": 2, "trials": 1, "error_rate": 0.4})
        self.breaker = Breaker(rules, lambda change: None, lambda: self.now)
        self.service = AugmentService(
            (NAME, "other@1.0.0"),
            "dev",
            breaker=self.breaker,
            thread=AugmentingThread(most),
            quotas=Quotas(folder / "quotas.sqlite", 10),
            meters=AugmentingMeters("letters"),
        )
        self.service.policies = {NAME: POLICY}

    def ask(self, n: int = 2, **changed: Any) -> Response:
        of = {"policy": NAME, "seed": 3, "epoch": 5, "ids": list(range(n)), "samples": images(n), "in_bytes": False}
        model = cast("ServedModel", SimpleNamespace(requests=ASKED, batcher=SimpleNamespace(waiting=0)))
        interface = Interface(shape=SHAPE, dtype=np.dtype(np.uint8), limit=64)
        return asyncio.run(self.service(AugmentRequest(**{**of, **changed}), "team", model, interface))

    def refused(self, **asked: Any) -> Problem:
        with pytest.raises(Problem) as found:
            self.ask(**asked)
        return found.value


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_it_gives_what_the_library_gives_for_any_number_of_seeds(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augment_service, "_REMEMBERED", 2)
    for seed in (1, 2, 3, 1):
        found = json.loads(service.ask(seed=seed).body)
        wanted = Augmenter(POLICY, seed)(images(2), [0, 1], 5)
        assert found["samples"] == wanted.tolist()
    assert [key[1] for key in service.service._augmenters] == [3, 1]


def test_what_is_not_offered_and_what_is_not_admitted_are_told_apart(service: Service) -> None:
    assert service.refused(policy="nobody@1.0.0").status == 404
    assert service.refused(policy="other@1.0.0").status == 403


def test_what_is_the_fault_of_who_asks_opens_nothing_and_costs_nothing(service: Service) -> None:
    for _ in range(3):
        with pytest.raises(TransformError, match="more than once"):
            service.ask(n=2, ids=["a", "a"])
        assert service.refused(n=11).status == 429
    assert service.breaker.state == "closed"
    assert service.ask(n=10).status_code == 200  # all of the quota is there
    assert service.refused(n=1).status == 429


def broken(*given: Any) -> Any:
    raise RuntimeError


def test_failures_open_the_breaker_and_a_trial_closes_it(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(augment_service, "augmenter", broken)
        for _ in range(2):
            with pytest.raises(RuntimeError):
                service.ask()
    refused = service.refused()
    assert (refused.status, refused.headers["Retry-After"]) == (503, "10")
    assert "2 of 2 failed" in refused.detail
    service.now = 10.0
    assert service.refused(n=11).status == 429  # says nothing of the trial
    assert service.breaker.state == "half-open"
    assert service.ask(n=10).status_code == 200  # those that failed are no part of the quota
    assert service.breaker.state == "closed"


def test_more_than_may_wait_are_asked_to_come_again(tmp_path: Path) -> None:
    service = Service(tmp_path, most=1)
    again = [service.refused().headers["Retry-After"] for _ in range(2)]
    assert again == ["1", "10"]  # the second one opens the breaker
    assert service.breaker.state == "open"
