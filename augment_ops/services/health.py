"""Whether each component answers, told by its own health address and by its process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import httpx
import psutil

from augment_ops.services import processes
from augment_ops.services.components import API_SERVER, DAG_PROCESSOR, MLFLOW, SCHEDULER, TRIGGERER, components
from augment_ops.services.environment import airflow_address, is_external_mlflow, mlflow_address
from augment_ops.services.layout import layout_of
from augment_ops.services.processes import Record
from augment_ops.settings import Settings

Status = Literal["healthy", "starting", "unhealthy", "died", "stopped", "elsewhere"]

_ANSWER_S = 5.0  # for one health request; a loaded two-core machine answers in well under one second
_START_S = 180.0  # a component that has not answered for so long is not starting any more (FACTS: 30 to 150 s)

# Component → (part of Airflow's health document, field of its last sign of life).
_HEARTBEATS = {
    SCHEDULER: ("scheduler", "latest_scheduler_heartbeat"),
    DAG_PROCESSOR: ("dag_processor", "latest_dag_processor_heartbeat"),
    TRIGGERER: ("triggerer", "latest_triggerer_heartbeat"),
}


@dataclass(frozen=True, kw_only=True)
class ServiceState:
    """One component as it is now.

    Attributes:
        status: `healthy` answers; `starting` runs and does not answer yet; `unhealthy` has not answered for long;
            `died` was started and ended by itself; `stopped` was not started; `elsewhere` is not ours to run.
        pid: of the leader, None where none runs.
        address: for a browser, None where the component has no page.
        log: file of its output, None where it was not started.
        memory_mb: of the component with all its children, shared pages counted once; None where not asked for.
        processes: how many.
    """

    name: str
    status: Status
    pid: int | None = None
    address: str | None = None
    log: str | None = None
    memory_mb: float | None = None
    processes: int = 0


def observe(settings: Settings) -> list[ServiceState]:
    """The state of every component, in their order of start; `settings` carry the ports that are in use."""
    known = processes.records(layout_of(settings))
    airflow = _airflow_health(settings) if API_SERVER in known else {}
    if airflow and not _tasks_can_call(settings):
        airflow = {**airflow, "metadatabase": {}}
    addresses = {API_SERVER: airflow_address(settings), MLFLOW: mlflow_address(settings)}
    states = (
        [ServiceState(name=MLFLOW, status="elsewhere", address=addresses[MLFLOW])]
        if is_external_mlflow(settings)
        else []
    )
    for component in components(settings):
        state = ServiceState(name=component.name, status="stopped", address=addresses.get(component.name))
        record = known.get(component.name)
        states.append(_state(settings, state, record, airflow) if record is not None else state)
    return states


def with_memory(state: ServiceState) -> ServiceState:
    """`state` with the memory of the component and all its children, which takes a few ms a process to read."""
    if state.pid is None:
        return state
    try:
        return replace(state, memory_mb=_memory_mb(_family(psutil.Process(state.pid))))
    except psutil.Error:
        return state


def is_up(states: list[ServiceState]) -> bool:
    """Whether all that is ours answers."""
    return bool(states) and all(state.status in {"healthy", "elsewhere"} for state in states)


def _state(settings: Settings, state: ServiceState, record: Record, airflow: Mapping[str, Any]) -> ServiceState:
    """`state` of a component that was started, filled in."""
    leader = processes.leader(layout_of(settings), record)
    if leader is None:
        return replace(state, status="died", log=record.log)
    answers = _mlflow_answers(settings) if state.name == MLFLOW else _airflow_answers(state.name, record, airflow)
    return replace(
        state,
        status="healthy" if answers else _not_answering(record),
        pid=record.pid,
        log=record.log,
        processes=len(_family(leader)),
    )


def _not_answering(record: Record) -> Status:
    return "starting" if time.time() - record.started < _START_S else "unhealthy"


def _airflow_answers(name: str, record: Record, health: Mapping[str, Any]) -> bool:
    if name == API_SERVER:
        return bool(health.get("metadatabase", {}).get("status") == "healthy")
    part, field = _HEARTBEATS[name]
    found = health.get(part) or {}
    # For half a minute Airflow calls a scheduler healthy that was killed: the sign of life must be of this process.
    return found.get("status") == "healthy" and _epoch(found.get(field)) >= record.started


def _epoch(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def _airflow_health(settings: Settings) -> dict[str, Any]:
    answer = _get(f"{airflow_address(settings)}/api/v2/monitor/health")
    try:
        document = answer.json() if answer is not None and answer.status_code == httpx.codes.OK else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _tasks_can_call(settings: Settings) -> bool:
    """Whether the part of the api-server that tasks speak to answers.

    It is built at the first request, which takes 5 s of a processor (29 s on a busy machine), and a task would be
    the one to wait: so the first request is made here.
    """
    answer = _get(f"{airflow_address(settings)}/execution/health/ping")
    return answer is not None and answer.status_code == httpx.codes.OK


def _mlflow_answers(settings: Settings) -> bool:
    answer = _get(f"{mlflow_address(settings)}/health")
    return answer is not None and answer.status_code == httpx.codes.OK


def _get(address: str) -> httpx.Response | None:
    try:
        return httpx.get(address, timeout=_ANSWER_S, trust_env=False)  # loopback: no proxy of the environment
    except httpx.HTTPError:
        return None


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return [process]


def _memory_mb(family: list[psutil.Process]) -> float:
    total = 0
    for process in family:
        try:
            full = process.memory_full_info()
            # Proportional set size counts a page that forked workers share once in all; only Linux tells it.
            total += getattr(full, "pss", full.rss)
        except psutil.Error:
            continue
    return round(total / 1e6, 1)
