"""The command line of policies, as people and as scripts read it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from typer.testing import CliRunner, Result

from augment_ops.cli import add_commands, app
from augment_ops.errors import GovernanceError, InputError, PolicyError
from augment_ops.lifecycle.governing import unsettled

POLICY = "digits-robust"
VERSION = "digits-robust/1.0.0"


@pytest.fixture
def call(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    return _caller(desk, monkeypatch)


def _caller(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    if not app.registered_groups:
        add_commands(app)
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(desk.settings.home))
    monkeypatch.setenv("AUGMENT_OPS_POLICIES", str(desk.settings.policies))
    for name in ("AUGMENT_OPS_STORE", "AUGMENT_OPS_LEDGER", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)

    def call(*words: str, actor: str = "ada") -> Result:
        monkeypatch.setenv("AUGMENT_OPS_ACTOR", actor)
        if actor == "pat":  # ada's lies where one looks for it
            words = (*words, "--key", str(desk.key_file("pat")))
        group = () if words[0] in ("governance", "rollback") else ("policy",)
        return CliRunner().invoke(app, [*group, *words])

    return call


def test_the_story_from_the_command_line(
    desk: Any, call: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = json.loads(call("keygen", "--json").stdout)
    assert Path(made["file"]) == tmp_path / "config" / "augment-ops" / "ada.pem"
    told = call("keygen", "--out", str(tmp_path / "other.pem"))
    assert "keep it to yourself" in told.stdout
    assert yaml.safe_load(told.stdout.splitlines()[-1])["keys"][0].startswith("ed25519:")
    inside = call("keygen", "--out", str(desk.settings.policies / "k.pem"))
    assert isinstance(inside.exception, InputError)
    bob = f'{{id: bob, name: bob, keys: ["{desk.keys["bob"].public}"]}}'
    desk.write(approvers=f'{{id: ada, name: ada, keys: ["{made["public"]}"]}}, {bob}')
    said = json.loads(call("approve", POLICY, "--reason", "gallery seen", "--days", "30", "--json").stdout)
    assert (said["approval"]["approver"], said["approval"]["environment"]) == ("ada", "production")
    again = call("approve", POLICY, "--reason", "gallery seen", "--days", "30")
    assert f"entry {said['seq']}" in again.stdout
    wrong = call("approve", POLICY, "--reason", "r", "--days", "30", actor="bob")
    assert isinstance(wrong.exception, GovernanceError)
    assert "policy keygen" in wrong.exception.faults[0].fix
    done = json.loads(call("revoke", POLICY, "--environment", "production", "--reason", "a doubt", "--json").stdout)
    assert done == {"policy": POLICY, "act": "revoke", "environment": "production"}
    assert "deprecated digits-robust" in call("deprecate", POLICY, "--reason", "1.1.0 is better").stdout
    refused = call("propose", POLICY, "--json")
    assert isinstance(refused.exception, GovernanceError)
    (chapter,) = json.loads(call("history", POLICY, "--json").stdout)
    assert [event["by"] for event in chapter["events"]] == ["pat", "pat", "ada", "ada", "ada", "ada"]


def test_a_policy_is_proposed_profiled_and_shown_in_both_ways(
    desk: Any, call: Callable[..., Result], tmp_path: Path
) -> None:
    done = json.loads(call("propose", POLICY, "--json", actor="pat").stdout)
    assert done["policy_version"] == VERSION
    assert set(done["evidence"]) == {"profile", "preview"}
    told = call("propose", POLICY, actor="pat")
    assert "is proposed; its file is kept as" in told.stdout
    assert told.stderr.startswith(f"measuring and drawing {POLICY} on digits")  # before it begins: it takes seconds
    (gallery,) = re.findall(
        r"^gallery +(file:\S+)$", told.stdout, re.MULTILINE
    )  # an address that can be clicked, in one piece
    assert _opened(gallery).startswith(b"\x89PNG")
    found = json.loads(call("validate", f"{POLICY}@1.0.0", "--json").stdout)
    assert found == [{"name": POLICY, "version": "1.0.0", "digest": done["digest"], "narrowed": []}]
    desk.edit(("version: 1.0.0", "version: 1.1.0"), ("p: 0.6}", "p: 0.7}"))
    changes = json.loads(call("diff", f"{POLICY}@1.0.0", POLICY, "--json").stdout)
    assert "GaussNoise" in json.dumps(changes)
    assert "GaussNoise" in call("diff", f"{POLICY}@1.0.0", POLICY).stdout
    out = tmp_path / "gallery.png"
    seen = json.loads(call("preview", POLICY, "--out", str(out), "--json").stdout)
    assert call("preview", POLICY, "--out", str(out)).stdout.splitlines()[0] == out.as_uri()
    assert out.read_bytes().startswith(b"\x89PNG")
    assert seen["file"] == str(out)
    assert seen["rows"][0]["where"] == "transforms[0].Affine"
    assert {draw["level"] for row in seen["rows"] for draw in row["draws"]} == {"low", "middle", "high"}


def _opened(address: str) -> bytes:
    return Path(unquote(urlsplit(address).path)).read_bytes()


def test_profile_says_no_with_its_exit_code(desk: Any, call: Callable[..., Result]) -> None:
    within = call("profile", "digits-none", "--at", "4x4x1", "--json")
    assert (within.exit_code, json.loads(within.stdout)["over_budget"]) == (0, False)
    desk.edit(("p95_ms: 1.0", "p95_ms: 0.0000001"), name="digits-none")
    over = call("profile", "digits-none", "--at", "4x4x1")
    assert over.exit_code == 1
    assert over.stdout.rstrip().endswith("over it")
    wrong = call("profile", "digits-none", "--at", "4x0x1")
    assert isinstance(wrong.exception, InputError)


def test_validate_says_what_is_wrong_with_every_file(desk: Any, call: Callable[..., Result]) -> None:
    desk.edit(("p: 0.6}", "p: 0.61}"))
    desk.edit(("version: 1.0.0", "version: 01.0.0"), name="digits-none")
    desk.edit(("GaussNoise", "GausNoise"), name="fashion-robust")
    error = call("validate").exception
    assert isinstance(error, PolicyError)
    places = "\n".join(fault.where for fault in error.faults)
    assert "digits-none.yaml: version" in places
    assert "digits-robust.yaml:" in places
    assert "GaussNoise.p" in places
    assert "GausNoise" in places
    assert all(fault.fix for fault in error.faults)


def test_the_owner_signs_from_the_command_line(draft: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    call = _caller(draft, monkeypatch)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert call("governance", "show").exit_code == 1
    without = call("governance", "init", actor="olga")
    assert isinstance(without.exception, GovernanceError)
    assert "policy keygen" in without.exception.faults[0].fix
    assert call("keygen", actor="olga").exit_code == 0
    first = call("governance", "init", actor="olga")
    assert first.exit_code == 0, first.output
    assert "You own this installation's rules now" in first.stdout
    again = json.loads(call("governance", "init", "--json", actor="olga").stdout)
    assert (again["did"], again["owner"], again["number"]) == ([], "olga", "1")
    assert "nothing to do" in call("governance", "init").stdout  # which asks for no key
    assert "as they were signed" in call("governance", "show").stdout
    gate = draft.settings.policies / "gates" / "default.yaml"
    gate.write_text(gate.read_text() + "# looked at\n")
    shown = json.loads(call("governance", "show", "--json").stdout)
    assert (shown["faults"], shown["changes"][-1]) == ([], "+# looked at")
    asked = call("governance", "sign", "--reason", "r", actor="olga")
    assert asked.exit_code == 1
    seen = asked.stdout.split("--seen ")[1].strip()
    signed = json.loads(call("governance", "sign", "--reason", "r", "--seen", seen, "--json", actor="olga").stdout)
    assert (signed["signed"], signed["number"]) == (True, "2")
    assert call("governance", "sign", "--reason", "r").exit_code == 0  # nothing has changed since
    shown = call("governance", "show")
    assert shown.exit_code == 0
    place = f"heads of the ledger are noted in {draft.settings.home}/witness/heads.jsonl"
    assert f"{place}. all of it is in the hands" in shown.stdout
    assert "AUGMENT_OPS_WITNESSES" in shown.stdout
    monkeypatch.setenv("AUGMENT_OPS_WITNESSES", f"{draft.settings.home}/below {tmp_path}/other")
    shown = call("governance", "show")
    assert f"{place}, {draft.settings.home}/below/heads.jsonl, {tmp_path}/other/heads.jsonl\n" in shown.stdout
    monkeypatch.setenv("AUGMENT_OPS_WITNESSES", f"{draft.settings.home}/below")
    assert "all of it is in the hands" in call("governance", "show").stdout


def test_the_rules_are_handed_over_to_another_key(draft: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    call = _caller(draft, monkeypatch)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    old, new = (["--key", str(draft.key_file(who))] for who in ("olga", "ada"))
    draft.initialise()

    def refused(*asked: str, actor: str) -> str:
        found = call("governance", *asked, actor=actor)
        assert isinstance(found.exception, (GovernanceError, InputError)), found.output
        return str(found.exception)

    key = draft.keys["ada"].public
    assert "key of the owner" in refused("hand-over", "--to", key, "--reason", "r", *new, actor="ada")
    assert "--to: found 'ada'" in refused("hand-over", "--to", "ada", "--reason", "r", *old, actor="olga")
    given = call("governance", "hand-over", "--to", key, "--reason", "olga leaves", *old, "--json", actor="olga")
    assert json.loads(given.stdout)["key"] == key
    assert unsettled(draft.workspace()) == []  # what was signed stays in force
    shown = call("governance", "show")
    assert (shown.exit_code, "to which it was handed over" in shown.stdout) == (1, True)  # the new owner has to sign
    assert "key of the owner" in refused("hand-over", "--to", key, "--reason", "again", *old, actor="olga")
    seen = call("governance", "sign", "--reason", "r", *old, actor="olga").stdout.split("--seen ")[1].strip()
    assert "key of the owner" in refused("sign", "--reason", "mine", "--seen", seen, *old, actor="olga")
    seen = call("governance", "sign", "--reason", "r", *new, actor="ada").stdout.split("--seen ")[1].strip()
    done = call("governance", "sign", "--reason", "taken over", "--seen", seen, "--json", *new, actor="ada")
    assert (json.loads(done.stdout)["signed"], json.loads(done.stdout)["owner_key"]) == (True, key)
    assert call("governance", "show").exit_code == 0
    gate = draft.settings.policies / "gates" / "default.yaml"
    gate.write_text(gate.read_text() + "# loosened\n")
    seen = call("governance", "sign", "--reason", "r", *old, actor="olga").stdout.split("--seen ")[-1].strip()
    assert "key of the owner" in refused("sign", "--reason", "r", "--seen", seen, *old, actor="olga")
    assert draft.acts()[-1] == ("rules", "ada")
