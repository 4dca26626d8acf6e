"""A challenger beside the champion, in real processes: who answers what, and that no request is lost to it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import yaml

from augment_ops.rollout.comparisons import ComparisonLog
from augment_ops.rollout.rules import RolloutRules
from augment_ops.serving.exposure import Exposure
from augment_ops.serving.headers import ROLLOUT_HEADER, SUBJECT_HEADER, VERSION_HEADER
from augment_ops.serving.served import Served
from support.bad_networks import BRIGHT, Failing
from support.service import ROOT, Running, images, made, rules, running, until

FLUSH_S = 0.1
DRIVER = (sys.executable, "-c", "import sys; sys.stdin.read()", "driver of letters")


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Served]:
    folder = tmp_path_factory.mktemp("versions")
    found = {version: made(folder / version, version, seed) for version, seed in (("1", 7), ("2", 8), ("4", 9))}
    return {**found, "failing": made(folder / "3", "3", 7, Failing)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def service(home: Path, versions: dict[str, Served]) -> Iterator[Running]:
    with running(home, versions["1"], rules(log__flush_s=FLUSH_S), DRIVER) as found:
        yield found


@pytest.fixture(scope="module")
def client(service: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.address, timeout=60) as found:
        yield found


@pytest.fixture(autouse=True)
def alone(service: Running, client: httpx.Client) -> Iterator[None]:
    """No rollout runs before or after a test."""
    yield
    service.expose(None)
    until(lambda: ROLLOUT_HEADER not in ask(client, "after").headers)
    service.told.with_name("failed").unlink(missing_ok=True)


def rolled(**changed: Any) -> RolloutRules:
    content = yaml.safe_load((ROOT / "policies/rollout/default.yaml").read_text())
    return RolloutRules.model_validate(content | {"flush_s": FLUSH_S, "patience_s": 20.0} | changed)


def exposure(challenger: Served, rollout: str, step: str, **changed: Any) -> Exposure:
    asked = rolled(**changed)
    place = [one.name for one in asked.steps].index(step)
    return Exposure(rollout=rollout, challenger=challenger, rules=asked, step=place)


def ask(client: httpx.Client, request: str, sample: np.ndarray | None = None, subject: str = "") -> httpx.Response:
    given = (images(1) if sample is None else sample).tolist()
    headers = {"X-Request-Id": request} | ({SUBJECT_HEADER: subject} if subject else {})
    return client.post("/predict", json={"samples": given}, headers=headers)


def both_ask(client: httpx.Client, rollout: str) -> None:
    """Wait until all workers ask the challenger."""
    begun = f"{rollout}; arm="
    until(lambda: all(ask(client, f"w{n}").headers.get(ROLLOUT_HEADER, "").startswith(begun) for n in range(16)))


def kept(home: Path, rollout: str) -> list[dict[str, Any]]:
    log = ComparisonLog(str(home / "var/store/predictions"), "letters", rollout)
    return [row for name in log.files() for row in log.read(name).to_pylist()]


def test_a_shadow_answers_nobody_and_is_compared_on_what_the_champion_answered(
    service: Running, client: httpx.Client, home: Path, versions: dict[str, Served]
) -> None:
    service.expose(exposure(versions["2"], "101", "shadow"))
    both_ask(client, "101")
    for n in range(20):
        found = ask(client, f"s{n}", images(2, seed=n))
        assert (found.headers[VERSION_HEADER], found.headers[ROLLOUT_HEADER]) == ("1", "101; arm=champion")

    def rows() -> list[dict[str, Any]]:
        return [row for row in kept(home, "101") if row["request"].startswith("s")]

    until(lambda: len(rows()) == 40)
    found_rows = rows()
    assert {row["arm"] for row in found_rows} == {"shadow"}
    assert all(row["champion_prediction"] and row["challenger_prediction"] for row in found_rows)
    assert Counter(row["first"] for row in found_rows) == {True: 20, False: 20}
    assert any(row["champion_confidence"] != row["challenger_confidence"] for row in found_rows)


def test_a_canary_answers_its_share_the_same_requests_in_every_worker_and_more_of_them_later(
    service: Running, client: httpx.Client, home: Path, versions: dict[str, Served]
) -> None:
    arms = []
    for step in ("canary-10", "canary-50"):
        service.expose(asked := exposure(versions["2"], "102", step))
        both_ask(client, "102")
        until(lambda wanted=asked: all(_arm_of(client, n) == _wanted(wanted, n) for n in range(64)))
        arms.append([_arm_of(client, n) for n in range(64)])
        assert arms[-1] == [_arm_of(client, n) for n in range(64)]
    assert all(later == "challenger" for before, later in zip(*arms, strict=True) if before == "challenger")
    assert {"champion", "challenger"} == set(arms[1])
    until(lambda: {"champion", "challenger"} <= {row["arm"] for row in kept(home, "102")})


def _arm_of(client: httpx.Client, n: int) -> str:
    found = ask(client, f"c{n}")
    arm = found.headers[ROLLOUT_HEADER].partition("arm=")[2]
    assert found.headers[VERSION_HEADER] == found.json()["model_version"] == {"champion": "1", "challenger": "2"}[arm]
    return arm


def _wanted(asked: Exposure, n: int) -> str:
    return "challenger" if asked.takes(f"c{n}") else "champion"


def test_a_subject_has_one_model_whatever_it_asks(
    service: Running, client: httpx.Client, versions: dict[str, Served]
) -> None:
    service.expose(exposure(versions["2"], "103", "canary-50", by="subject"))
    both_ask(client, "103")
    for subject in ("anna", "ben", "carla", "dora"):
        assert len({ask(client, f"{subject}{n}", subject=subject).headers[VERSION_HEADER] for n in range(8)}) == 1
    assert ask(client, "x", subject="a b").status_code == 400


def test_what_a_challenger_fails_on_the_champion_answers_and_one_that_goes_on_failing_is_asked_no_more(
    service: Running, client: httpx.Client, home: Path, versions: dict[str, Served]
) -> None:
    bright = images(1)
    bright[0, 0, 0, 0] = BRIGHT
    service.expose(exposure(versions["failing"], "104", "canary-50", trip={"failures": 3}))
    both_ask(client, "104")
    asked = exposure(versions["failing"], "104", "canary-50")
    taken = [f"f{n}" for n in range(200) if asked.takes(f"f{n}")]
    for name in taken[:5]:
        found = ask(client, name, bright)
        assert (found.status_code, found.headers[VERSION_HEADER]) == (200, "1")
        assert ask(client, name).status_code == 200
    began = time.monotonic()
    for name in taken * 2:
        found = ask(client, name, bright)
        assert (found.status_code, found.headers[VERSION_HEADER]) == (200, "1")
        if service.failed:
            break
    assert "104: 3 answers in a row failed" in service.failed
    until(lambda: all(ROLLOUT_HEADER not in ask(client, name).headers for name in taken[:16]), 2.0)
    assert time.monotonic() - began < 30
    failures = [row for row in kept(home, "104") if row["arm"] == "challenger" and row["challenger_prediction"] is None]
    assert failures


def test_a_worker_that_was_killed_asks_the_challenger_again(
    service: Running, client: httpx.Client, versions: dict[str, Served]
) -> None:
    service.expose(exposure(versions["2"], "107", "canary-50"))
    both_ask(client, "107")
    workers = {one.pid for one in _workers(service)}
    os.kill(min(workers), signal.SIGKILL)
    until(lambda: len(workers & {one.pid for one in _workers(service)}) == 1)
    until(lambda: len({one.pid for one in _workers(service)}) == 2)

    def all_answer() -> bool:
        found = [_patiently(service.address, n) for n in range(32)]
        return all(one.headers.get(ROLLOUT_HEADER, "").startswith("107; arm=") for one in found)

    until(all_answer)


def _children(service: Running, called: str) -> list[psutil.Process]:
    """Processes of the service that live, by an argument of theirs."""
    found = []
    for one in psutil.Process(service.process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            if called in one.cmdline():
                found.append(one)
    return found


def _workers(service: Running) -> list[psutil.Process]:
    return _children(service, "augment_ops.serving.worker")


def _patiently(address: str, n: int) -> httpx.Response:
    """By a connection of its own: one that the killed worker had is reset."""
    with httpx.Client(base_url=address, timeout=60) as alone:
        return ask(alone, f"c{n}")


def test_the_driver_runs_while_a_rollout_does_and_is_started_again(
    service: Running, client: httpx.Client, versions: dict[str, Served]
) -> None:
    def drivers() -> list[psutil.Process]:
        return _children(service, DRIVER[-1])

    until(lambda: drivers() == [])
    service.expose(exposure(versions["2"], "108", "shadow"))
    until(lambda: len(drivers()) == 1)
    before = drivers()[0]
    before.kill()
    until(lambda: [one for one in drivers() if one != before])
    service.expose(None)
    until(lambda: drivers() == [])


def test_a_challenger_that_answers_otherwise_than_it_was_judged_answers_nobody(
    service: Running, client: httpx.Client, versions: dict[str, Served]
) -> None:
    other = versions["1"]
    swapped = replace(versions["2"], artifact=other.artifact, file=other.file)
    service.expose(exposure(swapped, "105", "canary-50"))
    until(lambda: service.failed)
    assert "before it serves" in service.failed
    assert all(ask(client, f"c{n}").headers[VERSION_HEADER] == "1" for n in range(16))


def test_a_challenger_that_wins_goes_on_answering_as_champion_and_no_request_fails(
    service: Running, client: httpx.Client, versions: dict[str, Served]
) -> None:
    asked = exposure(versions["2"], "106", "canary-50")
    service.expose(asked)
    both_ask(client, "106")
    taken = [f"t{n}" for n in range(64) if asked.takes(f"t{n}")]
    won = service.told.with_name("won")
    won.touch()
    service.expose(None)
    service.answer_with(versions["2"])
    try:
        for n in range(400):
            found = ask(client, taken[n % len(taken)])
            assert (found.status_code, found.headers[VERSION_HEADER]) == (200, "2")  # never the former one again
            if ROLLOUT_HEADER not in found.headers and ask(client, "other").headers[VERSION_HEADER] == "2":
                break
        until(lambda: all(ROLLOUT_HEADER not in ask(client, f"t{n}").headers for n in range(16)))
        assert all(ask(client, f"t{n}").headers[VERSION_HEADER] == "2" for n in range(16))
    finally:
        won.unlink()
        service.answer_with(versions["1"])
        until(lambda: all(ask(client, f"t{n}").headers[VERSION_HEADER] == "1" for n in range(16)))


def test_a_rollback_waits_for_no_champion_that_loads_and_a_champion_that_goes_back_meanwhile_never_answers(
    service: Running, client: httpx.Client, versions: dict[str, Served]
) -> None:
    service.expose(exposure(versions["2"], "109", "canary-50"))
    both_ask(client, "109")
    makers = [one for worker in _workers(service) for one in worker.children()]  # of the models' isolated processes
    for one in makers:
        one.suspend()
    try:
        service.answer_with(versions["4"])
        until(lambda: any("asked to answer with version 4" in one for one in service.says))
        service.expose(None)
        until(lambda: all(ROLLOUT_HEADER not in ask(client, f"c{n}").headers for n in range(16)))
        service.answer_with(versions["1"])
        until(lambda: any("version 1 goes on answering: it is champion again" in one for one in service.says))
    finally:
        for one in makers:
            one.resume()
    service.answer_with(versions["2"])
    seen = set[str]()

    def both_answer() -> bool:
        found = {ask(client, f"c{n}").headers[VERSION_HEADER] for n in range(16)}
        seen.update(found)
        return found == {"2"}

    try:
        until(both_answer)
        assert seen <= {"1", "2"}
    finally:
        service.answer_with(versions["1"])
        until(lambda: all(ask(client, f"c{n}").headers[VERSION_HEADER] == "1" for n in range(16)))
