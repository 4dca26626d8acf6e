from __future__ import annotations

import math

import pytest
import yaml
from pydantic import ValidationError

from augment_ops.errors import PolicyError
from augment_ops.gate.rules import GateRules, load
from augment_ops.stress.suite import load as load_suite
from support.places import POLICIES


def write(tmp_path, rules, section, changes, name="default"):
    content = rules.model_dump(mode="json")
    if section is None:
        content |= changes
    else:
        content[section] = (content[section] or {}) | changes
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_default_gate_says_what_the_issue_demands(rules):
    assert (rules.invariance.warn_gap, rules.invariance.block_gap) == (0.10, 0.15)
    assert rules.invariance.severities == (1, 2, 3, 4, 5)
    assert rules.data_wait.block_share is None
    assert (rules.budget.warn_ratio, rules.budget.block_ratio) == (1.0, 3.0)


@pytest.mark.parametrize("path", sorted((POLICIES / "gates").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_gate_demands_every_corruption_of_its_suite(path):
    rules = load(path)
    suite = load_suite(POLICIES / "stress" / f"{rules.suite}.yaml")
    assert set(rules.invariance.corruptions) == set(suite.corruptions)


def test_the_digest_sees_thresholds_and_not_layout(rules, tmp_path):
    assert load(write(tmp_path, rules, None, {})).digest == rules.digest
    assert load(write(tmp_path, rules, "invariance", {"block_gap": 0.16})).digest != rules.digest


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("invariance", {"block_gap": 0}),
        ("invariance", {"block_gap": -0.15}),
        ("invariance", {"block_gap": 15}),
        ("invariance", {"block_gap": 1.0}),
        ("invariance", {"block_gap": None}),
        ("invariance", {"block_gap": "0.15"}),
        ("invariance", {"block_gap": True}),
        ("invariance", {"warn_gap": 0.2}),
        ("invariance", {"warn_gap": 0}),
        ("invariance", {"severities": []}),
        ("invariance", {"severities": [0]}),
        ("invariance", {"severities": [6]}),
        ("invariance", {"severities": [1, 1]}),
        ("invariance", {"corruptions": []}),
        ("invariance", {"corruptions": ["rotation", "rotation"]}),
        ("invariance", {"corruptions": ["clean"]}),
        ("invariance", {"min_n": 0}),
        ("invariance", {"min_n": 1}),
        ("invariance", {"min_n": 200.5}),
        ("invariance", {"surprise": 1}),
        ("invariance", {"burden": "harm"}),
        ("invariance", {"stricter": {"rotation": {"warn_gap": 0.1, "block_gap": 0.2}}}),
        ("invariance", {"stricter": {"rotation": {"warn_gap": 0.05, "block_gap": 0.04}}}),
        ("class_recall", {"burden": "none"}),
        ("statistics", {"confidence": 0.5}),
        ("statistics", {"confidence": 1.0}),
        ("statistics", {"resamples": 100}),
        ("champion", {"class_margin": 0.5}),
        ("control", {"min_gain": -0.5}),
        ("control", {"no_effect": "pass"}),
        ("unseen", {"min_gain": -1.0}),
        ("groups", {"columns": [], "max_gap": 0.1, "max_amplification": 0.1, "min_n": 20}),
        ("calibration", {"block_error": 0.01}),
        ("leakage", {"max_measured": 0.5}),
        ("approvals", {"roles": ["auto"]}),
        ("approvals", {"environments": []}),
        ("class_recall", {"clean_floor": 0}),
        ("class_recall", {"clean_floor": 1.1}),
        ("class_recall", {"stressed_floor": 0}),
        ("class_recall", {"stressed_floor": 0.7}),
        ("class_recall", {"stressed_floor": -0.1}),
        ("class_recall", {"min_n": -1}),
        ("champion", {"clean_margin": -0.01}),
        ("champion", {"stressed_margin": 0.5}),
        ("champion", {"first_champion": "promote"}),
        ("data_wait", {"warn_share": 1.5}),
        ("data_wait", {"block_share": 0.01}),
        ("budget", {"warn_ratio": 0}),
        ("budget", {"block_ratio": 0.5}),
        ("drift", {"on_drift": "ignore"}),
        (None, {"invariance": None}),
        (None, {"class_recall": None}),
        (None, {"class_recall": {}}),
        (None, {"version": "1.0"}),
        (None, {"suite": ""}),
        (None, {"name": "strict"}),
        (None, {"quality": None}),
    ],
)
def test_a_rule_that_could_never_refuse_is_refused(rules, tmp_path, section, changes):
    with pytest.raises(PolicyError) as caught:
        load(write(tmp_path, rules, section, changes))
    assert next(iter(changes)) in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("section", "name"),
    [
        ("invariance", "block_gap"),
        ("class_recall", "clean_floor"),
        ("champion", "clean_margin"),
        ("budget", "block_ratio"),
    ],
)
def test_a_threshold_that_is_no_finite_number_is_refused_in_a_file_and_in_memory(rules, tmp_path, section, name, value):
    with pytest.raises(PolicyError):
        load(write(tmp_path, rules, section, {name: value}))
    content = rules.model_dump()
    content[section][name] = value
    with pytest.raises(ValidationError, match=name):
        GateRules.model_validate(content)


def test_an_empty_file_and_an_empty_mapping_are_refused(tmp_path):
    path = tmp_path / "default.yaml"
    for text in ("", "{}", "[]", "name: default"):
        path.write_text(text)
        with pytest.raises(PolicyError):
            load(path)


def test_a_threshold_written_twice_is_refused(rules, tmp_path):
    path = write(tmp_path, rules, None, {})
    path.write_text(path.read_text().replace("  block_gap: 0.15", "  block_gap: 0.15\n  block_gap: 0.5"))
    with pytest.raises(PolicyError, match="duplicate key 'block_gap'"):
        load(path)


def test_every_fault_of_a_file_is_named_at_once(rules, tmp_path):
    path = write(tmp_path, rules, "invariance", {"block_gap": 2, "min_n": 0, "severities": []})
    with pytest.raises(PolicyError) as caught:
        load(path)
    assert len(caught.value.faults) == 3
