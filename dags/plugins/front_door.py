"""What Airflow's own login leaves open on a machine that several people use.

- A page of another site that has its name resolved to this machine (DNS rebinding) is answered by nobody: the Host
  header has to be an address, `localhost`, or a name that is configured.
- A password is not guessed at the speed of the machine: after a few wrong ones each further try has to wait.
- A script in a page cannot read the login: the cookie that the login page would set is set here, HttpOnly.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from airflow.plugins_manager import AirflowPlugin
from http_messages import COOKIE, App, Message, Receive, Send, again, header, read, refuse

_LOGINS = frozenset({"/auth/token", "/auth/token/cli"})
_BODY = 16_384  # bytes of a login: a name and a password
# A person mistypes a few times. From then on the wait doubles; a minute each is 1,440 tries a day, of 2^96 passwords.
_FREE, _FREE_OF_ADDRESS = 5, 20  # wrong ones for a name from an address; from an address whatever the name
_WAIT_S, _LONGEST_S = 1.0, 60.0
_KNOWN = 10_000  # names and addresses remembered, oldest forgotten first: whoever makes names up fills no memory
_FORGOTTEN_S = 900.0  # after a quiet quarter of an hour all is as before
_CONFIGURED = ("AIRFLOW__API__BASE_URL", "AIRFLOW__CORE__EXECUTION_API_SERVER_URL")
_ALLOWED = "AUGMENT_OPS_ALLOWED_HOSTS"


@dataclass
class _Wrong:
    """Wrong passwords in a row: how many, when the last one was and until when no other is looked at (monotonic s)."""

    count: int = 0
    last: float = 0.0
    until: float = 0.0


class Attempts:
    """Counts wrong passwords by key, and says how long the next try has to wait.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[tuple[str, ...], _Wrong] = OrderedDict()

    def wait_s(self, *keys: tuple[str, ...]) -> float:
        """Seconds until a try is looked at; 0 where it is at once."""
        return max(0.0, *(self._of(key).until - self._clock() for key in keys))

    def wrong(self, key: tuple[str, ...], free: int) -> None:
        """One more, of which `free` cost nothing."""
        found = self._of(key)
        found.count += 1
        found.last = self._clock()
        if found.count > free:
            found.until = found.last + min(_LONGEST_S, _WAIT_S * 2.0 ** min(found.count - free - 1, 30))
        self._wrong[key] = found
        self._wrong.move_to_end(key)
        while len(self._wrong) > _KNOWN:
            self._wrong.popitem(last=False)

    def right(self, key: tuple[str, ...]) -> None:
        """Forget what was wrong before."""
        self._wrong.pop(key, None)

    def _of(self, key: tuple[str, ...]) -> _Wrong:
        found = self._wrong.get(key, _Wrong())
        return found if self._clock() - found.last < _FORGOTTEN_S else _Wrong()


class FrontDoor:
    """Middleware before everything that Airflow answers."""

    def __init__(self, app: App, attempts: Attempts | None = None) -> None:
        self.app = app
        self.attempts = attempts or Attempts()
        self._one = asyncio.Lock()  # a thousand tries at once would all be looked at before the first one counts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif not is_allowed(header(scope, "host"), os.environ):
            await refuse(send, 403, f"Invalid Host header: allow a name of this server by {_ALLOWED}")
        elif scope["type"] == "http" and scope.get("method") == "POST" and scope.get("path") in _LOGINS:
            await self._login(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _login(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await read(receive, _BODY)
        if body is None:
            await refuse(send, 413, "a login is a name and a password")
            return
        address = str((scope.get("client") or ("",))[0])
        by_address, by_user = (address,), (address, _user(body))
        answer = _Answer()
        async with self._one:
            if wait := self.attempts.wait_s(by_address, by_user):
                await refuse(answer, 429, "too many wrong passwords: wait, and try again", int(wait) + 1)
            else:
                await self.app(scope, again(body), answer)
            if answer.status == 401:
                self.attempts.wrong(by_user, _FREE)
                self.attempts.wrong(by_address, _FREE_OF_ADDRESS)
            elif answer.status == 201:
                self.attempts.right(by_user)
        if answer.status == 201 and header(scope, "sec-fetch-mode"):  # a page in a browser, not a program
            answer.set_cookie(_cookie(answer.body, scope))
        for message in answer.messages:
            await send(message)


class _Answer:
    """Takes an answer, whole, before it is sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(next((m["status"] for m in self.messages if m["type"] == "http.response.start"), 0))

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages if m["type"] == "http.response.body")

    def set_cookie(self, value: str) -> None:
        start = next(m for m in self.messages if m["type"] == "http.response.start")
        start["headers"] = [*start.get("headers", ()), (b"set-cookie", value.encode("latin-1"))]


def is_allowed(host: str, environ: Mapping[str, str]) -> bool:
    """Whether a Host header names this server: an address, `localhost`, or a configured name.

    A rebound name is a name: whoever asks for an address has not been sent here by one.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if not name or "@" in host or "/" in host:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        configured = {urlsplit(environ.get(variable, "")).hostname for variable in _CONFIGURED}
        extra = {one.strip().lower() for one in environ.get(_ALLOWED, "").split(",") if one.strip()}
        return name == "localhost" or name in configured | extra
    return True


def _cookie(body: bytes, scope: Message) -> str:
    """The login page's own cookie, before the page sets it: a script cannot replace one that is HttpOnly."""
    token = str(json.loads(body)["access_token"])
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    return f"{COOKIE}={token}; Path={_cookie_path()}; HttpOnly; SameSite=Lax{secure}"


def _cookie_path() -> str:
    from airflow.api_fastapi.app import get_cookie_path

    return str(get_cookie_path())


def _user(body: bytes) -> str:
    """Login name in a JSON or form body, in the form that counts; empty where there is none."""
    try:
        document = json.loads(body)
        name = document.get("username") if isinstance(document, dict) else None
    except ValueError:
        name = parse_qs(body.decode("utf-8", "replace")).get("username", [""])[0]
    return str(name or "")[:200]


class FrontDoorPlugin(AirflowPlugin):
    """What Airflow loads."""

    name = "augment_ops_front_door"
    fastapi_root_middlewares = [{"name": "front door", "middleware": FrontDoor}]  # noqa: RUF012 - Airflow's form
