"""Asks a web application what it answers, without a server."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

LOCAL = "http://127.0.0.1:8090"


def ask(
    app: Any, path: str, method: str = "GET", *, base: str = LOCAL, root: str = "", **headers: str
) -> httpx.Response:
    """One request, as a browser sends it; redirects are not followed.

    Args:
        root: where another application has mounted it.
    """

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, root_path=root)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())
