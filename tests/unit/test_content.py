from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from augment_ops.content import canonical_json, digest_of, from_json, sha256_hex
from augment_ops.errors import StoreError


@dataclass(frozen=True)
class Inner:
    name: str
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Outer:
    inner: Inner | None
    counts: dict[str, dict[str, int]]
    shape: tuple[int, int]
    status: Literal["ok", "bad"]
    note: str = ""


VALUE = Outer(Inner("ß日本", (1.5, -0.0, 1e300)), {"train": {"b": 2, "a": 1}}, (8, 9), "ok")


def test_a_value_comes_back_as_it_was():
    for value in (VALUE, Outer(None, {}, (1, 2), "bad", "x\n\u2028")):
        assert from_json(Outer, canonical_json(value)) == value
    assert from_json(str, canonical_json("abc")) == "abc"
    assert from_json(list[int], canonical_json((1, 2))) == [1, 2]


def test_what_is_no_number_reaches_the_gate_as_such():
    value = Inner("a", (math.nan, math.inf, -math.inf))
    back = from_json(Inner, canonical_json(value))
    assert math.isnan(back.scores[0])
    assert back.scores[1:] == (math.inf, -math.inf)


def test_the_form_is_canonical():
    assert canonical_json({"b": (1, 2), "a": [1.0, None, True, "é"]}) == '{"a":[1.0,null,true,"é"],"b":[1,2]}'.encode()
    assert canonical_json({"x": {"b": 1, "a": 2}}) == canonical_json({"x": {"a": 2, "b": 1}})
    assert canonical_json(VALUE) == canonical_json(
        {
            "status": "ok",
            "shape": [8, 9],
            "note": "",
            "counts": {"train": {"a": 1, "b": 2}},
            "inner": {"scores": [1.5, -0.0, 1e300], "name": "ß日本"},
        }
    )


def test_digests_tell_values_apart():
    values = [{}, [], "", 0, False, None, 0.0, "0", [0], {"0": 0}, math.nan, [[]], ["a", "b"], ["ab"], VALUE]
    assert len({digest_of(value) for value in values}) == len(values)
    assert digest_of([1, 2]) == digest_of((1, 2))
    assert digest_of({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()
    assert sha256_hex(memoryview(b"abc")) == hashlib.sha256(b"abc").hexdigest()


def test_what_json_does_not_know_is_not_guessed():
    for value in (np.float32(1.5), np.arange(3), {1, 2}, b"abc", object()):
        with pytest.raises(TypeError):
            canonical_json(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"name": 3, "scores": []}',
        b'{"name": "a"}',
        b'{"name": "a", "scores": ["x"]}',
        b"\xff\xfe",
        b'{"name": "a", "scores": [1]',
    ],
)
def test_a_document_of_another_form_is_refused(data):
    with pytest.raises(StoreError, match="document Inner: found "):
        from_json(Inner, data)
