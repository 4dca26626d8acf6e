"""Where the policies and DAGs that come with this version lie.

In a checkout they are `policies/` and `dags/` of its top level; a wheel has them as folders of this package, to which
pyproject.toml maps them. So there is one copy, and a program that was installed has what the repository has.
"""

from __future__ import annotations

from pathlib import Path

DAGS = ("approve_policy", "drift_monitor", "train_and_promote")  # modules of `dags()` that hold one, as `dag`

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]


def policies() -> Path:
    """The folder of the shipped policies, limits, gates, suites, drift and quality rules, and published versions."""
    return _folder("policies")


def dags() -> Path:
    """The folder of the shipped DAGs."""
    return _folder("dags")


def plugins() -> Path:
    """The folder of Airflow's plugins that the shipped DAGs need."""
    return dags() / "plugins"


def checkout() -> Path | None:
    """The root of the checkout that this code runs from, or None where it was installed."""
    return _CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else None


def sources() -> list[tuple[str, Path]]:
    """The program's own Python files by the path below its root, in order: the same ones installed or not."""
    # The DAGs are below the package in a wheel alone, and compute nothing.
    package = _PACKAGE.parent
    found = [path for path in package.rglob("*.py") if _PACKAGE not in path.parents or path.parent == _PACKAGE]
    return [(path.relative_to(package.parent).as_posix(), path) for path in sorted(found)]


def _folder(name: str) -> Path:
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _CHECKOUT / name
