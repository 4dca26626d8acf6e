"""What a run names has to be for samples of its modality, and every file that is not is told before anything begins."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import yaml

from augment_ops.errors import InputError
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.preflight import preflight
from augment_ops.settings import Settings
from support.places import POLICIES
from support.readings import AugmentedReadingRules, ReadingRules, registered

NONE = {"warn_above": 0, "fail_above": 0}
HEAD = {"version": "1.0.0", "description": "For tests.", "modality": "readings"}
SUITE = HEAD | {"name": "drifting", "max_samples": 30, "corruptions": {"gone": None}}
RULES = HEAD | {
    "name": "sensors",
    "check_data": {name.replace("_", "-"): NONE for name in ReadingRules.model_fields},
    "check_augmented": {name.replace("_", "-"): NONE for name in AugmentedReadingRules.model_fields},
}


def test_a_suite_and_thresholds_of_another_modality_are_refused_before_the_run_begins(tmp_path: Path) -> None:
    policies = shutil.copytree(POLICIES, tmp_path / "policies")
    (policies / "stress" / "drifting.yaml").write_text(yaml.safe_dump(SUITE), encoding="utf-8")
    (policies / "quality" / "sensors.yaml").write_text(yaml.safe_dump(RULES), encoding="utf-8")
    home = tmp_path / "home"
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(home), "AUGMENT_OPS_POLICIES": str(policies)})
    preflight(settings, RunParams(), "pat")
    with registered(), pytest.raises(InputError) as caught:
        preflight(settings, RunParams(suite="drifting", quality="sensors"), "pat")
    told = [fault.where for fault in caught.value.faults]
    assert told == [
        "quality rules sensors: modality",
        "stress suite drifting: modality",
        "--gate",
    ]  # judges another suite
    assert not list(home.rglob("*.db"))


def test_a_gate_of_other_alerts_than_its_suite_is_refused_before_the_run_begins(tmp_path: Path) -> None:
    policies = shutil.copytree(POLICIES, tmp_path / "policies")
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(tmp_path), "AUGMENT_OPS_POLICIES": str(policies)})
    named = dict.fromkeys(("gate", "suite", "quality", "drift"), "transactions")
    asked = RunParams(modality="tabular", policy="transactions-robust", **named)
    preflight(settings, asked, "pat")
    gate = policies / "gates" / "transactions.yaml"
    gate.write_text(gate.read_text().replace("rate: 0.01", "rate: 0.02"))
    with pytest.raises(InputError, match=r"at a rate of 0\.02, .*; expected alerts .* 0\.01, .* as the suite"):
        preflight(settings, asked, "pat")
    gate.unlink()
    with pytest.raises(InputError) as caught:
        preflight(settings, asked, "pat")
    assert len(caught.value.faults) == 1


def test_drift_rules_of_properties_that_rows_have_not_are_refused_before_the_run_begins(tmp_path: Path) -> None:
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(tmp_path), "AUGMENT_OPS_POLICIES": str(POLICIES)})
    named = dict.fromkeys(("gate", "suite", "quality"), "transactions")
    with pytest.raises(InputError, match=r"drift rules default: detect\.images: found mean, contrast, sharp"):
        preflight(settings, RunParams(modality="tabular", policy="transactions-robust", **named), "pat")


def test_classes_are_balanced_once(tmp_path: Path) -> None:
    policies = shutil.copytree(POLICIES, tmp_path / "policies")
    recipe = {"name": "even", "version": "1.0.0", "description": "For tests.", "torch": {"sampling": "balanced"}}
    (policies / "recipes" / "even.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(tmp_path), "AUGMENT_OPS_POLICIES": str(policies)})
    preflight(settings, RunParams(recipe="even"), "pat")
    with pytest.raises(
        InputError, match=r"--class-weight: found balanced, with the recipe even, whose sampling is bal"
    ):
        preflight(settings, RunParams(recipe="even", class_weight="balanced"), "pat")


def test_only_trainers_that_can_are_asked_to_augment_on_their_device(tmp_path: Path) -> None:
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(tmp_path), "AUGMENT_OPS_POLICIES": str(POLICIES)})
    preflight(settings, RunParams(delivery="device"), "pat")
    with pytest.raises(InputError, match="--delivery: found device, with the trainer sklearn, which takes batches as"):
        preflight(settings, RunParams(delivery="device", trainer="sklearn"), "pat")


def test_processes_have_a_sample_and_a_device_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policies = shutil.copytree(POLICIES, tmp_path / "policies")
    recipe = {"name": "shared", "version": "1.0.0", "description": "For tests.", "torch": {"processes": 8}}
    (policies / "recipes" / "shared.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(tmp_path), "AUGMENT_OPS_POLICIES": str(policies)})
    preflight(settings, RunParams(recipe="shared", batch_size=8, device="cpu"), "pat")
    with pytest.raises(InputError, match=r"--batch-size: found 7, with the recipe shared, whose 8 processes share"):
        preflight(settings, RunParams(recipe="shared", batch_size=7, device="cpu"), "pat")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    with pytest.raises(InputError, match=r"torch\.processes: found 8 processes on cuda:0, of 4 GPUs here"):
        preflight(settings, RunParams(recipe="shared", batch_size=8), "pat")


def test_weights_that_are_not_the_recipes_are_refused_before_the_run_begins(tmp_path: Path) -> None:
    policies = shutil.copytree(POLICIES, tmp_path / "policies")
    weights = tmp_path / "backbone.safetensors"
    weights.write_bytes(b"other ones")
    head = {"name": "pretrained", "version": "1.0.0", "description": "For tests."}
    named = {"uri": str(weights), "sha256": hashlib.sha256(b"those that are meant").hexdigest()}
    recipe = head | {"torch": {"network": {"weights": named}}}
    (policies / "recipes" / "pretrained.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(tmp_path), "AUGMENT_OPS_POLICIES": str(policies)})
    with pytest.raises(
        InputError, match=rf"backbone\.safetensors with the sha256 [0-9a-f]+; expected {named['sha256']}"
    ):
        preflight(settings, RunParams(recipe="pretrained"), "pat")
    weights.unlink()
    with pytest.raises(InputError, match=r"FileNotFoundError: .* expected a file of at most 4 GiB"):
        preflight(settings, RunParams(recipe="pretrained"), "pat")
    weights.write_bytes(b"those that are meant")
    preflight(settings, RunParams(recipe="pretrained"), "pat")
