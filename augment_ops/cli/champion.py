"""`augment-ops champion …`: who is champion, and the alias put back where the ledger says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from augment_ops.cli.runs import settings_here
from augment_ops.errors import TrackingError
from augment_ops.settings import Settings

if TYPE_CHECKING:
    from augment_ops.lifecycle.book import Book
    from augment_ops.lifecycle.registry_check import Examined
    from augment_ops.monitoring.telemetry.metrics import Observation
    from augment_ops.services.doctor import Diagnosis
    from augment_ops.tracking import MlflowTracker
    from augment_ops.workspace import Workspace


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    champion = typer.Typer(help="The champion of an environment, as ledger and MLflow have it.", no_args_is_help=True)
    champion.command("show")(show)
    champion.command("restore")(restore)
    app.add_typer(champion, name="champion")


Environment = Annotated[
    str, typer.Option(help="whose champion; default: of the best protected one that has a champion")
]


def show(
    dataset: Annotated[str, typer.Argument(help="name of the data set")],
    environment: Environment = "",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Name the champion of an environment; MLflow's alias, version, tags and file are held against the ledger.

    Exit code: 0 as the ledger says, 3 MLflow says otherwise.

    Example: augment-ops champion show digits --environment production
    """
    from augment_ops.lifecycle.champion import acts_of, champion, environment_with_champion

    settings = settings_here()
    book, tracker = _services(settings, dataset)
    where = environment_with_champion(acts_of(book, dataset), dataset, settings.policies, environment)
    found = champion(book, tracker, dataset, where)
    version = None if found is None else found.version
    if as_json:
        print(json.dumps({"dataset": dataset, "environment": where, "version": version}))
    else:
        print(f"{dataset} in {where}: {f'version {version}' if version else 'no champion'}")


def restore(
    dataset: Annotated[str, typer.Argument(help="name of the data set")],
    environment: Environment = "",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Put the alias of an environment's champion back to where the ledger says. Moves nothing else.

    Where the version itself was altered or deleted, roll back to another one or train a new one.

    Example: augment-ops champion restore digits --environment production
    """
    from augment_ops.lifecycle import champion as champions

    settings = settings_here()
    book, tracker = _services(settings, dataset)
    where = champions.environment_with_champion(
        champions.acts_of(book, dataset), dataset, settings.policies, environment
    )
    said = champions.restore(book, tracker, dataset, where, settings.actor)
    print(json.dumps({"dataset": dataset, "environment": where, "message": said}) if as_json else said)


def registry_against(workspace: Workspace) -> tuple[Examined | None, list[str]]:
    """What `audit verify` has to say of MLflow's registry; and who could not be asked."""
    from augment_ops.lifecycle.registry_check import look

    try:
        return look(workspace), []
    except TrackingError as error:
        return None, [f"MLflow: {error.faults[0].found}"]


def registry_metrics(found: Examined) -> list[Observation]:
    """The same as metrics."""
    from augment_ops.monitoring.telemetry.metrics import registry_samples

    return registry_samples({dataset: len(faults) for dataset, faults in found.faults.items()})


def registry_finding(settings: Settings) -> list[Diagnosis]:
    """What `doctor` has to say of the champions in MLflow; nothing where there is no champion yet."""
    from augment_ops.errors import AugmentOpsError
    from augment_ops.governance.audit import MOVES
    from augment_ops.lifecycle.registry_check import look
    from augment_ops.services.doctor import Diagnosis
    from augment_ops.services.stack import tracking_uri
    from augment_ops.workspace import Workspace, has_ledger

    try:
        if not has_ledger(settings):
            return []
        workspace = Workspace(replace(settings, mlflow_uri=tracking_uri(settings)), settings.actor)
        if next(workspace.ledger.read(MOVES), None) is None:
            return []
        found = look(workspace)
    except AugmentOpsError as error:
        fault = error.faults[0]
        return [Diagnosis("registry", "warn", f"{fault.where}: {fault.found}", fault.fix)]
    if found.all_faults:
        first, more = found.all_faults[0], len(found.all_faults) - 1
        told = f"{first.where}: {first.found}; expected {first.expected}{f' (and {more} more)' if more else ''}"
        return [Diagnosis("registry", "fail", told, first.fix)]
    return [Diagnosis("registry", "ok", "; ".join((f"champions, as the ledger says: {found.champions}", *found.notes)))]


def _services(settings: Settings, dataset: str) -> tuple[Book, MlflowTracker]:
    from augment_ops.lifecycle.book import book_of
    from augment_ops.lifecycle.datasets import check_known
    from augment_ops.workspace import Workspace

    workspace = Workspace(settings, settings.actor)
    book = book_of(workspace)
    check_known(workspace.store, book.read(), dataset)
    return book, workspace.tracker
