"""`augment-ops policy …`, as far as it reads a library and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augment_ops.cli import policy_acts
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.run import begin
from augment_ops.policy.library import load
from augment_ops.services import stack
from augment_ops.settings import Settings
from augment_ops.workspace import open_ledger, open_store
from support.command_line import Call
from support.policies import policy_text
from support.questions import questions

ROBUST = "digits-robust"


def test_the_library_is_listed(call: Call, settings: Settings) -> None:
    files = sorted(path.stem for path in (settings.policies / "augment").glob("*.yaml"))
    code, shown, _ = call("policy", "list")
    assert code == 0
    assert [line.split()[0] for line in shown.splitlines()[2:]] == files
    found = {one["name"]: one for one in json.loads(call("policy", "list", "--json")[1])}
    assert list(found) == files
    told = {"name": ROBUST, "version": "1.0.0", "state": "draft", "owner": "vision-platform", "last_run": None}
    assert found[ROBUST] == {**told, "proposed_by": [], "approvals": []}
    assert not settings.home.joinpath("ledger.db").exists()  # looking makes nothing


@pytest.mark.usefixtures("settings")
def test_who_acts_on_a_policy_does_it_where_mlflow_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the server that `up` started, which has addresses, and not behind its back."""
    monkeypatch.setattr(stack, "tracking_uri", lambda settings: "http://127.0.0.1:5999")
    assert policy_acts._workspace().settings.has_mlflow_server


def test_the_list_says_where_each_stands_and_what_ran_last(call: Call, library: Path, settings: Settings) -> None:
    (library / "augment" / "broken.yaml").write_text("name: [")
    policy = load(library, ROBUST)
    subjects = {"policy": policy.digest, "policy_version": f"{ROBUST}/1.0.0"}
    ledger = open_ledger(settings)
    ledger.append("publish", "pat", subjects, "", "a")
    ledger.append("propose", "pat", subjects, "", "b")
    ledger.append("revoke", "pat", {"policy_version": "digits-none/1.0.0"}, "wrong", "c")
    for number, name in enumerate((ROBUST, "digits-none", ROBUST)):
        begin(open_store(settings), f"run-{number}", RunParams(policy=name), "ann")
    found = {one["name"]: one for one in json.loads(call("policy", "list", "--json")[1])}
    states = {name: found[name]["state"] for name in (ROBUST, "digits-none", "broken", "fashion-robust")}
    assert states == {ROBUST: "proposed", "digits-none": "revoked", "broken": "unreadable", "fashion-robust": "draft"}
    assert (found[ROBUST]["last_run"]["id"], found[ROBUST]["last_run"]["state"]) == ("run-2", "at ingest")
    assert found["fashion-robust"]["last_run"] is None


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
    assert "+ transforms[0]: Affine: {rotate: [-30, 30]" in shown
    assert "None" not in shown
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


def test_an_import_says_what_it_kept_and_which_limit_is_near_or_refuses(
    call: Call, library: Path, tmp_path: Path
) -> None:
    def saved(degrees: int) -> str:
        turn = {"__class_fullname__": "Rotate", "limit": [-degrees, degrees], "p": 0.5}
        compose = {"__class_fullname__": "Compose", "p": 1.0, "transforms": [turn], "seed": 3}
        (tmp_path / "pipeline.json").write_text(json.dumps({"transform": compose}))
        return str(tmp_path / "pipeline.json")

    code, shown, _ = call("policy", "import", saved(30), "--name", "turned", "--owner", "vision")
    assert (code, shown.splitlines()[1:]) == (
        0,
        [
            "kept: Rotate: {limit: [-30, 30], p: 0.5}",
            "not carried over: the seed: a run has its own (seed)",
            "limits of general: max_rotation_deg 30 of 45",
        ],
    )
    code, _, err = call("policy", "import", saved(60), "--name", "turned-more", "--owner", "vision")
    assert code == 2
    assert "policies/limits/general.yaml: max_rotation_deg" in err
    code, _, err = call("policy", "import", saved(30), "--name", "Turned_Often", "--owner", "vision")
    assert (code, "expected kebab-case" in err, "^" in err) == (2, True, False)


def test_a_policy_of_tables_is_shown_on_a_table_whose_columns_are_named(call: Call, tmp_path: Path) -> None:
    table, gallery = tmp_path / "payments.csv", tmp_path / "gallery.png"
    rows = [f"{'yes' if number % 3 == 0 else 'no'},{number % 90}.5,{number % 24}" for number in range(120)]
    table.write_text("\n".join(["fraud,amount,hour", *rows]))
    words = ("policy", "preview", "transactions-robust", "--dataset", str(table), "--out", str(gallery))
    code, out, err = call(*words, "--columns", "label=fraud")
    assert (code, out) == (0, f"{gallery.as_uri()}\n"), err
    assert gallery.read_bytes().startswith(b"\x89PNG")
    assert err.startswith("drawing transactions-robust 1.0.0 on ")  # before it begins: it takes seconds
    code, _, err = call("policy", "preview", ROBUST, "--columns", "label=fraud", "--quiet")
    assert (code, "columns: found 'label=fraud'; expected a parameter of the modality image" in err) == (2, True)


def test_a_policy_of_texts_is_shown_on_a_table_whose_columns_are_named(call: Call, tmp_path: Path) -> None:
    table, gallery = tmp_path / "questions.csv", tmp_path / "gallery.png"
    questions(120).to_csv(table, index=False)
    words = ("policy", "preview", "intents-robust", "--dataset", str(table), "--out", str(gallery))
    code, out, err = call(*words, "--text-columns", "text=question,label=intent")
    assert (code, out) == (0, f"{gallery.as_uri()}\n"), err
    assert gallery.read_bytes().startswith(b"\x89PNG")
