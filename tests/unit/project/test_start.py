"""A project is made whole or not at all, from what is shipped."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from augment_ops import __version__, project
from augment_ops.errors import InputError
from augment_ops.policy.library import load
from augment_ops.project import start as module
from augment_ops.project.start import start
from support.command_line import caller
from support.places import POLICIES, ROOT


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_project_holds_the_shipped_policies_and_what_runs_them(tmp_path: Path) -> None:
    made = start(tmp_path / "mine")

    found = files(tmp_path / "mine")
    assert sorted(found) == made
    shipped = {f"policies/{name}": content for name, content in files(POLICIES).items()}
    assert {name: found[name] for name in shipped} == shipped
    assert {*found} - {*shipped} == {
        ".gitignore", "Makefile", "README.md", "constraints.txt", "dags/shipped.py", "requirements.txt",
        "tests/published.json", "tests/test_policies.py",
    }  # fmt: skip
    assert f"augment-ops[all]=={__version__}\n" in found["requirements.txt"].decode()
    assert found["constraints.txt"] == (ROOT / "constraints.txt").read_bytes()
    assert not [name for name in {*found} - {*shipped} if b"{{" in found[name]]
    assert project.folder(tmp_path / "mine" / "tests") == tmp_path / "mine"


def test_it_names_the_digest_of_each_published_version(tmp_path: Path) -> None:
    start(tmp_path / "mine")
    named = json.loads((tmp_path / "mine" / "tests" / "published.json").read_text())
    kept = [f"{path.parent.name}@{path.stem}" for path in sorted((POLICIES / "published").glob("*/*.yaml"))]
    assert named == {version: load(POLICIES, version).digest for version in kept} != {}


def test_it_can_be_read_by_others_whatever_is_private_here(tmp_path: Path) -> None:
    before = os.umask(0o077)  # as the command line sets it for state
    try:
        start(tmp_path / "mine")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "mine").rglob("*") if path.is_file()} == {0o644}
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o755


def test_an_empty_folder_stays_the_one_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    start(Path())
    assert Path("Makefile").is_file()  # in the folder that this shell stands in
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


@pytest.mark.parametrize("at", ["held", "file", "link", "nowhere/mine"])
def test_what_is_there_is_left_alone(tmp_path: Path, at: str) -> None:
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "thesis.tex").write_text("years")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    before = files(tmp_path)

    with pytest.raises(InputError) as refused:
        start(tmp_path / at)

    fault = refused.value.faults[0]
    assert fault.where == str(tmp_path / at)
    assert all((fault.found, fault.expected, fault.fix))
    assert at != "held" or "thesis.tex" in fault.found
    assert files(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "held", "link"]


@pytest.mark.parametrize("cut", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"])
def test_what_is_cut_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: BaseException) -> None:
    def full(*_: Any) -> Any:
        raise cut

    monkeypatch.setattr(module, "load_published", full)
    with pytest.raises(InputError if isinstance(cut, OSError) else KeyboardInterrupt):
        start(tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_what_is_cut_off_on_its_way_into_an_empty_folder_leaves_it_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    rename = Path.rename

    def third(path: Path, to: Path) -> Path:
        if path.name == "dags" and to.parent == tmp_path / "mine":
            raise OSError(5, "Input/output error")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", third)
    with pytest.raises(InputError, match="Input/output error"):
        start(tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_command_says_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    call = caller(monkeypatch, capsys)
    code, out, _ = call("init", "mine")
    assert (code, "cd mine" in out, "make demo" in out) == (0, True, True)
    code, out, err = call("init", "mine", "--json")
    assert (code, json.loads(out)["error"]) == (2, "InputError")
    assert "Fix: give the project another name" in err
