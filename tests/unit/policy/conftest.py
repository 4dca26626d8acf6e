from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

HEAD = {
    "name": "tested",
    "version": "1.0.0",
    "modality": "image",
    "domain": "general",
    "owner": "tests",
    "description": "For tests.",
    "budget": "{p95_ms: 1.0, at: [8, 8, 1]}",
}


@pytest.fixture
def text() -> Callable[..., str]:
    """Makes the text of a policy: its steps, a line of YAML each, and fields to replace (None leaves one out)."""

    def make(*steps: str, **fields: str | None) -> str:
        head = {key: value for key, value in {**HEAD, **fields}.items() if value is not None}
        lines = [f"{key}: {value}" for key, value in head.items()]
        if "transforms" not in fields:
            lines += ["transforms:", *(f"  - {step}" for step in steps)] if steps else ["transforms: []"]
        return "\n".join(lines) + "\n"

    return make


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """An empty library."""
    for name in ("augment", "limits"):
        (tmp_path / name).mkdir()
    return tmp_path
