"""Pixels as words, pixels turned round, tables looked up: against NumPy, at many lengths, within their memory."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from augment_ops.modalities.image.kernels.lookup import look_up, look_up_by_words, look_up_three
from augment_ops.modalities.image.kernels.words import close, spread, turn

MANY = [*range(24), 31, 32, 33, 63, 64, 65, 100, 130]  # pixels: around what one instruction moves, four or sixteen
RIM, UNTOUCHED = 64, 9  # values on either side that nobody may write
WORDS = 256

compiled = njit(error_model="numpy")  # anew each time: a cache looks at this file alone


@compiled
def spread_and_close(flat, start, words, many, out, at):
    spread(flat, start, words, many)
    close(words, many, out, at)


@compiled
def turned(source, last, target, start, many):
    turn(source, last, target, start, many)


@compiled
def looked_up(flat, tables, alike, by_words):
    if alike:
        look_up(flat, tables[0])
    elif by_words:
        look_up_by_words(flat, tables[0], tables[1], tables[2])
    else:
        look_up_three(flat, tables)


def levels(many: int) -> np.ndarray:
    return np.random.default_rng(many).integers(1, 256, many, np.uint8)


def untouched(memory: np.ndarray, many: int) -> bool:
    return bool((np.delete(memory, np.s_[RIM : RIM + 3 * many]) == UNTOUCHED).all())


def test_words_of_pixels_and_back():
    for many in MANY:
        flat, words = levels(3 * (many + 2)), np.full(WORDS, 7, np.uint32)
        for start in (0, 6):  # from the first pixel on; up to the last
            out = np.full(3 * many + 2 * RIM, UNTOUCHED, np.uint8)
            spread_and_close(flat, start, words, many, out, RIM)
            ours = flat[start : start + 3 * many]
            r, g, b = ours.reshape(many, 3).astype(np.uint32).T
            np.testing.assert_array_equal(words[:many], r | g << 8 | b << 16)
            np.testing.assert_array_equal(words[many:], 7)
            np.testing.assert_array_equal(out[RIM : RIM + 3 * many], ours)
            assert untouched(out, many)


def test_pixels_are_turned_round():
    for many in MANY[1:]:
        before = levels(3 * (many + 30))
        for end in (3 * many, len(before)):  # at the beginning of the memory; at its very end, where nothing follows
            out = np.full(3 * many + 2 * RIM, UNTOUCHED, np.uint8)
            turned(before, end - 3, out, RIM, many)
            wanted = before[end - 3 * many : end].reshape(many, 3)[::-1].reshape(-1)
            np.testing.assert_array_equal(out[RIM : RIM + 3 * many], wanted)
            assert untouched(out, many)


@pytest.mark.parametrize(("alike", "by_words"), [(True, False), (False, False), (False, True)])
def test_tables_are_looked_up(alike, by_words):
    tables = np.random.default_rng(1).integers(0, 256, (3, 256), np.uint8)
    for many in MANY:
        memory = np.full(3 * many + 2 * RIM, UNTOUCHED, np.uint8)
        memory[RIM : RIM + 3 * many] = levels(3 * many)
        flat = memory[RIM : RIM + 3 * many]
        wanted = tables[np.zeros(3 * many, int) if alike else np.arange(3 * many) % 3, flat]
        looked_up(flat, tables, alike, by_words)
        np.testing.assert_array_equal(flat, wanted)
        assert untouched(memory, many)
