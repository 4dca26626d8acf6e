"""A plan in one launch of a kernel: the bytes of the compiled loops, in Triton's interpreter where there is no GPU."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from augment_ops.engine import philox
from augment_ops.engine.key import SampleIds
from augment_ops.errors import TransformError
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.targets import Targets
from augment_ops.modalities.image.tensors.form import Form
from augment_ops.modalities.image.tensors.program import TensorProgram
from support.compiled import COLOURS, FAR, STEPS
from support.policies import policy_text

triton = pytest.importorskip("triton", reason="no triton here (augment-ops[gpu], Linux alone)")

import triton.language as tl  # noqa: E402

from augment_ops.modalities.image.fused import codes  # noqa: E402
from augment_ops.modalities.image.fused.device.philox import block, uniform  # noqa: E402
from augment_ops.modalities.image.fused.instructions import possible, several_passes  # noqa: E402
from augment_ops.modalities.image.fused.program import FusedProgram  # noqa: E402

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
N = 4
IDS = SampleIds.of(range(N))
COMPILED = [step for step in STEPS + COLOURS if not step.startswith("GridDistortion")]
GREY_AND_FLOATS = (
    *("RandomBrightnessContrast", "RandomGamma", "ColorJitter", "HueSaturationValue", "ToGray", "Solarize"),
    *("Posterize", "Equalize", "AutoContrast", "GaussNoise", "MultiplicativeNoise", "SaltAndPepper", "ISONoise"),
    *("RandAugment", "Normalize"),
)
USUAL = (
    "Affine: {rotate: [-30, 30], scale: [0.7, 1.3], fill: 9, p: 0.8}",
    "RandomBrightnessContrast: {p: 0.8}",
    "RandomGamma: {p: 0.8}",
    "GaussNoise: {p: 0.8}",
    "CoarseDropout: {num_holes_range: [1, 3], fill: 7, p: 0.8}",
)
# Between them, most of what a kernel does: fused passes; several of them, with what each needs of the picture before.
QUICK = (
    USUAL,
    ("Perspective: {fill: 50, p: 0.7}", "Equalize: {p: 0.7}", "Rotate: {border_mode: 4, p: 0.7}", "Sharpen: {p: 0.7}"),
    ("ColorJitter: {hue: [-0.5, 0.5], p: 0.9}", "PadIfNeeded: {min_height: 14, min_width: 13, border_mode: 3, p: 1}"),
    ("RandAugment: {}",),
    (*USUAL[:2], *USUAL[3:], "HorizontalFlip: {p: 0.5}"),  # without gamma, all of it drawn where the images are
    ("ColorJitter: {brightness: 0, contrast: 0.5, saturation: 0.5, hue: 0, p: 1}",),  # the mean before or after another
)


def fused(augment: Augmenter, images: np.ndarray, epoch: int = 0, form: Form | None = None) -> np.ndarray:
    keys = augment._keys(IDS, epoch)
    given = torch.from_numpy(images).to(DEVICE)
    found = FusedProgram(augment.plan)(given, keys, IDS.names, form)
    np.testing.assert_array_equal(given.cpu().numpy(), images)
    return (found.float() if found.dtype == torch.bfloat16 else found).cpu().numpy()


def check(found: np.ndarray, wanted: np.ndarray, step: str) -> None:
    """Equal in the interpreter; a GPU may be as far away as `docs/engine.md` says."""
    assert found.dtype == wanted.dtype
    if not CUDA:
        np.testing.assert_array_equal(found, wanted)
        return
    away = np.abs(found.astype(float) - wanted)
    assert away.max() <= FAR.get(step.split(":", 1)[0], 1)
    assert (away > 1e-3).mean() <= 0.01


@triton.jit
def draw(keys, words, uniforms, transform, purpose):
    sample, i = tl.program_id(0), tl.arange(0, 8)
    k0 = tl.load(keys + 2 * sample).to(tl.uint64, bitcast=True)
    k1 = tl.load(keys + 2 * sample + 1).to(tl.uint64, bitcast=True)
    w0, w1, w2, w3 = block(i + 1, 0, transform, purpose, k0, k1)
    at = words + 32 * sample + 4 * i
    tl.store(at, w0.to(tl.int64, bitcast=True))
    tl.store(at + 1, w1.to(tl.int64, bitcast=True))
    tl.store(at + 2, w2.to(tl.int64, bitcast=True))
    tl.store(at + 3, w3.to(tl.int64, bitcast=True))
    tl.store(uniforms + 8 * sample + i, uniform(w0))


def test_the_generator_gives_the_words_of_the_loops():
    keys = np.random.default_rng(0).integers(0, 1 << 64, (3, 2), dtype=np.uint64)
    keys[0] = (1 << 64) - 1, 0
    words = torch.empty((3, 32), dtype=torch.int64, device=DEVICE)
    uniforms = torch.empty((3, 8), dtype=torch.float64, device=DEVICE)
    draw[(3,)](torch.from_numpy(keys.view(np.int64)).to(DEVICE), words, uniforms, 5, philox.VALUES)
    np.testing.assert_array_equal(words.cpu().numpy().view(np.uint64), philox.words(keys, 5, philox.VALUES, 32))
    np.testing.assert_array_equal(uniforms.cpu().numpy(), philox.uniforms(keys, 5, philox.VALUES, 32)[:, ::4])


@pytest.mark.parametrize("steps", QUICK, ids=lambda steps: " ".join(step.split(":")[0] for step in steps))
def test_a_plan_gets_the_bytes_of_the_loops(policy, images, steps):
    augment, pictures = Augmenter(policy(*steps), 7), images[:N]
    check(fused(augment, pictures), augment(pictures, IDS), steps[0])


@pytest.mark.slow
@pytest.mark.parametrize("step", COMPILED)
def test_every_step_gets_the_bytes_of_the_loops(policy, images, step):
    augment, colour = Augmenter(policy(step), 7), images[:N]
    check(fused(augment, colour), augment(colour, IDS), step)


@pytest.mark.slow
@pytest.mark.parametrize("step", [step for step in COMPILED if step.startswith(GREY_AND_FLOATS)])
def test_every_colour_gets_the_bytes_of_grey_and_the_numbers_of_floats(policy, images, step):
    """Where the kernel has other ways for one channel and for what is never rounded."""
    augment, grey = Augmenter(policy(step), 7), np.ascontiguousarray(images[:N, ..., :1])
    if step not in COLOURS:
        check(fused(augment, grey), augment(grey, IDS), step)
    floats = (images[:N] / np.float32(255)).astype(np.float32)
    np.testing.assert_allclose(fused(augment, floats), augment(floats, IDS), atol=1e-6 if not CUDA else 1 / 255)


def test_float_images_and_many_channels(policy):
    images = np.random.default_rng(0).random((N, 9, 11, 6), np.float32)
    augment = Augmenter(policy("Rotate: {p: 0.8}", "RandomBrightnessContrast: {p: 0.8}", "GaussNoise: {p: 0.8}"), 7)
    np.testing.assert_allclose(fused(augment, images), augment(images, IDS), atol=1e-6 if not CUDA else 1 / 255)


def test_a_sample_does_not_depend_on_its_batch(policy, images):
    augment = Augmenter(policy(*USUAL), 7)
    whole, keys = fused(augment, images[:N]), augment._keys(IDS, 0)
    alone = FusedProgram(augment.plan)(torch.from_numpy(images[2:3]).to(DEVICE), keys[2:3], IDS.names[2:3])
    np.testing.assert_array_equal(alone.cpu().numpy()[0], whole[2])


@pytest.mark.parametrize("layout", ["nhwc", "nchw", "channels_last"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_form_is_that_of_the_tensors(policy, images, layout, dtype):
    form = Form(dtype=dtype, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25), layout=layout)
    augment, pictures = Augmenter(policy("InvertImg: {p: 0.5}"), 7), torch.from_numpy(images[:N]).to(DEVICE)
    keys = augment._keys(IDS, 0)
    found, wanted = (
        program(augment.plan)(pictures, keys, IDS.names, form) for program in (FusedProgram, TensorProgram)
    )
    assert (found.dtype, found.shape, found.stride()) == (dtype, wanted.shape, wanted.stride())
    # Triton's interpreter cuts to bfloat16, where torch and GPUs round: half a part in 128 of each.
    last = 1 / 128 if dtype == torch.bfloat16 else 1e-6
    np.testing.assert_allclose(found.float().cpu().numpy(), wanted.float().cpu().numpy(), rtol=last, atol=1e-6)
    shares = torch.from_numpy(augment(images[:N], IDS)) / 255
    plain = (shares - torch.tensor(form.mean)) / torch.tensor(form.std)
    plain = plain if layout == "nhwc" else plain.permute(0, 3, 1, 2)
    torch.testing.assert_close(found.float().cpu(), plain, atol=0.02, rtol=0.01)


def test_an_empty_policy_still_takes_a_form(policy, images):
    augment = Augmenter(policy(), 7)
    pictures = images[:N]
    found = augment.tensors(torch.from_numpy(pictures), IDS, form=Form(layout="nhwc")).numpy()
    np.testing.assert_allclose(found, pictures / np.float32(255), atol=1e-6)
    np.testing.assert_allclose(fused(augment, pictures, form=Form(layout="nhwc")), found, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"dtype": torch.int8}, "form.dtype"), ({"layout": "chw"}, "form.layout"), ({"std": (0.0,)}, "form.std")],
)
def test_a_form_that_there_is_not(wrong, named):
    with pytest.raises(TransformError, match=named):
        Form(**wrong)


def test_a_form_for_other_images(policy, images):
    augment = Augmenter(policy("InvertImg: {}"), 7)
    with pytest.raises(TransformError, match="images of 3 channels"):
        augment.tensors(torch.from_numpy(images[:N]), IDS, form=Form(mean=(0.5, 0.5)))


def test_a_policy_that_normalises_has_its_form(policy, images):
    augment = Augmenter(policy("Normalize: {}"), 7)
    with pytest.raises(TransformError, match="ends with Normalize"):
        augment.tensors(torch.from_numpy(images[:N]), IDS, form=Form())


@pytest.mark.parametrize("step", [*COMPILED, *QUICK[-1]])
@pytest.mark.parametrize("whole", [True, False])
def test_the_kernel_is_compiled_for_all_that_a_batch_can_draw(policy, images, step, whole):
    """What a batch draws decides no kernel: else one would be compiled in the middle of an epoch."""
    augment = Augmenter(policy(step), 7)
    pictures = images[:N] if whole else (images[:N] / np.float32(255)).astype(np.float32)
    program = FusedProgram(augment.plan)
    drawn: set[int] = set()
    passes = 0
    for epoch in range(5):
        table = program.table(pictures.shape, whole, augment._keys(IDS, epoch))
        passes = max(passes, table.passes)
        at_ops, at_keys = table.words[1:3]
        drawn |= set(table.words[at_ops:at_keys:2].tolist())
    possibly = possible(augment.plan.segments, 3, whole)
    assert drawn <= {codes.COPY, *possibly}
    assert passes == 1 or several_passes(possibly)


COMPILE = """
from triton import compile, next_power_of_2
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from augment_ops.modalities.image.augmenter import Augmenter
from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.fused.device.kernel import run_plan
from augment_ops.modalities.image.fused.instructions import possible
from augment_ops.policy.spec import Policy

possibly = possible(Augmenter(Policy.from_text({text!r}), 7).plan.segments, 3, True)
types = dict(table="*i64", images="*u8", out="*bf16", scratch="*fp32", tables="*fp32", starts="*i32", marks="*u8")
types |= dict(pool="*i16", scale="*fp32")
chosen = dict(KINDS=codes.kinds(set(possibly)), C=3, CP=4, WHOLE=True, MANY=True, SCALED=True, PLANES=True, BLOCK=128)
signature = dict((name, "constexpr" if name in chosen else types.get(name, "i32")) for name in run_plan.arg_names)
made = compile(ASTSource(run_plan, signature, chosen), target=GPUTarget("cuda", 90, 32), options=dict(num_warps=4))
assert len(made.asm["cubin"]) > 0
"""


@pytest.mark.slow
def test_the_kernel_compiles_for_a_gpu(tmp_path):
    """For one that need not be there: what the interpreter forgives, the compiler does not."""
    text = policy_text("RandAugment: {}", "GaussNoise: {}", "ISONoise: {}", "GaussianBlur: {}", "CoarseDropout: {}")
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", COMPILE.format(text=text)], env=environment, check=True)


MOVES = (
    "Affine: {rotate: [-30, 30], fill_mask: 3, p: 0.8}",
    "GaussNoise: {p: 1}",
    "CoarseDropout: {fill_mask: 7, p: 0.8}",
    "RandomCrop: {height: 9, width: 8, p: 1}",
)


@pytest.mark.parametrize("kind", [np.uint8, np.bool_])
def test_masks_move_as_those_of_arrays(policy, images, kind):
    augment, pictures = Augmenter(policy(*MOVES), 7), images[:N]
    masks = (pictures[..., :2] // 100).astype(kind)
    wanted = augment.annotated(pictures, IDS, Targets(masks=masks))
    there = torch.from_numpy(masks).to(DEVICE)
    for program in (FusedProgram, TensorProgram):
        found = program(augment.plan).masks(there, augment._keys(IDS, 0)).cpu().numpy()
        assert found.dtype == kind
        np.testing.assert_array_equal(found, wanted.targets.masks)
    np.testing.assert_array_equal(there.cpu().numpy(), masks)


def test_a_batch_of_tensors_with_all_that_belongs_to_it(policy, images):
    augment, pictures = Augmenter(policy(*MOVES), 7), images[:N]
    masks, boxes = pictures[..., :2] // 100, [np.array([[2.0, 2.0, 8.0, 9.0]])] * N
    points = [np.array([[4.0, 5.0]])] * N
    wanted = augment.annotated(pictures, IDS, Targets(masks=masks, boxes=boxes, keypoints=points))
    there = Targets(masks=torch.from_numpy(masks).to(DEVICE), boxes=boxes, keypoints=points)
    found = augment.annotated(torch.from_numpy(pictures).to(DEVICE), IDS, there)
    check(found.images.cpu().numpy(), wanted.images, "")
    np.testing.assert_array_equal(found.targets.masks.cpu().numpy(), wanted.targets.masks)
    for mine, theirs in ((found.targets.boxes, wanted.targets.boxes), (found.kept_boxes, wanted.kept_boxes)):
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(found.targets.keypoints, wanted.targets.keypoints, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        (np.zeros((N, 12, 10, 1), np.uint8), "ndarray"),
        (torch.zeros((N, 12, 10, 1)), "torch.float32"),
        (torch.zeros((N, 12, 9, 1), dtype=torch.uint8), "K"),
    ],
)
def test_masks_that_do_not_belong_to_tensors(policy, images, masks, said):
    with pytest.raises(TransformError, match=said):
        Augmenter(policy(*MOVES), 7).annotated(torch.from_numpy(images[:N]), IDS, Targets(masks=masks))
