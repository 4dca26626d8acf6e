"""`kill -9` in the middle of an ingest: a real process, killed at each of its writes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from augment_ops.content import sha256_hex
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store

_INGEST_AND_DIE = """
import os, signal, sys
from augment_ops.data import blobs, ingest as module, store as store_module

uri, folder, where = sys.argv[1:]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def write_half_and_die(path, chunks):
    data = b"".join(chunks)
    with path.open("xb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        die()

if where == "reading":
    module.assign = die
elif where == "pixels":
    store_module.write_durably = write_half_and_die
elif where == "index":
    blobs.write_durably = write_half_and_die
else:
    store_module.Store.put_document = die
module.ingest(uri, store_module.Store(folder))
"""


@pytest.mark.parametrize(("where", "whole_objects"), [("reading", 0), ("pixels", 0), ("index", 1), ("manifest", 2)])
def test_a_killed_ingest_leaves_nothing_that_looks_whole(
    images: Path, tmp_path: Path, where: str, whole_objects: int
) -> None:
    folder = tmp_path / "store"
    killed = subprocess.run(
        [sys.executable, "-c", _INGEST_AND_DIE, str(images), str(folder), where], check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    store = Store(str(folder))
    assert store.documents("") == []
    objects = [path for path in (folder / "objects").rglob("*") if path.is_file()]
    assert len(objects) == whole_objects
    assert all(sha256_hex(path.read_bytes()) == path.name for path in objects)
    manifest = ingest(str(images), store)
    assert len(Snapshot.open(store, manifest.digest).split("train").ids) == 72
