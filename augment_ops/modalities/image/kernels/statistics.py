"""Tables that an image's own statistics make: Equalize and AutoContrast; and its mean levels.

They are those of albumentations 2.0.8, OpenCV 4 and Pillow, in integers where those use integers.
"""

from __future__ import annotations

import numpy as np

from augment_ops.engine.kernels.compiled import inner
from augment_ops.engine.kernels.types import I64, U8
from augment_ops.modalities.image.kernels.memory import load32
from augment_ops.modalities.image.kernels.tables import clip_rounded
from augment_ops.modalities.image.kernels.words import RUN, luma, spread


@inner
def mean(pixels: U8) -> float:
    """Mean of all values."""
    total = 0
    for i in range(pixels.shape[0]):
        for c in range(pixels.shape[1]):
            total += pixels[i, c]
    return total / (pixels.shape[0] * pixels.shape[1])


@inner
def mean_luma(pixels: U8) -> float:
    """Mean grey level of one or three channels."""
    if pixels.shape[1] == 1:
        return mean(pixels)
    total, flat, words = 0, pixels.reshape(-1), np.empty(RUN, np.uint32)
    for start in range(0, pixels.shape[0], RUN):
        many = min(RUN, pixels.shape[0] - start)
        spread(flat, 3 * start, words, many)
        part = np.int32(0)  # of a run that cannot overflow
        for i in range(many):
            part = np.int32(part + luma(words[i]))
        total += part
    return total / pixels.shape[0]


@inner
def count_levels(pixels: U8, histograms: I64) -> None:
    """Add how often each channel has each level to histograms (channels, 256)."""
    channels, flat = pixels.shape[1], pixels.reshape(-1)
    if channels != 3:
        for c in range(channels):
            for i in range(c, len(flat), channels):
                histograms[c, flat[i]] += 1
        return
    _count_three(flat, histograms)


@inner
def _count_three(flat: U8, histograms: I64) -> None:
    """Four pixels at a time: twelve bytes are three loads.

    Neighbours are often alike, and who counts up waits for what was just written there: so even and odd pixels have
    counters of their own.
    """
    byte, eight, sixteen, most, one = np.uint32(255), np.uint32(8), np.uint32(16), np.uint32(24), np.uint32(1)
    red, green, blue = np.zeros(256, np.uint32), np.zeros(256, np.uint32), np.zeros(256, np.uint32)
    red_odd, green_odd, blue_odd = np.zeros(256, np.uint32), np.zeros(256, np.uint32), np.zeros(256, np.uint32)
    fours = len(flat) // 12 * 12
    for i in range(0, fours, 12):
        a, b, c = load32(flat, np.uint64(i)), load32(flat, np.uint64(i + 4)), load32(flat, np.uint64(i + 8))
        red[a & byte] += one
        green[(a >> eight) & byte] += one
        blue[(a >> sixteen) & byte] += one
        red_odd[a >> most] += one
        green_odd[b & byte] += one
        blue_odd[(b >> eight) & byte] += one
        red[(b >> sixteen) & byte] += one
        green[b >> most] += one
        blue[c & byte] += one
        red_odd[(c >> eight) & byte] += one
        green_odd[(c >> sixteen) & byte] += one
        blue_odd[c >> most] += one
    for i in range(fours, len(flat) - 2, 3):
        red[flat[i]] += one
        green[flat[i + 1]] += one
        blue[flat[i + 2]] += one
    for v in range(256):
        histograms[0, v] += red[v] + red_odd[v]
        histograms[1, v] += green[v] + green_odd[v]
        histograms[2, v] += blue[v] + blue_odd[v]


@inner
def equalize(histogram: I64, total: int, table: U8) -> None:
    """OpenCV's equalizeHist."""
    first = 0
    while first < 255 and histogram[first] == 0:
        first += 1
    if histogram[first] == total:
        for v in range(256):
            table[v] = first
        return
    scale = np.float32(255.0) / np.float32(total - histogram[first])
    table[: first + 1] = 0
    summed = 0
    for v in range(first + 1, 256):
        summed += histogram[v]
        table[v] = clip_rounded(np.float32(summed) * scale)


@inner
def equalize_pil(histogram: I64, table: U8) -> None:
    """Pillow's ImageOps.equalize as albumentations has it."""
    last, kinds, total = 0, 0, 0
    for v in range(256):
        if histogram[v]:
            last, kinds = v, kinds + 1
            total += histogram[v]
    step = (total - histogram[last]) // 255
    if kinds <= 1 or step == 0:
        for v in range(256):
            table[v] = v
        return
    summed = 0
    for v in range(256):
        summed += histogram[v]
        table[v] = min((summed + step // 2) // step, 255)


@inner
def _bounds(histogram: I64, cutoff: float) -> tuple[int, int]:
    """The darkest and the brightest level that count when `cutoff` percent of the pixels are cut at either end."""
    low, high, total = 0, 255, 0
    for v in range(256):
        total += histogram[v]
    if cutoff == 0:
        while low < 255 and histogram[low] == 0:
            low += 1
        while high > 0 and histogram[high] == 0:
            high -= 1
        return low, high
    cut, summed = total * cutoff / 100.0, 0
    for v in range(256):
        summed += histogram[v]
        if summed >= cut:
            low = v + 1
            break
    low, summed = min(low, 255), 0
    for v in range(255, -1, -1):
        summed += histogram[v]
        if summed >= cut:
            high = v
            break
    return (127, 127) if low > high else (low, high)


@inner
def auto_contrast(histogram: I64, cutoff: float, stretch: bool, table: U8) -> None:
    """Spread the levels from the darkest to the brightest: linearly where `stretch`, else by their frequency."""
    histogram[255] = 0  # albumentations counts levels below 255 only; kept, so that both give the same picture
    low, high = _bounds(histogram, cutoff)
    if high <= low:
        for v in range(256):
            table[v] = v
        return
    summed, whole = 0, 0
    for v in range(low + 1, high + 1):
        whole += histogram[v]
    for v in range(256):
        if v < low:
            table[v] = 0
        elif v > high:
            table[v] = 255
        elif stretch:
            table[v] = clip_rounded((v - low) * (255.0 / (high - low)))
        else:
            if v > low:
                summed += histogram[v]
            table[v] = clip_rounded(summed * 255.0 / whole)
