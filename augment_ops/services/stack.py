"""Bring the stack up, watch it, and take it down; each may be repeated at any time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path

from augment_ops.errors import ServiceError
from augment_ops.governance.keys import ensure, witness_path
from augment_ops.locks import held
from augment_ops.services import migrate, processes
from augment_ops.services.components import API_SERVER, MLFLOW, Component, components
from augment_ops.services.environment import airflow_address, is_external_mlflow, mlflow_address, stack_environment
from augment_ops.services.health import ServiceState, is_up, observe, with_memory
from augment_ops.services.layout import Layout, dags_folder, layout_of
from augment_ops.services.migrate import MIGRATION_S, log_end
from augment_ops.services.mlflow_login import server_environment, write_readers
from augment_ops.services.people import ensure_passwords, people
from augment_ops.services.ports import require_free
from augment_ops.services.processes import ServiceCommand
from augment_ops.settings import Settings

_LOCK_S = MIGRATION_S + 60.0  # another `up` may be making a database
_POLL_S = 0.5

Progress = Callable[[list[ServiceState]], None]


def running_settings(settings: Settings) -> Settings:
    """`settings` with the ports that the running stack was started on, which a later shell may not know."""
    layout = layout_of(settings)
    alive = {n: r for n, r in processes.records(layout).items() if processes.leader(layout, r) is not None}
    airflow, mlflow = alive.get(API_SERVER), alive.get(MLFLOW)
    return replace(
        settings,
        airflow_port=airflow.port if airflow and airflow.port else settings.airflow_port,
        mlflow_port=mlflow.port if mlflow and mlflow.port else settings.mlflow_port,
    )


def tracking_uri(settings: Settings) -> str:
    """Where MLflow is now: the server that `up` started or the user named, else the database below home."""
    current = running_settings(settings)
    if is_external_mlflow(current):
        return current.mlflow_uri
    serving = any(state.name == MLFLOW and state.status == "healthy" for state in observe(current))
    return mlflow_address(current) if serving else settings.mlflow_uri


def up(settings: Settings, *, dags: Path | None = None) -> list[str]:
    """Start what does not run yet; it stays when this process ends. Does not wait for health.

    Args:
        dags: folder of the DAG files; by default AUGMENT_OPS_DAGS or ./dags.

    Returns:
        names of the components started now; empty where all ran already.

    Raises:
        ServiceError: a port is taken (which, by whom, what to choose), or a program does not start.
        PolicyError: policies/approvers.yaml is wrong.
        InputError: no folder of DAG files.
    """
    settings = running_settings(settings)
    layout = layout_of(settings)
    folder = dags.absolute() if dags is not None else dags_folder()
    everybody = people(settings.policies)
    with _alone(layout):
        known = processes.records(layout)
        missing = [
            component
            for component in components(settings)
            if component.name not in known or processes.leader(layout, known[component.name]) is None
        ]
        if not missing:
            return []
        # Workers of a killed scheduler live on and would run a task beside its second try.
        processes.end(layout, [component.name for component in missing])
        require_free([component.port for component in missing if component.port is not None])
        passwords = ensure_passwords(layout.passwords, everybody)
        ensure(witness_path(settings.keys))
        layout.mlflow.mkdir(parents=True, exist_ok=True)
        write_readers(layout, passwords, everybody)
        environment = stack_environment(settings, folder, everybody)
        _start(settings, missing, environment, folder)
        return [component.name for component in missing]


def down(settings: Settings, *, grace_s: float = 10.0) -> int:
    """End all processes of the stack of this home, recorded or not. State stays.

    Returns:
        how many processes were ended.

    Raises:
        ServiceError: some could not be ended.
    """
    layout = layout_of(settings)
    if not layout.home.is_dir():
        return processes.end(layout, grace_s=grace_s)  # its state was deleted under it
    with _alone(layout):
        return processes.end(layout, grace_s=grace_s)


def status(settings: Settings) -> list[ServiceState]:
    """Every component with its health and memory."""
    return [with_memory(state) for state in observe(running_settings(settings))]


def wait_until_healthy(
    settings: Settings, progress: Progress | None = None, *, only: Collection[str] = (), timeout_s: float = 600.0
) -> list[ServiceState]:
    """Wait until all components answer.

    Args:
        progress: called with all states after every look.
        only: names of the components to wait for; by default all.

    Raises:
        ServiceError: a component ended by itself, or time ran out; with the end of its log.
    """
    settings = running_settings(settings)
    deadline = time.monotonic() + timeout_s
    while True:
        states = [state for state in observe(settings) if not only or state.name in only]
        if progress is not None:
            progress(states)
        if is_up(states):
            return states
        for state in states:
            if state.status in {"died", "stopped"}:
                raise _not_running(state)
        if time.monotonic() > deadline:
            raise _too_slow([state for state in states if state.status != "healthy"], timeout_s)
        time.sleep(_POLL_S)


def addresses(settings: Settings) -> dict[str, str]:
    """What a browser opens: {"airflow": …, "mlflow": …}, on the ports in use."""
    current = running_settings(settings)
    return {"airflow": airflow_address(current), "mlflow": mlflow_address(current)}


def first_pages(settings: Settings) -> dict[str, str]:
    """Service → what a person opens first: where runs are started, and what came of them."""
    found = addresses(settings)
    return {"Airflow": f"{found['airflow']}/dags", "MLflow": f"{found['mlflow']}/#/experiments"}


def _start(settings: Settings, missing: list[Component], environment: dict[str, str], folder: Path) -> None:
    """MLflow needs no database of Airflow's, so that it starts, or its own is made, while that is made."""
    layout = layout_of(settings)
    first = [component for component in missing if not component.after_migration]
    then = [component for component in missing if component.after_migration]
    try:
        begun = migrate.mlflow(settings, environment, folder) if first else None
        if begun is None:
            _start_all(layout, first, environment, folder)
        if then:
            migrate.airflow(layout, environment, folder)
        if begun is not None:
            migrate.mlflow_finished(layout, begun)
            _start_all(layout, first, environment, folder)
        _start_all(layout, then, environment, folder)
    except BaseException:  # Ctrl-C too: nothing half-started is left
        processes.end(layout, [*(component.name for component in missing), *migrate.NAMES])
        raise


def _start_all(layout: Layout, some: list[Component], environment: dict[str, str], folder: Path) -> None:
    for component in some:
        port = component.port.number if component.port else None
        # In the folder above dags/: a relative path of a data set means the same in a task as in the user's shell.
        login = server_environment(layout) if component.name == MLFLOW else {}
        own = {**environment, **component.environment, **login}
        processes.start(ServiceCommand(component.name, component.command, folder.parent, own, port), layout)


@contextlib.contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """One `up` or `down` of a home at a time."""
    with contextlib.ExitStack() as lock:
        try:
            layout.services.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock.enter_context(held(layout.services / ".lock", "start or end the services", _LOCK_S))
        except OSError as error:
            raise ServiceError(
                str(layout.services),
                str(error),
                "a folder that can be written",
                "set AUGMENT_OPS_HOME to such a folder",
            ) from error
        yield


def _not_running(state: ServiceState) -> ServiceError:
    return ServiceError(
        state.name,
        f"{'it ended while starting' if state.status == 'died' else 'it is not running'}{log_end(state.log)}",
        "a running process",
        f"read {state.log}, mend the cause, and run `augment-ops up` again" if state.log else "run `augment-ops up`",
    )


def _too_slow(waiting: list[ServiceState], timeout_s: float) -> ServiceError:
    return ServiceError(
        ", ".join(state.name for state in waiting),
        f"no answer in {timeout_s:.0f} s{log_end(waiting[0].log)}",
        "an answer to a health request",
        "look again with `augment-ops status`; `augment-ops doctor` tells whether memory or processors are short",
    )
