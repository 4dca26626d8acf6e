"""What a GPU would have to do for a batch, on paper: launches and bytes, as tensors and by the fused kernel.

    python benchmarks/launches.py

Needs no GPU. As tensors, every operation of torch that is no view counts as one launch, which reads what it is given
and writes what it returns: caches are left out, and so are the several kernels that some of them are. The fused kernel
reads and writes what `fused/device/kernel.py` says: the pictures of each pass, once more for a mean or a histogram,
and the table of instructions, which the launch before it writes where a GPU can draw them. Prints the table of
docs/engine.md.
"""

from __future__ import annotations

import os

os.environ["TRITON_INTERPRET"] = "1"  # nothing is compiled: what is counted are instructions

import numpy as np
import torch
from engine import HEAD, POLICIES
from torch.utils._python_dispatch import TorchDispatchMode

from augment_ops import Augmenter, Policy
from augment_ops.engine.key import SampleIds
from augment_ops.modalities.image.fused import codes
from augment_ops.modalities.image.fused.drawing import drawing_of
from augment_ops.modalities.image.fused.instructions import Table
from augment_ops.modalities.image.fused.program import FusedProgram
from augment_ops.modalities.image.tensors.program import TensorProgram

SHAPES = {(32, 32, 3): 1024, (224, 224, 3): 256}  # and images a batch
FLOAT = 4  # bytes of a value between passes
STATISTICS = (codes.LINEAR_OF_MEAN, codes.CONTRAST, codes.EQUALIZE, codes.EQUALIZE_PIL, codes.AUTOCONTRAST, codes.ISO)


class Counted(TorchDispatchMode):
    """Counts what operations of torch read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.launches, self.bytes = 0, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.launches += 1
            tensors = {id(t): t for t in [*_tensors(args), *_tensors((found,))]}
            self.bytes += sum(t.numel() * t.element_size() for t in tensors.values())
        return found


def main() -> None:
    print("| policy, batch | launches as tensors | fused | bytes an image as tensors | fused | table | to the GPU |")
    print("|---|---|---|---|---|---|---|")
    for name, text in POLICIES.items():
        for shape, n in SHAPES.items():
            augmenter, ids = Augmenter(Policy.from_text(HEAD + text), 7), SampleIds.of(range(n))
            keys = augmenter._keys(ids, 0)
            images = torch.zeros((n, *shape), dtype=torch.uint8)
            with Counted() as counted:
                TensorProgram(augmenter.plan)(images, keys, ids.names)
            table = FusedProgram(augmenter.plan).table(images.shape, True, keys)
            there = drawing_of(augmenter.plan, shape[:2], shape[2], whole=True) is not None
            words = table.words.nbytes
            moved, sent = fused_bytes(table, shape, n) + 2 * words, keys.nbytes if there else words
            row = f"{name} {n} × {'×'.join(map(str, shape))}"
            print(
                f"| {row} | {counted.launches:,} | {1 + there} | {counted.bytes / n:,.0f} | {moved / n:,.0f} "
                f"| {2 * words / n:,.0f} | {sent / n:,.0f} |"
            )


def fused_bytes(table: Table, shape: tuple[int, int, int], n: int) -> float:
    """Pixels read and written by the kernel for a batch of uint8 images, of policies that keep the size."""
    at_passes, at_ops = table.words[:2]
    total = 0.0
    for first, last in table.words[codes.HEAD : codes.HEAD + 2 * n].reshape(n, 2).tolist():
        for number in range(first, last):
            code = table.words[at_ops + 2 * table.words[at_passes + number]]
            read = 1 if number == first else FLOAT
            written = 1 if number == last - 1 else FLOAT
            total += read * (2 if code in STATISTICS else 1) + written
    return total * float(np.prod(shape))


def _tensors(values: object) -> list[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        return [values]
    return [t for value in values for t in _tensors(value)] if isinstance(values, (list, tuple)) else []


if __name__ == "__main__":
    main()
