"""What the middlewares before Airflow have in common: how a request is read and handed on, and how one is refused."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import SimpleCookie
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

COOKIE = "_token"  # that Airflow's pages keep a login in


def header(scope: Message, name: str) -> str:
    """A header of the request; empty where there is none."""
    wanted = name.encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == wanted), "")


def token_of(scope: Message) -> str | None:
    """The login that a request comes with; None without one."""
    scheme, _, token = header(scope, "authorization").partition(" ")
    if scheme.lower() == "bearer":
        return token
    found = SimpleCookie(header(scope, "cookie")).get(COOKIE)
    return found.value if found else None


async def read(receive: Receive, longest: int) -> bytes | None:
    """The body of a request; None where it has more than `longest` bytes."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > longest:
            return None
        if message["type"] != "http.request" or not message.get("more_body", False):
            return body


def again(body: bytes) -> Receive:
    """Hands the body on, once."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


async def refuse(send: Send, status: int, detail: str, retry_after: int = 0) -> None:
    """Answer as Airflow's own interface does when it refuses."""
    headers = [(b"content-type", b"application/json")]
    if retry_after:
        headers.append((b"retry-after", str(retry_after).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": detail}).encode()})
