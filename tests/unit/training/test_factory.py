from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from augment_ops.errors import InputError
from augment_ops.modalities.image.networks import small_cnn
from augment_ops.training.factory import load_factory

_numbers = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch):
    """Writes a module into the current directory; its name, never used before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names = []

    def write(source: str) -> str:
        names.append(f"factory_under_test_{next(_numbers)}")
        (tmp_path / f"{names[-1]}.py").write_text(source)
        return names[-1]

    yield write
    for name in names:
        sys.modules.pop(name, None)


def test_a_factory_of_the_current_directory_is_found(module):
    name = module("def net(input_shape, classes):\n    return (input_shape, classes)\n")
    assert load_factory(f"{name}:net")((8, 8, 1), 3) == ((8, 8, 1), 3)


@pytest.mark.parametrize(
    "reference", ["augment_ops.modalities.image.networks:small_cnn", "augment_ops.training.models:small_cnn"]
)
def test_the_own_network_is_found_by_its_place_and_by_that_of_earlier_records(reference):
    assert load_factory(reference) is small_cnn


@pytest.mark.parametrize("reference", ["", "net", "module:", ":net", "a.b.c"])
def test_a_reference_of_another_form_is_refused(reference):
    with pytest.raises(InputError, match=r"expected package\.module:factory"):
        load_factory(reference)


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        ("", "net", "AttributeError"),
        ("net = 3", "net", "is a int"),
        ("def net(:", "net", "SyntaxError"),
        ("import no_such_module_at_all", "net", "No module named 'no_such_module_at_all'"),
        ("1 / 0", "net", "ZeroDivisionError"),
        ("raise SystemExit(3)", "net", "SystemExit"),
        ("raise RuntimeError('x' * 5000)", "net", "RuntimeError"),
        ("def net(): ...", "net.more", "AttributeError"),
    ],
)
def test_a_module_that_does_not_work_is_refused(module, source, name, said):
    with pytest.raises(InputError, match=said) as caught:
        load_factory(f"{module(source)}:{name}")
    assert "give --model package.module:factory" in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("reference", ["no_such_module_at_all:net", ".relative:net", "..:net", "os.path.:x"])
def test_a_module_that_is_not_there_is_refused(reference):
    with pytest.raises(InputError, match="--model"):
        load_factory(reference)
