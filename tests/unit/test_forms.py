"""What a text has to look like is said in words, for every pattern that a person's file or option is held against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from augment_ops.forms import FORMS
from augment_ops.gate.rules import GateRules
from augment_ops.governance.approvals import ApproversFile
from augment_ops.governance.root import Root
from augment_ops.monitoring.drift.rules import DriftRules
from augment_ops.pipeline.parameters import parameters
from augment_ops.policy import spec
from augment_ops.policy.bounds import Limits
from augment_ops.quality.rules import QualityRules
from augment_ops.stress.definition import SuiteSpec

FILES: tuple[type[BaseModel], ...] = (
    spec._PolicyFile, Limits, GateRules, SuiteSpec, QualityRules, DriftRules, ApproversFile, Root,
)  # fmt: skip


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for name, value in schema.items():
            # Keys of a mapping with a pattern of their own.
            yield from value if name == "patternProperties" else ()
            yield from _patterns(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _patterns(value)


@pytest.mark.parametrize("model", FILES, ids=lambda model: model.__name__)
def test_every_pattern_of_a_file_has_words(model: type[BaseModel]) -> None:
    assert set(_patterns(model.model_json_schema())) <= set(FORMS)


def test_every_pattern_of_a_run_has_words() -> None:
    patterns = {one.name: one for one in parameters() if one.pattern}
    assert patterns
    assert [name for name, one in patterns.items() if not one.form and one.pattern not in FORMS] == []
