"""Augmentation while a service answers, with its real processes: views at test time, `POST /augment`, and breakers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from augment_ops import Augmenter
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.delivery.offline import materialise
from augment_ops.errors import ActRefused
from augment_ops.monitoring.drift.log_reader import read_window
from augment_ops.policy.library import load
from augment_ops.policy.spec import Policy
from augment_ops.serving.access import Tokens, tokens_path
from augment_ops.serving.admitted import AdmittedPolicies
from augment_ops.serving.application import AUGMENTATION_HEADER, REQUEST_HEADER
from augment_ops.serving.protocol import HEADER_LENGTH
from augment_ops.serving.rules import ServingRules
from augment_ops.serving.served import Served
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace, subjects_of
from support.service import (
    BREAKER,
    INFER,
    ROOT,
    Running,
    expected,
    images,
    in_bytes,
    log_of,
    made,
    rules,
    running,
    tensor,
    until,
)

POLICY, SEED, VIEWS, QUOTA = "digits-robust@1.0.0", 7, 4, 100
NAMED = POLICY.replace("@", "/")
NEARLINE = {"splits": ["train"], "space_mib": 64, "retention_days": 30, "ahead": 0}
PATIENT = {**BREAKER, "min_requests": 50, "latency_ms": 10_000, "error_rate": 0.5, "waiting": 4000}


def augmented(views: int, breaker: dict[str, Any], quota: int | None = QUOTA, **changed: Any) -> ServingRules:
    """Rules with both kinds of augmentation by one policy."""
    name, _, version = POLICY.partition("@")
    return rules(
        workers=1,
        log__flush_s=0.1,
        test_time={"policy": name, "version": version, "views": views, "itself": True, "seed": SEED},
        augment={"policies": [POLICY], "samples_per_day": quota, "nearline": NEARLINE},
        breaker=breaker,
        **changed,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return made(tmp_path_factory.mktemp("version"), "1", 7)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def snapshot(home: Path) -> Snapshot:
    store = Store(str(home / "var/store"))
    return Snapshot.open(store, ingest("digits", store).digest)


@pytest.fixture(scope="module")
def service(home: Path, served: Served, snapshot: Snapshot) -> Iterator[Running]:
    with running(home, replace(served, snapshot=snapshot.manifest.digest), augmented(VIEWS, PATIENT)) as found:
        yield found


@pytest.fixture(scope="module")
def client(service: Running) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.address, timeout=60) as found:
        yield found


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load(ROOT / "policies", POLICY)


def by_hand(served: Served, policy: Policy, samples: np.ndarray, ids: list[str], views: int = VIEWS) -> np.ndarray:
    """The mean of what the model gives for the samples and for views - 1 augmentations of them."""
    augment = Augmenter(policy, SEED)
    seen = [samples, *(augment(samples, ids, epoch) for epoch in range(1, views))]
    return np.mean([expected(served, one) for one in seen], axis=0)


def rows(answer: httpx.Response) -> np.ndarray:
    return np.reshape(answer.raise_for_status().json()["outputs"][0]["data"], (-1, 10))


def test_an_answer_is_the_mean_over_the_views_and_its_header_says_so(
    client: httpx.Client, served: Served, policy: Policy
) -> None:
    samples = images(3)
    wanted = by_hand(served, policy, samples, [f"mine/{row}" for row in range(3)])
    assert np.abs(wanted - expected(served, samples)).max() > 1e-3  # else nothing is shown here
    found = client.post(INFER, json={"id": "mine", "inputs": [tensor(samples)]})
    assert np.allclose(rows(found), wanted, atol=1e-6)
    assert found.headers[AUGMENTATION_HEADER] == f"{NAMED}; views={VIEWS}"
    asked = client.post("/predict", json={"samples": samples.tolist()}, headers={REQUEST_HEADER: "mine"}).json()
    assert np.allclose([list(one["probabilities"].values()) for one in asked["predictions"]], wanted, atol=1e-6)


def test_the_same_request_has_the_same_answer_whatever_it_is_answered_with(
    client: httpx.Client, service: Running, served: Served, policy: Policy
) -> None:
    samples = images(1)
    wanted = by_hand(served, policy, samples, ["again"])
    found: list[np.ndarray] = []

    def ask() -> None:
        with httpx.Client(base_url=service.address, timeout=60) as own:
            found.extend(rows(own.post(INFER, json={"id": "again", "inputs": [tensor(samples)]})) for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert len(found) == 40
    assert np.allclose(found, wanted, atol=1e-6)


def test_the_log_keeps_the_answer_that_went_out_with_the_sample_as_it_came(
    client: httpx.Client, home: Path, served: Served, policy: Policy
) -> None:
    sample, began = images(1, seed=5), datetime.now(UTC) - timedelta(minutes=1)
    rows(client.post(INFER, json={"id": "kept", "inputs": [tensor(sample)]}))

    def window() -> Any:
        return read_window(log_of(home), began, datetime.now(UTC) + timedelta(minutes=1))

    until(lambda: "kept" in set(window().rows["sample_id"]))
    found = window()
    place = list(found.rows["sample_id"]).index("kept")
    wanted = by_hand(served, policy, sample, ["kept"])
    assert found.sample.confidence[place] == pytest.approx(wanted.max(), abs=1e-6)
    kept = {found.sample.payload.take(np.array([row])).tobytes() for row in range(found.sample.size)}
    assert sample.tobytes() in kept


def asked(samples: np.ndarray, /, **changed: Any) -> dict[str, Any]:
    """A request to have samples augmented."""
    name, _, version = POLICY.partition("@")
    ids = [f"s{row}" for row in range(len(samples))]
    of = {"policy": name, "version": version, "seed": 3, "epoch": 5, "ids": ids, "samples": samples.tolist()}
    return {**of, **changed}


def test_what_is_augmented_is_what_the_library_gives_byte_for_byte(client: httpx.Client, policy: Policy) -> None:
    samples = images(4)
    wanted = Augmenter(policy, 3)(samples, ["s0", "s1", "s2", "s3"], 5)
    assert not np.array_equal(wanted, samples)
    found = client.post("/augment", json=asked(samples)).raise_for_status().json()
    assert np.array(found["samples"], np.uint8).tobytes() == wanted.tobytes()
    assert found["digest"] == policy.digest
    assert (found["policy"], found["version"], found["seed"], found["epoch"]) == ("digits-robust", "1.0.0", 3, 5)
    told = tensor(samples) | {"parameters": {"binary_data_size": samples.nbytes}}
    del told["data"]
    document = asked(samples, inputs=[told])
    del document["samples"]
    header = json.dumps(document).encode()
    answer = client.post(
        "/augment", content=header + samples.tobytes(), headers={HEADER_LENGTH: str(len(header))}
    ).raise_for_status()
    length = int(answer.headers[HEADER_LENGTH])
    assert answer.content[length:] == wanted.tobytes()
    assert json.loads(answer.content[:length])["outputs"][0]["shape"] == list(wanted.shape)


def test_an_epoch_that_a_training_has_made_is_given_by_ids_and_costs_no_quota(
    client: httpx.Client, snapshot: Snapshot, policy: Policy, home: Path
) -> None:
    split, augment = snapshot.split("train"), Augmenter(policy, 3)
    materialise(
        Store(str(home / "var/store")),
        split.payload,
        split.ids,
        augment,
        snapshot_digest=snapshot.manifest.digest,
        split="train",
        epochs=1,
    )
    ids = list(split.ids[QUOTA : 3 * QUOTA])
    wanted = augment(split.take(range(QUOTA, 3 * QUOTA)), ids, 0)
    document = asked(images(1), epoch=0, ids=ids)
    del document["samples"]
    found = client.post("/augment", json=document).raise_for_status().json()
    assert np.array(found["samples"], np.uint8).tobytes() == wanted.tobytes()
    assert (found["snapshot"], found["split"]) == (snapshot.manifest.digest, "train")
    body = json.dumps(document).encode()
    answer = client.post("/augment", content=body, headers={HEADER_LENGTH: str(len(body))}).raise_for_status()
    assert answer.content[int(answer.headers[HEADER_LENGTH]) :] == wanted.tobytes()
    stored = counted(client, "augment_ops_serving_stored_samples_total", token="anybody", policy=NAMED)
    assert stored == 4 * QUOTA
    assert client.post("/augment", json={**document, "epoch": 1}).status_code == 429  # nobody has made that one


@pytest.mark.parametrize(
    ("changed", "status", "said"),
    [
        ({"policy": "digits-none"}, 404, POLICY),
        ({"version": "1.0"}, 404, POLICY),
        ({"policy": None}, 422, "a text"),
        ({"seed": "3"}, 422, "whole number"),
        ({"epoch": 1 << 64}, 422, "63 bits"),
        ({"epoch": True}, 422, "whole number"),
        ({"ids": ["s0"]}, 422, "1 ids for 2 samples"),
        ({"ids": None}, 422, "no list of ids"),
        ({"ids": ["s0", "s0"]}, 400, "more than once"),
        ({"ids": ["s0", 1.5]}, 400, "integers or strings"),
        ({"samples": []}, 422, "samples"),
        ({"samples": [[[0]], [[0]]]}, 422, "shape"),
    ],
)
def test_what_cannot_be_augmented_is_a_problem_that_says_why(
    client: httpx.Client, changed: dict[str, Any], status: int, said: str
) -> None:
    found = client.post("/augment", json=asked(images(2), **changed))
    assert found.status_code == status
    assert found.headers["Content-Type"] == "application/problem+json"
    assert said in found.text


def counted(client: httpx.Client, name: str, **labels: str) -> float:
    """A metric of the service; NaN where there is none with these labels."""
    text = client.get("/metrics").text
    found = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) <= 1
    return found[0] if found else float("nan")


def test_quotas_are_of_a_token_and_a_day_and_what_came_to_nothing_is_no_part_of_them(client: httpx.Client) -> None:
    def samples() -> float:
        return counted(client, "augment_ops_serving_augmented_samples_total", token="anybody", policy=NAMED)

    before = samples()
    assert before == 8  # of the test above: nothing of the requests that were refused
    left = int(QUOTA - before)
    assert client.post("/augment", json=asked(images(left + 1))).status_code == 429
    assert client.post("/augment", json=asked(images(left))).status_code == 200
    found = client.post("/augment", json=asked(images(1)))
    assert found.status_code == 429
    assert 1 <= int(found.headers["Retry-After"]) <= 86_400
    assert samples() == QUOTA
    seconds = counted(client, "augment_ops_serving_augmenting_cpu_seconds_total", token="anybody", policy=NAMED)
    assert 0 < seconds < 60


def test_the_document_shows_it_and_breakers_are_closed(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert POLICY in json.dumps(document["paths"]["/augment"])
    for breaker in ("test-time", "augment"):
        assert counted(client, "augment_ops_serving_breaker_state", breaker=breaker) == 0


def test_a_token_has_to_be_for_it_and_each_has_a_quota_of_its_own(service: Running, home: Path) -> None:
    """Nobody asks without a token from here on."""
    tokens = Tokens(tokens_path(home / "var"))
    of = {name: tokens.create(name, scopes) for name, scopes in (("app", ["predict", "admin"]), ("team", ["augment"]))}

    def ask(path: str, name: str, body: dict[str, Any]) -> httpx.Response:
        with httpx.Client(base_url=service.address, timeout=60) as client:
            return client.post(path, json=body, headers={"Authorization": f"Bearer {of[name]}"} if name else {})

    until(lambda: ask("/augment", "", asked(images(1))).status_code == 401)
    assert ask("/augment", "app", asked(images(1))).status_code == 403
    assert ask(INFER, "team", {"inputs": [tensor(images(1))]}).status_code == 403
    assert ask("/augment", "team", asked(images(1))).status_code == 200
    with httpx.Client(base_url=service.address, headers={"Authorization": f"Bearer {of['app']}"}) as client:
        assert counted(client, "augment_ops_serving_augmented_samples_total", token="team", policy=NAMED) == 1


def test_a_policy_that_is_revoked_is_off_and_answers_go_on(
    service: Running, home: Path, served: Served, policy: Policy
) -> None:
    tokens = Tokens(tokens_path(home / "var"))
    secret = tokens.create("all", ["predict", "augment", "admin"])
    workspace = Workspace(
        Settings.from_environment(
            {"AUGMENT_OPS_HOME": str(home / "var"), "AUGMENT_OPS_POLICIES": str(ROOT / "policies")}
        ),
        "tester",
    )
    with httpx.Client(base_url=service.address, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as client:

        def ask() -> httpx.Response:
            return client.post(INFER, json={"id": "mine", "inputs": [tensor(images(1))]})

        until(lambda: ask().status_code == 200)
        assert ask().headers[AUGMENTATION_HEADER] == f"{NAMED}; views={VIEWS}"
        workspace.ledger.append("revoke", "ada", subjects_of(policy), "it harms", "for the test")
        until(lambda: ask().headers[AUGMENTATION_HEADER] == f"{NAMED}; off (not admitted)", seconds=20)
        assert np.allclose(rows(ask()), expected(served, images(1)), atol=1e-6)
        refused = client.post("/augment", json=asked(images(1)))
        assert (refused.status_code, "not admitted in dev" in refused.text) == (403, True)
    until(lambda: any(f"policy {POLICY} is off" in line and "revoked by ada" in line for line in service.says))
    with pytest.raises(ActRefused, match="revoked by ada"):
        AdmittedPolicies(workspace, served, augmented(VIEWS, PATIENT), print)


@pytest.mark.slow  # half a minute of a service that is kept busy
def test_breakers_open_where_augmentation_is_slow_answers_go_on_and_they_close_again(
    tmp_path: Path, served: Served
) -> None:
    """256 samples with 32 views each are 128 calls of the model, one sample is one of them."""
    views, most = 32, 256
    tight = {
        **BREAKER,
        "trials": 2,
        "min_requests": 2,
        "latency_share": 0.02,
        "latency_ms": 200,
        "waiting": 10**6,
        "open_s": 1,
        "longest_open_s": 2,
    }
    slow = augmented(views, tight, None, limits__samples=most, limits__waiting=views * most)
    many, headers = in_bytes(images(most))
    with running(tmp_path, served, slow) as found, httpx.Client(base_url=found.address, timeout=60) as client:
        statuses, stop = list[httpx.Response](), threading.Event()

        def augment_on() -> None:
            with httpx.Client(base_url=found.address, timeout=60) as own:
                while not stop.is_set():
                    statuses.append(own.post("/augment", json=asked(images(16))))

        busy = threading.Thread(target=augment_on)
        busy.start()
        seen: list[httpx.Response] = []

        def both_open() -> bool:
            seen.append(client.post(INFER, content=many, headers=headers))
            return "off (open" in seen[-1].headers[AUGMENTATION_HEADER] and any(
                one.status_code == 503 for one in tuple(statuses)
            )

        try:
            until(both_open)
        finally:
            stop.set()
            busy.join(60)
        assert {one.status_code for one in seen} == {200}
        assert " ms" in seen[-1].headers[AUGMENTATION_HEADER]
        length = int(seen[-1].headers[HEADER_LENGTH])
        scores = np.frombuffer(seen[-1].content[length : length + most * 40], "<f4").reshape(most, 10)
        assert np.allclose(scores, expected(served, images(most)), atol=1e-5)
        refused = next(one for one in statuses if one.status_code == 503)
        assert int(refused.headers["Retry-After"]) >= 1
        assert {one.status_code for one in statuses} == {200, 503}
        for breaker in ("test-time", "augment"):
            assert counted(client, "augment_ops_serving_breaker_changes_total", breaker=breaker, to="open") >= 1

        def both_closed() -> bool:
            again = client.post("/predict", json={"samples": images(1).tolist()})
            assert client.post("/augment", json=asked(images(1))).status_code in (200, 503)
            states = [
                counted(client, "augment_ops_serving_breaker_state", breaker=breaker)
                for breaker in ("test-time", "augment")
            ]
            return "views" in again.headers[AUGMENTATION_HEADER] and states == [0, 0]

        until(both_closed)
        told = "".join(found.says)
        for breaker in ("test-time", "augment"):
            assert f"breaker {breaker} of a worker is open: " in told
            assert f"breaker {breaker} of a worker is closed" in told
