"""Reads a zip member by member, within bounds."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from augment_ops.data.bounds import FILE_BYTES, ZIP_DIRECTORY_BYTES, unpacked_limit
from augment_ops.modalities.source import Defect

_END, _END_64, _LOCATOR_64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _LOCATOR_BYTES, _COMMENT_BYTES = 22, 20, 65_535
_PIECE = 1 << 20
_NO_SIZE = 0xFFFFFFFF  # the size stands in the record of zip64 instead


def zip_members(file: IO[bytes], wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | Defect | None]]:
    """Name and content of each member, in the directory's order; None for the content of one that is not wanted.

    A folder comes with a '/' at the end of its name and no content; a member that is damaged, or packed in a way that
    is not read (a password), as a defect.

    Args:
        file: a seekable .zip.
        wanted: says by its name whether a member's content is needed.

    Raises:
        zipfile.BadZipFile, OSError, ValueError: the archive is damaged, not whole, or beyond `augment_ops.data.bounds`.
    """
    packed = file.seek(0, 2)
    refuse_large_directory(file, packed)
    limit = left = unpacked_limit(packed)
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.is_dir() or not wanted(member.filename):
                yield member.filename, None
                continue
            data = _content(archive, member)
            left -= len(data) if isinstance(data, bytes) else 0
            if left < 0:
                raise zipfile.BadZipFile(f"it unpacks to more than {limit:,} bytes")
            yield member.filename, data


def refuse_large_directory(file: IO[bytes], packed: int) -> None:
    """Python's zipfile takes the whole directory into memory, at ten times its size: look at that first.

    Args:
        file: an open archive.
        packed: its size in bytes.

    Raises:
        zipfile.BadZipFile: it is larger than `ZIP_DIRECTORY_BYTES`.
    """
    start = max(0, packed - _END_BYTES - _COMMENT_BYTES - _LOCATOR_BYTES)
    file.seek(start)
    tail = file.read(packed - start)
    end = tail.rfind(_END)
    size = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    locator = tail[max(0, end - _LOCATOR_BYTES) : max(0, end)]
    if locator.startswith(_LOCATOR_64):
        file.seek(min(int.from_bytes(locator[8:16], "little"), packed))
        record = file.read(48)
        if record.startswith(_END_64):
            size = max(size if size != _NO_SIZE else 0, int.from_bytes(record[40:48], "little"))
    if size > ZIP_DIRECTORY_BYTES:
        raise zipfile.BadZipFile(f"a directory of {size:,} bytes; at most {ZIP_DIRECTORY_BYTES:,} are read")
    file.seek(0)


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | Defect:
    if member.file_size > FILE_BYTES:
        return Defect(f"unreadable: {member.file_size:,} bytes; at most {FILE_BYTES:,} are read")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Defect(
            "unreadable: packed in a way that is not read; zip it with deflate"
        )  # others unpack without bounds
    try:
        with archive.open(member) as opened:  # in pieces, because what the header says of its size may not hold
            return b"".join(iter(lambda: opened.read(_PIECE), b""))
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        return Defect(f"unreadable: damaged in the archive ({type(error).__name__})")
    except RuntimeError:
        return Defect("unreadable: packed with a password")
