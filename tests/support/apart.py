"""Code in a process of its own: what it imports and sets, Airflow above all, would stay in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.places import ROOT

RESULT = "RESULT"


def airflow_environment(home: Path, **more: str) -> dict[str, str]:
    """An Airflow of its own below `home`, with this project's plugins and roles."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AUGMENT_OPS_", "AIRFLOW"))},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "dags" / "plugins"),
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow_roles.GovernedAuthManager",
        **more,
    }


def run_apart(
    code: str, environment: Mapping[str, str], folder: Path, *arguments: str, asked: object = None
) -> tuple[Any, str]:
    """Run it.

    Args:
        code: prints a line that begins with RESULT and goes on with JSON.
        environment: all of it.
        folder: that it works in.
        arguments: its `sys.argv` from 1 on.
        asked: what its standard input has, as JSON.

    Returns:
        what the line says, and everything that was printed.
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env=dict(environment),
        cwd=folder,
        timeout=300,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith(RESULT)), None)
    assert line is not None, done.stderr[-3000:]
    return json.loads(line.removeprefix(RESULT)), done.stdout + done.stderr
