"""The home in Airflow: pages behind Airflow's own login, with a place in its menu *Browse*.

What is shown is made by `augment_ops.home`. It is imported at the first request: Airflow loads plugins in every process
of its own, and the pages take seconds to import.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

Message = MutableMapping[str, Any]
App = Callable[[Message, Any, Callable[[Message], Awaitable[None]]], Awaitable[None]]

PREFIX = "/augment-ops"
_DAG = "train_and_promote"  # whoever may read its runs may read what came of them


def guarded() -> App:
    """The application, each page of which asks Airflow who is there and whether they may read the DAG."""
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import requires_access_dag
    from fastapi import Depends

    from augment_ops.home.web import application
    from augment_ops.settings import Settings

    guard = requires_access_dag("GET", DagAccessEntity.RUN, param_dag_id=_DAG)
    login = f"{_below()}/api/v2/auth/login"
    made: App = application(Settings.from_environment(), guards=(Depends(guard),), login=login)
    return made


class Later:
    """Makes the application when it is first asked for, once."""

    def __init__(self, make: Callable[[], App]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._made: App | None = None

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """One request."""
        app = self._made or await asyncio.to_thread(self._once)
        await app(scope, receive, send)

    def _once(self) -> App:
        with self._lock:
            self._made = self._made or self._make()
            return self._made


def _below() -> str:
    """Path below which Airflow is reached; empty where it stands at the root."""
    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")


class HomePlugin(AirflowPlugin):
    """What Airflow loads."""

    name = "augment_ops_home"
    fastapi_apps = [{"app": Later(guarded), "url_prefix": PREFIX, "name": "AugmentOps"}]  # noqa: RUF012 - Airflow's form
    # In the menu *Browse* and without a route of Airflow's own: with one the page stands in a frame that opens no other
    # page, and without one a place beside the menus is a button that does nothing (Airflow 3.3.2).
    external_views = [  # noqa: RUF012
        {"name": "AugmentOps", "href": f"{_below()}{PREFIX}/", "destination": "nav", "category": "browse"}
    ]
