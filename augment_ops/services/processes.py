"""Start a process in a session of its own, find all that came of it, and end all of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from augment_ops.errors import ServiceError
from augment_ops.files import SMALL, read_regular, replace_file
from augment_ops.private import umask
from augment_ops.services.layout import COMPONENT_MARK, STACK_MARK, Layout

_ROUNDS = 5  # a process may fork while the others end; one more look each time, and then it is an error
_KILL_WAIT_S = 5.0
_SAME_START_S = 2.0  # psutil derives start times from the clock, which may have been set since

# Handles of what this process started itself: kept so that the children are reaped and not reported as abandoned.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class ServiceCommand:
    """What is to be started: a command in a folder with an environment; `port` is noted, not used."""

    name: str
    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    port: int | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """A started component, as `<home>/services/<name>.json` keeps it.

    Attributes:
        pid: leader of the session that all its children belong to.
        create_time: of that process, seconds since the epoch by psutil.
        started: seconds since the epoch.
        port: loopback port, None where it listens on none.
    """

    name: str
    pid: int
    create_time: float
    started: float
    command: tuple[str, ...]
    log: str
    port: int | None = None


def start(program: ServiceCommand, layout: Layout) -> Record:
    """Start it detached from this terminal, its output in `<home>/logs/<name>.log` (one older log is kept).

    Raises:
        ServiceError: the program cannot be run, or home cannot be written.
    """
    log = layout.logs / f"{program.name}.log"
    started = time.time()
    try:
        layout.logs.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.replace(log.with_name(f"{program.name}.log.1"))
        with log.open("wb") as output:
            process = subprocess.Popen(
                program.command,
                cwd=program.directory,
                env={**program.environment, STACK_MARK: layout.stack_id, COMPONENT_MARK: program.name},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is ours to answer, not theirs
                umask=umask(),  # their databases and logs, too, are the owner's alone
            )
    except OSError as error:
        raise ServiceError(
            program.name,
            str(error),
            "a program that can be started, and room for its log",
            "run `augment-ops doctor`, which checks the environment",
        ) from error
    _started.append(process)
    try:
        create_time = psutil.Process(process.pid).create_time()
    except psutil.NoSuchProcess:
        create_time = started
    record = Record(
        name=program.name,
        pid=process.pid,
        create_time=create_time,
        started=started,
        command=program.command,
        log=str(log),
        port=program.port,
    )
    _write(layout, record)
    return record


def wait(record: Record, timeout_s: float) -> int | None:
    """Exit code of what this process has started, as soon as it has ended; None after `timeout_s`."""
    process = next(process for process in reversed(_started) if process.pid == record.pid)
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None


def records(layout: Layout) -> dict[str, Record]:
    """What was started below this home and not ended, by component name. Unreadable records are left out."""
    found: dict[str, Record] = {}
    for path in sorted(layout.services.glob("*.json")):
        if path == layout.passwords:
            continue
        with contextlib.suppress(OSError, ValueError, TypeError):
            fields = json.loads(read_regular(str(path), limit=SMALL))
            found[path.stem] = Record(**{**fields, "command": tuple(fields["command"])})
    return found


def leader(layout: Layout, record: Record) -> psutil.Process | None:
    """The process of the record, or None where it has ended. A number that the system gave to another is not it.

    Known by when it began: for a moment of every exec (MLflow's server is one) a process shows no environment.
    """
    try:
        process = psutil.Process(record.pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return None if ended or _reused(layout, record) else process


def members(layout: Layout, only: Iterable[str] | None = None) -> list[psutil.Process]:
    """Living processes of the stack, or of the named components, whoever their parent is now.

    Found by the mark in their environment, by the session of a recorded leader, and as descendants of either;
    never by name. The calling process is not among them.
    """
    names = None if only is None else frozenset(only)
    sessions = {r.pid for r in records(layout).values() if _wanted(r.name, names) and not _reused(layout, r)}
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if os.getsid(process.pid) in sessions or _is_marked(process, layout, names):
                found |= {p.pid: p for p in (process, *process.children(recursive=True))}
    found.pop(os.getpid(), None)
    return [process for process in found.values() if process.is_running()]


def end(layout: Layout, only: Iterable[str] | None = None, grace_s: float = 10.0) -> int:
    """End the stack, or the named components, with all that they started; records are removed.

    Args:
        grace_s: time between SIGTERM and SIGKILL.

    Returns:
        how many processes were ended.

    Raises:
        ServiceError: some are left; their pids are named.
    """
    names = None if only is None else tuple(only)
    ended: set[int] = set()
    for _ in range(_ROUNDS):
        alive = members(layout, names)
        if not alive:
            break
        ended |= {process.pid for process in alive}
        _signal_and_wait(alive, grace_s)
    else:
        if left := members(layout, names):
            raise ServiceError(
                f"processes of {layout.home}",
                f"pids {[process.pid for process in left]} still running after SIGKILL",
                "no process left",
                "end them by hand (they may belong to another user)",
            )
    for name in records(layout):
        if _wanted(name, frozenset(names) if names is not None else None):
            (layout.services / f"{name}.json").unlink(missing_ok=True)
    for process in _started:
        process.poll()  # its code stays known, for `wait`
    return len(ended)


def _signal_and_wait(processes: list[psutil.Process], grace_s: float) -> None:
    """Parents first, so that they wind up their children; then everybody; then without asking."""
    started_by_us = {process.pid for process in processes}
    parents = [process for process in processes if _parent(process) not in started_by_us]
    _terminate(parents)
    _, alive = psutil.wait_procs(processes, timeout=grace_s / 2)
    # Airflow's executor waits for running tasks at the first signal and leaves them at the second.
    _terminate(alive)
    _, alive = psutil.wait_procs(alive, timeout=grace_s / 2)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=_KILL_WAIT_S)


def _terminate(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None


def _is_marked(process: psutil.Process, layout: Layout, names: frozenset[str] | None = None) -> bool:
    try:
        environment = process.environ()
    except (psutil.Error, OSError):
        return False
    return environment.get(STACK_MARK) == layout.stack_id and _wanted(environment.get(COMPONENT_MARK, ""), names)


def _reused(layout: Layout, record: Record) -> bool:
    """Whether the number of a leader that ended is now that of a stranger, whose session is none of ours.

    A leader that is about to end shows no environment any more, so a missing mark alone does not tell.
    """
    try:
        process = psutil.Process(record.pid)
        other = abs(process.create_time() - record.create_time) > _SAME_START_S
        return other and not _is_marked(process, layout)
    except psutil.Error:
        return False


def _wanted(name: str, names: frozenset[str] | None) -> bool:
    return names is None or name in names


def _write(layout: Layout, record: Record) -> None:
    layout.services.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(layout.services / f"{record.name}.json", json.dumps(asdict(record), indent=1) + "\n")
