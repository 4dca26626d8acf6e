"""`augment-ops kubeflow …`, as far as it needs no kfp."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from augment_ops.drivers.kubeflow import people
from augment_ops.drivers.kubeflow.stamp import stamp
from augment_ops.governance.keys import default_path, ensure
from augment_ops.pipeline.outputs import Prepared
from augment_ops.pipeline.parameters import RunParams
from augment_ops.report.brief import Brief
from augment_ops.settings import Settings
from augment_ops.workspace import open_store
from support.command_line import Call
from support.people import write_approvers


def test_without_its_environment_compile_says_how_to_make_it(call: Call, tmp_path: Path) -> None:
    output = tmp_path / "pipeline.yaml"
    code, out, err = call("kubeflow", "compile", "--output", str(output), "--python", str(tmp_path / "none"))
    assert (code, out) == (2, "")
    assert "Fix: run `make kubeflow`" in err
    assert not output.exists()


def test_a_request_prints_what_to_start_the_pipeline_with(call: Call, library: Path) -> None:
    write_approvers(library, {"ml-lead": {"ann": ensure(default_path("ann"))}})
    asked = ("kubeflow", "request", "--approval", "ml-lead", "--seed", "9")
    code, out, _ = call(*asked, "--json")
    made = json.loads(out)
    run_id = made["arguments"].pop("run_id")
    assert (code, made) == (0, {"by": "ann", "arguments": {"approval": "ml-lead", "seed": 9}})
    assert run_id.startswith("kfp-")
    assert [line.split(" = ") for line in call(*asked)[1].splitlines()][2:] == [
        ["  seed", "9"],
        ["  approval", "ml-lead"],
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("request", "--approval", "ml-lead"), "ann.pem"),
        (("request", "--environment", "production"), "approval for environment production"),
        (("request", "--seed", "-1"), "seed"),
        (("question", "kfp-0123456789ab"), "no record of it"),
        (("approve", "kfp-0123456789ab", "--reason", "seen"), "no record of it"),
        (("reject", "kfp-0123456789ab", "--reason", "seen"), "no record of it"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_asked_or_answered_leaves_nothing(
    call: Call, settings: Settings, words: tuple[str, ...], said: str
) -> None:
    code, out, err = call("kubeflow", *words)
    assert code in (1, 2, 3)
    assert (out, said in err) == ("", True), err
    assert open_store(settings).documents("runs/") == []


def test_a_question_has_the_width_of_every_result(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = "digits-robust 1.2.0, approved by " + ", ".join(["ann"] * 20)
    brief = Brief(
        dataset="digits", version="4", champion="", verdict="PASS", summary="It passes.", policy=policy,
        policy_before="", policy_changes=(), environment="dev", started_by="eve", because="",
        compared=None, warnings=(),
    )  # fmt: skip
    ctx = SimpleNamespace(
        dataset="digits", params=RunParams(), run=SimpleNamespace(actor="eve"), parent=SimpleNamespace(url="")
    )
    decided = SimpleNamespace(version="4", champion_version=None, decision=None)
    shown = ctx, decided, Prepared(brief=brief, asks="ml-lead", path="/reports/report.html")
    monkeypatch.setattr(people, "question", lambda settings, run_id: shown)
    monkeypatch.delenv("COLUMNS", raising=False)
    code, out, _ = call("kubeflow", "question", "kfp-0123")
    assert code == 0
    assert policy in out  # in one line: a log has room


@pytest.mark.parametrize(
    ("given", "said"),
    [("", "standard input"), ("[]", "standard input"), ('{"run_id": "cli-1"}', "begins with kfp-")],
)
def test_a_task_without_its_inputs(call: Call, monkeypatch: pytest.MonkeyPatch, given: str, said: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(given))
    code, out, err = call("kubeflow", "task", "begin", "--stamp", stamp())
    assert (code, out) == (2, "")
    assert said in err


def test_a_task_prints_its_output_alone(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"run_id": "", "job": "0123", "seed": 8}'))
    assert call("kubeflow", "task", "begin", "--stamp", stamp())[:2] == (0, "kfp-0123\n")
