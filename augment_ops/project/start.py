"""Makes a project: policies/ and pins as they are shipped, and what runs and tests them from an installed package."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from augment_ops import __version__, shipped
from augment_ops.errors import InputError
from augment_ops.policy.published import load_published, published_versions

_TEMPLATE = Path(__file__).parent / "template"
_VERSION = "{{version}}"
# A project is source, which a checkout would have as readable; what this program writes otherwise is private state.
_FOLDER, _FILE = 0o755, 0o644


def start(target: Path) -> list[str]:
    """Make a project, whole or not at all.

    Args:
        target: a folder that is not there yet, or is empty; its parent is there.

    Returns:
        paths of its files below `target`, sorted.

    Raises:
        InputError: something is there already, or nothing can be made there.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - `init ..` has to have a name, and no link is followed
    _refuse(target)
    try:
        with _beside(target) as made:
            _fill(made)
            files = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
            _move(made, target)
    except OSError as error:
        expected, fix = "a place where a folder can be made", "name another, or free space or permit"
        raise InputError(str(target), error.strerror or str(error), expected, fix) from error
    return files


def _refuse(target: Path) -> None:
    expected = "a folder that is not there yet, or is empty"
    if os.path.lexists(target) and not target.is_dir():
        raise InputError(str(target), "a file or a link to nothing", expected, "give the project another name")
    if target.is_dir() and (held := sorted(path.name for path in target.iterdir())):
        shown = ", ".join(held[:3]) + (", …" if len(held) > 3 else "")
        raise InputError(str(target), f"{len(held)} entries in it ({shown})", expected, "give the project another name")
    if not target.parent.is_dir():
        raise InputError(str(target), f"no folder {target.parent}", "one to make the project in", "make it first")


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A new folder on the same file system, from which a project can be moved; gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        made = place / "project"
        made.mkdir()
        yield made
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _fill(made: Path) -> None:
    for path in sorted(_TEMPLATE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = made / path.relative_to(_TEMPLATE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text(encoding="utf-8").replace(_VERSION, __version__), encoding="utf-8")
    policies = made / "policies"
    shutil.copytree(shipped.policies(), policies, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(shipped.constraints(), made / "constraints.txt")
    published = {
        f"{folder.name}@{version}": load_published(policies, folder.name, version).digest
        for folder in sorted((policies / "published").iterdir())
        for version in published_versions(policies, folder.name)
    }
    (made / "tests" / "published.json").write_text(json.dumps(published, indent=2) + "\n", encoding="utf-8")
    for path in (made, *made.rglob("*")):
        path.chmod(_FOLDER if path.is_dir() else _FILE)


def _move(made: Path, target: Path) -> None:
    if not target.is_dir():
        made.rename(target)
        return
    # An empty folder stays the one that it is: a shell may stand in it.
    moved: list[Path] = []
    try:
        for path in sorted(made.iterdir()):
            path.rename(target / path.name)
            moved.append(target / path.name)
    except BaseException:
        for path in moved:
            path.rename(made / path.name)
        raise
