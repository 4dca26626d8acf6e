"""The way to the compiler, as far as it goes without kfp; `tests/e2e/test_kubeflow.py` goes it to the end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from augment_ops.drivers.kubeflow.blueprint import blueprint
from augment_ops.drivers.kubeflow.environment import compile_file, variables
from augment_ops.errors import InputError, ServiceError

BLUEPRINT = blueprint("image", {})


def test_without_kfp_one_error_says_how_to_get_it_and_whatever_else_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        compile_file(blueprint(" ", {}), tmp_path / "pipeline.json", tmp_path / "nowhere" / "python")
    name, image, kfp = refused.value.faults
    assert (name.where, name.fix) == ("--output", "call it pipeline.yaml")
    assert image.where == "--image"
    assert "make kubeflow" in kfp.fix
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    output = tmp_path / "pipeline.yaml"
    output.write_text("of before")
    with pytest.raises(ServiceError, match="No module named 'kfp'"):
        compile_file(BLUEPRINT, output, Path(sys.executable))
    assert output.read_text() == "of before"


def test_variables_are_names_and_values() -> None:
    assert variables(["A=", "B_1=x=y"]) == {"A": "", "B_1": "x=y"}
    with pytest.raises(InputError) as refused:
        variables(["A=1", "B", "1C=2", "=3"])
    assert [fault.found for fault in refused.value.faults] == ["'B'", "'1C='", "'='"]
