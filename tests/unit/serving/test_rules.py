"""The rules of a service: those shipped are read, and what contradicts itself is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from augment_ops.errors import PolicyError
from augment_ops.serving.rules import ServingRules
from support.service import BREAKER

SHIPPED = Path(__file__).parents[3] / "policies" / "serving" / "default.yaml"


def test_the_rules_that_are_shipped_are_read() -> None:
    found = ServingRules.load(SHIPPED)
    assert found.log.share == 1
    assert found.processes >= 1
    assert found.limits.body_bytes == 16 << 20


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("limits", "samples"), 5000),
        (("log", "share"), 1.5),
        (("batch", "max_samples"), 0),
        (("follow_s",), 0),
        (("log", "quue_mib"), 1),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, place: tuple[str, ...], value: object) -> None:
    content = yaml.safe_load(SHIPPED.read_text())
    inner = content
    for one in place[:-1]:
        inner = inner[one]
    inner[place[-1]] = value
    path = tmp_path / "default.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(PolicyError, match=place[0]):
        ServingRules.load(path)


VIEWS = {"policy": "digits-robust", "version": "1.0.0", "views": 4, "itself": True, "seed": 7}
SERVICE = {"policies": ["digits-robust@1.0.0"], "samples_per_day": 1000}


def test_rules_of_before_there_was_augmentation_keep_their_digest() -> None:
    found = ServingRules.load(SHIPPED)
    assert found.digest == "84eb463d5da13b967e8ee52636fbd3b77ee7fc40952650c186ed92124ebb365e"
    content = yaml.safe_load(SHIPPED.read_text())
    assert ServingRules.model_validate(content | {"breaker": BREAKER}).digest != found.digest


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"test_time": VIEWS}, "breaker must be there"),
        ({"augment": SERVICE}, "breaker must be there"),
        ({"breaker": {**BREAKER, "open_s": 301}}, "longest_open_s"),
        ({"breaker": BREAKER, "test_time": {**VIEWS, "views": 5}}, "test_time.views 5 times limits.samples 1024"),
        ({"breaker": BREAKER, "test_time": {**VIEWS, "views": 1}}, "views"),
        ({"breaker": BREAKER, "test_time": {**VIEWS, "version": "1"}}, "version"),
        ({"breaker": BREAKER, "augment": {**SERVICE, "policies": ["digits-robust"]}}, "policies"),
        ({"breaker": BREAKER, "augment": {**SERVICE, "policies": SERVICE["policies"] * 2}}, "once"),
    ],
)
def test_augmentation_that_contradicts_itself_is_refused(tmp_path: Path, sections: dict, said: str) -> None:
    content = yaml.safe_load(SHIPPED.read_text())
    path = tmp_path / "default.yaml"
    path.write_text(yaml.safe_dump({**content, "breaker": BREAKER, "test_time": VIEWS, "augment": SERVICE}))
    ServingRules.load(path)
    path.write_text(yaml.safe_dump({**content, **sections}))
    with pytest.raises(PolicyError, match=said):
        ServingRules.load(path)


def test_the_rules_of_the_docs_are_read_with_those_that_are_shipped() -> None:
    page = (SHIPPED.parents[2] / "docs" / "serving.md").read_text()
    shown = [yaml.safe_load(one) for one in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    content = yaml.safe_load(SHIPPED.read_text())
    for sections in shown:
        content |= sections
    assert {"test_time", "augment", "breaker"} <= set(content)
    ServingRules.model_validate(content)
