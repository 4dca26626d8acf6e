from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augment_ops.runtime.artifact import Artifact
from support.networks import untrained, write_program

SHAPE = (8, 8, 1)
Change = Callable[[dict[str, bytes]], None]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small network as the exporter writes it."""
    path = tmp_path_factory.mktemp("model") / "model.pt2"
    write_program(untrained(SHAPE), SHAPE, path)
    return path.read_bytes()


@pytest.fixture(scope="session")
def artifact() -> Callable[[bytes], Artifact]:
    return lambda content: Artifact(content, hashlib.sha256(content).hexdigest(), "model.pt2")


@pytest.fixture(scope="session")
def altered(program: bytes) -> Callable[[Change], bytes]:
    """The program after a change to its members, by name."""

    def write(change: Change) -> bytes:
        with zipfile.ZipFile(io.BytesIO(program)) as source:
            members = {name: source.read(name) for name in source.namelist()}
        change(members)
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as written:
            for name, data in members.items():
                written.writestr(zipfile.ZipInfo(name), data)
        return target.getvalue()

    return write


@pytest.fixture(scope="session")
def with_json(altered: Callable[[Change], bytes]) -> Callable[[Callable[[Any], None]], bytes]:
    """The program after a change to the document of its graph."""

    def write(change: Callable[[Any], None]) -> bytes:
        def of_member(members: dict[str, bytes]) -> None:
            document = json.loads(members["archive/models/model.json"])
            change(document)
            members["archive/models/model.json"] = json.dumps(document).encode()

        return altered(of_member)

    return write


@pytest.fixture
def payload(tmp_path: Path) -> tuple[str, Path]:
    """An expression of Python that makes a file, and that file."""
    made = tmp_path / "made-by-the-model"
    return f"__import__('os').system('touch {made}')", made
