from __future__ import annotations

import pytest

from augment_ops.runtime.expression import MAX_DEPTH, is_size_expression

S = "Symbol('s34', positive=True, integer=True)"


@pytest.mark.parametrize(
    "text",
    [
        S,
        "Symbol('u0', integer=True)",
        "Integer(-1)",
        f"Mul(Integer(816), {S})",
        "true",
        f"Min(Integer(16), Mul(Integer(16), {S}))",
        f"Add({S}, Mul(Integer(-1), FloorDiv({S}, Integer(2))))",
        f"And(GreaterThan({S}, Integer(1)), StrictLessThan({S}, Integer(65)))",
    ],
)
def test_sizes_as_torch_writes_them(text):
    assert is_size_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        f"{S} ",
        f" {S}",
        f"{S}\n",
        f"{S}{S}",
        f"{S}.foo",
        f"{S}+1",
        "s34",
        "1",
        "(Integer(1))",
        "Integer()",
        "Integer(1",
        "Integer(1))",
        "Integer('1')",
        "Integer(1, 2)",
        "Integer(99999999999999999999)",
        "Mul()",
        "Mul(,)",
        "Mul(Integer(1),Integer(2))",
        "Mul(Integer(1), )",
        "Symbol(s34)",
        "Symbol('s34', cls=True)",
        "Symbol('os')",
        "Symbol('s34', positive=1)",
        "Symbol('s34', positive)",
        "Lambda(Integer(1))",
        "Function('f')",
        "Pow(Integer(9), Integer(9))",
        "eval(Integer(1))",
        "__import__('os')",
        "Integer(__import__('os'))",
        "Mul(Integer(１))",
        "().__class__",
        "True",
        "Symbol('s34', positive=True, integer=True",
        "Integer(1)#",
        "Integer(--1)",
    ],
)
def test_anything_else_is_none(text):
    assert not is_size_expression(text)


def test_depth_and_length_are_bounded():
    def nested(depth: int) -> str:
        return "Not(" * (depth - 1) + "true" + ")" * (depth - 1)

    assert is_size_expression(nested(MAX_DEPTH))
    assert not is_size_expression(nested(MAX_DEPTH + 1))
    assert not is_size_expression("Add(" + ", ".join(["Integer(1)"] * 1000) + ")")
