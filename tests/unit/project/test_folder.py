"""Which folder is the project, and what is read where: variables first, then the project, then what is shipped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from augment_ops import project, shipped
from augment_ops.data.store import Store
from augment_ops.pipeline import reuse
from augment_ops.services.layout import dags_folder
from augment_ops.settings import Settings
from support.places import ROOT


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A project with a folder two levels down."""
    root = tmp_path / "mine"
    (root / "policies").mkdir(parents=True)
    (root / project.MARK).touch()
    (root / "dags").mkdir()
    (root / "notebooks" / "old").mkdir(parents=True)
    return root


def test_everything_of_a_project_is_found_from_below_it(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine / "notebooks" / "old")
    settings = Settings.from_environment({})
    assert (settings.home, settings.policies) == (mine / "var", mine / "policies")
    assert dags_folder({}) == mine / "dags"


def test_variables_go_before_the_project(mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine)
    env = {name: str(tmp_path) for name in ("AUGMENT_OPS_HOME", "AUGMENT_OPS_POLICIES", "AUGMENT_OPS_DAGS")}
    settings = Settings.from_environment(env)
    assert (settings.home, settings.policies, dags_folder(env)) == (tmp_path, tmp_path, tmp_path)


def test_outside_a_project_the_shipped_files_are_read_and_state_lies_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({})
    assert (settings.home, settings.policies) == (tmp_path / "var", ROOT / "policies")
    assert dags_folder({}) == ROOT / "dags"


def test_copies_of_a_remote_store_lie_with_the_state(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine / "notebooks" / "old")
    monkeypatch.delenv("AUGMENT_OPS_HOME", raising=False)
    store = Store("memory://from-below-a-project")
    assert store.local(store.put(b"remote")).is_relative_to(mine / "var" / "cache")


def test_one_module_reads_where_things_are() -> None:
    reads = re.compile(r"""(?:get|getenv|environ)[(\[]\s*["']AUGMENT_OPS_(?:HOME|POLICIES|DAGS)\b""")
    sources = [path for top in ("augment_ops", "dags") for path in (ROOT / top).rglob("*.py")]
    found = [path.relative_to(ROOT).as_posix() for path in sources if reads.search(path.read_text())]
    assert found == ["augment_ops/project/__init__.py"]


def test_policies_of_something_else_above_make_no_project(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / project.MARK).unlink()
    monkeypatch.chdir(mine / "notebooks")
    assert project.folder() == mine / "notebooks"
    assert project.folder(mine) == mine  # here, they are what is meant


def test_a_project_inside_another_is_its_own(mine: Path) -> None:
    inner = mine / "notebooks"
    (inner / "policies").mkdir()
    (inner / project.MARK).touch()
    assert project.folder(inner / "old") == inner


def test_dags_of_a_project_have_the_shipped_plugins_and_others_those_beside_them(mine: Path, tmp_path: Path) -> None:
    assert project.plugins_of(mine / "dags") == ROOT / "dags" / "plugins"
    (mine / "dags" / "plugins").mkdir()
    assert project.plugins_of(mine / "dags") == mine / "dags" / "plugins"
    assert project.plugins_of(tmp_path / "dags") == tmp_path / "dags" / "plugins"


def test_the_shipped_dags_are_those_that_the_folder_has() -> None:
    assert shipped.dags() == ROOT / "dags"
    assert [path.stem for path in sorted(shipped.dags().glob("*.py")) if "with DAG(" in path.read_text()] == [
        *shipped.DAGS
    ]


def test_the_program_is_the_same_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel has the DAGs inside the package, where a checkout does not."""
    before = reuse._program()
    package = tmp_path / "augment_ops"
    for name, path in shipped.sources():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(path)
    (package / "shipped" / "dags" / "plugins").mkdir(parents=True)
    (package / "shipped" / "dags" / "plugins" / "login.py").touch()
    (package / "shipped" / "dags" / "a_dag.py").touch()
    monkeypatch.setattr(shipped, "_PACKAGE", package / "shipped")
    assert shipped.dags() == package / "shipped" / "dags"
    assert reuse._program() == before
