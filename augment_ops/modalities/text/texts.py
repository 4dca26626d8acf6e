"""Texts as arrays and back: uint8 (N, L), UTF-8, zeros after the end. A text itself holds no zero."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from augment_ops.errors import TransformError

Texts = NDArray[np.uint8]  # (N, L)

_SPACES = re.compile(r"\s+")


def read(samples: Texts) -> list[str]:
    """The N texts. Bytes that are no UTF-8, which no source of ours gives, become U+FFFD."""
    room, raw = samples.shape[1], samples.tobytes()
    return [
        raw[start : start + room].rstrip(b"\0").decode("utf-8", "replace")
        for start in range(0, len(samples) * room, room)
    ]


def written(texts: Sequence[str], room: int) -> Texts:
    """Texts as uint8 (N, room).

    Raises:
        TransformError: one takes more bytes.
    """
    encoded = [text.encode() for text in texts]
    longest = max(map(len, encoded), default=0)
    if longest > room:
        raise TransformError("texts", f"one of {longest} bytes", f"at most {room} bytes of UTF-8 each", "shorten it")
    joined = b"".join(one.ljust(room, b"\0") for one in encoded)
    return np.frombuffer(joined, np.uint8).reshape(len(encoded), room).copy()


def fits(text: str, room: int) -> bool:
    """Whether a text takes at most `room` bytes."""
    return len(text) <= room and (text.isascii() or len(text.encode()) <= room)


def said(text: str) -> str:
    """What a text says, whatever its case, blanks and punctuation: equal for texts that people would call the same."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Symbols stay: of two texts that are an emoji each, neither says what the other does.
    kept = "".join(" " if unicodedata.category(one)[0] == "P" else one for one in folded)
    return _SPACES.sub(" ", kept).strip() or _SPACES.sub(" ", folded).strip()
