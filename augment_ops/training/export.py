"""From a trained module to an exported program that needs no training code."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import numpy as np

from augment_ops.errors import InputError, StoreError
from augment_ops.modalities.source import Samples
from augment_ops.runtime.artifact import Artifact
from augment_ops.runtime.pt2_archive import checked

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram


def model_digest(model: nn.Module) -> str:
    """sha256 over names, dtypes, shapes and bytes of all weights and buffers, in order of name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().numpy()
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def exported(model: nn.Module, example: Samples) -> bytes:
    """The program of `model` (samples (N, *shape) → float32 (N, K), any N) as the content of a `.pt2`.

    Batch normalisation is folded into the convolution before it, which answers a tenth sooner; logits differ from
    those of `model` by rounding. It happens here, so that what is judged, registered and served is the same program.

    Args:
        model: on the CPU.
        example: samples (n, *shape) of the data set's dtype; their number and values do not matter.

    Raises:
        InputError: the net is not one that `torch.export` can follow, or calls what no net of ours needs.
    """
    program = program_of(model, example)
    _fold_batch_norm(program)
    return _written(program)


def check_exportable(model: nn.Module, example: Samples) -> None:
    """See that `exported` will do; sets `model` to evaluation.

    Raises:
        InputError: see `exported`.
    """
    _written(program_of(model, example))


def _written(program: ExportedProgram) -> bytes:
    """The `.pt2`, held against what will be asked of it when it is read."""
    import torch

    # Through memory, because torch's own file writer ends the whole process where the disk is full.
    content = io.BytesIO()
    torch.export.save(program, content)
    try:
        checked(Artifact(content.getvalue(), "", "the exported program"))
    except StoreError as error:
        fault = error.faults[0]
        raise InputError(
            "--model", fault.found, fault.expected, "build the network of torch.nn's layers and tensor functions"
        ) from error
    return content.getvalue()


def program_of(model: nn.Module, example: Samples) -> ExportedProgram:
    """The program of `model` for any number of samples like those of `example`; sets `model` to evaluation.

    Raises:
        InputError: the net is not one that `torch.export` can follow.
    """
    import torch

    model.eval()
    traced = torch.from_numpy(np.zeros((2, *example.shape[1:]), example.dtype))
    try:
        program = _follow(model, traced, nullcontext)
        if any(getattr(node.target, "namespace", "") == "higher_order" for node in program.graph.nodes):
            # torch.no_grad() within forward(): a graph within the graph, unless gradients are off all around it.
            program = _follow(model, traced, torch.no_grad)
    except Exception as error:  # torch raises a dozen kinds
        raise InputError(
            "--model",
            f"{type(error).__name__}: {str(error).strip()[:200]}",
            "a net that torch.export can follow with any number of samples",
            "keep Python branches on values, and fixed batch sizes, out of forward()",
        ) from error
    for node in program.graph.nodes:
        # Where the code stood: it names this machine's folders (the same net must give the same bytes), and a file of
        # which less is to be believed is sooner checked.
        node.meta = {name: value for name, value in node.meta.items() if name in ("val", "unbacked_bindings")}
    return program


def _follow(model: nn.Module, example: Tensor, mode: Callable[[], AbstractContextManager[object]]) -> ExportedProgram:
    import torch

    with mode():
        return torch.export.export(model, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))


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
