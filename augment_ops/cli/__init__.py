"""`augment-ops`: the command line."""

from __future__ import annotations

import atexit
import gc
import io
import json
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from augment_ops.errors import EXIT_COMPUTATION_FAILED, AugmentOpsError, StoreError

app = typer.Typer(
    name="augment-ops",
    help="Data augmentation as a governed production component.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from augment_ops import __version__

        print(f"augment-ops {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Data augmentation as a governed production component."""


def add_commands(to: typer.Typer) -> None:
    """Add every command there is, each with `--quiet`."""
    from augment_ops.cli import (
        audit,
        batch_file,
        champion,
        drift,
        gate,
        governance,
        kubeflow,
        lexicons,
        metrics,
        policies,
        projects,
        reports,
        rollout,
        runs,
        serve,
        services,
        ui,
    )

    rooms = (
        projects,
        services,
        runs,
        reports,
        batch_file,
        gate,
        policies,
        lexicons,
        governance,
        audit,
        batch_file,
        champion,
        drift,
        metrics,
        kubeflow,
        ui,
        serve,
        rollout,
    )
    for commands in rooms:
        commands.register(to)
    _make_quiet(to)


def _make_quiet(group: typer.Typer) -> None:
    from augment_ops.cli.terminal import with_quiet

    for command in group.registered_commands:
        assert command.callback is not None
        command.callback = with_quiet(command.callback)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        _make_quiet(inner.typer_instance)


def main() -> None:
    """Entry point: every error of ours becomes its message on stderr and its exit code."""
    from augment_ops.private import begin
    from augment_ops.project import home_of

    if not app.registered_groups:  # once, however often another program calls this
        add_commands(app)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale without × or → shows its code: no command ends for that
            stream.reconfigure(errors="backslashreplace")
    atexit.register(gc.freeze)  # the end of an interpreter looks through every object: 4 s after a run
    try:
        begin(home_of())
        app(prog_name="augment-ops")  # also where another program calls it: completion goes by that name
    except AugmentOpsError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        from augment_ops.extras import missing

        unmet = missing(error, f"augment-ops {' '.join(sys.argv[1:2])}".rstrip())
        if unmet is None:
            _crash()
        _fail(unmet)
    except OSError as error:
        # What is not caught where it arises: a full disk or a missing permission somewhere below the home.
        _fail(
            StoreError(str(error.filename or "file system"), str(error), "a folder with room", "free space or permit")
        )
    except Exception:
        _crash()


def _crash() -> NoReturn:
    traceback.print_exc()  # a fault of this program: Python's own exit code would say that a check said no
    raise SystemExit(EXIT_COMPUTATION_FAILED) from None


def _fail(error: AugmentOpsError) -> NoReturn:
    if "--json" in sys.argv:
        faults = [vars(fault) for fault in error.faults]
        print(json.dumps({"error": type(error).__name__, "message": str(error), "faults": faults}))
    print(str(error), file=sys.stderr)
    raise SystemExit(error.exit_code if isinstance(error, AugmentOpsError) else EXIT_COMPUTATION_FAILED)
