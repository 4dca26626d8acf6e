"""Sizes that depend on the number of samples, as torch writes them: `Mul(Integer(16), Symbol('s34', positive=True))`.

torch hands such a text to sympy's `sympify`, which evaluates it as Python. So it is read here first, by a grammar in
which no more can be said than integers, symbols and arithmetic:

    expression = "Integer(" integer ")" | "Symbol('" symbol "'" { ", " assumption "=" flag } ")"
               | function "(" expression { ", " expression } ")" | "true" | "false"
"""

from __future__ import annotations

import re

MAX_CHARACTERS, MAX_DEPTH = 2_000, 20

_TOKEN = re.compile(r"[A-Za-z_]\w*|-?\d{1,19}|'[a-z]{1,8}\d{1,6}'|, |[()=]", re.ASCII)
_SYMBOL = re.compile(r"'[suz]f?\d{1,6}'", re.ASCII)  # s34: of an input; u0: not known before it is computed
_ASSUMPTIONS = {"positive", "nonnegative", "integer", "real", "finite"}
_FUNCTIONS = {
    "Add", "Mul", "Max", "Min", "Mod", "PythonMod", "FloorDiv", "CleanDiv", "CeilDiv", "ModularIndexing",
    "Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan", "And", "Or", "Not",
}  # fmt: skip


def is_size_expression(text: str) -> bool:
    """Whether the text is one of the grammar, and nothing else."""
    if len(text) > MAX_CHARACTERS:
        return False
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != text:
        return False
    return _expression(tokens, 0, MAX_DEPTH) == len(tokens)


def _expression(tokens: list[str], at: int, depth: int) -> int:
    """The place after the expression that begins at `at`; -1 where there is none."""
    head, rest = tokens[at : at + 1], tokens[at + 1 : at + 3]
    if depth == 0 or not head:
        return -1
    if head[0] in ("true", "false"):
        return at + 1
    if rest[:1] != ["("] or len(rest) < 2:
        return -1
    if head[0] == "Integer":
        return _closed(tokens, at + 3) if rest[1].lstrip("-").isdigit() else -1
    if head[0] == "Symbol":
        return _closed(tokens, _assumptions(tokens, at + 3)) if _SYMBOL.fullmatch(rest[1]) else -1
    return _closed(tokens, _arguments(tokens, at + 2, depth)) if head[0] in _FUNCTIONS else -1


def _arguments(tokens: list[str], at: int, depth: int) -> int:
    at = _expression(tokens, at, depth - 1)
    while at >= 0 and tokens[at : at + 1] == [", "]:
        at = _expression(tokens, at + 1, depth - 1)
    return at


def _assumptions(tokens: list[str], at: int) -> int:
    while tokens[at : at + 1] == [", "]:
        said = tokens[at + 1 : at + 4]
        if len(said) < 3 or said[0] not in _ASSUMPTIONS or said[1] != "=" or said[2] not in ("True", "False"):
            return -1
        at += 4
    return at


def _closed(tokens: list[str], at: int) -> int:
    return at + 1 if at >= 0 and tokens[at : at + 1] == [")"] else -1
