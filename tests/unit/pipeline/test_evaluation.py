from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from augment_ops.errors import InputError
from augment_ops.pipeline.stages import evaluation
from support.report_page import training


def test_candidate_and_control_of_two_recipes_are_not_compared() -> None:
    one = replace(training("candidate", 1.0), recipe="default 1.0.0", recipe_digest="a" * 64)
    results = {"train_candidate": one, "train_control": replace(one, role="control", recipe_digest="b" * 64)}
    ctx = SimpleNamespace(output=lambda stage, cls: results[stage])
    with pytest.raises(InputError, match="the file was changed while the run was under way: start a new run"):
        evaluation._questions(ctx, None)
    results["train_control"] = replace(one, role="control")
    assert set(evaluation._questions(ctx, None)) == {"candidate", "control"}
