"""`augment-ops run`, `stage`, `gate` and what else names a run, as far as it is refused before anything is computed."""

from __future__ import annotations

import json

import pytest

from augment_ops.cli import terminal
from augment_ops.settings import Settings
from augment_ops.workspace import open_ledger, open_store
from support.command_line import Call


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--approval", "ml-lead"), "a command line cannot prove who is answering"),
        (("--policy", "digits-robus"), "Did you mean digits-robust?"),
        (("--delivery", "onlin"), "delivery"),
        (("--environment", "prod"), "Fix: choose one. Did you mean production?"),
        (("--seed", "-1"), "seed"),
        (("--epochs", "10001"), "epochs"),
        (("--image-size", "8"), "image_size"),
        (("--dataset-name", "Not Kebab"), "dataset_name"),
        (("--gate", "nowhere"), "nowhere"),
        (("--suite", "nowhere"), "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_run_that_cannot_be_is_not_begun(call: Call, settings: Settings, words: tuple[str, ...], said: str) -> None:
    code, out, err = call("run", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert open_store(settings).documents("runs/") == []
    assert [entry.act for entry in open_ledger(settings).entries() if entry.act != "refuse"] == []


def test_every_parameter_that_is_wrong_is_said(call: Call) -> None:
    code, out, _ = call("run", "--seed", "-1", "--epochs", "10001", "--delivery", "onlin", "--json")
    assert code == 2
    places = " ".join(fault["where"] for fault in json.loads(out)["faults"])
    assert all(name in places for name in ("seed", "epochs", "delivery"))


@pytest.mark.parametrize(
    "words",
    [
        ("stage", "ingest", "--run-id", "nowhere"), ("gate", "--replay", "nowhere"), ("gate", "--replay", "0" * 64),
        ("drift", "digits", "--rules", "nowhere"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_is_not_there_is_bad_input(call: Call, words: tuple[str, ...]) -> None:
    code, out, err = call(*words, "--json")
    assert code == 2
    assert json.loads(out)["message"] == err.rstrip("\n")


def test_a_state_folder_without_metrics_has_none(call: Call) -> None:
    assert call("metrics", "show") == (0, "", "")


def test_where_nobody_has_signed_rules(call: Call) -> None:
    code, out, _ = call("governance", "show", "--json")
    assert json.loads(out)["in_force"] is None
    assert code in (0, 1)
    code, out, err = call("governance", "sign", "--reason", "the new gates")
    assert (code, out) == (3, "")
    assert "augment-ops governance init" in err


def test_what_would_stop_a_run_is_said_without_one(call: Call, settings: Settings) -> None:
    code, out, _ = call("run", "--dry-run", "--environment", "staging", "--max-samples", "150", "--json")
    found = json.loads(out)
    assert code == 1
    assert (found["would_begin"], found["samples"]) == (False, 150)
    assert [fault["where"] for fault in found["faults"]] == [
        "policy digits-robust 1.0.0 in staging",
        "check_data: train-samples-per-class",
        "check_data: test-samples-per-class",
        "gate default: invariance.min_n",
        "gate default: class_recall.min_n",
    ]
    code, out, _ = call("run", "--dry-run", "--approval", "ml-lead", "--gate", "nowhere", "--dataset", "nowhere")
    assert code == 1
    assert "2 things would stop this run" in out
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal, "_SILENT_S", 0.0)
        code, out, err = call("run", "--dry-run")
    assert (code, out) == (0, "digits: 1797 samples, 10 classes\nnothing stops this run\n")
    assert err.startswith("reading the data set: ")
    assert call("run", "--dry-run", "--epochs", "-1")[0] == 2
    assert not settings.home.exists()
    entries = open_ledger(settings).size()
    assert call("run", "--dry-run", "--environment", "staging", "--max-samples", "150")[0] == 1
    assert (open_ledger(settings).size(), entries) == (0, 0)
    assert [path.name for path in settings.home.iterdir()] == ["ledger.db"]
