"""`augment-ops up`, `down`, `status`, `doctor` and `demo`: Airflow and MLflow on this machine."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
import time
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from augment_ops.cli.terminal import clickable, plain, remarks, result, styled, table, tell_facts
from augment_ops.errors import EXIT_CHECK_SAID_NO, EXIT_COMPUTATION_FAILED
from augment_ops.extras import require
from augment_ops.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from augment_ops.services.demo import Demonstrated
    from augment_ops.services.health import ServiceState

AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]

_PORTS = "Other ports: AUGMENT_OPS_AIRFLOW_PORT and AUGMENT_OPS_MLFLOW_PORT."
_INTERRUPTED = 130  # 128 + SIGINT, as shells do
_LOOK_S = 2.0  # how soon `demo` notices that `augment-ops down` ended what it waits beside


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (up, down, status, doctor, demo):
        app.command(command.__name__)(command)


def up(
    wait: Annotated[bool, typer.Option(help="return when both answer")] = True,
    as_json: AsJson = False,
) -> None:
    """Start Airflow and MLflow on loopback; they stay until `augment-ops down`. May be repeated.

    Ports: 8080 (Airflow) and 5000 (MLflow), or AUGMENT_OPS_AIRFLOW_PORT and AUGMENT_OPS_MLFLOW_PORT.

    Example: augment-ops up
    """
    require("airflow", "augment-ops up")
    console = remarks()
    started = _bring_up(Settings.from_environment(), console, wait=wait)
    _show_status(started=started, as_json=as_json)


def down(as_json: AsJson = False) -> None:
    """End Airflow and MLflow with all their processes. State below the home stays.

    Example: augment-ops down
    """
    from augment_ops.services import stack

    settings = Settings.from_environment()
    ended = stack.down(settings)
    if as_json:
        print(json.dumps({"ended": ended, "home": str(settings.home)}))
    else:
        print(f"ended {ended} processes; state stays in {settings.home}" if ended else "nothing was running")


def status(
    show_passwords: Annotated[bool, typer.Option("--show-passwords", help="print them, on your terminal")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what runs, on which ports, with how much memory, and who can log in.

    Exit code: 0 all answer, 1 not.

    Example: augment-ops status
    """
    states = _show_status(started=None, as_json=as_json, show_passwords=show_passwords)
    from augment_ops.services.health import is_up

    if not is_up(states):
        raise typer.Exit(EXIT_CHECK_SAID_NO)


def doctor(as_json: AsJson = False) -> None:
    """Check this machine and environment, and say how to mend what is wrong.

    Exit code: 0 it will work, 1 something has to be mended.

    Example: augment-ops doctor
    """
    from augment_ops.cli.champion import registry_finding
    from augment_ops.services.doctor import examine, worst

    settings = Settings.from_environment()
    findings = [*examine(settings), *registry_finding(settings)]
    verdict = worst(findings)
    if as_json:
        print(json.dumps({"outcome": verdict, "findings": [asdict(finding) for finding in findings]}))
    else:
        shown = table("check", "", "found", whole=("check",))
        for finding in findings:
            fix = f"\nFix: {finding.fix}" if finding.fix else ""
            shown.add_row(finding.check, styled(finding.outcome), plain(finding.found + fix))
        result().print(shown)
    if verdict == "fail":
        raise typer.Exit(EXIT_CHECK_SAID_NO)


def demo(
    detach: Annotated[bool, typer.Option("--detach", help="leave the services running and return")] = False,
    wait: Annotated[bool, typer.Option(help="keep the services up until Ctrl-C; without, end them at once")] = True,
    as_json: AsJson = False,
) -> None:
    """Start the services, take the digits through the whole pipeline on Airflow, and show the decision.

    Exit code: 0 promoted, 1 the gate said no, 3 the run ended without a decision.

    Example: augment-ops demo --detach
    """
    require("airflow", "augment-ops demo")
    from augment_ops.data.store import Store
    from augment_ops.services import stack
    from augment_ops.services.demo import demonstrate, login

    settings = Settings.from_environment()
    console = remarks()
    code = 0
    shown: Demonstrated | None = None
    with _terminated_as_interrupted():
        try:
            _bring_up(settings, console, wait=True)
            _addresses(settings, console)
            with login(settings) as api:
                shown = demonstrate(api, Store(settings.store), console)
            _show_decision(shown, as_json)
            code = 0 if shown.verdict == "PASS" else _exit_code(shown.verdict)
            if not detach and wait:
                _stay(settings, console)
        except KeyboardInterrupt:
            console.print("\ninterrupted")
            code = code if shown is not None else _INTERRUPTED
        finally:
            if not detach:
                with console.status("ending Airflow and MLflow …"):
                    ended = stack.down(settings)
                console.print(f"ended {ended} processes; state stays in {settings.home}", soft_wrap=True)
    if code:
        raise typer.Exit(code)


def _exit_code(verdict: str) -> int:
    return EXIT_COMPUTATION_FAILED if verdict == "ERROR" else EXIT_CHECK_SAID_NO


def _bring_up(settings: Settings, console: Console, *, wait: bool) -> list[str]:
    """Start what is missing and wait for it; what was started is ended again where it does not become healthy."""
    from augment_ops.services import stack

    began = time.monotonic()
    with console.status("starting Airflow and MLflow (the first start makes their databases) …"):
        started = stack.up(settings)
    if not wait:
        return started
    try:
        _wait(settings, console, began)
    except BaseException:
        if started:
            with console.status("ending what was started …"):
                stack.down(settings)
        raise
    if started:
        console.print(f"Airflow and MLflow answer after {time.monotonic() - began:.0f} s")
    else:
        console.print("Airflow and MLflow were running already")
    return started


def _wait(settings: Settings, console: Console, began: float) -> None:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    from augment_ops.services import stack

    if not console.is_terminal:
        seen: set[str] = set()

        def tell(states: list[ServiceState]) -> None:
            for state in states:
                if state.status == "healthy" and state.name not in seen:
                    seen.add(state.name)
                    console.print(f"{time.monotonic() - began:6.0f} s  {state.name}: healthy", highlight=False)

        stack.wait_until_healthy(settings, tell)
        return
    columns = (SpinnerColumn(), BarColumn(bar_width=20), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def draw(states: list[ServiceState]) -> None:
            waiting = [state.name for state in states if state.status not in {"healthy", "elsewhere"}]
            progress.update(
                task,
                total=len(states),
                completed=len(states) - len(waiting),
                description=f"waiting for {', '.join(waiting)}" if waiting else "healthy",
            )

        stack.wait_until_healthy(settings, draw)


def _stay(settings: Settings, console: Console) -> None:
    """Until Ctrl-C, or until somebody else ends the services."""
    from augment_ops.services import processes
    from augment_ops.services.layout import layout_of

    console.print("Airflow and MLflow stay up. Ctrl-C (or `make down`) ends them.")
    layout = layout_of(settings)
    while any(processes.leader(layout, record) for record in processes.records(layout).values()):
        time.sleep(_LOOK_S)
    console.print("the services were ended elsewhere")


class _terminated_as_interrupted:  # noqa: N801 - a context manager that reads as one
    """SIGTERM and SIGINT to `demo` end the services, also where a shell started it in the background.

    A shell without job control has its background commands ignore SIGINT, and Python then raises nothing.
    """

    def __enter__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._interrupt)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @staticmethod
    def _interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt


def _addresses(settings: Settings, console: Console) -> None:
    from augment_ops.services import stack
    from augment_ops.services.layout import layout_of

    tell_facts(console, stack.first_pages(settings))
    console.print(
        f"{_PORTS}\nLogins are in {layout_of(settings).passwords}; `{_own_name()} status --show-passwords` shows them.",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


def _own_name() -> str:
    """What to type for this command: `make demo` does not put it on the PATH."""
    return "augment-ops" if shutil.which("augment-ops") else sys.argv[0]


def _show_status(*, started: list[str] | None, as_json: bool, show_passwords: bool = False) -> list[ServiceState]:
    from augment_ops.services import stack
    from augment_ops.services.layout import layout_of
    from augment_ops.shown import address

    settings = Settings.from_environment()
    layout = layout_of(settings)
    states = stack.status(settings)
    if as_json:
        document: dict[str, Any] = {
            "services": [asdict(state) for state in states],
            "home": str(settings.home),
            "passwords_file": str(layout.passwords),
            "mlflow_tracking_uri": address(stack.tracking_uri(settings)),
        }
        print(json.dumps(document if started is None else {"started": started, **document}))
        return states
    output = result()
    shown = table("service", "state", "address", "pid", "MB", whole=("service", "address"))
    for state in states:
        memory = "" if state.memory_mb is None else f"{state.memory_mb:.0f}"
        shown.add_row(state.name, styled(state.status), state.address, str(state.pid or ""), memory)
    output.print(shown)
    total = sum(state.memory_mb or 0 for state in states)
    if total:
        tell_facts(output, stack.first_pages(settings))
        output.print(f"{total:.0f} MB in all; logs in {layout.logs}\n{_PORTS}\n", soft_wrap=True, highlight=False)
    _show_logins(settings, output, passwords_too=show_passwords)
    return states


def _show_logins(settings: Settings, output: Console, *, passwords_too: bool) -> None:
    """Who may log in. Passwords only where they were asked for: terminals are recorded, and looked at by others."""
    from augment_ops.services.layout import layout_of
    from augment_ops.services.people import people, read_passwords

    file = layout_of(settings).passwords
    passwords = read_passwords(file)
    if not passwords:
        return
    logins = table("login", *(["password"] if passwords_too else []), "may", "holds")
    for person in people(settings.policies):
        shown = [plain(passwords.get(person.id, "after the next up"))] if passwords_too else []
        logins.add_row(person.id, *shown, person.airflow_role, ", ".join(person.roles))
    output.print(logins)
    told = f"from {file}" if passwords_too else f"passwords: `{_own_name()} status --show-passwords`, or {file}"
    output.print(told, soft_wrap=True, highlight=False, markup=False)


def _show_decision(shown: Demonstrated, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(shown)), flush=True)
        return
    from augment_ops.cli.decision import show_decision

    facts = {
        "outcome": shown.promotion,
        "Airflow run": shown.airflow_run_url,
        "MLflow run": shown.mlflow_run_url,
        "report": shown.report_url or clickable(shown.report_path),
        "report file": shown.report_path if shown.report_url else "",
        "time": f"{shown.seconds:.0f} s: {shown.work_seconds:.0f} s of work, "
        f"{max(0.0, shown.seconds - shown.work_seconds):.0f} s of orchestration",
    }
    show_decision(result(), shown.verdict, shown.summary, shown.reasons, facts)
