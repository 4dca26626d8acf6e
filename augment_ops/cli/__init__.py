"""`augment-ops`: the command line."""

from __future__ import annotations

import atexit
import gc
import io
import json
import sys
import traceback
from typing import NoReturn

import typer

from augment_ops.errors import EXIT_COMPUTATION_FAILED, AugmentOpsError, StoreError

app = typer.Typer(
    name="augment-ops",
    help="Data augmentation as a governed production component.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


def add_commands(to: typer.Typer) -> None:
    """Add every command there is."""
    from augment_ops.cli import audit, champion, drift, gate, governance, kubeflow, metrics, policies, runs, services

    for commands in (services, runs, gate, policies, governance, audit, champion, drift, metrics, kubeflow):
        commands.register(to)


def main() -> None:
    """Entry point: every error of ours becomes its message on stderr and its exit code."""
    from augment_ops.private import begin
    from augment_ops.settings import home_of

    add_commands(app)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale without × or → shows its code: no command ends for that
            stream.reconfigure(errors="backslashreplace")
    atexit.register(gc.freeze)  # the end of an interpreter looks through every object: 4 s after a run
    try:
        begin(home_of())
        app()
    except AugmentOpsError as error:
        _fail(error)
    except OSError as error:
        # What is not caught where it arises: a full disk or a missing permission somewhere below the home.
        _fail(
            StoreError(str(error.filename or "file system"), str(error), "a folder with room", "free space or permit")
        )
    except Exception:
        traceback.print_exc()  # a fault of this program: Python's own exit code would say that a check said no
        raise SystemExit(EXIT_COMPUTATION_FAILED) from None


def _fail(error: AugmentOpsError) -> NoReturn:
    if "--json" in sys.argv:
        faults = [vars(fault) for fault in error.faults]
        print(json.dumps({"error": type(error).__name__, "message": str(error), "faults": faults}))
    print(str(error), file=sys.stderr)
    raise SystemExit(error.exit_code if isinstance(error, AugmentOpsError) else EXIT_COMPUTATION_FAILED)
