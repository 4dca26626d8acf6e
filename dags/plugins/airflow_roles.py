"""What Airflow's simple roles may do here: below admin nobody edits XComs or sets states.

SimpleAuthManager has four roles and one right to change a DAG, from `user` on. With it comes editing XComs, marking
tasks and runs, and deleting runs with their traces. Here everybody who could change a DAG may still trigger it, answer
its questions, pause it and clear tasks so that they run again; the rest is the administrator's. No approval rests on
this (see second_person.py); it keeps mishaps and temptations away, and a person who may not mark a task need not be
suspected of it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager, SimpleAuthManagerRole

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

# Triggering, answering, and pausing (a change of the DAG itself).
_ALLOWED = {("POST", DagAccessEntity.RUN), ("PUT", DagAccessEntity.HITL_DETAIL), ("PUT", None)}
# Airflow asks the same right for clearing and for marking: what tells them apart is the address.
_CLEARED = (DagAccessEntity.TASK_INSTANCE, DagAccessEntity.RUN)
_CLEARS = re.compile(r".*/api/v2/dags/[^/]+/(clearTaskInstances|clearDagRuns|dagRuns/[^/]+/clear)")

_clearing: ContextVar[bool] = ContextVar("clearing", default=False)

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class _Noted:
    """Middleware by which the roles know whether a request clears something."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] == "http":
            _clearing.set(scope["method"] == "POST" and _CLEARS.fullmatch(scope["path"]) is not None)
        await self.app(scope, receive, send)


class GovernedAuthManager(SimpleAuthManager):
    """SimpleAuthManager in which XComs, states and records of runs are the administrator's to change."""

    def is_authorized_dag(
        self,
        *,
        method: ResourceMethod,
        user: SimpleAuthManagerUser,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        """Whether this person may do that to a DAG or to what belongs to it."""
        simple = super().is_authorized_dag(method=method, access_entity=access_entity, details=details, user=user)
        if (
            not simple
            or method == "GET"
            or SimpleAuthManagerRole[str(user.role).upper()] is SimpleAuthManagerRole.ADMIN
        ):
            return simple
        if method == "PUT" and access_entity in _CLEARED:
            return _clearing.get()
        return (method, access_entity) in _ALLOWED

    def get_fastapi_middlewares(self) -> list[tuple[Any, dict[str, Any]]]:
        """Those of SimpleAuthManager, and the one by which clearing is known."""
        return [*super().get_fastapi_middlewares(), (_Noted, {})]
