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

    Batch normalisation is folded into the convolution before it, which answers a tenth sooner; logits differ from
    those of `model` by rounding. It happens here, so that what is judged, registered and served is the same program.

    Raises:
        InputError: the net is not one that `torch.export` can follow.
        StoreError: the disk is full; nothing is left beside or at `path`.
    """
    import torch

    # Through memory, because torch's own file writer ends the whole process where the disk is full.
    content = io.BytesIO()
    program = program_of(model, input_shape)
    _fold_batch_norm(program)
    torch.export.save(program, content)
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


def _fold_batch_norm(program: ExportedProgram) -> None:
    """Replace convolution → batch normalisation by the convolution alone, in place, wherever nothing else reads either.

    The folded weight and bias take the places of the convolution's weight and the normalisation's bias.
    """
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    signature, aten, values = program.graph_signature, torch.ops.aten, program.state_dict
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    for norm in program.graph.find_nodes(op="call_function", target=aten.batch_norm.default):
        conv, scale, shift, mean, variance, training, _, eps, _ = norm.args
        if conv.target not in (aten.conv2d.default, aten.conv2d.padding) or len(conv.users) > 1 or training:
            continue
        weight, bias = conv.args[1], conv.args[2] if len(conv.args) > 2 else None
        read = [node for node in (weight, bias, mean, variance, scale) if node is not None] + [shift]
        if any(node is None or names.get(node.name) not in values for node in read):
            continue  # computed by the net, or not there
        if any(len(node.users) > 1 for node in (weight, shift)):
            continue  # their values are about to change
        held = {node: values[names[node.name]] for node in read}
        folded = fuse_conv_bn_weights(
            held[weight], held.get(bias), held[mean], held[variance], eps, held.get(scale), held[shift]
        )
        values[names[weight.name]], values[names[shift.name]] = folded
        conv.args = (*conv.args[:2], shift, *conv.args[3:])
        norm.replace_all_uses_with(conv)
        program.graph.erase_node(norm)
    program.graph_module.recompile()
