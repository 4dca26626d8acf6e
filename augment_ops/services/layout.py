"""Where the stack keeps its state below the home, and the mark that its processes carry."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from augment_ops.errors import InputError
from augment_ops.settings import Settings

STACK_MARK = "AUGMENT_OPS_STACK_ID"  # in the environment of every process that the stack starts
COMPONENT_MARK = "AUGMENT_OPS_COMPONENT"

_PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Layout:
    """Paths below `home` (absolute). Nothing is made by asking for one."""

    home: Path

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME: configuration, metadata database and task logs."""
        return self.home / "airflow"

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artifacts."""
        return self.home / "mlflow"

    @property
    def services(self) -> Path:
        """One record a running component, and the passwords; readable by the owner only."""
        return self.home / "services"

    @property
    def logs(self) -> Path:
        """What each component wrote to its standard output and error."""
        return self.home / "logs"

    @property
    def passwords(self) -> Path:
        """JSON {user: password} in the form that Airflow's SimpleAuthManager reads, mode 0600."""
        return self.services / "passwords.json"

    @property
    def stack_id(self) -> str:
        """16 hex digits, a function of the home alone: processes are found even where their records were deleted."""
        return hashlib.sha256(str(self.home.resolve()).encode()).hexdigest()[:16]


def layout_of(settings: Settings) -> Layout:
    """The layout below `settings.home`."""
    return Layout(settings.home)


def dags_folder(environ: Mapping[str, str] | None = None) -> Path:
    """AUGMENT_OPS_DAGS, else ./dags, else dags/ beside the package.

    Raises:
        InputError: none of them is a folder.
    """
    env = os.environ if environ is None else environ
    given = env.get("AUGMENT_OPS_DAGS")
    candidates = [Path(given)] if given else [Path.cwd() / "dags", _PROJECT_ROOT / "dags"]
    for folder in candidates:
        if folder.is_dir():
            return folder.absolute()
    raise InputError(
        "AUGMENT_OPS_DAGS",
        ", ".join(str(folder) for folder in candidates) + " (no such folder)",
        "the folder that holds the DAG files",
        "run in the project's root, or set AUGMENT_OPS_DAGS",
    )


def source_root() -> Path | None:
    """The root of the source tree that this code runs from, or None where it was installed as a package."""
    return _PROJECT_ROOT if (_PROJECT_ROOT / "pyproject.toml").is_file() else None
