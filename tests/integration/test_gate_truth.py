"""What the gate says of a policy whose effect is known, with real training: it must name what is missing."""

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
