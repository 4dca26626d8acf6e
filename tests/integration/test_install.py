"""As people install it: wheel and source distribution, the library alone, and a project of one's own.

What a checkout has and an installation lacks shows here alone: a file that no wheel holds, an import that an extra
brings, a path beside the package.
"""

from __future__ import annotations

import email
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from augment_ops import __version__, project, shipped
from augment_ops.pipeline import reuse
from support.places import ROOT
from support.ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

# Measured 665 MiB, without pip and with what the engine compiled: llvmlite 171, OpenCV 161, SciPy 136, numpy 68, which
# albumentations and the compiled engine rest on (docs/install.md). Above this a dependency has come in that belongs to
# an extra.
LIBRARY_MIB = 720
MIB = 2**20

# What the tests below print of a library, here and where nothing else is installed: it must be the same.
WORK = """
import gzip, hashlib, json, sys
from pathlib import Path
import numpy as np
from augment_ops import Augmenter, Policy, shipped
from augment_ops.content import digest_of, from_json
from augment_ops.gate.decide import decide
from augment_ops.gate.decision import Evidence
from augment_ops.gate.rules import GateRules
from augment_ops.modalities import modality

policy = Policy.load(shipped.policies() / "augment" / "digits-robust.yaml")
images = np.arange(4 * 32 * 32, dtype=np.uint32).astype(np.uint8).reshape(4, 32, 32, 1)
ids = ["a", "b", "c", "d"]
augmented = Augmenter(policy, seed=7)(images, ids, epoch=3)
corrupted = modality("image").corruptions.bound([images], None, ())("defocus_blur", 3, images, ids)
evidence = Path(sys.argv[1])
decision = decide(
    GateRules.model_validate_json((evidence / "rules.json").read_bytes()),
    from_json(Evidence, (evidence / "evidence.json").read_bytes()),
    gzip.decompress((evidence / "outcomes.npz.gz").read_bytes()),
)
sha = lambda data: hashlib.sha256(data).hexdigest()
print(json.dumps([policy.digest, sha(augmented.tobytes()), sha(corrupted.tobytes()), digest_of(decision)]))
"""
ABSENT = """
import importlib.util, json
names = ["airflow", "evidently", "mlflow", "monitoring", "opentelemetry", "pandas", "sklearn", "sqlalchemy", "torch"]
print(json.dumps([name for name in names if importlib.util.find_spec(name)]))
"""
WITHOUT_TORCH = """
import numpy as np
from augment_ops import Augmenter, Policy, shipped
policy = Policy.load(shipped.policies() / "augment" / "digits-robust.yaml")
try:
    Augmenter(policy, seed=7)(np.zeros((1, 8, 8, 1), np.float32), ["a"])
except Exception as error:
    print(type(error).__name__, error)
"""
DAGS = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(dag_folder=sys.argv[1])
print("DAGS" + json.dumps([bag.import_errors, sorted(bag.dags), sorted({dag.fileloc for dag in bag.dags.values()})]))
"""
PROGRAM = "from augment_ops.pipeline import reuse; print(reuse._program())"


def environ(**more: str) -> dict[str, str]:
    """This process's variables without what points to the checkout or to another state."""
    ours = ("AUGMENT_OPS_", "AIRFLOW", "MLFLOW_", "OTEL_", "PYTHON", "VIRTUAL_ENV", "COVERAGE", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


def ran(*words: str | Path, cwd: Path, env: Mapping[str, str] | None = None, code: int = 0) -> str:
    """Standard output of a command that ends as expected."""
    done = subprocess.run(words, cwd=cwd, env=env or environ(), capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout + (done.stderr if code else "")


def tracked() -> list[str]:
    """The files of this checkout: what git has, and what is new and not ignored."""
    listed = ran("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean copy of the checkout: what lies in it beside its files must not help."""
    place = tmp_path_factory.mktemp("source")
    for name in tracked():
        if name.startswith(("augment_ops/", "dags/", "policies/")) or "/" not in name:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / name)
    return place


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with what `[build-system]` asks for."""
    place = tmp_path_factory.mktemp("builder")
    ran(sys.executable, "-m", "venv", place, cwd=place)
    ran(place / "bin" / "pip", "install", "--quiet", "setuptools>=77", cwd=place)
    return place / "bin" / "python"


def linked(source: str, target: str) -> None:
    """A hard link where both lie on one file system, else a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def built(builder: Path, source: Path, kind: str, into: Path) -> Path:
    into.mkdir()
    hook = f"import sys; from setuptools import build_meta; print('BUILT', build_meta.build_{kind}(sys.argv[1]))"
    told = ran(builder, "-c", hook, into, cwd=source)
    return into / told.rpartition("BUILT ")[2].strip()


@pytest.fixture(scope="module")
def sdist(builder: Path, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(builder, source, "sdist", tmp_path_factory.mktemp("sdist") / "dist")


@pytest.fixture(scope="module")
def wheel(builder: Path, source: Path, sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After the source distribution: of one folder both are not built at a time."""
    return built(builder, source, "wheel", tmp_path_factory.mktemp("wheel") / "dist")


@pytest.fixture(scope="module")
def library(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bin` of an empty environment in which the wheel was installed as it is, without extras."""
    place = tmp_path_factory.mktemp("library")
    ran(sys.executable, "-m", "venv", place, cwd=place)
    constraints = ("--constraint", ROOT / "constraints.txt")
    ran(place / "bin" / "pip", "install", "--quiet", *constraints, wheel, cwd=place)
    return place / "bin"


@pytest.fixture(scope="module")
def mine(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project made by the wheel's `init`, with an environment that has the wheel and everything beside it.

    What `make install` would do there is 3 GB of downloads that this environment has already: the one of the project
    holds the wheel, and links to the files of the rest. A path to this environment would not do: the isolated process
    of a model opens nothing outside its own.
    """
    place = tmp_path_factory.mktemp("projects")
    venv = place / "venv"
    ran(sys.executable, "-m", "venv", "--without-pip", venv, cwd=place)
    here = (sys.executable, "-m", "pip", "--python", venv / "bin" / "python")
    ran(*here, "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=place)
    purelib = Path(ran(venv / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))",
                       cwd=place).strip())  # fmt: skip
    others = shutil.ignore_patterns("*augment_ops*", "__pycache__")
    shutil.copytree(sysconfig.get_path("purelib"), purelib, copy_function=linked, ignore=others, dirs_exist_ok=True)
    ran(venv / "bin" / "augment-ops", "init", "mine", cwd=place)
    (place / "mine" / ".venv").symlink_to(venv)
    (venv / "installed").touch()  # newer than requirements and pins: make has nothing to install
    return place / "mine"


def contents(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def test_the_wheel_holds_every_file_of_the_package_and_takes_no_other_name(wheel: Path) -> None:
    held = set(contents(wheel))
    info = f"augment_ops-{__version__}.dist-info"
    assert {name.partition("/")[0] for name in held} == {"augment_ops", info}
    below = {"augment_ops/": "", "dags/": "augment_ops/shipped/", "policies/": "augment_ops/shipped/",
             "constraints.txt": "augment_ops/shipped/"}  # fmt: skip
    wanted = {place + name for name in tracked() for top, place in below.items() if name.startswith(top)}
    assert {name for name in held if not name.startswith(info)} == wanted


def test_the_source_distribution_builds_the_same_wheel(sdist: Path, wheel: Path, builder: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    again = built(builder, tmp_path / f"augment_ops-{__version__}", "wheel", tmp_path / "dist")
    assert contents(again) == contents(wheel)


def test_the_library_asks_for_nothing_that_an_extra_brings(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"augment_ops-{__version__}.dist-info/METADATA").decode()
    alone = [line for line in email.message_from_string(text).get_all("Requires-Dist") or [] if "extra ==" not in line]
    assert len(alone) == 13


def test_the_library_works_alone_and_as_here(library: Path, tmp_path: Path) -> None:
    evidence = ROOT / "tests" / "golden" / "decision_of_format_1"
    alone = ran(library / "python", "-c", WORK, evidence, cwd=tmp_path)
    assert json.loads(alone) == json.loads(ran(sys.executable, "-c", WORK, evidence, cwd=tmp_path))
    assert json.loads(ran(library / "python", "-c", ABSENT, cwd=tmp_path)) == []
    assert " 1.0.0 " in ran(library / "augment-ops", "policy", "validate", cwd=tmp_path)
    ran(library / "augment-ops", "init", "mine", cwd=tmp_path)
    assert (tmp_path / "mine" / "constraints.txt").read_bytes() == (ROOT / "constraints.txt").read_bytes()


def test_the_library_alone_names_the_extra_that_is_missing(library: Path, tmp_path: Path) -> None:
    told = ran(library / "python", "-c", WITHOUT_TORCH, cwd=tmp_path)
    assert told.startswith("NotInstalled float32 images: found no torch")
    assert f"pip install 'augment-ops[torch]=={__version__}'" in told
    assert "augment-ops[airflow]" in ran(library / "augment-ops", "demo", cwd=tmp_path, code=2)


def test_the_library_is_as_large_as_it_says(library: Path) -> None:
    (packages,) = (library.parent / "lib").glob("python*/site-packages")
    tools = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")
    size = sum(
        path.stat().st_size
        for path in packages.rglob("*")
        if path.is_file() and not path.relative_to(packages).parts[0].startswith(tools)
    )
    assert size < LIBRARY_MIB * MIB, f"{size / MIB:.0f} MiB"


def test_a_project_keeps_its_policies_and_sees_that_one_was_changed(mine: Path) -> None:
    assert " passed" in ran("make", "test", cwd=mine)
    kept = mine / "policies" / "published" / "digits-robust" / "1.0.0.yaml"
    before = kept.read_text()
    try:
        kept.write_text(before.replace("limit: 0.3", "limit: 0.2", 1))
        assert kept.read_text() != before
        assert "digits-robust@1.0.0" in ran("make", "test", cwd=mine, code=2)
    finally:
        kept.write_text(before)


def test_the_shim_gives_airflow_the_dags_of_the_package(mine: Path) -> None:
    env = environ(AIRFLOW_HOME=str(mine / "var" / "airflow"), AIRFLOW__CORE__LOAD_EXAMPLES="False")
    told = ran(mine / ".venv" / "bin" / "python", "-c", DAGS, mine / "dags", cwd=mine, env=env)
    line = next(line for line in told.splitlines() if line.startswith("DAGS"))
    assert json.loads(line[4:]) == [{}, [*shipped.DAGS], [str(mine / "dags" / "shipped.py")]]


def test_an_installed_program_finds_the_outputs_that_a_checkout_has_made(mine: Path) -> None:
    assert ran(mine / ".venv" / "bin" / "python", "-c", PROGRAM, cwd=mine).strip() == reuse._program()


@pytest.fixture
def ports() -> dict[str, str]:
    numbers = map(str, free_ports(2))
    return dict(zip(("AUGMENT_OPS_AIRFLOW_PORT", "AUGMENT_OPS_MLFLOW_PORT"), numbers, strict=True))


def test_a_project_promotes_a_model_by_make_demo(mine: Path, ports: dict[str, str]) -> None:
    # Airflow starts uvicorn and others by name, which lie beside the interpreter in an environment that has it all.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = environ(**ports, PATH=path)
    demo = subprocess.Popen(
        ["make", "demo"], cwd=mine, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    told: list[str] = []
    try:
        assert demo.stdout is not None
        for line in demo.stdout:  # until it stays up, or ends by itself
            told.append(line)
            if "Ctrl-C" in line:
                break
        ran("make", "down", cwd=mine, env=env)
        told += demo.communicate(timeout=120)[0].splitlines(keepends=True)
    finally:
        if demo.poll() is None:
            ran("make", "down", cwd=mine, env=env)
            demo.kill()
            demo.communicate()

    assert demo.returncode == 0, "".join(told)
    assert "PASS" in "".join(told)
    assert (mine / "var" / "ledger.db").is_file()
    assert (mine / project.MARK).read_bytes() == (ROOT / project.MARK).read_bytes()
