"""The rules of a service: those shipped are read, and what contradicts itself is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from augment_ops.errors import PolicyError
from augment_ops.serving.rules import ServingRules

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
