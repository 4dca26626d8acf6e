"""A project: the folder that holds the policies/ and, below var/, the state of one installation's users.

It imports the standard library alone, because DAG files read it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from augment_ops import shipped

MARK = "policies/environments.yaml"  # every project has one: it says where models are promoted to


def folder(start: Path | None = None) -> Path:
    """Root of the project that a folder lies in.

    Args:
        start: where to look from, upwards; the working directory.

    Returns:
        the folder itself where it has policies/; else the nearest one above it that holds `MARK`; else the folder
        itself, which is then the root of what is made there.
    """
    start = Path.cwd() if start is None else start.absolute()
    if (start / "policies").is_dir():
        return start
    return next((above for above in start.parents if (above / MARK).is_file()), start)


def home_of(environ: Mapping[str, str] | None = None) -> Path:
    """Root of all local state: AUGMENT_OPS_HOME, else var/ of the project; absolute."""
    env = os.environ if environ is None else environ
    return Path(env.get("AUGMENT_OPS_HOME") or folder() / "var").absolute()


def policies_of(environ: Mapping[str, str] | None = None) -> Path:
    """AUGMENT_OPS_POLICIES, else policies/ of the project, else the shipped ones; absolute, and not looked at."""
    env = os.environ if environ is None else environ
    own = folder() / "policies"
    return Path(env.get("AUGMENT_OPS_POLICIES") or (own if own.is_dir() else shipped.policies())).absolute()


def dags_of(environ: Mapping[str, str] | None = None) -> Path:
    """AUGMENT_OPS_DAGS, else dags/ of the project, else the shipped ones; absolute, and not looked at."""
    env = os.environ if environ is None else environ
    own = folder() / "dags"
    return Path(env.get("AUGMENT_OPS_DAGS") or (own if own.is_dir() else shipped.dags())).absolute()


def plugins_of(dags: Path) -> Path:
    """Airflow's plugins that belong to a folder of DAGs: beside them, or the shipped ones for those of a project.

    A project's dags/ imports the shipped DAGs, and needs their roles and their guard of the login.
    """
    own = dags / "plugins"
    return shipped.plugins() if not own.is_dir() and (dags.parent / MARK).is_file() else own
