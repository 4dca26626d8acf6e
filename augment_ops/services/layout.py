"""Where the stack keeps its state below the home, and the mark that its processes carry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from augment_ops.errors import InputError
from augment_ops.project import dags_of
from augment_ops.settings import Settings

STACK_MARK = "AUGMENT_OPS_STACK_ID"  # in the environment of every process that the stack starts
COMPONENT_MARK = "AUGMENT_OPS_COMPONENT"


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
    """AUGMENT_OPS_DAGS, else dags/ of the project, else the shipped ones.

    Raises:
        InputError: that is no folder.
    """
    folder = dags_of(environ)
    if folder.is_dir():
        return folder
    raise InputError(
        "AUGMENT_OPS_DAGS",
        f"{folder} (no such folder)",
        "the folder that holds the DAG files",
        "name such a folder, or unset it",
    )
