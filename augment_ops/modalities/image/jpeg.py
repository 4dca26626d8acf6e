"""What a JPEG file says of itself, read off its markers before anything is decoded.

Source: ITU-T T.81, annex B: a file is a chain of segments; the coded data of a scan follow its header and end at the
next marker that is neither a restart (D0 to D7) nor a stuffed byte (00).
"""

from __future__ import annotations

import re

_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN, _END, _PROGRESSIVE = 0xDA, 0xD9, frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
# Bytes that no decoder takes for the zeros which it makes up itself where coded data end too early.
_FILLER = bytes(range(1, 255))


class Markers:
    """The outline of a JPEG file.

    Attributes:
        scans: how many scans it has.
        progressive: whether they refine one another.
        end: where its end marker lies; -1 without one.
    """

    def __init__(self, data: bytes) -> None:
        self.scans, self.progressive, self.end = 0, False, -1
        place = 2
        while 0 <= place < len(data) - 1:
            if data[place] != 0xFF or data[place + 1] == 0xFF:
                place += 1  # fill bytes; whatever else stands there, a decoder looks for the next marker as well
                continue
            marker = data[place + 1]
            if marker == _END:
                self.end = place
                return
            self.progressive |= marker in _PROGRESSIVE
            place += 2 if marker in _ALONE else 2 + int.from_bytes(data[place + 2 : place + 4])
            if marker == _START_OF_SCAN:
                self.scans += 1
                found = _NEXT_MARKER.search(data, place)
                place = found.start() if found else -1


def with_more_data(data: bytes, end: int) -> bytes:
    """The file with further coded data before its end marker.

    A decoder that has the whole picture passes over them. One that ran out of data shows another picture: where the
    marker came too early, it had made up the rest.
    """
    return data[:end] + _FILLER + data[end:]
