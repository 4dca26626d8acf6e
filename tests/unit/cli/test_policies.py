"""`augment-ops policy …`, as far as it reads a library and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augment_ops.policy.library import load
from augment_ops.settings import Settings
from support.command_line import Call
from support.policies import policy_text

ROBUST = "digits-robust"


def test_the_library_is_listed(call: Call, settings: Settings) -> None:
    files = sorted(path.stem for path in (settings.policies / "augment").glob("*.yaml"))
    assert call("policy", "list") == (0, "\n".join(files) + "\n", "")
    assert json.loads(call("policy", "list", "--json")[1]) == files


def test_a_policy_is_shown_with_its_digest(call: Call, settings: Settings) -> None:
    policy = load(settings.policies, ROBUST)
    code, shown, _ = call("policy", "show", ROBUST)
    assert code == 0
    assert shown.startswith(policy.text.rstrip())
    assert f"# digest {policy.digest}" in shown
    found = json.loads(call("policy", "show", ROBUST, "--json")[1])
    assert (found["digest"], found["name"], found["budget"]["p95_ms"]) == (policy.digest, ROBUST, policy.budget.p95_ms)


def test_its_plan_says_what_is_compiled(call: Call) -> None:
    lines = call("policy", "show", ROBUST, "--plan")[1].splitlines()
    assert json.loads(call("policy", "show", ROBUST, "--plan", "--json")[1]) == lines
    assert any("Affine" in line for line in lines)
    assert call("policy", "show", "digits-none", "--plan")[1] == "nothing to do: the policy is the identity\n"


def test_a_policy_that_is_not_there_has_a_neighbour(call: Call) -> None:
    code, out, err = call("policy", "show", "digits-robus")
    assert (code, out) == (2, "")
    assert f"Did you mean {ROBUST}?" in err


def test_what_differs_is_no_failure(call: Call) -> None:
    code, shown, _ = call("policy", "diff", "digits-none", ROBUST)
    assert code == 0
    assert "Affine" in shown
    assert json.loads(call("policy", "diff", ROBUST, ROBUST, "--json")[1])["transforms"] == []


def test_every_fault_of_every_file_is_said_at_once(call: Call, library: Path) -> None:
    for name, step in (("first", "GausNoise: {p: 1.0}"), ("second", "Rotate: {limit: [10, -10], p: 7}")):
        (library / "augment" / f"{name}.yaml").write_text(policy_text(step, name=name))
    code, out, err = call("policy", "validate", "first", "second", ROBUST, "--json")
    assert code == 2
    places = [fault["where"] for fault in json.loads(out)["faults"]]
    assert any("first.yaml" in place for place in places)
    assert any("second.yaml" in place for place in places)
    assert not any(ROBUST in place for place in places)
    assert "Did you mean GaussNoise?" in err


def test_a_policy_is_tried_on_images_of_the_size_that_was_asked_for(call: Call, library: Path) -> None:
    (library / "augment" / "coloured.yaml").write_text(policy_text("ISONoise: {p: 1.0}", name="coloured", at="8, 8, 3"))
    code, out, _ = call("policy", "validate", "coloured", "--json")
    assert (code, [checked["name"] for checked in json.loads(out)]) == (0, ["coloured"])
    code, _, err = call("policy", "validate", "coloured", "--at", "8x8x1")
    assert code == 2
    assert "coloured" in err


@pytest.mark.parametrize("shape", ["8", "8x8", "8x8x", "axbxc", "8x8x1x1", "0x8x1", "-8x8x1"])
def test_a_shape_that_is_none(call: Call, shape: str) -> None:
    code, out, err = call("policy", "validate", ROBUST, "--at", shape)
    assert (code, out) == (2, "")
    assert "--at" in err


def test_a_pipeline_is_imported_once(call: Call, library: Path, tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline.json"
    flip = {"__class_fullname__": "HorizontalFlip", "p": 0.5}
    pipeline.write_text(json.dumps({"transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": [flip]}}))
    words = ("policy", "import", str(pipeline), "--name", "of-mine", "--owner", "vision")
    code, out, err = call(*words, "--json")
    assert code == 0, err
    made = json.loads(out)
    assert Path(made["file"]) == library / "augment" / "of-mine.yaml"
    assert load(library, "of-mine").digest == made["digest"]
    code, _, err = call(*words)
    assert code == 2
    assert "of-mine" in err
