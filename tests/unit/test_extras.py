"""A library alone says which extra has what it lacks; nothing of it rests on what an extra brings."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from augment_ops import extras
from augment_ops.errors import NotInstalled
from support.command_line import caller
from support.places import POLICIES, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("torch", "pipeline", "airflow", "monitoring", "s3", "timestamps", "postgres", "networks", "lightning", "gpu")

# What the finder below hides is what `pip install augment-ops` does not bring.
_ALONE = """
import importlib.abc, json, sys
hidden = set(json.loads(sys.argv[1]))
class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Nothing())
"""


def _alone(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    hidden = json.dumps(sorted(extras._EXTRA))
    return subprocess.run(
        [sys.executable, "-c", _ALONE + program, hidden, *words], capture_output=True, text=True, cwd=ROOT, check=False
    )


def test_the_library_augments_judges_and_stresses_without_what_extras_bring() -> None:
    done = _alone(
        f"""
import numpy as np
from augment_ops import Augmenter, Policy
from augment_ops.gate import decide
from augment_ops.modalities import modality
from augment_ops.policy import library, limits
from augment_ops.stress import evaluate, suite
for name in ("digits-robust", "transactions-robust", "intents-robust"):
    policy = Policy.load({str(POLICIES)!r} + f"/augment/{{name}}.yaml")
    Augmenter(policy, seed=7)
images = np.arange(8 * 32 * 32, dtype=np.uint8).reshape(8, 32, 32, 1)
ids = [str(n) for n in range(8)]
augment = Augmenter(Policy.load({str(POLICIES)!r} + "/augment/digits-robust.yaml"), seed=7)
corrupt = modality("image").corruptions.bound([images], None, ())
assert (corrupt("shot_noise", 3, augment(images, ids), ids) != images).any()
"""
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("demo --json", "airflow"),
        ("up", "airflow"),
        ("runs list", "pipeline"),
        ("audit log", "pipeline"),
        ("ui", "pipeline"),
    ],
)
def test_a_command_says_which_extra_it_needs(words: str, extra: str) -> None:
    program = "from augment_ops.cli import main\nsys.argv[1:] = sys.argv[2:]\nmain()"
    done = _alone(program, *words.split())
    assert done.returncode == 2, done.stderr
    assert f"expected augment-ops[{extra}], which brings it" in done.stderr
    assert f"pip install 'augment-ops[{extra}]==" in done.stderr
    assert "--json" not in words or json.loads(done.stdout)["error"] == "NotInstalled"


def test_help_of_every_command_needs_no_extra() -> None:
    done = _alone("from augment_ops.cli import main\nsys.argv[1:] = ['--help']\nmain()")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_module_that_no_extra_brings_is_a_fault_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(home: Path) -> None:
        raise ModuleNotFoundError("No module named 'augment_ops.gone'", name="augment_ops.gone")

    monkeypatch.setattr("augment_ops.private.begin", broken)
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path))
    code, _, err = caller(monkeypatch, capsys)("--help")
    assert code == 3
    assert "Traceback" in err


def test_where_torch_is_missing_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "torch" else found(name, package)

    monkeypatch.setattr(extras, "find_spec", without)
    with pytest.raises(NotInstalled, match=re.escape("float32 images: found no torch")) as caught:
        extras.require("torch", "float32 images")
    assert "pip install 'augment-ops[torch]==" in caught.value.faults[0].fix
    extras.require("numpy", "nothing that is missing")


def test_every_library_that_is_imported_comes_with_the_library_or_has_its_extra_in_errors() -> None:
    """So an import that fails anywhere names its extra; a library that comes with another (starlette) is one too."""
    brought = {_name(wanted) for wanted in PROJECT["dependencies"]}
    of = packages_distributions()
    imported = {module for path in (ROOT / "augment_ops").rglob("*.py") for module in _imported(path)}
    others = {module for module in imported if not brought & {_name(one) for one in of.get(module, ())}}
    # pydantic_core is pydantic's own; kfp has an environment of its own; a project's tests are run by its own pytest.
    assert others - {"pydantic_core", "kfp", "pytest"} <= set(extras._EXTRA)


def test_an_extra_brings_what_errors_say_it_does() -> None:
    of = packages_distributions()
    for module, extra in extras._EXTRA.items():
        wanted = {_name(one) for one in PROJECT["optional-dependencies"][extra]}
        come_along = {"starlette": "fastapi"}
        of_module = {_name(one) for one in of.get(come_along.get(module, module), ())}
        assert of_module & wanted, f"{extra} declares none of {sorted(of_module)}, which {module} is in"


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _imported(path: Path) -> set[str]:
    """Top-level names of other people's modules that a file imports, at its top or later."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
    return {name.partition(".")[0] for name in found} - {*sys.stdlib_module_names, "augment_ops"}


def test_extras_are_those_that_errors_name_and_all_has_them() -> None:
    declared = PROJECT["optional-dependencies"]
    assert set(extras._EXTRA.values()) == set(EXTRAS) <= set(declared)
    assert declared["all"] == ["augment-ops[airflow,monitoring]"]
    for wider, narrower in (
        ("pipeline", "torch"), ("airflow", "pipeline"), ("monitoring", "pipeline"), ("deploy", "all"), ("dev", "deploy")
    ):  # fmt: skip
        assert re.match(rf"augment-ops\[(?:.*,)?{narrower}\b", declared[wider][0]), wider
