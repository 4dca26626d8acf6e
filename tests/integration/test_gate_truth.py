"""What the gate says of policies whose effect is known, with real training: it must name what they do."""

from __future__ import annotations

from pathlib import Path

import pytest

from augment_ops.cli.runs import run_pipeline

ROOT = Path(__file__).parents[2]
HEAD = """name: {name}
version: 1.0.0
modality: image
domain: {domain}
owner: vision-platform
description: For a test of the gate.
limitations: []
discovered_by: null
budget: {{p95_ms: 1.0, at: [8, 8, 1]}}
transforms:
"""
ROBUST = (ROOT / "policies" / "augment" / "digits-robust.yaml").read_text()


def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, domain: str, transforms: str) -> dict:
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(ROOT / "policies"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    policy = tmp_path / f"{name}.yaml"
    policy.write_text(HEAD.format(name=name, domain=domain) + transforms)
    return run_pipeline({"dataset": "digits", "policy": str(policy)}, name, quiet=True)


@pytest.mark.slow
def test_everything_but_rotation_is_refused_for_rotation_and_its_worst_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = ROBUST[ROBUST.index("transforms:\n") + len("transforms:\n") :].replace("rotate: [-30, 30], ", "")
    decision = judged(tmp_path, monkeypatch, "no-rotation", "general", without)
    assert (decision["verdict"], decision["promoted"]) == ("FAIL", False)
    failed = [r for r in decision["reasons"] if r["outcome"] == "fail"]
    assert {r["corruption"] for r in failed if r["corruption"]} == {"rotation"}
    assert all(r["class_name"] for r in failed if r["rule"] == "invariance")


@pytest.mark.slow
def test_a_policy_that_lifts_the_mean_and_costs_some_classes_is_refused_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turning digits any way up makes models robust, and costs classes that are told by their direction."""
    turned = ROBUST[ROBUST.index("transforms:\n") + len("transforms:\n") :].replace("[-30, 30]", "[-180, 180]")
    turned = turned.replace("0.45", "0.2").replace("0.3, p: 0.8", "0.2, p: 0.8").replace("[0.02, 0.2]", "[0.01, 0.06]")
    turned = turned.replace("[0.75, 1.3]", "[0.8, 1.25]")
    decision = judged(tmp_path, monkeypatch, "upside-down", "medical", turned)
    assert not decision["promoted"]
    effect = next(r for r in decision["reasons"] if r["rule"] == "control" and r["against"] and r["class_name"] is None)
    lost = {r["class_name"] for r in decision["reasons"] if r["rule"] == "control" and r["outcome"] == "fail"}
    assert effect["measured"] > 0, "the mean rises"
    assert lost - {None}
    assert all(
        r["low"] > 0.1 for r in decision["reasons"] if r["outcome"] == "fail" and r["class_name"] in lost - {None}
    )
