"""What every modality brings for suites and quality reports, held against its own declarations."""

from __future__ import annotations

import json

import pytest

from augment_ops.content import canonical_json
from augment_ops.modalities import NAMES, modality
from augment_ops.modalities.base import SEVERITIES, Corruptions
from augment_ops.quality.rules import check_name

# Of a sample that every corruption works on.
SHAPES = {"image": (32, 32, 3), "tabular": (5,)}
# No modality may leave out how many samples of a class there are, or that what is held out was seen before.
DATA = {
    "unreadable", "label_range", "label_conflict", "exact_duplicates_between_splits", "missing_class", "class_balance",
    "train_samples_per_class", "test_samples_per_class",
}  # fmt: skip
AUGMENTED = {"identical", "held_out_leakage"}


def corruptions() -> list[object]:
    return [
        pytest.param(name, modality(name).corruptions, one, id=f"{name}-{one}")
        for name in NAMES
        for one in modality(name).corruptions.names
    ]


@pytest.mark.parametrize(("name", "known", "corruption"), corruptions())
def test_published_strengths_are_such_as_a_suite_may_give(name: str, known: Corruptions, corruption: str) -> None:
    published = known.published(corruption, SHAPES[name])
    assert list(published) == list(known.parameters(corruption))
    assert all(unit for unit in known.parameters(corruption).values())
    assert {len(values) for values in published.values()} == {len(SEVERITIES)}
    assert known.fault(corruption, published) == ""
    assert known.shape_fault(corruption, SHAPES[name]) == ""
    for wrong in (
        {},
        published | {"surprise": (1, 2, 3, 4, 5)},
        {key: values[:4] for key, values in published.items()},
    ):
        assert known.fault(corruption, wrong)
    content = known.published_content(corruption)
    assert content
    assert canonical_json(json.loads(canonical_json(content))) == canonical_json(content)


@pytest.mark.parametrize("name", NAMES)
def test_causes_fit_the_codes_of_outcomes(name: str) -> None:
    causes = modality(name).corruptions.causes
    assert 0 < len(set(causes)) == len(causes) < 256


@pytest.mark.parametrize("name", NAMES)
def test_every_threshold_has_its_check_and_what_nobody_may_leave_out_is_there(name: str) -> None:
    checks = modality(name).checks
    for rules, measured, needed in (
        (checks.data_rules, checks.data, DATA),
        (checks.augmented_rules, checks.augmented, AUGMENTED),
    ):
        assert list(measured) == list(rules.model_fields)
        assert needed <= set(measured)
        assert {field.alias for field in rules.model_fields.values()} == {check_name(field) for field in measured}
