"""The operators that a program may call: an explicit list, because torch would call whatever a file names.

An operator is admitted where a usual network needs it (convolutional and residual nets, transformers, recurrent nets,
perceptrons; normalisation, attention, embedding) and where it computes tensors and sizes from tensors, numbers, flags,
types and words, and does nothing else: it reads no file, draws no random number, reads no memory that was never
written, takes no code. `tests/unit/runtime/test_operators.py` holds the list against the declarations of the torch
that is installed. Not admitted, on purpose: custom operators, higher-order ones (a graph as an argument), functions of
Python, `aten.from_file` and everything outside this list.
"""

from __future__ import annotations

import re

_MATHEMATICS = """
abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh bitwise_and bitwise_not bitwise_or bitwise_xor ceil
clamp clamp_max clamp_min cos cosh div divide eq erf erfc exp exp2 expm1 floor floor_divide fmod frac ge greater
greater_equal gt hypot isfinite isinf isnan le less less_equal lerp log log10 log1p log2 logaddexp logical_and
logical_not logical_or logical_xor lt max maximum min minimum mul multiply nan_to_num ne neg negative not_equal pow
reciprocal remainder round rsqrt rsub sign sin sinc sinh sqrt square sub subtract tan tanh true_divide trunc where
xlogy
"""
_REDUCTIONS = """
all amax amin any argmax argmin argsort cumprod cumsum linalg_matrix_norm linalg_norm linalg_vector_norm logsumexp mean
median norm prod sort std std_mean sum topk var var_mean
"""
_SHAPES = """
alias arange broadcast_tensors broadcast_to cat chunk clone concat concatenate constant_pad_nd contiguous copy detach
diagonal expand expand_as eye fill flatten flip full full_like gather hstack im2col col2im index index_put index_select
linspace masked_fill meshgrid movedim moveaxis narrow new_full new_ones new_zeros ones ones_like pad permute
pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d repeat repeat_interleave replication_pad1d
replication_pad2d reshape reshape_as roll scalar_tensor scatter scatter_add select select_scatter slice slice_scatter
split split_with_sizes squeeze stack swapaxes t take_along_dim tile to transpose tril triu type_as unbind unflatten
unfold unsqueeze view view_as vstack zeros zeros_like lift_fresh_copy _to_copy _unsafe_view mT numpy_T adjoint
channel_shuffle index_add index_fill one_hot
"""
_ACTIVATIONS = """
celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu log_sigmoid log_softmax mish prelu relu relu6
selu sigmoid silu softmax softplus softshrink threshold _log_softmax _softmax
"""
_LAYERS = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d addbmm addmm addmv
alpha_dropout avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm bilinear bmm conv1d conv2d conv3d conv_transpose1d
conv_transpose2d convolution cosine_similarity dot dropout einsum embedding feature_dropout grid_sampler
grid_sampler_2d group_norm gru inner instance_norm layer_norm linear lstm matmul max_pool1d max_pool2d max_pool3d
max_pool2d_with_indices mm mv native_group_norm native_layer_norm outer rms_norm rnn_relu rnn_tanh
scaled_dot_product_attention tensordot cdist upsample_bicubic2d upsample_bilinear2d upsample_linear1d
upsample_nearest1d upsample_nearest2d _native_batch_norm_legit_no_training _adaptive_avg_pool2d
_transformer_encoder_layer_fwd _native_multi_head_attention _upsample_bilinear2d_aa
"""
_SIZES = "sym_size sym_numel sym_stride _assert_tensor_metadata _assert_scalar"

ATEN = frozenset(" ".join((_MATHEMATICS, _REDUCTIONS, _SHAPES, _ACTIVATIONS, _LAYERS, _SIZES)).split())
# What a net computes from sizes: a handful of functions of Python's own, none of which grows a number without bound.
_OF_SIZES = """
_operator.add _operator.sub _operator.mul _operator.floordiv _operator.mod _operator.neg _operator.and_ _operator.or_
_operator.eq _operator.ne _operator.le _operator.ge _operator.lt _operator.gt torch.sym_max torch.sym_min torch.sym_not
"""
OF_SIZES = frozenset(_OF_SIZES.split())
# Overloads that write to a tensor given for it, and those of TorchScript on strings, lists and dictionaries.
_NOT_OF_TENSORS = {"out", "str", "list", "Dict", "enum", "complex", "t", "left", "right", "any"}
_ATEN = re.compile(r"torch\.ops\.aten\.([A-Za-z_0-9]+)\.([A-Za-z_0-9]+)", re.ASCII)


def is_operator(target: str) -> bool:
    """Whether a program may call it; written as torch writes it: `torch.ops.aten.add.Tensor`."""
    if target in OF_SIZES:
        return True
    found = _ATEN.fullmatch(target)
    if found is None:
        return False
    name, overload = found.groups()
    # `add_` does in place what `add` does.
    return (name in ATEN or name.removesuffix("_") in ATEN) and not _NOT_OF_TENSORS & set(overload.split("_"))
