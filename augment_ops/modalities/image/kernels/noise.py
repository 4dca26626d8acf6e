"""The loops behind noise."""

from __future__ import annotations

import numpy as np
from numba import types

from augment_ops.engine.kernels.compiled import apart, inner
from augment_ops.engine.kernels.philox import VALUES, block
from augment_ops.engine.kernels.types import F64, I16, U8, U64
from augment_ops.modalities.image.kernels.operations import ISO, MULTIPLY, SALT

RUN = 1024  # values of an image that follow each other in the pool, at most
_SHORTEST = 16

_I8, _U8 = types.int64, types.uint64


@apart(types.uint8[:, ::1], _I8, types.float64[::1], types.boolean, _U8[::1], _I8, types.int16[::1])
def add_noise(pixels: U8, kind: int, scale: F64, shared: bool, key: U64, transform: int, pool: I16) -> None:
    """Add noise of a kind (GAUSS, …) to an image (pixels, channels); scale: float64 (3,), what the kind takes."""
    if kind == SALT:
        add_salt(pixels, scale[0], scale[1], key, transform)
    elif kind == ISO:
        add_iso(pixels, scale[0], scale[1], key, transform, pool)
    elif kind == MULTIPLY:
        multiply(pixels, scale[0], scale[1], shared, key, transform)
    else:
        add_gauss(pixels, scale, shared, key, transform, pool)


@inner
def run_length(values: int) -> int:
    """Values of an image that follow each other in the pool: a quarter of them for a small image.

    A block of the generator has four words. One offset alone, of 65,536, would soon come again.
    """
    return min(RUN, max(_SHORTEST, (values + 3) // 4))


@inner
def add_gauss(pixels: U8, scale: F64, shared: bool, key: U64, transform: int, pool: I16) -> None:
    """Add noise to an image (pixels, channels), rounded down and cut to 0 … 255, as albumentations does.

    Every loop stays in int16, where processors multiply 16 or 32 values at once and keep the upper halves. Two such
    products and the sum between them are floor(normal · gain + mean) in fixed point, whatever the gain.

    Args:
        scale: float64 (3,): gain, mean and the final factor, each a whole number that fits an int16.
        shared: whether all channels of a pixel get the same.
        key: uint64 (2,), the sample's; transform: the index of the transform.
        pool: int16, of `augment_ops.modalities.image.transforms.noise`.
    """
    count, channels = pixels.shape
    flat = pixels.reshape(-1)
    gain, mean, back = np.int32(np.int16(scale[0])), np.int16(scale[1]), np.int32(np.int16(scale[2]))
    each = channels if shared else 1
    length = count if shared else count * channels
    step = run_length(length)
    noise, spread = np.empty(step, np.int16), np.empty(step * each, np.int16)
    words = (np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0))
    half = np.int32(16)
    for run in range((length + step - 1) // step):
        if run % 4 == 0:
            words = block(run // 4 + 1, 0, transform, VALUES, key[0], key[1])
        at, start = np.int64(words[run % 4] >> np.uint64(48)), run * step
        many = min(step, length - start)
        normal = pool[at : at + many]
        for i in range(many):
            noise[i] = np.int16((np.int32(normal[i]) * gain) >> half)
        for i in range(many):
            noise[i] = np.int16((np.int32(np.int16(noise[i] + mean)) * back) >> half)
        if each == 1:
            _add(flat[start : start + many], noise)
            continue
        if each == 3:
            for i in range(many):
                spread[3 * i] = noise[i]
                spread[3 * i + 1] = noise[i]
                spread[3 * i + 2] = noise[i]
        else:
            for i in range(many):
                for c in range(each):
                    spread[each * i + c] = noise[i]
        _add(flat[start * each : (start + many) * each], spread)


@inner
def _add(levels: U8, noise: I16) -> None:
    zero, most = np.int16(0), np.int16(255)
    for i in range(len(levels)):
        value = np.int16(np.int16(levels[i]) + noise[i])
        value = value if value > zero else zero
        levels[i] = np.uint8(value if value < most else most)


@inner
def add_salt(pixels: U8, many: float, bright: float, key: U64, transform: int) -> None:
    """Set `many` different pixels, `bright` of them to 255 and the others to 0.

    Source: Floyd's sampling without replacement, Bentley and Floyd 1987.
    """
    area, count, white = pixels.shape[0], np.int64(many), np.int64(bright)
    chosen = np.zeros(area, np.uint8)
    for step in range(count):
        last = area - count + step
        words = block(step + 1, 0, transform, VALUES, key[0], key[1])
        at = np.int64((words[0] >> np.uint64(11)) * 2.0**-53 * (last + 1))
        if chosen[at]:
            at = last
        chosen[at] = 1
    left, seen = white, 0
    for i in range(area):
        if chosen[i]:
            words = block(seen + 1, 1, transform, VALUES, key[0], key[1])
            take = np.int64((words[0] >> np.uint64(11)) * 2.0**-53 * (count - seen)) < left
            left -= take
            seen += 1
            for c in range(pixels.shape[1]):
                pixels[i, c] = 255 if take else 0


@inner
def multiply(pixels: U8, low: float, high: float, shared: bool, key: U64, transform: int) -> None:
    """Multiply every value, or every pixel where `shared`, by a factor of its own from low … high; fractions dropped.

    A factor is drawn from 16 bits.
    """
    count, channels = pixels.shape
    flat = pixels.reshape(-1)
    each = channels if shared else 1
    step = np.float32((high - low) / 65536.0)
    words = (np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0))
    for i in range(count * channels // each):
        if i % 16 == 0:
            words = block(i // 16 + 1, 0, transform, VALUES, key[0], key[1])
        share = np.float32((words[i % 16 // 4] >> np.uint64(16 * (i % 4))) & np.uint64(0xFFFF)) + np.float32(0.5)
        factor = np.float32(low) + share * step
        for c in range(each):
            value = np.float32(flat[i * each + c]) * factor
            flat[i * each + c] = np.uint8(min(max(value, np.float32(0)), np.float32(255)))


@inner
def add_iso(pixels: U8, shift: float, intensity: float, key: U64, transform: int, pool: I16) -> None:
    """Noise of a camera's sensor on three channels: Poisson in lightness, normal in hue, as albumentations has it."""
    count = pixels.shape[0]
    total, squares = 0.0, 0.0
    for i in range(count):
        r, g, b = np.float32(pixels[i, 0]), np.float32(pixels[i, 1]), np.float32(pixels[i, 2])
        light = (max(r, g, b) + min(r, g, b)) / 510.0
        total += light
        squares += light * light
    mean = total / count
    rate = np.sqrt(max(squares / count - mean * mean, 0.0)) * intensity
    none = np.exp(-rate)
    words = (np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0))
    at = 0
    for i in range(count):
        if i % 4 == 0:
            words = block(i // 4 + 1, 0, transform, VALUES, key[0], key[1])
        if i % RUN == 0:
            at = np.int64(block(i // RUN + 1, 1, transform, VALUES, key[0], key[1])[0] >> np.uint64(48))
        # Poisson by inversion: Devroye 1986, chapter X.
        u, chance, more = (words[i % 4] >> np.uint64(11)) * 2.0**-53, none, 0
        while u > chance and more < 50:
            u -= chance
            more += 1
            chance *= rate / more
        turn = pool[at + i % RUN] / 7680.0 * shift * intensity / 60.0  # degrees to sectors
        _hls(pixels, i, more * intensity, turn)


@inner
def _hls(pixels: U8, i: int, lighter: float, turn: float) -> None:
    """Move a pixel's lightness by `lighter` of what is missing to white, and its hue by `turn` sixths of a circle."""
    r, g, b = pixels[i, 0] / 255.0, pixels[i, 1] / 255.0, pixels[i, 2] / 255.0
    high, low = max(r, g, b), min(r, g, b)
    light, spread = (high + low) / 2, high - low
    hue, saturation = 0.0, 0.0
    if spread > 0:
        saturation = spread / (high + low) if light < 0.5 else spread / (2 - high - low)
        if high == r:
            hue = (g - b) / spread
        elif high == g:
            hue = 2 + (b - r) / spread
        else:
            hue = 4 + (r - g) / spread
    light = min(light + lighter * (1 - light), 1.0)
    top = light * (1 + saturation) if light < 0.5 else light + saturation - light * saturation
    bottom = 2 * light - top
    for c in range(3):
        at = (hue + turn + 2 - 2 * c) % 6
        if at < 1:
            value = bottom + (top - bottom) * at
        elif at < 3:
            value = top
        elif at < 4:
            value = bottom + (top - bottom) * (4 - at)
        else:
            value = bottom
        pixels[i, c] = np.uint8(min(max(value * 255.0 + 0.5, 0.0), 255.0))
