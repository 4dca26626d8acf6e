"""The list of operators against the declarations of the torch that is installed."""

from __future__ import annotations

import pytest
import torch

from augment_ops.runtime.operators import ATEN, OF_SIZES, is_operator

# Of what an operator may take and give: no text that could be a path, no code, no object.
HARMLESS = {"Tensor", "bool", "complex", "float", "int", "number", "Device", "str"}
WITH_WORDS = {
    "_assert_scalar", "conv1d", "conv2d", "conv3d", "div", "div_", "divide", "divide_", "einsum", "gelu", "gelu_",
    "linalg_matrix_norm", "meshgrid", "pad", "scatter", "scatter_",
}  # fmt: skip


def admitted():
    for schema in torch._C._jit_get_all_schemas():
        name, overload = schema.name.removeprefix("aten::"), schema.overload_name or "default"
        if schema.name.startswith("aten::") and is_operator(f"torch.ops.aten.{name}.{overload}"):
            yield name, overload, schema


def test_every_name_on_the_list_is_an_operator_of_torch():
    assert sorted(name for name in ATEN if not hasattr(torch.ops.aten, name)) == []


def test_an_operator_takes_and_gives_numbers_and_tensors():
    seen = 0
    for name, overload, schema in admitted():
        for value in (*schema.arguments, *schema.returns):
            kind = str(value.type)
            for wrapper in ("Optional[", "List["):
                kind = kind.replace(wrapper, "")
            assert kind.rstrip("]") in HARMLESS, (name, overload, str(schema))
            assert "str" not in kind or name in WITH_WORDS, (name, overload, str(schema))
        seen += 1
    assert seen > 400


def test_no_operator_draws_at_random_or_gives_memory_that_was_never_written():
    never = (
        "rand",
        "normal",
        "bernoulli",
        "multinomial",
        "uniform",
        "empty",
        "resize",
        "set_",
        "from_file",
        "as_strided",
    )
    assert [name for name in ATEN if name.startswith(never)] == []


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.from_file.default", "torch.ops.aten.save.default", "torch.ops.aten.add.out",
        "torch.ops.aten.add.Tensor.__call__", "torch.ops.aten.__class__.default", "torch.ops.quantized.add.default",
        "torch.os.system", "torch.load", "_operator.attrgetter", "math.trunc", "#x:y", "",
        "torch.ops.aten.add.Tensor\n",
        "torch.ops.aten.split.str", "torch.ops.aten.eq.str", "torch.ops.aten.empty.memory_format",
    ],
)  # fmt: skip
def test_other_targets_are_none(target):
    assert not is_operator(target)


def test_what_sizes_are_computed_with_is_what_torch_calls_so():
    assert all(is_operator(name) for name in OF_SIZES)
    assert {name.partition(".")[0] for name in OF_SIZES} == {"_operator", "torch"}
