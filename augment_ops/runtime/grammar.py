"""What our exporter writes into a program's JSON (torch's schema 8), and nothing else.

torch resolves, evaluates or compiles many of these strings when it reads a file: sizes go to sympy, names into Python
source, targets and shapes of containers to `getattr` and `import_module`. ADR 16 lists each with what holds it here.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from typing import Any

from augment_ops.runtime.expression import is_size_expression
from augment_ops.runtime.operators import is_operator
from augment_ops.runtime.phrases import (
    Refused,
    chosen,
    flag,
    integer,
    items,
    named,
    nothing_or,
    number,
    one_of,
    only,
    record,
    text,
)

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)
_PART = re.compile(r"(?!__)[A-Za-z0-9_]{1,120}", re.ASCII)


def _is_name(value: str) -> bool:
    # They become variables in the source that torch writes of the graph, and runs.
    return _IDENTIFIER.fullmatch(value) is not None and not keyword.iskeyword(value) and not value.startswith("__")


def _is_path(value: str) -> bool:
    return len(value) <= 1000 and all(map(_PART.fullmatch, value.split(".")))


NAME = chosen(_is_name, "a name")
PATH = chosen(_is_path, "the path of a weight")  # net.0.weight: becomes attributes of a module
TARGET = chosen(is_operator, "an operator that a network needs (augment_ops/runtime/operators.py)")
EXPRESSION = chosen(is_size_expression, "a size made of integers, symbols and arithmetic")
SYMBOL = text(r"[suz]f?\d{1,6}", "a symbol such as s34")
WORD = text(r"[a-z_]{0,24}|[A-Za-z., ]{0,60}(->[A-Za-z. ]{0,20})?", "an option or an equation of einsum")
# What a program remembers of its making: shown by tools, dropped here before torch reads the file.
ORIGIN = text(r"[\w.,;:<>\[\]()@/'\" -]{0,20000}", "plain text")

INT, INDEX = integer(), integer(0, 2**31)
DTYPE = integer(1, 13)  # schema.ScalarType: byte to bfloat16
STRIDED = only(7)
CPU = record(type=only("cpu"), index=nothing_or(only(0)))
TENSOR = record(name=NAME)
NONE = only(True)
HINT = nothing_or(one_of(as_int=INT, as_bool=flag, as_float=number))
SYMBOLIC = record(optional=("hint",), expr_str=EXPRESSION, hint=HINT)
SIZE = one_of(as_int=INT, as_expr=SYMBOLIC)
TENSOR_META = record(
    dtype=DTYPE,
    sizes=items(SIZE, 16),
    requires_grad=flag,
    device=CPU,
    strides=items(SIZE, 16),
    storage_offset=SIZE,
    layout=STRIDED,
)
SYM_INT = one_of(as_name=NAME, as_int=INT)
SYM_BOOL = one_of(as_name=NAME, as_bool=flag)
SYM_FLOAT = one_of(as_name=NAME, as_float=number)
OPTIONAL_TENSOR = one_of(as_tensor=TENSOR, as_none=NONE)
# Not here: graphs, custom objects, operators as values, complex numbers, nested containers.
ARGUMENT = one_of(
    as_none=NONE,
    as_tensor=TENSOR,
    as_tensors=items(TENSOR),
    as_int=INT,
    as_ints=items(INT),
    as_float=number,
    as_floats=items(number),
    as_string=WORD,
    as_sym_int=SYM_INT,
    as_sym_ints=items(SYM_INT),
    as_scalar_type=DTYPE,
    as_memory_format=integer(1, 4),
    as_layout=STRIDED,
    as_device=CPU,
    as_bool=flag,
    as_bools=items(flag),
    as_sym_bool=SYM_BOOL,
    as_sym_bools=items(SYM_BOOL),
    as_sym_float=SYM_FLOAT,
    as_sym_floats=items(SYM_FLOAT),
    as_optional_tensor=OPTIONAL_TENSOR,
    as_optional_tensors=items(OPTIONAL_TENSOR),
)
RESULT = one_of(as_tensor=TENSOR, as_tensors=items(TENSOR), as_sym_int=SYM_INT, as_sym_bool=SYM_BOOL, as_none=NONE)
NODE = record(
    target=TARGET,
    inputs=items(record(name=NAME, arg=ARGUMENT, kind=integer(1, 2)), 64),
    outputs=items(RESULT, 1000),
    metadata=named(text(r"nn_module_stack|torch_fn|source_fn_stack", "what a program remembers"), ORIGIN),
    is_hop_single_tensor_return=only(None),
    name=NAME,
)
AS_TENSOR = one_of(as_tensor=TENSOR)
GRAPH = record(
    inputs=items(AS_TENSOR),
    outputs=items(AS_TENSOR, 1),
    nodes=items(NODE),
    tensor_values=named(NAME, TENSOR_META),
    sym_int_values=named(NAME, SIZE),
    sym_bool_values=named(NAME, one_of(as_bool=flag, as_expr=SYMBOLIC)),
    sym_float_values=named(NAME, one_of(as_float=number, as_expr=SYMBOLIC)),
    is_single_tensor_return=only(False),
    custom_obj_values=only({}),
)
SIGNATURE = record(
    input_specs=items(
        one_of(
            parameter=record(arg=TENSOR, parameter_name=PATH),
            buffer=record(arg=TENSOR, buffer_name=PATH, persistent=flag),
            tensor_constant=record(arg=TENSOR, tensor_constant_name=PATH),
            user_input=record(arg=AS_TENSOR),
        )
    ),
    output_specs=items(one_of(user_output=record(arg=AS_TENSOR)), 1),
)
# One tensor in, by position; one tensor out. torch imports by name what such a text says of other containers.
_LEAF = '{"type": null, "context": null, "children_spec": []}'
_IN = (
    '[1, {"type": "builtins.tuple", "context": "null", "children_spec": [{"type": "builtins.tuple", "context": "null", '
    f'"children_spec": [{_LEAF}]}}, {{"type": "builtins.dict", "context": "[]", "children_spec": []}}]}}]'
)
CALL = record(
    fqn=text(r"[\w.@]{0,1000}", "the path of a module"),
    signature=nothing_or(
        record(
            inputs=only([]),
            outputs=only([]),
            in_spec=only(_IN),
            out_spec=only(f"[1, {_LEAF}]"),
            forward_arg_names=nothing_or(items(NAME, 1)),
        )
    ),
)
PROGRAM = record(
    graph_module=record(
        graph=GRAPH,
        signature=SIGNATURE,
        module_call_graph=items(CALL),
        metadata=only({}),
        treespec_namedtuple_fields=only({}),
    ),
    opset_version=record(aten=integer(1, 1000)),
    range_constraints=named(SYMBOL, record(min_val=nothing_or(INT), max_val=nothing_or(INT))),
    schema_version=record(major=only(8), minor=integer(0, 1000)),
    verifiers=items(text("TRAINING", "TRAINING"), 1),
    torch_version=text(r"\d{1,3}\.\d{1,3}\.\d{1,3}[\w.+]{0,40}", "a version of torch"),
    guards_code=only([]),  # torch compiles these lines
)


def payloads(file: str) -> Any:
    """The form of a list of tensors whose files are called `file` and a number."""
    meta = record(
        dtype=DTYPE,
        sizes=items(one_of(as_int=INDEX), 16),
        requires_grad=flag,
        device=CPU,
        strides=items(one_of(as_int=INDEX), 16),
        storage_offset=one_of(as_int=INDEX),
        layout=STRIDED,
    )
    entry = record(
        path_name=text(rf"{file}_\d{{1,6}}", f"{file}_0"), is_param=flag, use_pickle=only(False), tensor_meta=meta
    )
    return record(config=named(PATH, entry))


def check_order(program: dict[str, Any], weights: dict[str, Any], constants: dict[str, Any]) -> None:
    """See that each name is given once and before it is read, and that each weight is there.

    Raises:
        Refused: it is not.
    """
    graph, signature = program["graph_module"]["graph"], program["graph_module"]["signature"]
    given = [value["as_tensor"]["name"] for value in graph["inputs"]]
    known = set(given)
    if len(known) != len(given):
        raise Refused("inputs", "a name stands twice")
    _check_inputs(given, signature["input_specs"], weights, constants)
    for at, node in enumerate(graph["nodes"]):
        where = f"nodes[{at}]"
        for name in _names(node["inputs"]):
            if name not in known:
                raise Refused(where, f"{name[:80]!r} is read before it is there")
        for name in _names(node["outputs"]):
            if name in known:
                raise Refused(where, f"{name[:80]!r} is given twice")
            known.add(name)
    output = [value["as_tensor"]["name"] for value in graph["outputs"]]
    said = [spec["user_output"]["arg"]["as_tensor"]["name"] for spec in signature["output_specs"]]
    if len(output) != 1 or output != said or output[0] not in known:
        raise Refused("outputs", "not the one tensor that the graph computes")


def _check_inputs(
    given: list[str], specs: list[dict[str, Any]], weights: dict[str, Any], constants: dict[str, Any]
) -> None:
    said, users = [], 0
    for spec in specs:
        ((kind, value),) = spec.items()
        if kind == "user_input":
            users += 1
            said.append(value["arg"]["as_tensor"]["name"])
            continue
        said.append(value["arg"]["name"])
        path = value[f"{kind}_name"]
        if path not in (weights if kind == "parameter" or value.get("persistent") else constants):
            raise Refused("input_specs", f"{path[:80]!r} has no file")
    if said != given or users != 1:
        raise Refused("input_specs", "not the inputs of the graph: its weights, and one batch of samples")


def _names(value: Any) -> Iterator[str]:
    """All names that are read or given below arguments."""
    if isinstance(value, list):
        for item in value:
            yield from _names(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in ("as_name", "as_tensor"):
                yield item if isinstance(item, str) else item["name"]
            elif key == "as_tensors":
                yield from (tensor["name"] for tensor in item)
            elif key != "name":
                yield from _names(item)


def what_torch_needs(program: dict[str, Any]) -> dict[str, Any]:
    """The program without what it remembers of its making: of that, torch is given nothing to resolve."""
    module = program["graph_module"]
    nodes = [{**node, "metadata": {}} for node in module["graph"]["nodes"]]
    calls = [call for call in module["module_call_graph"] if call["fqn"] == ""]
    if len(calls) != 1 or calls[0]["signature"] is None:
        raise Refused("module_call_graph", "not one call of the whole program")
    module = {**module, "graph": {**module["graph"], "nodes": nodes}, "module_call_graph": calls}
    return {**program, "graph_module": module}
