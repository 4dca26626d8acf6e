"""`augment-ops ui` says where the pages are; tests/unit/home has the pages."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from augment_ops.home import serving
from augment_ops.settings import Settings
from support.command_line import Call


def test_it_says_where_it_is_to_people_and_to_machines(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(settings: Settings, host: str, port: int, ready: Callable[[str], None]) -> None:
        """Without a server, which would stay."""
        ready(f"http://{host}:{port}/")

    monkeypatch.setattr(serving, "serve", serve)
    assert call("ui", "--port", "8091") == (0, "http://127.0.0.1:8091/\n", "")
    code, out, _ = call("ui", "--port", "8091", "--json")
    assert (code, json.loads(out)) == (0, {"address": "http://127.0.0.1:8091/"})
