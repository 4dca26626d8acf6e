from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from augment_ops.errors import PolicyError
from augment_ops.policy.yaml_file import load_model, parse, read_text, validate


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    alpha: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    one: Inner = Inner()
    many: list[Inner] = []
    named: dict[str, Inner] = {}
    maybe: Inner | None = None
    word: str = ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "file:3: found duplicate key 'a'"),
        ("a:\n  - {x: 1, y: 2, x: 3}\n", "file:2: found duplicate key 'x'"),
        ("1: a\n1.0: b\n", "duplicate key"),
        ("<<: {a: 1}\na: 2\n", "could not determine a constructor"),
        ("[1, 2]: a\n", "a key that is a list"),
        ("? {a: 1}\n: b\n", "a key that is a dict"),
        ("a: .nan\n", "file:1: found .nan, which is not a finite number"),
        ("a: [1, -.inf]\n", "not a finite number"),
        ("a: 1.0e+999\n", "not a finite number"),
        ("a: &x [*x]\n", "recursive"),
        ("a: &x {b: *x}\n", "recursive"),
        ("a: !!python/object/apply:os.system [echo]\n", "could not determine a constructor"),
        ("a: !!binary aGk=\n", "could not determine a constructor"),
        ("a: !!set {b}\n", "could not determine a constructor"),
        ("a: !!timestamp 2020-01-01\n", "could not determine a constructor"),
        ('a: "\\ud800"\n', "half of a surrogate pair"),
        ("a: " + "9" * 5000, "file:1: found a number of 5,000 characters"),
        ("[" * 1000, "file"),
        ("a: [\n", "file:2"),
        ("a: b: c\n", "file:1"),
        ("a: *nothing\n", "undefined alias"),
        ("a: \x07\n", "special characters are not allowed"),
        ("", "NoneType; expected a mapping"),
        ("- a\n", "list; expected a mapping"),
        ("---\na: 1\n---\nb: 2\n", "another document"),
    ],
    ids=lambda value: value[:24],
)
def test_what_could_be_misread_is_refused(text, said):
    with pytest.raises(PolicyError) as caught:
        parse(text, "file")
    assert said in str(caught.value)


def test_plain_values_are_read_as_yaml_means_them():
    content = parse(
        "text: 2020-13-45\ndate: 2020-01-01\nyes: yes\nint: 1_000\nhex: 0x10\nfloat: -1.5e+3\nnone: ~\nempty:\n"
        "anchor: &a {x: [1]}\nalias: *a\n'5': quoted\nemoji: 😀\n",
        "file",
    )
    assert content == {
        "text": "2020-13-45",
        "date": "2020-01-01",
        True: True,
        "int": 1000,
        "hex": 16,
        "float": -1500.0,
        "none": None,
        "empty": None,
        "anchor": {"x": [1]},
        "alias": {"x": [1]},
        "5": "quoted",
        "emoji": "😀",
    }


_BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_BOMB, "aliases that stand for more than 50,000 values"),
        ("a: " + "[" * 100 + "]" * 100, "more than 64 deep"),
        ("a: " + "[" * 30_000, "recursion"),
        ("a: 0x" + "f" * 5000, "a number of 5,002 characters"),
        ("a: " + "9" * 5000, "a number of 5,000 characters"),
        ("a: " + "9" * 5000 + ".5", "a number of 5,002 characters"),
        ("a: " + "1:" * 2000 + "1", "a number of 4,001 characters"),
        ("a: " + "x" * 200_000, "200,003 bytes; at most 131,072 are read"),
    ],
    ids=["aliases", "depth", "depth of the parser", "hexadecimal", "digits", "float", "sexagesimal", "bytes"],
)
def test_a_small_file_asks_for_no_large_work(text, said):
    start = time.process_time()  # of this process, whatever else the machine does
    with pytest.raises(PolicyError, match=said):
        parse(text, "file")
    assert time.process_time() - start < 20  # seconds; 1 to 6 where coverage is measured, and hours without the bounds


def test_aliases_are_no_fault_as_such():
    assert len(_BOMB) < 700
    content = parse("base: &b {x: [1, 2]}\nmany: [" + ", ".join(["*b"] * 1000) + "]\n", "file")
    assert content["many"] == [{"x": [1, 2]}] * 1000


def test_the_safe_loader_of_others_is_left_alone():
    import yaml

    assert yaml.safe_load("{a: 1, a: 2, b: .inf, c: 2020-01-01}")["a"] == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"wrod": 1}, "wrod: found unknown key; expected one of many, maybe, named, one, word.\n    Fix: remove or "
                      "rename it. Did you mean word?"),
        ({"one": {"alhpa": 1}}, "one.alhpa: found unknown key; expected one of alpha.\n    Fix: remove or rename it. "
                                "Did you mean alpha?"),
        ({"many": [{}, {"alhpa": 1}]}, "many.1.alhpa: found unknown key; expected one of alpha"),
        ({"named": {"word": {"word": 1}}}, "named.word.word: found unknown key; expected one of alpha"),
        ({"maybe": {"word": 1}}, "maybe.word: found unknown key; expected one of alpha"),
        ({"one": {"alpha": "x"}}, "one.alpha: found 'x'"),
        ({"word": None}, "word: found None"),
        ({1: 2}, "1"),
    ],
    ids=str,
)  # fmt: skip
def test_a_fault_names_its_field_and_the_keys_of_its_own_level(content, said):
    with pytest.raises(PolicyError) as caught:
        validate(content, Outer, "file")
    assert said in "\n".join(map(str, caught.value.faults))


def test_load_model_reports_all_faults(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("word: 1\nxx: 2\none: 3\n")
    with pytest.raises(PolicyError, match="3 faults"):
        load_model(tmp_path / "a.yaml", Outer, kind="thing")


def test_files_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in ("latin.yaml", "pipe.yaml", "folder.yaml", "latin.yaml/below.yaml", "x" * 300 + ".yaml"):
        with pytest.raises(PolicyError, match=r"\.yaml"):
            read_text(tmp_path / path, kind="thing")
    with pytest.raises(PolicyError, match="none exists yet"):
        read_text(tmp_path / "nowhere" / "a.yaml", kind="thing")
