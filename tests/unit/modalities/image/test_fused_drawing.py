"""Parameters drawn on the GPU, in Triton's interpreter where there is none: the table that the CPU packs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from augment_ops.engine.key import SampleIds
from augment_ops.errors import TransformError
from augment_ops.modalities.image.augmenter import Augmenter
from support.compiled import COLOURS, STEPS

pytest.importorskip("triton", reason="no triton here (augment-ops[gpu], Linux alone)")

from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.fused.program import FusedProgram

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
N, SHAPE = 4, (12, 10, 3)
COMPILED = [step for step in STEPS + COLOURS if not step.startswith("GridDistortion")]
ON_THE_CPU = (
    *("OneOf: {transforms: [{Perspective", "RandomResizedCrop", "RandomGamma", "ChannelShuffle", "SaltAndPepper"),
    *("GridDropout", "GaussianBlur", "MotionBlur", "Sharpen:", "ChannelDropout"),
)
USUAL = (
    "HorizontalFlip: {p: 0.5}",
    "Rotate: {limit: 15, p: 0.7}",
    "Affine: {scale: [0.9, 1.1], translate_percent: [-0.1, 0.1], shear: [-9, 9], p: 0.7}",
    "RandomBrightnessContrast: {brightness_limit: 0.2, contrast_limit: 0.2, p: 0.7}",
    "GaussNoise: {std_range: [0.02, 0.1], p: 0.7}",
    "CoarseDropout: {num_holes_range: [1, 3], hole_height_range: [0.2, 0.3], fill: 9, fill_mask: 7, p: 0.7}",
)
POLICIES = (
    USUAL,
    ("RandAugment: {}",),
    ("TrivialAugment: {}",),
    ("SomeOf: {n: 2, p: 0.9, transforms: [{InvertImg: {p: 1}}, {D4: {p: 0.5}}, {Solarize: {p: 1}}, {RGBShift: {}}]}",),
    ("SomeOf: {n: 3, replace: true, p: 0.9, transforms: [{RandomRotate90: {p: 1}}, {InvertImg: {p: 0.6}}]}",),
    ("Affine: {translate_px: [-3, 3], scale: [0.5, 2], balanced_scale: true, keep_ratio: false, p: 1}",),
    ("ColorJitter: {hue: 0, p: 1}", "RandomCrop: {height: 9, width: 8, p: 1}", "ISONoise: {p: 0.5}"),
    ("CoarseDropout: {num_holes_range: [1, 40], hole_height_range: [1, 30], hole_width_range: [2, 3], p: 0.8}",),
    ("GaussNoise: {p: 0.3}", "Sharpness: {p: 0.7}", "GaussNoise: {mean_range: [-0.2, 0.2], p: 0.3}"),
)
SQUARE = ("D4", "RandomRotate90")


class Drawn(NamedTuple):
    """What a table has for one sample; passes: where they begin among its instructions, and end."""

    passes: list[int]
    key: list[int]
    codes: list[int]
    numbers: list[NDArray[np.float64]]


def read(words: NDArray[np.int64], sample: int, channels: int) -> Drawn:
    """A sample's row as the kernel reads it."""
    at_passes, at_ops, at_keys, _ = words[: codes.HEAD].tolist()
    first, last = words[codes.HEAD + 2 * sample :][:2].tolist()
    passes = words[at_passes + first : at_passes + last + 1]
    ops = words[at_ops + 2 * passes[0] : at_ops + 2 * passes[-1]].reshape(-1, 2).tolist()
    numbers = [words[at : at + wide(code, words[at:], channels)].view(np.float64) for code, at in ops]
    key = words[at_keys + 2 * sample :][:2].tolist()
    return Drawn((passes - passes[0]).tolist(), key, [code for code, _ in ops], numbers)


def wide(code: int, words: NDArray[np.int64], channels: int) -> int:
    """How many numbers of an instruction the kernel reads."""
    first = int(words[:1].view(np.float64)[0]) if code in (codes.CONVOLVE, codes.HOLES) else 0
    counts = {
        **dict.fromkeys((codes.SOLARIZE, codes.CONTRAST, codes.SATURATION, codes.GRAY, codes.SPLIT, codes.JOIN), 1),
        **dict.fromkeys((codes.LINEAR_OF_MEAN, codes.AUTOCONTRAST), 2),
        **dict.fromkeys((codes.HUE, codes.SHIFT_HSV), 3),
        **dict.fromkeys((codes.COPY, codes.BLEND, codes.EQUALIZE, codes.EQUALIZE_PIL), 0),
        **dict.fromkeys((codes.GAUSS, codes.ISO), 8),
        codes.MULTIPLY: 4,
        codes.LINEAR: 2 * channels,
        codes.POSTERIZE: channels,
        codes.WARP: 13 + channels,
        codes.CONVOLVE: 1 + first**2,
        codes.HOLES: 1 + channels + 4 * first,
    }
    return counts[code]


def check(steps: tuple[str, ...], policy, *, shape=SHAPE, whole=True, of_masks=False, epochs=range(2)) -> None:
    """The table of the GPU is that of the CPU; what a sine or a logarithm is in, up to 4 units in the last place."""
    augment = Augmenter(policy(*steps), 7)
    program, images = FusedProgram(augment.plan), torch.zeros((N, *shape), device=DEVICE)
    for epoch in epochs:
        keys = augment._keys(SampleIds.of(range(N)), epoch)
        wanted = program.table(images.shape, whole, keys, of_masks=of_masks)
        drawn = program.draw(images, keys, whole=whole, of_masks=of_masks)
        assert drawn is not None, "drawn on the CPU"
        bounds = drawn.bounds
        assert (bounds.size, bounds.largest, bounds.slots) == (wanted.size, wanted.largest, wanted.slots)
        for sample in range(N):
            mine, theirs = (read(words, sample, shape[2]) for words in (drawn.words.cpu().numpy(), wanted.words))
            assert mine[:3] == theirs[:3]
            assert len(mine.passes) <= bounds.passes + 1
            assert len(mine.codes) <= bounds.instructions
            for code, a, b in zip(mine.codes, mine.numbers, theirs.numbers, strict=True):
                turned = code in (codes.WARP, codes.SPLIT, codes.JOIN)
                last = 4 * np.spacing(np.abs(b).max()) if turned else 0
                np.testing.assert_allclose(a, b, rtol=0, atol=last, err_msg=f"sample {sample}, instruction {code}")


@pytest.mark.parametrize("steps", POLICIES, ids=lambda steps: " ".join(step.split(":")[0] for step in steps))
def test_the_table_is_that_of_the_cpu(policy, steps):
    square = (10, 10, 3) if any(name in steps[0] for name in SQUARE) else SHAPE
    check(steps, policy, shape=square)


def test_of_grey_floats_too(policy):
    check(USUAL, policy, shape=(9, 7, 1), whole=False, epochs=[3])


def test_of_masks_too(policy):
    check(USUAL, policy, shape=(9, 7, 2), of_masks=True, epochs=[1])


@pytest.mark.slow
@pytest.mark.parametrize("step", COMPILED)
def test_every_step_that_a_gpu_can_draw(policy, step):
    by_cpu = "the CPU draws" in Augmenter(policy(step), 7).describe()[-1]
    assert by_cpu == step.startswith(ON_THE_CPU)
    if by_cpu:
        images = torch.zeros((N, *SHAPE), device=DEVICE)
        augment = Augmenter(policy(step), 7)
        keys = augment._keys(SampleIds.of(range(N)), 0)
        assert FusedProgram(augment.plan).draw(images, keys, whole=True) is None
        return
    check((step,), policy, epochs=range(4))
    check((step,), policy, whole=False)


def test_a_row_does_not_depend_on_its_batch(policy):
    augment = Augmenter(policy(*USUAL), 7)
    program, keys = FusedProgram(augment.plan), augment._keys(SampleIds.of(range(N)), 0)
    images = torch.zeros((N, *SHAPE), device=DEVICE)
    all_, alone = (
        program.draw(images[: len(some)], some, whole=True).words.cpu().numpy() for some in (keys, keys[2:3])
    )
    mine, theirs = read(alone, 0, 3), read(all_, 2, 3)
    assert mine[:3] == theirs[:3]
    for a, b in zip(mine.numbers, theirs.numbers, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_changes_the_size_of_some_is_refused_as_before(policy):
    augment = Augmenter(policy("InvertImg: {p: 1}", "CenterCrop: {height: 9, width: 8, p: 0.5}"), 7)
    images, ids = torch.zeros((N, *SHAPE), dtype=torch.uint8, device=DEVICE), SampleIds.of(range(N))
    program = FusedProgram(augment.plan)

    def through_epochs() -> None:  # one of them crops some
        for epoch in range(5):
            program(images, augment._keys(ids, epoch), ids.names)

    with pytest.raises(TransformError, match="CenterCrop"):
        through_epochs()


COMPILE = """
from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from augment_ops.modalities.image.fused.device.draw import draw_plan

signature = {name: "*i64" if name in ("recipe", "keys", "table") else "i32" for name in draw_plan.arg_names}
options = dict(num_warps=1, enable_fp_fusion=False)
made = compile(ASTSource(draw_plan, signature, {}), target=GPUTarget("cuda", 90, 32), options=options)
assert len(made.asm["cubin"]) > 0
"""


@pytest.mark.slow
def test_it_compiles_for_a_gpu(tmp_path):
    """Once, for all plans: what the interpreter forgives, the compiler does not."""
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", COMPILE], env=environment, check=True)
