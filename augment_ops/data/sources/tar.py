"""Reads a tar as a stream, and takes no damaged one for a shorter one.

`tarfile` alone accepts an archive that ends early: it reads compressed streams without their checksum, and takes the
end of the file, or a header that makes no sense, for the end of the archive.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, cast

from augment_ops.data.bounds import ARCHIVE_MEMBERS, FILE_BYTES, TAR_HEADER_BYTES, unpacked_limit
from augment_ops.modalities.source import Defect

_CHUNK = 1 << 20
_MAGIC_BYTES = 6
_EXTENSIONS = frozenset(
    {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}
)
# What a damaged or hostile archive raises: besides its own, numbers that are none and headers without end.
DAMAGED = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError, OverflowError, RecursionError)


def members(file: IO[bytes], wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | Defect | None]]:
    """Name and content of each file in the archive, in its order; None for the content of one that is not wanted.

    A folder comes with a '/' at the end of its name and no content.

    Args:
        file: a seekable .tar, plain or compressed by gzip, bzip2 or xz.
        wanted: says by its name whether a file's content is needed.

    Raises:
        DAMAGED (one of those): the archive is damaged, not whole, or beyond `augment_ops.data.bounds`.
    """
    packed = file.seek(0, 2)
    file.seek(0)
    with _decompressed(file) as raw:
        stream = cast("IO[bytes]", _Bounded(raw, unpacked_limit(packed)))
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
            for number, member in enumerate(archive):
                archive.members = []  # type: ignore[attr-defined]  # it would keep every header in memory
                if number >= ARCHIVE_MEMBERS:
                    raise tarfile.ReadError(f"more than {ARCHIVE_MEMBERS:,} members")
                if member.isdir():
                    yield f"{member.name.rstrip('/')}/", None
                else:
                    yield member.name, _content(archive, member) if wanted(member.name) else None
        while stream.read(_CHUNK):  # to the end, where the checksum is
            pass


class _Bounded:
    """A stream that ends in an error where an archive unpacks to more than it may."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._limit, self._left = stream, limit, limit

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise tarfile.ReadError(f"it unpacks to more than {self._limit:,} bytes")
        return data


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | Defect:
    file = archive.extractfile(member) if member.isreg() else None
    # The target of a link may lie behind us, and a stream cannot go back.
    return file.read() if file else Defect("unreadable: a link or something special in an archive")


class _Member(tarfile.TarInfo):
    """A header that insists on being one, or on the block of zeros that ends an archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the stubs leave it out
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"no header and no end at byte {tarfile_.offset:,}: {error}") from error

    def _proc_member(self, tarfile_: Any) -> Any:
        """Sizes are looked at before anything is taken into memory (the hook that CPython keeps for subclasses)."""
        if self.type in _EXTENSIONS:
            size = self.size
            if self.type == tarfile.XGLTYPE:  # these stay in memory to the end: all together have the room of one
                size = tarfile_.global_bytes = getattr(tarfile_, "global_bytes", 0) + self.size
            if size > TAR_HEADER_BYTES:
                raise tarfile.ReadError(f"a header of {size:,} bytes; at most {TAR_HEADER_BYTES:,} are read")
        elif self.type == tarfile.GNUTYPE_SPARSE:
            raise _sparse(self.name)
        member = super()._proc_member(tarfile_)  # type: ignore[misc]  # the stubs leave it out
        if member.size > FILE_BYTES:
            raise tarfile.ReadError(f"a member of {member.size:,} bytes, {member.name[:80]}; at most {FILE_BYTES:,}")
        return member

    # The three forms that pax records give a sparse file in; each is read into memory as a list of holes.
    def _proc_gnusparse_00(self, *_: Any) -> None:
        raise _sparse(self.name)

    _proc_gnusparse_01 = _proc_gnusparse_10 = _proc_gnusparse_00


def _sparse(name: str) -> tarfile.ReadError:
    return tarfile.ReadError(f"a sparse file, {name[:80]}; pack it without holes")


def _decompressed(file: IO[bytes]) -> IO[bytes]:
    magic = file.read(_MAGIC_BYTES)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if magic.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.BZ2File(file))
    if magic.startswith(b"\xfd7zXZ\x00"):
        return cast("IO[bytes]", lzma.LZMAFile(file))
    return file
