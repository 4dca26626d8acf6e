"""The middleware before Airflow: who is answered, how often passwords may be tried, and the cookie."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "dags" / "plugins"))
from front_door import _KNOWN, Attempts, FrontDoor, is_allowed


class Clock:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Airflow:
    """Answers a login as SimpleAuthManager does."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"] if scope["method"] == "POST" else b""
        self.asked.append(body)
        await asyncio.sleep(0)  # Airflow looks at the password in a thread; others come meanwhile
        right = b'"right"' in body
        status = 201 if right else 401 if scope["method"] == "POST" else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b'{"access_token": "abc"}' if right else b"{}"})


class Visitor:
    """Sends requests through the door."""

    def __init__(self) -> None:
        self.clock, self.airflow = Clock(), Airflow()
        self.door = FrontDoor(self.airflow, Attempts(self.clock))

    def send(
        self, method: str = "GET", path: str = "/", body: bytes = b"", address: str = "1.2.3.4", **headers: str
    ) -> tuple[int, dict[str, str]]:
        return asyncio.run(self.asks(method, path, body, address, **headers))

    async def asks(
        self, method: str, path: str, body: bytes, address: str, **headers: str
    ) -> tuple[int, dict[str, str]]:
        sent: list[Any] = []
        headers = {"host": "localhost:8080", **headers}
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": raw,
            "client": (address, 1),
            "scheme": "http",
        }
        parts = [body[:7], body[7:]]

        async def receive() -> Any:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.door(scope, receive, send)
        return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}

    def login(self, password: str, user: str = "ann", **more: Any) -> tuple[int, dict[str, str]]:
        return self.send("POST", "/auth/token", json.dumps({"username": user, "password": password}).encode(), **more)


@pytest.fixture
def visitor() -> Visitor:
    return Visitor()


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost:8080", True), ("127.0.0.1:8080", True), ("[::1]:8080", True), ("10.1.2.3", True),
        ("airflow.example", True), ("API-server:8080", True), ("extra.example", True), ("localhost.", True),
        ("evil.example", False), ("evil.example:8080", False), ("localhost.evil.example", False), ("", False),
        ("127.0.0.1.evil.example", False), ("x@localhost", False), ("localhost/evil", False), ("[", False),
    ],
)  # fmt: skip
def test_a_name_that_is_not_ours_is_not_answered(host: str, allowed: bool) -> None:
    environ = {
        "AIRFLOW__API__BASE_URL": "https://airflow.example",
        "AUGMENT_OPS_ALLOWED_HOSTS": "a.b, extra.example",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://api-server:8080/execution/",
    }
    assert is_allowed(host, environ) is allowed


def test_a_rebound_name_reaches_nothing(visitor: Visitor) -> None:
    assert visitor.send(host="evil.example:8080")[0] == 403
    assert visitor.airflow.asked == []
    assert visitor.send()[0] == 200


def test_wrong_passwords_wait_longer_each_time_and_a_right_one_waits_too(visitor: Visitor) -> None:
    assert [visitor.login("wrong")[0] for _ in range(6)] == [401] * 6
    status, headers = visitor.login("right")
    assert (status, headers["retry-after"]) == (429, "2")
    assert len(visitor.airflow.asked) == 6
    visitor.clock.now += 1.01
    assert visitor.login("wrong")[0] == 401
    visitor.clock.now += 1.01
    assert visitor.login("wrong")[0] == 429  # two seconds now
    visitor.clock.now += 1.01
    assert visitor.login("right")[0] == 201
    assert [visitor.login("wrong")[0] for _ in range(6)] == [401] * 6  # forgotten


def test_the_wait_is_bounded_and_belongs_to_a_name_at_an_address(visitor: Visitor) -> None:
    tried = 0
    for _ in range(10_000):
        tried += visitor.login("wrong", address="6.6.6.6")[0] == 401
        visitor.clock.now += 1
    assert tried < 10_000 / 60 + 40
    assert visitor.login("right", address="1.2.3.4")[0] == 201
    assert visitor.login("right", user="bob", address="6.6.6.6")[0] == 429  # the address itself is known for it
    visitor.clock.now += 61
    assert visitor.login("right", address="6.6.6.6")[0] == 201


def test_names_that_are_made_up_get_no_further_and_fill_no_memory(visitor: Visitor) -> None:
    found = [visitor.login("wrong", user=f"user-{n}")[0] for n in range(100)]
    assert found.count(401) == 21
    attempts = Attempts(visitor.clock)
    for n in range(_KNOWN + 50):
        attempts.wrong(("a", str(n)), 0)
    assert len(attempts._wrong) == _KNOWN


def test_a_thousand_tries_at_once_are_looked_at_one_by_one(visitor: Visitor) -> None:
    async def all_at_once() -> list[tuple[int, dict[str, str]]]:
        body = b'{"username": "ann", "password": "wrong"}'
        visitor.door = FrontDoor(visitor.airflow, Attempts(visitor.clock))
        return await asyncio.gather(*[visitor.asks("POST", "/auth/token/cli", body, "1.1.1.1") for _ in range(1000)])

    assert [status for status, _ in asyncio.run(all_at_once())].count(401) == 6


def test_form_logins_count_as_well_and_long_ones_are_refused(visitor: Visitor) -> None:
    form = b"username=ann&password=wrong"
    assert [visitor.send("POST", "/auth/token", form)[0] for _ in range(7)] == [401] * 6 + [429]
    assert visitor.login("wrong")[0] == 429  # the same name
    assert visitor.send("POST", "/auth/token", b"x" * 100_000)[0] == 413


def test_a_browser_gets_a_cookie_that_no_script_reads_and_a_program_gets_none(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("front_door._cookie_path", lambda: "/")
    _, headers = visitor.login("right", sec_fetch_mode="cors")
    assert headers["set-cookie"] == "_token=abc; Path=/; HttpOnly; SameSite=Lax"
    assert "set-cookie" not in visitor.login("right")[1]
