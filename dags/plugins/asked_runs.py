"""What a run cannot be asked is refused in the form itself, with what to do, and no run is made.

Airflow holds each field against its own schema; what fields say together, and what the environment demands, it does
not know. Everything is looked at again by the run's first task, which alone decides: a look that fails lets the request
pass.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

from airflow.plugins_manager import AirflowPlugin
from http_messages import App, Message, Receive, Send, again, read, refuse, token_of

_TRIGGERS = re.compile(r"(?:.*)/api/v2/dags/(?P<dag>train_and_promote|approve_policy)/dagRuns/?")
_ASKED = ("policy", "environment", "days")
_LONGEST = 262_144  # bytes of a request; a form's have two thousand

log = logging.getLogger(__name__)


class AskedRuns:
    """Middleware that looks at what a run is asked to do, in the name of who asks."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        asked = _TRIGGERS.fullmatch(scope.get("path", "")) if scope.get("method") == "POST" else None
        if asked is None:
            await self.app(scope, receive, send)
            return
        body = await read(receive, _LONGEST)
        if body is None:
            await refuse(send, 413, "a run is asked for by its parameters; put data where its path can be named")
        elif said := await _refusal(scope, asked["dag"], body):
            await refuse(send, 400, said)
        else:
            await self.app(scope, again(body), send)


async def _refusal(scope: Message, dag: str, body: bytes) -> str:
    """Why there will be no such run; empty where there may be, or where Airflow itself has to say no."""
    from airflow.api_fastapi.core_api.security import resolve_user_from_token
    from fastapi import HTTPException

    try:
        user = await resolve_user_from_token(token_of(scope))
        conf = json.loads(body).get("conf") or {}
        if isinstance(conf, dict) and _may_trigger(user, dag):
            return await asyncio.to_thread(_look, dag, conf, str(user.get_name()))
    except (HTTPException, AttributeError, ValueError):
        pass  # nobody, or nothing that Airflow reads
    except Exception:
        log.exception("what a run of %s is asked for could not be looked at", dag)
    return ""


def _may_trigger(user: Any, dag: str) -> bool:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails

    asked: dict[str, Any] = {"access_entity": DagAccessEntity.RUN, "details": DagDetails(id=dag)}
    return bool(get_auth_manager().is_authorized_dag(method="POST", user=user, **asked))


def _look(dag: str, conf: dict[str, Any], actor: str) -> str:
    from augment_ops.errors import GovernanceError, InputError
    from augment_ops.lifecycle import acts
    from augment_ops.pipeline.params import given
    from augment_ops.pipeline.preflight import foresee
    from augment_ops.settings import Settings
    from augment_ops.workspace import Workspace

    settings = Settings.from_environment()
    try:
        if dag == "train_and_promote":
            foresee(settings, given(conf), actor, acts.AIRFLOW)
        elif set(_ASKED) <= set(conf):  # what is left out has Airflow's defaults, and waits for the first task
            acts.foresee(Workspace(settings, actor, acts.AIRFLOW), *(conf[name] for name in _ASKED))
    except (InputError, GovernanceError) as refusal:
        return str(refusal)
    return ""


class AskedRunsPlugin(AirflowPlugin):
    """What Airflow loads."""

    name = "augment_ops_asked_runs"
    fastapi_root_middlewares = [{"name": "asked runs", "middleware": AskedRuns}]  # noqa: RUF012 - Airflow's form
