"""Real processes: small Python programs that fork, ignore signals, change session or lose their mark."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from augment_ops.errors import ServiceError
from augment_ops.services import processes
from augment_ops.services.layout import Layout
from augment_ops.services.processes import ServiceCommand

FOREVER = "import signal; print('ready', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"


def orphan(code: str, *, session: bool, env: str = "None") -> str:
    """A program that starts `code` and ends at once."""
    return (
        "import subprocess, sys;"
        f"p = subprocess.Popen([sys.executable, '-c', {code!r}], start_new_session={session}, env={env},"
        " stdout=subprocess.PIPE); p.stdout.readline(); print('child', p.pid, flush=True); import os; os._exit(0)"
    )


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout(tmp_path / "home")
    yield layout
    with contextlib.suppress(ServiceError):
        processes.end(layout, grace_s=0.2)


def start(layout: Layout, code: str, name: str = "one", environment: dict[str, str] | None = None) -> processes.Record:
    program = ServiceCommand(name, (sys.executable, "-c", code), Path.cwd(), environment or dict(os.environ))
    record = processes.start(program, layout)
    wait_for_line(Path(record.log))
    return record


def wait_for_line(log: Path) -> str:
    while not (text := log.read_text()).endswith("\n"):
        os.sched_yield()
    return text


def child_of(record: processes.Record) -> int:
    return int(wait_for_line(Path(record.log)).split()[1])


def test_a_started_process_is_found_by_its_record_and_ended(layout: Layout) -> None:
    record = start(layout, FOREVER)

    assert processes.leader(layout, processes.records(layout)["one"]) is not None
    assert os.getsid(record.pid) == record.pid
    assert processes.end(layout) == 1
    assert not psutil.pid_exists(record.pid)
    assert processes.records(layout) == {}


def test_one_that_ignores_sigterm_is_killed_after_the_grace_period(layout: Layout) -> None:
    record = start(layout, STUBBORN)

    processes.end(layout, grace_s=0.2)

    assert not psutil.pid_exists(record.pid)


def test_an_orphan_in_a_session_of_its_own_is_found_by_its_mark(layout: Layout) -> None:
    child = child_of(start(layout, orphan(FOREVER, session=True)))

    assert [process.pid for process in processes.members(layout)] == [child]
    processes.end(layout)
    assert not psutil.pid_exists(child)


def test_an_orphan_without_the_mark_is_found_by_its_session(layout: Layout) -> None:
    child = child_of(start(layout, orphan(FOREVER, session=False, env="{}")))

    processes.end(layout)

    assert not psutil.pid_exists(child)


def test_processes_are_found_after_their_records_were_deleted(layout: Layout) -> None:
    record = start(layout, FOREVER)
    (layout.services / "one.json").unlink()

    processes.end(layout)

    assert not psutil.pid_exists(record.pid)


def test_ending_one_component_leaves_the_other(layout: Layout) -> None:
    one, two = start(layout, FOREVER, "one"), start(layout, FOREVER, "two")

    processes.end(layout, ["one"])

    assert not psutil.pid_exists(one.pid)
    assert processes.leader(layout, two) is not None
    assert set(processes.records(layout)) == {"two"}


def test_another_home_is_left_alone(layout: Layout, tmp_path: Path) -> None:
    record = start(layout, FOREVER)

    assert processes.end(Layout(tmp_path / "other")) == 0
    assert processes.leader(layout, record) is not None


def test_a_leader_that_shows_no_environment_is_one(layout: Layout) -> None:
    """As it is for a moment of every exec: what is asked then must not hear that the process has ended."""
    bare = f"os.execve(sys.executable, [sys.executable, '-c', {FOREVER!r}], {{}})"
    record = start(layout, f"import os, sys; print('ready', flush=True); {bare}")
    process = psutil.Process(record.pid)
    while process.environ():
        assert process.is_running()
    assert processes.leader(layout, record) == process


def test_a_number_that_the_system_gave_to_another_process_is_neither_leader_nor_ended(layout: Layout) -> None:
    stranger = start(Layout(layout.home.with_name("stranger")), FOREVER)
    try:
        stale = {**vars(stranger), "name": "one", "create_time": stranger.create_time - 3600}
        layout.services.mkdir(parents=True)
        (layout.services / "one.json").write_text(json.dumps(stale))

        assert processes.leader(layout, processes.records(layout)["one"]) is None
        assert processes.end(layout) == 0
        assert psutil.pid_exists(stranger.pid)
    finally:
        processes.end(Layout(layout.home.with_name("stranger")))


def test_a_killed_process_is_no_leader_even_before_it_is_reaped(layout: Layout) -> None:
    record = start(layout, FOREVER)
    os.kill(record.pid, signal.SIGKILL)
    os.waitid(os.P_PID, record.pid, os.WEXITED | os.WNOWAIT)  # ended, and still a zombie

    assert psutil.Process(record.pid).status() == psutil.STATUS_ZOMBIE
    assert processes.leader(layout, record) is None


def test_the_last_log_is_kept_beside_the_new_one(layout: Layout) -> None:
    start(layout, "print('first', flush=True)")
    record = start(layout, "print('second', flush=True)")

    assert Path(record.log).read_text() == "second\n"
    assert Path(f"{record.log}.1").read_text() == "first\n"


def test_a_program_that_is_not_there_is_one_clear_error(layout: Layout) -> None:
    with pytest.raises(ServiceError, match="No such file") as caught:
        processes.start(ServiceCommand("one", ("/nowhere/program",), Path.cwd(), {}), layout)

    assert "doctor" in caught.value.faults[0].fix
    assert processes.records(layout) == {}


def test_what_a_started_program_writes_is_its_owners_alone(layout: Layout) -> None:
    code = "import os; open(os.environ['HERE'] + '/written', 'w'); os.mkdir(os.environ['HERE'] + '/made')"
    environment = {"HERE": str(layout.home.parent), "PATH": os.environ["PATH"]}
    before = os.umask(0o022)
    try:
        record = processes.start(
            ServiceCommand("writes", (sys.executable, "-c", code), Path.cwd(), environment), layout
        )
        assert processes.wait(record, 30) == 0
    finally:
        os.umask(before)
    assert (layout.home.parent / "written").stat().st_mode & 0o777 == 0o600
    assert (layout.home.parent / "made").stat().st_mode & 0o777 == 0o700
