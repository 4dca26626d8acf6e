"""A zip archive that hides nothing: members stored plainly, one after the other, with nothing between or around them.

Two readers of zip may differ in what they see of an archive (two directories, members over each other, data before the
first). What passes here looks the same to all, and is as large as the file.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable, Collection

from augment_ops.runtime.phrases import Refused

_MAX_MEMBERS = 20_000


def plain_members(
    archive: zipfile.ZipFile,
    content: bytes,
    *,
    root: str = "",
    known: Collection[str],
    others: Callable[[str], bool],
) -> dict[str, int]:
    """Name without the root → bytes, of every member.

    Args:
        archive: opened on `content`.
        root: what every name begins with.
        known: members that have to be there; others: whether one of another name may be there too.

    Raises:
        Refused: the archive is none of that kind.
    """
    infos = archive.infolist()
    if not 0 < len(infos) <= _MAX_MEMBERS:
        raise Refused("", f"an archive of {len(infos)} members")
    if archive.comment or content[-22:-18] != b"PK\5\6":  # the record with which an archive ends
        raise Refused("", "bytes behind the archive")
    members: dict[str, int] = {}
    end = 0
    for info in infos:
        name = info.filename.removeprefix(root)
        if not info.filename.startswith(root) or not (name in known or others(name)) or name in members:
            raise Refused("", f"a member {info.filename[:80]!r}, or two of that name")
        # 0x808: sizes follow the data, and the name is UTF-8.
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & ~0x808 or info.compress_size != info.file_size:
            raise Refused(name, "compressed, encrypted or of two sizes")
        if not 0 <= info.header_offset - end <= 24:  # what follows the data: its sizes once more
            raise Refused(name, "bytes between the members, or members over each other")
        header = content[info.header_offset : info.header_offset + 30]  # ends with the lengths of name and padding
        end = info.header_offset + 30 + sum(struct.unpack_from("<HH", header, 26)) + info.file_size
        members[name] = info.file_size
    if not 0 <= archive.start_dir - end <= 24:
        raise Refused("", "bytes behind the last member")
    missing = sorted(set(known) - members.keys())
    if missing:
        raise Refused("", f"no {missing[0]}")
    return members
