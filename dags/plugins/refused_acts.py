"""Whoever tries to answer for others, or to change what a run has left behind, is entered in the ledger.

Airflow refuses that before any task of ours sees it. What it refuses with 403 passes here. Refused here are requests
that Airflow would carry out and enter in its audit log where nobody finds them: those that name no DAG (`~`), and those
that name another run in their query than in their path.
"""

from __future__ import annotations

import asyncio
import logging
import re
from urllib.parse import parse_qs

from airflow.plugins_manager import AirflowPlugin
from http_messages import App, Message, Receive, Send, refuse, token_of

_DAG = re.compile(
    r"(?:.*)/api/v2/dags/(?P<dag>[^/]+)"
    r"(?:/dagRuns/(?P<run>[^/]+)(?:/taskInstances/(?P<task>[^/]+))?)?(?P<rest>/.*)?"
)
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_FORBIDDEN = 403
_ANY = "~"  # any DAG, any run
_NAMES_A_RUN = ("run_id", "dag_run_id")
_UNTRACEABLE = (
    "Name one DAG and its run in the path, and no run in the query: the audit log would not show what was done."
)

log = logging.getLogger(__name__)


class RefusedActs:
    """Middleware that notes refused acts, refuses those that would leave no trace, and lets the rest pass."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        about = _DAG.fullmatch(scope.get("path", "")) if scope.get("method") in _CHANGES else None
        if about is None:
            await self.app(scope, receive, send)
        elif _leaves_no_trace(scope, about):
            await _note(scope, about)
            await refuse(send, _FORBIDDEN, _UNTRACEABLE)
        else:
            await self.app(scope, receive, _noting(scope, about, send))


def _noting(scope: Message, about: re.Match[str], send: Send) -> Send:
    async def noting(message: Message) -> None:
        refused = message["type"] == "http.response.start" and message["status"] == _FORBIDDEN
        if refused and _what(scope, about):
            await _note(scope, about)
        await send(message)

    return noting


def _leaves_no_trace(scope: Message, about: re.Match[str]) -> bool:
    if scope["method"] == "POST" and scope["path"].endswith("/list"):
        return False  # a list that is asked for with a body
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return about["dag"] == _ANY or any(name in asked for name in _NAMES_A_RUN)


def _what(scope: Message, about: re.Match[str]) -> str:
    """What was tried, where it is worth an entry; empty for what is no more than a button pressed in vain."""
    rest = about["rest"] or ""
    if rest.endswith("/hitlDetails"):
        return "answer"
    if "/xcomEntries" in rest:
        return "edit an XCom of"
    if scope["method"] in ("PATCH", "DELETE") and (about["run"] or "/dagRuns" in rest):
        return "change"
    return ""


async def _note(scope: Message, about: re.Match[str]) -> None:
    """Enter the attempt. What goes wrong here goes to the log: it is refused all the same."""
    from airflow.api_fastapi.core_api.security import resolve_user_from_token

    told = {name: value for name in ("dag", "run", "task") if (value := about[name])}
    try:
        user = await resolve_user_from_token(token_of(scope))
        await asyncio.to_thread(_enter, str(user.get_id()), told, _what(scope, about) or "change")
    except Exception:
        log.exception("a refused act on %s could not be entered in the ledger", told)


def _enter(user: str, subjects: dict[str, str], what: str) -> None:
    from uuid import uuid4

    from augment_ops.settings import Settings
    from augment_ops.workspace import open_ledger

    ledger = open_ledger(Settings.from_environment())
    named = " of ".join(subjects[name] for name in ("task", "run", "dag") if name in subjects)
    reason = f"{named}: {user} may not {what} it"
    ledger.append("refuse", user, subjects, reason, f"answer:refuse:{uuid4().hex}")  # every attempt is one


class GovernancePlugin(AirflowPlugin):
    """What Airflow loads."""

    name = "augment_ops_governance"
    fastapi_root_middlewares = [{"name": "refused acts", "middleware": RefusedActs}]  # noqa: RUF012 - Airflow's form
