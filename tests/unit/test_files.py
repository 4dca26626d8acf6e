"""A file that is written is there whole or as it was, for whom it is meant."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from augment_ops.files import replace_file, write_durably


def test_a_file_is_made_with_its_folder_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    replace_file(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    replace_file(path, b"other")
    assert path.read_bytes() == b"other"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_failed_write_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    (tmp_path / "file").write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError("full")

    monkeypatch.setattr(step, full)
    with pytest.raises(OSError, match="full"):
        replace_file(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_nobody_else_could_read_it_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights that are taken after the content is there come too late: they are looked at when it is on the disk."""
    before, seen = os.umask(0), []
    monkeypatch.setattr("os.fsync", lambda file: seen.append(stat.S_IMODE(os.fstat(file).st_mode)))
    try:
        replace_file(tmp_path / "secret", b"x", mode=0o600)
        replace_file(tmp_path / "plain", b"x")
    finally:
        os.umask(before)
    assert seen == [0o600, 0o666]


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        write_durably(tmp_path / "file", [b"new"])
