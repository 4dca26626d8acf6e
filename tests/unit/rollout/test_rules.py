"""The rules of a rollout: those shipped are read, and what contradicts itself is refused with every contradiction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from augment_ops.errors import PolicyError
from augment_ops.rollout.rules import RolloutRules

SHIPPED = Path(__file__).parents[3] / "policies" / "rollout"


def test_the_rules_that_are_shipped_are_read() -> None:
    default, ab = (RolloutRules.load(SHIPPED / f"{name}.yaml") for name in ("default", "ab"))
    assert (default.ends, ab.ends) == ("promote", "compare")
    assert (default.shadows, default.canaries) == ((0,), (1, 2, 3))
    assert [step.share for step in default.steps] == [1.0, 0.01, 0.1, 0.5]
    assert ab.by == "subject"
    assert default.digest != ab.digest


def test_rules_that_were_kept_as_a_document_are_the_same() -> None:
    rules = RolloutRules.load(SHIPPED / "default.yaml")
    again = RolloutRules.model_validate(rules.model_dump(mode="json"))
    assert (again, again.digest) == (rules, rules.digest)


@pytest.mark.parametrize(
    ("place", "value", "found"),
    [
        (("confidence",), 1.0, "confidence"),
        (("kept",), 0, "kept"),
        (("steps", 0, "shadwo"), True, "shadow"),
        (("steps", 1, "shadow"), True, None),
        (("steps", 2, "shadow"), True, "step canary-10: shadows come first, and canary-1"),
        (("steps", 2, "share"), 0.001, "share 0.001 must not fall below canary-1's 0.01"),
        (("steps", 1, "longest_hours"), 0.25, "longest_hours 0.25 must lie above hours 0.25"),
        (("steps", 1, "name"), "shadow", "one name twice"),
        (("steps", 0, "shadow"), False, "conditions.agreement compares answers to the same sample"),
        (("conditions",), {}, "name one at least"),
        (("conditions", "recall", "shown"), True, "shown"),
        (("steps",), [], "steps"),
        (("trip", "failures"), 0, "trip.failures"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    tmp_path: Path, place: tuple[Any, ...], value: object, found: str | None
) -> None:
    content = yaml.safe_load((SHIPPED / "default.yaml").read_text())
    inner = content
    for one in place[:-1]:
        inner = inner[one]
    inner[place[-1]] = value
    path = tmp_path / "default.yaml"
    path.write_text(yaml.safe_dump(content))
    if found is None:
        assert RolloutRules.load(path).shadows == (0, 1)
        return
    with pytest.raises(PolicyError, match=found):
        RolloutRules.load(path)


def test_a_share_of_one_has_nobody_to_compare_with(tmp_path: Path) -> None:
    content = yaml.safe_load((SHIPPED / "ab.yaml").read_text())
    content["steps"] = [{**content["steps"][1], "share": 1.0}]
    path = tmp_path / "ab.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(PolicyError) as raised:
        RolloutRules.load(path)
    for fault in ("inputs of two arms", "no champion to compare with", "with two arms, and at a share of 1"):
        assert fault in str(raised.value)


@pytest.mark.parametrize(
    ("condition", "shadow", "refused"),
    [("latency", True, True), ("errors", True, True), ("accuracy", True, False), ("accuracy", False, True)],
)
def test_what_a_step_without_a_champion_could_never_show_is_not_asked_of_it(
    condition: str, shadow: bool, refused: bool
) -> None:
    content = yaml.safe_load((SHIPPED / "default.yaml").read_text())
    content["steps"][3]["share"] = 1.0
    content["conditions"][condition]["shown"] = True
    if not shadow:
        content["steps"].pop(0)
        content["conditions"].pop("agreement")
    if not refused:
        assert RolloutRules.model_validate(content).conditions.accuracy.shown
        return
    with pytest.raises(ValueError, match=f"{condition}.shown: in step canary-50 there is no champion"):
        RolloutRules.model_validate(content)
