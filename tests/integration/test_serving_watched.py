"""A service behind TLS, with tokens, traced, and scraped by a real Prometheus with the project's configuration."""

from __future__ import annotations

import math
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from augment_ops.serving.access import Tokens, tokens_path
from augment_ops.serving.exposition import FOLDER
from augment_ops.serving.headers import REQUEST_HEADER, TRACE_HEADER, VERSION_HEADER
from augment_ops.serving.messages import Tls
from augment_ops.serving.rollout_meters import RolloutMeters
from support.certificates import OF_CLIENT, OF_SERVER, Authority, Pair
from support.ports import free_port
from support.prometheus import Api, at, eventually, prometheus, queries
from support.service import BREAKER, ROOT, Running, images, made, rules, running
from support.spans import attributes_of, spans_of

TRACE_ID, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLES = {"samples": images(2).tolist()}
POLICY = {"policy": "digits-robust", "version": "1.0.0"}
VIEWS = {**POLICY, "views": 2, "itself": True, "seed": 7}
AUGMENT = {
    "policies": ["digits-robust@1.0.0"],
    "samples_per_day": None,
    "nearline": {"splits": ["train"], "space_mib": 1, "retention_days": 1, "ahead": 0},
}
_CHALLENGER = """
from augment_ops.serving.rollout_meters import ChallengerMeters
rollout = ChallengerMeters("letters", "2")
import sys
for _ in sys.stdin:
    for arm in ("champion", "challenger", "shadow"):
        rollout.answered(arm)
    rollout.fell_back()
    rollout.shadow_lost("queue")
    rollout.tripped(False)
    print(flush=True)
"""


@dataclass(frozen=True)
class Watched:
    """What the tests share.

    Attributes:
        tokens: secrets by scope.
    """

    running: Running
    home: Path
    authority: Authority
    client: Pair
    tokens: dict[str, str]
    collector: Any

    def asking(self, pair: Pair | None, scope: str = "predict", address: str = "") -> httpx.Client:
        """A client with a certificate, or without one, and with a token."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        own = {"Authorization": f"Bearer {self.tokens[scope]}"}
        return httpx.Client(base_url=address or self.running.address, verify=context, headers=own, timeout=60)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, web_servers: Any) -> Iterator[Watched]:
    """One worker, of whose requests only those are traced that a client traces; spans are sent at its end."""
    home = tmp_path_factory.mktemp("home")
    authority = Authority(home / "authority")
    server, client = authority.signs("server", OF_SERVER), authority.signs("client", OF_CLIENT)
    tokens = Tokens(tokens_path(home / "var"))
    secrets = {scope: tokens.create(scope, [scope]) for scope in ("predict", "augment", "admin")}
    with web_servers() as collector:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
            "OTEL_TRACES_SAMPLER": "parentbased_always_off",
            "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        }
        tls = Tls(certificate=server.certificate, key=server.key, clients=str(authority.file))
        asked = rules(workers=1, test_time=VIEWS, augment=AUGMENT, breaker=BREAKER)
        with running(home, made(home / "version", "1", 7), asked, tls=tls, **variables) as found:
            yield Watched(found, home, authority, client, secrets, collector)


def test_who_has_a_certificate_of_the_clients_authority_is_answered(watched: Watched) -> None:
    assert watched.running.address.startswith("https://")
    with watched.asking(watched.client) as client:
        answer = client.post("/predict", json=SAMPLES)
    assert (answer.status_code, answer.headers[VERSION_HEADER]) == (200, "1")
    assert len(answer.json()["predictions"]) == 2


@pytest.mark.parametrize("who", ["nobody", "another authority", "a server", "plain text"])
def test_whoever_has_none_is_refused_before_anything_is_read(watched: Watched, tmp_path: Path, who: str) -> None:
    pair = {
        "another authority": lambda: Authority(tmp_path / "other").signs("client", OF_CLIENT),
        "a server": lambda: watched.authority.signs("another", OF_SERVER),  # a certificate for another purpose
    }.get(who, lambda: None)()
    address = watched.running.address.replace("https", "http") if who == "plain text" else ""
    with watched.asking(pair, address=address) as client, pytest.raises(httpx.TransportError):
        client.post("/predict", json=SAMPLES)


def test_a_certificate_takes_no_tokens_place(watched: Watched) -> None:
    with watched.asking(watched.client) as client:
        assert client.post("/predict", json=SAMPLES, headers={"Authorization": ""}).status_code == 401
        assert client.get("/metrics").status_code == 403


def test_a_clients_trace_is_told_in_the_answer_in_the_problem_and_on_the_chart(watched: Watched) -> None:
    traced = {"traceparent": f"00-{TRACE_ID}-{PARENT}-01", REQUEST_HEADER: "mine"}
    with watched.asking(watched.client) as client:
        assert TRACE_HEADER not in client.post("/predict", json=SAMPLES).headers
        assert client.post("/predict", json=SAMPLES, headers=traced).headers[TRACE_HEADER] == TRACE_ID
        problem = client.post("/predict", json={}, headers=traced)
        assert (problem.headers[TRACE_HEADER], problem.json()["trace_id"]) == (TRACE_ID, TRACE_ID)
        assert "trace_id" not in client.post("/predict", json={}).json()
    with watched.asking(watched.client, "admin") as client:
        shown = client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert shown.headers["Content-Type"].startswith("application/openmetrics-text")
    examples = [line for line in shown.text.splitlines() if f'# {{trace_id="{TRACE_ID}"}}' in line]
    assert examples
    assert all('augment_ops_serving_request_duration_seconds_bucket{dataset="letters"' in line for line in examples)


class Traffic(threading.Thread):
    """Requests, right and wrong, and the counts of a rollout's worker, until it ends."""

    def __init__(self, watched: Watched, folder: Path) -> None:
        super().__init__(daemon=True)
        self._watched, self._ended = watched, threading.Event()
        environ = {**os.environ, FOLDER: str(folder), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", _CHALLENGER]
        self._worker = subprocess.Popen(
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def run(self) -> None:
        traced = {"traceparent": f"00-{TRACE_ID}-{PARENT}-01"}
        augments = {"Authorization": f"Bearer {self._watched.tokens['augment']}"}
        with self._watched.asking(self._watched.client) as client:
            while not self._ended.wait(0.05):
                client.post("/predict", json=SAMPLES, headers=traced)
                client.post("/predict", json={})
                client.post("/augment", json={**POLICY, **SAMPLES, "ids": [0, 1]}, headers=augments)
                self._worker.stdin.write("\n")
                self._worker.stdout.readline()

    def end(self) -> None:
        self._ended.set()
        self.join(60)
        self._worker.communicate(timeout=60)


@pytest.fixture(scope="module")
def scraped(watched: Watched, program: Callable[[str], str]) -> Iterator[Api]:
    """Prometheus with the job of the stack, put where the service is here, its client's certificate and its token."""
    program("prometheus")
    (folder,) = (watched.home / "var/serving/letters").glob("metrics-*")
    rollout = RolloutMeters(folder, "letters", "dev", print)
    rollout.begins()
    rollout.at("2", "canary", 0.1, since=1.0)
    traffic = Traffic(watched, folder)
    traffic.start()
    token = watched.home / "token"
    token.write_text(watched.tokens["admin"])
    url = httpx.URL(watched.running.address)
    job = {
        **at(f"{url.host}:{url.port}"),
        "scheme": "https",
        "authorization": {"credentials_file": str(token)},
        "tls_config": {
            "ca_file": str(watched.authority.file),
            "cert_file": watched.client.certificate,
            "key_file": watched.client.key,
        },
    }
    jobs = {"augment-ops-serving": job}
    with prometheus(program, watched.home / "prometheus", jobs, free_port()) as api:
        try:
            counted = 'count_over_time(augment_ops_rollout_answers_total{arm="shadow"}[1m]) >= 3'
            eventually(lambda: api.query(counted), "three scrapes")
        finally:
            traffic.end()
        yield api


@pytest.mark.parametrize(
    ("dashboard", "panel", "expression"),
    queries("serving", "serving-augmentation", "rollout"),
    ids=lambda text: text[:40],
)
def test_no_panel_of_a_service_is_empty(scraped: Api, dashboard: str, panel: str, expression: str) -> None:
    found = scraped.query(expression)
    assert found
    assert any(math.isfinite(value) for _, value in found)


def test_prometheus_keeps_the_examples_and_evaluates_every_rule(scraped: Api) -> None:
    found = scraped.get(
        "query_exemplars", query="augment_ops_serving_request_duration_seconds_bucket", start="0", end="9e9"
    )
    assert {one["labels"]["trace_id"] for series in found for one in series["exemplars"]} == {TRACE_ID}
    rules = [rule for group in scraped.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    assert {metric["instance"] for metric, value in scraped.query("up == 1")} > {
        scraped.query("augment_ops_serving_workers_wanted == 1")[0][0]["instance"]
    }


def test_spans_that_were_not_sent_yet_are_sent_at_the_end(watched: Watched) -> None:
    """Last: it ends the service."""
    assert spans_of(watched.collector) == []
    assert watched.running.end() == 0
    spans = spans_of(watched.collector)
    assert {span.trace_id.hex() for span in spans} == {TRACE_ID}
    (mine,) = [span for span in spans if attributes_of(span).get("augment_ops.request_id") == "mine"]
    (below,) = [span for span in spans if span.parent_span_id == mine.span_id]
    assert attributes_of(mine).items() >= {"http.route": "/predict", "augment_ops.model_version": "1"}.items()
    assert (below.name, attributes_of(below)) == ("model", {"augment_ops.batch.samples": 4})  # of two views
    assert mine.start_time_unix_nano <= below.start_time_unix_nano < below.end_time_unix_nano
    assert below.end_time_unix_nano <= mine.end_time_unix_nano
    assert 422 in {attributes_of(span).get("http.response.status_code") for span in spans}
