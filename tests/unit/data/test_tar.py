"""A damaged archive is never read as if it were a shorter one."""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib

import pytest

from augment_ops.data.sources.tar import members

_DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError)
_BLOCK = 512
_FILES = {f"cat/{number}.png": bytes([number + 1]) * (300 + 250 * number) for number in range(4)}


def everything(_: str) -> bool:
    return True


def archive(mode: str, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as tar:  # type: ignore[call-overload]
        for name, data in _FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_every_file_is_read(mode: str, form: int) -> None:
    assert dict(members(io.BytesIO(archive(mode, form)), everything)) == _FILES
    only = dict(members(io.BytesIO(archive(mode, form)), lambda name: name == "cat/2.png"))
    assert only == {name: data if name == "cat/2.png" else None for name, data in _FILES.items()}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_no_cut_archive_is_taken_for_a_whole_one(mode: str) -> None:
    data = archive(mode)
    # The padding after the end of a plain tar may be missing; everything before it may not.
    needed = len(data.rstrip(b"\0")) + 1 if mode == "w" else len(data)
    lengths = range(0, needed, 1 if mode != "w" else 128)
    for length in (*lengths, *range(0, needed, _BLOCK)):
        with pytest.raises(_DAMAGE):
            list(members(io.BytesIO(data[:length]), everything))


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_broken_header_is_not_the_end(mode: str) -> None:
    plain = bytearray(archive("w"))
    second = plain.index(b"cat/1.png")
    plain[second + 150] ^= 0xFF  # in its checksum
    data = bytes(plain)
    if mode == "w:gz":
        compressor = zlib.compressobj(wbits=31)
        data = compressor.compress(data) + compressor.flush()
    with pytest.raises(_DAMAGE):
        list(members(io.BytesIO(data), everything))


def test_a_wrong_checksum_is_found() -> None:
    data = bytearray(archive("w:gz"))
    data[-6] ^= 1  # CRC32 of the content, eight bytes from the end
    with pytest.raises(_DAMAGE):
        list(members(io.BytesIO(bytes(data)), everything))
