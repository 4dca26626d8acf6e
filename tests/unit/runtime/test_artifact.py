from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from augment_ops.errors import StoreError
from augment_ops.runtime import artifact
from augment_ops.runtime.artifact import read_artifact

DIGEST = hashlib.sha256(b"content").hexdigest()


def test_the_content_is_kept_whatever_becomes_of_the_path(tmp_path: Path):
    path = tmp_path / "model.pt2"
    path.write_bytes(b"content")
    found = read_artifact(path, DIGEST)
    path.write_bytes(b"another")
    assert (found.content, found.sha256, found.source) == (b"content", DIGEST, str(path))
    with pytest.raises(StoreError, match="other content"):
        read_artifact(path, DIGEST)


@pytest.mark.timeout(10)
def test_only_a_regular_file_is_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path, found in (
        (tmp_path / "pipe", "no regular file"),
        (tmp_path / "none", "no file"),
        (tmp_path, "no regular"),
    ):
        with pytest.raises(StoreError, match=found):
            read_artifact(path, DIGEST)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(artifact, "MAX_BYTES", 1 << 30)
    with (tmp_path / "large").open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(StoreError, match="1,073,741,825 bytes"):
        read_artifact(tmp_path / "large", DIGEST)
