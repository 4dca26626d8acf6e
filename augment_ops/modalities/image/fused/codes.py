"""Instructions of the kernel: the colour operations of the compiled loops by their codes, and what else a plan does.

Plain numbers here, for the CPU; the kernels make compile-time constants of them.
"""

from __future__ import annotations

from augment_ops.modalities.image.kernels import operations

LINEAR, GAMMA, SOLARIZE, POSTERIZE = operations.LINEAR, operations.GAMMA, operations.SOLARIZE, operations.POSTERIZE
LINEAR_OF_MEAN, EQUALIZE, EQUALIZE_PIL = operations.LINEAR_OF_MEAN, operations.EQUALIZE, operations.EQUALIZE_PIL
AUTOCONTRAST, SHIFT_HSV, GRAY, SHUFFLE = (
    operations.AUTOCONTRAST,
    operations.SHIFT_HSV,
    operations.GRAY,
    operations.SHUFFLE,
)
(
    COPY,
    CONTRAST,
    SATURATION,
    HUE,
    WARP,
    CONVOLVE,
    ROWS,
    COLUMNS,
    GAUSS,
    SALT,
    MULTIPLY,
    ISO,
    HOLES,
    SPLIT,
    JOIN,
    BLEND,
) = range(12, 28)

# What reads other pixels than its own, or all of them: the image has to lie in memory before it.
BREAKS = frozenset(
    (
        *(LINEAR_OF_MEAN, EQUALIZE, EQUALIZE_PIL, AUTOCONTRAST, CONTRAST, ISO),
        *(WARP, CONVOLVE, ROWS, COLUMNS, SPLIT, JOIN, BLEND),
    )
)
# After what leaves its picture to be read again by the instruction that follows.
ENDS = frozenset((SPLIT, JOIN))

# Places in the memory between passes: two for images and one more where AugMix keeps its original; then its sum, then
# the rows of a separable convolution.
KEPT, TOTAL, LINES = 2, 3, 4

# Words of a table before the first and the last pass of every sample: where passes, instructions and keys begin, and
# how many samples there are.
HEAD = 4


def kinds(used: set[int]) -> int:
    """The instructions that a batch has, a bit each: the kernel is compiled for these alone."""
    return sum(1 << code for code in used)


# What draws a plan's parameters on the GPU takes these steps: the first four add to the matrix of a segment, others
# write one instruction.
(
    DRAW_AFFINE,
    DRAW_ROTATION,
    DRAW_SHIFT,
    DRAW_CHOICE,
    DRAW_WARP,
    DRAW_NUMBERS,
    DRAW_FACTOR,
    DRAW_GAUSS,
    DRAW_HOLES,
    DRAW_WEIGHT,
) = range(10)
