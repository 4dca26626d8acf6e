"""`augment-ops init`: a project of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Argument(help="new, or empty", metavar="folder", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Make a project: policies of your own, the shipped DAGs, a Makefile, tests that hold the policies, and a README.

    In it, `make demo` and `make test` work with the installed package.

    Example: augment-ops init my-project
    """
    from augment_ops.project.start import start

    files = start(folder)
    if as_json:
        print(json.dumps({"project": str(folder.absolute()), "files": files}))
        return
    print(f"{folder.absolute()}: a project of {len(files)} files. Next: cd {folder}, then make demo, or make test.")
