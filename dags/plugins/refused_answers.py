"""Whoever tries to answer for others is entered in the ledger.

Airflow refuses an answer by somebody who is not asked, or who may only look, before any task of ours sees it. What it
refuses with 403 passes here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import SimpleCookie
from typing import Any

from airflow.plugins_manager import AirflowPlugin

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_ANSWER = re.compile(r"/api/v2/dags/([^/]+)/dagRuns/([^/]+)/taskInstances/([^/]+)/[^/]+/hitlDetails")
_FORBIDDEN = 403
_COOKIE = "_token"

log = logging.getLogger(__name__)


class RefusedAnswers:
    """Middleware that lets everything pass and notes refused answers."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        asked = _ANSWER.fullmatch(scope.get("path", "")) if scope.get("method") == "PATCH" else None
        if asked is None:
            await self.app(scope, receive, send)
            return

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == _FORBIDDEN:
                await _note(scope, *asked.groups())
            await send(message)

        await self.app(scope, receive, noting)


async def _note(scope: Message, dag: str, run: str, task: str) -> None:
    """Enter the attempt. What goes wrong here goes to the log: the answer is refused all the same."""
    from airflow.api_fastapi.core_api.security import resolve_user_from_token

    try:
        user = await resolve_user_from_token(_token(scope))
        await asyncio.to_thread(_enter, str(user.get_id()), dag, run, task)
    except Exception:
        log.exception("a refused answer to %s of %s could not be entered in the ledger", task, run)


def _enter(user: str, dag: str, run: str, task: str) -> None:
    from uuid import uuid4

    from augment_ops.governance.ledger import open_ledger
    from augment_ops.settings import Settings

    ledger = open_ledger(Settings.from_environment())
    subjects = {"dag": dag, "run": run, "task": task}
    reason = f"{task} of {run}: {user} may not answer it"
    ledger.append("refuse", user, subjects, reason, f"answer:refuse:{uuid4().hex}")  # every attempt is one


def _token(scope: Message) -> str | None:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token
    found = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    return found.value if found else None


class GovernancePlugin(AirflowPlugin):
    """What Airflow loads."""

    name = "augment_ops_governance"
    fastapi_root_middlewares = [{"name": "refused answers", "middleware": RefusedAnswers}]  # noqa: RUF012 - Airflow's form
