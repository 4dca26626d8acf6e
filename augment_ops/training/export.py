"""From a trained module to an exported program that needs no training code."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from augment_ops.errors import InputError, StoreError

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram


def model_digest(model: nn.Module) -> str:
    """sha256 over names, dtypes, shapes and bytes of all weights and buffers, in order of name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def export(model: nn.Module, input_shape: tuple[int, int, int], path: Path) -> None:
    """Write the program of `model` (uint8 (N, H, W, C) → float32 (N, K), any N) as `.pt2` at `path`.

    Raises:
        InputError: the net is not one that `torch.export` can follow.
        StoreError: the disk is full; nothing is left beside or at `path`.
    """
    import torch

    # Through memory, because torch's own file writer ends the whole process where the disk is full.
    content = io.BytesIO()
    torch.export.save(program_of(model, input_shape), content)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".pt2")
        with os.fdopen(handle, "wb") as file:
            file.write(content.getbuffer())
        Path(temporary).replace(path)
    except OSError as error:
        raise StoreError(str(path), str(error), "room for the exported model", "free space and run again") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def program_of(model: nn.Module, input_shape: tuple[int, int, int]) -> ExportedProgram:
    """The program of `model` for any number of images; sets `model` to evaluation.

    Raises:
        InputError: the net is not one that `torch.export` can follow.
    """
    import torch

    model.eval()
    example = torch.zeros((2, *input_shape), dtype=torch.uint8)
    try:
        program = torch.export.export(model, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    except Exception as error:  # torch raises a dozen kinds
        raise InputError(
            "--model",
            f"{type(error).__name__}: {str(error).strip()[:200]}",
            "a net that torch.export can follow with any number of images",
            "keep Python branches on values, and fixed batch sizes, out of forward()",
        ) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # names this machine's folders; the same net must give the same bytes
    return program
