"""Pixels of three bytes as words of four: loops over words vectorise, where loops over every third byte do not.

A word has the channels in its bytes, the first lowest, and zero above them.
"""

from __future__ import annotations

import numpy as np

from augment_ops.engine.kernels.compiled import inner
from augment_ops.engine.kernels.types import U8, U32
from augment_ops.modalities.image.kernels.memory import (
    AT_ONCE,
    close_four,
    close_many,
    spread_four,
    spread_many,
    turn_four,
    turn_many,
)

RUN = 1024  # pixels that are worked on at a time, so that their words stay in the cache

# OpenCV's weights of red, green and blue in 15-bit fixed point (ITU-R BT.601).
_RED, _GREEN, _BLUE, _GRAY_SHIFT = np.int32(9798), np.int32(19235), np.int32(3735), 15


@inner
def spread(flat: U8, start: int, words: U32, many: int) -> None:
    """`many` pixels of a flat image, from its value `start` on, to the first words."""
    # Several pixels at a time as long as there are as many bytes after them.
    vectors = max(min(many, (len(flat) - start - AT_ONCE) // 3) // AT_ONCE * AT_ONCE, 0)
    fours = max(min(many, (len(flat) - start - 4) // 3) // 4 * 4, 0)
    for x in range(0, vectors, AT_ONCE):
        spread_many(flat, np.uint64(start + 3 * x), words, np.uint64(x))
    for x in range(vectors, fours, 4):
        spread_four(flat, np.uint64(start + 3 * x), words, np.uint64(x))
    for x in range(fours, many):
        word = np.uint32(0)
        for c in range(3):
            word |= np.uint32(flat[start + 3 * x + c]) << np.uint32(8 * c)
        words[x] = word


@inner
def close(words: U32, many: int, flat: U8, start: int) -> None:
    """The first `many` words to pixels of a flat image, from its value `start` on.

    Several pixels at a time: what goes beyond them is written by the next ones.
    """
    vectors = max(many - (AT_ONCE + 2) // 3, 0) // AT_ONCE * AT_ONCE
    fours = max(many - 2, 0) // 4 * 4
    for x in range(0, vectors, AT_ONCE):
        close_many(words, np.uint64(x), flat, np.uint64(start + 3 * x))
    for x in range(vectors, fours, 4):
        close_four(words, np.uint64(x), flat, np.uint64(start + 3 * x))
    for x in range(fours, many):
        for c in range(3):
            flat[start + 3 * x + c] = np.uint8((words[x] >> np.uint32(8 * c)) & np.uint32(255))


@inner
def turn(source: U8, last: int, target: U8, start: int, many: int) -> None:
    """`many` pixels in the opposite order: to `start` in the target what begins at `last` in the source, then what
    comes before it; both flat.

    Several pixels at a time, as long as there are as many bytes after them in the source; in the target, what goes
    beyond them is written by the next ones.
    """
    done = 0
    if last + 3 + AT_ONCE <= len(source):
        while done + AT_ONCE + (AT_ONCE + 2) // 3 <= many:
            turn_many(source, np.uint64(last - 3 * (done + AT_ONCE - 1)), target, np.uint64(start + 3 * done))
            done += AT_ONCE
    if last + 3 + 4 <= len(source):
        while done + 4 + 2 <= many:
            turn_four(source, np.uint64(last - 3 * (done + 3)), target, np.uint64(start + 3 * done))
            done += 4
    for x in range(done, many):
        for c in range(3):
            target[start + 3 * x + c] = source[last - 3 * x + c]


@inner
def byte(word: int, channel: int) -> int:
    """A channel of a word, as int32."""
    return np.int32((word >> np.uint32(8 * channel)) & np.uint32(255))


@inner
def word_of(first: int, second: int, third: int) -> int:
    """The word of three channels, int32 from 0 to 255."""
    return (
        np.uint32(first) | np.uint32(np.uint32(second) << np.uint32(8)) | np.uint32(np.uint32(third) << np.uint32(16))
    )


@inner
def luma(word: int) -> int:
    """The grey level of a colour, as OpenCV rounds it, as int32."""
    red, green, blue = byte(word, 0) * _RED, byte(word, 1) * _GREEN, byte(word, 2) * _BLUE
    weighted = np.int32(np.int32(np.int32(red) + np.int32(green)) + np.int32(blue))
    return np.int32(np.int32(weighted + np.int32(1 << (_GRAY_SHIFT - 1))) >> np.int32(_GRAY_SHIFT))
