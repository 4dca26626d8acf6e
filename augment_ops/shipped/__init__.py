"""Where the policies, DAGs and pins that come with this version lie.

In a checkout they are `policies/`, `dags/` and `constraints.txt` of its top level; a wheel has them in this package, to
which setup.py maps them. So there is one copy, and a program that was installed has what the repository has.
"""

from __future__ import annotations

from pathlib import Path

DAGS = ("approve_policy", "drift_monitor", "rollout", "train_and_promote")  # modules of `dags()` with a `dag`

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]


def policies() -> Path:
    """The folder of the shipped policies, their limits and published versions, and of all kinds of rules."""
    return _place("policies")


def dags() -> Path:
    """The folder of the shipped DAGs."""
    return _place("dags")


def plugins() -> Path:
    """The folder of Airflow's plugins that the shipped DAGs need."""
    return dags() / "plugins"


def constraints() -> Path:
    """The file of the exact versions that this one was tested with, as pip's --constraint reads it."""
    return _place("constraints.txt")


def checkout() -> Path | None:
    """The root of the checkout that this code runs from, or None where it was installed."""
    return _CHECKOUT if (_CHECKOUT / "pyproject.toml").is_file() else None


def sources() -> list[tuple[str, Path]]:
    """The program's own Python files by the path below its root, in order: the same ones installed or not."""
    # The DAGs are below the package in a wheel alone, and compute nothing.
    package = _PACKAGE.parent
    found = [path for path in package.rglob("*.py") if _PACKAGE not in path.parents or path.parent == _PACKAGE]
    return [(path.relative_to(package.parent).as_posix(), path) for path in sorted(found)]


def _place(name: str) -> Path:
    installed = _PACKAGE / name
    return installed if installed.exists() else _CHECKOUT / name
