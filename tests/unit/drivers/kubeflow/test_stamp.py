"""What a compiled pipeline says that it was compiled from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from augment_ops.drivers.kubeflow import stamp as module
from augment_ops.drivers.kubeflow.stamp import check_stamp, stamp
from augment_ops.errors import InputError
from augment_ops.pipeline.graph import STAGES
from augment_ops.pipeline.parameters import parameters

DECLARED = parameters()


@pytest.mark.parametrize("field", ["inputs", "after", "params", "files"])
def test_another_graph_has_another(field: str) -> None:
    *others, last = STAGES
    assert stamp((*others, replace(last, **{field: (*getattr(last, field), "more")}))) != stamp()
    assert stamp(others) != stamp()


@pytest.mark.parametrize(
    "change", [{"default": "fashion"}, {"name": "data"}, {"max_length": 9}, {"default": 3}], ids=str
)
def test_so_have_other_parameters(change: dict) -> None:
    first, *others = DECLARED
    assert stamp(declared=(replace(first, **change), *others)) != stamp()


def test_words_and_machines_make_no_other_pipeline() -> None:
    first, *others = DECLARED
    asks_more = tuple(replace(stage, cpus=64, memory_gib=512, group="") for stage in STAGES)
    assert stamp(asks_more, (replace(first, help="Another.", title="Another"), *others)) == stamp()


def test_another_version_is_refused_and_both_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled_from = stamp()
    check_stamp(compiled_from)
    monkeypatch.setattr(module, "__version__", "9.9.9")
    with pytest.raises(InputError) as refused:
        check_stamp(compiled_from)
    (fault,) = refused.value.faults
    assert compiled_from in fault.found
    assert "augment-ops 9.9.9" in fault.expected
    assert "augment-ops kubeflow compile" in fault.fix
