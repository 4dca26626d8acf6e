"""Reads a tar as a stream, and takes no damaged one for a shorter one.

`tarfile` alone accepts an archive that ends early: it reads compressed streams without their checksum, and takes the
end of the file, or a header that makes no sense, for the end of the archive.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, cast

from augment_ops.data.decode import Defect

_CHUNK = 1 << 20
_MAGIC_BYTES = 6


def members(file: IO[bytes], wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes | Defect | None]]:
    """Name and content of each file in the archive, in its order; None for the content of one that is not wanted.

    Args:
        file: a seekable .tar, plain or compressed by gzip, bzip2 or xz.
        wanted: says by its name whether a file's content is needed.

    Raises:
        tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError: the archive is damaged or not whole.
    """
    with _decompressed(file) as stream:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # it would keep every header in memory
                if not member.isdir():
                    yield member.name, _content(archive, member) if wanted(member.name) else None
        while stream.read(_CHUNK):  # to the end, where the checksum is
            pass


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | Defect:
    file = archive.extractfile(member) if member.isreg() else None
    # The target of a link may lie behind us, and a stream cannot go back.
    return file.read() if file else Defect("unreadable: a link in an archive")


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
