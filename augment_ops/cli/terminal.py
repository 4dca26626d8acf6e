"""What the command line says beside its result: progress and remarks on stderr, and how results look on a terminal."""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from augment_ops.progress import Advance

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_SILENT_S = 2.0  # of work that takes no longer, nobody asks how far it is; the least time between two plain lines
_PIPED = 160  # columns where there is no terminal: a log or a mail has room
_QUIET: ContextVar[bool] = ContextVar("quiet", default=False)
# Colours say no more than the word beside them: not everybody sees them, and a file has none.
STYLES = {
    "PASS": "bold green", "INVESTIGATE": "bold yellow", "FAIL": "bold red", "ERROR": "bold red",
    "pass": "green", "ok": "green", "healthy": "green", "elsewhere": "green", "approved": "green",
    "warn": "yellow", "insufficient": "yellow", "investigate": "yellow", "starting": "yellow", "proposed": "yellow",
    "holds": "green", "passed": "green", "runs": "yellow", "open": "yellow", "broken": "bold red",
    "deprecated": "yellow", "fail": "bold red", "error": "bold red", "drift": "bold red", "revoked": "bold red",
    "unhealthy": "bold red", "died": "bold red", "refused": "bold red", "rejected": "bold red",
    "unreadable": "bold red", "stopped": "dim", "draft": "dim", "not-set": "dim",
}  # fmt: skip


def with_quiet(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the option `--quiet` after its own; one that has it stays as it is."""
    own = inspect.signature(command, eval_str=True)
    if "quiet" in own.parameters:
        return command

    @wraps(command)
    def quietly(quiet: bool = False, **given: Any) -> None:
        _QUIET.set(quiet)
        command(**given)

    told = typer.Option("--quiet", "-q", help="Say nothing of progress: the result, warnings and errors alone.")
    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, told])
    named = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own.parameters.values()]
    vars(quietly)["__signature__"] = inspect.Signature([*named, option])  # what typer reads (PEP 362)
    return quietly


def quiet() -> bool:
    """Whether the command was asked for its result alone."""
    return _QUIET.get()


def say(line: str) -> None:
    """Tell what is going on, unless nobody wants to hear it."""
    if not quiet():
        print(line, file=sys.stderr, flush=True)


def warn(line: str) -> None:
    """Tell what somebody should know whatever they asked for."""
    print(line, file=sys.stderr, flush=True)


def remarks() -> Console:
    """Progress and remarks go to stderr, so that stdout holds the result alone."""
    from rich.console import Console

    return Console(stderr=True, quiet=quiet())


def result() -> Console:
    """Where results go; colours where it is a terminal and NO_COLOR does not forbid them."""
    from rich.console import Console

    asked = os.environ.get("COLUMNS", "").isdecimal()
    return Console(width=None if asked or sys.stdout.isatty() else _PIPED)


def table(*columns: str, whole: tuple[str, ...] = (), heads: bool = True) -> Table:
    """A table without lines.

    Args:
        whole: columns whose words are not broken.
        heads: whether the names of the columns stand above them.
    """
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, show_header=heads)
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column in whole)
    return made


def plain(text: object) -> Text:
    """Text as it is: brackets in it are no mark-up."""
    from rich.text import Text

    return Text(str(text))


def styled(word: str) -> Text:
    """A verdict, an outcome or a state in its colour."""
    from rich.text import Text

    return Text(word, style=STYLES.get(word.replace(",", " ").partition(" ")[0], ""))


def tell_facts(output: Console, facts: Mapping[str, str]) -> None:
    """Names and values below each other, whole: an address that is broken can be neither clicked nor copied."""
    width = max((len(name) for name, value in facts.items() if value), default=0)
    for name, value in facts.items():
        if value:
            output.print(f"{name:{width}}  {value}", soft_wrap=True, highlight=False, markup=False)


def clickable(place: str) -> str:
    """A file of this machine as an address, which terminals and browsers open; what is an address already, as it is."""
    return Path(place).as_uri() if Path(place).is_absolute() else place


@contextmanager
def progress(
    what: str, unit: str, *, at_once: bool = False, clock: Callable[[], float] = time.monotonic
) -> Iterator[Advance]:
    """How far a piece of work is: a bar with rate and time left on a terminal, else a line every two seconds.

    Args:
        what: is done, such as `measuring digits-robust`.
        unit: of what is counted, in the plural.
        at_once: say it before it begins as well: it takes long in any case, and for a while before anything is counted.

    Yields:
        What the work calls: how many are done, of how many, and what comes next.
    """
    console = remarks()
    if quiet():
        yield lambda done, total, then: None
    elif console.is_terminal:
        with _bar(console, what, unit) as advance:
            yield advance
    else:
        if at_once:
            warn(f"{what} …")
        yield _lines(what, unit, clock)


@contextmanager
def _bar(console: Console, what: str, unit: str) -> Iterator[Advance]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), TextColumn("left"),
        TextColumn("{task.fields[then]}", style="dim"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=None, rate=unit, then="")

        def advance(done: int, total: int | None, then: str) -> None:
            speed = shown.tasks[0].speed
            rate = f"{unit}, {_rounded(speed)} a second" if speed else unit
            shown.update(task, total=total, completed=done, rate=rate, then=then)

        yield advance


def _rounded(rate: float) -> str:
    return f"{rate:.2g}" if rate < 99.5 else f"{rate:.0f}"


def _lines(what: str, unit: str, clock: Callable[[], float]) -> Advance:
    began = told = clock()

    def advance(done: int, total: int | None, then: str) -> None:
        nonlocal told
        now = clock()
        if now - told < _SILENT_S:
            return
        told, passed = now, now - began
        rate = f", {_rounded(done / passed)} a second" if done else ""
        if done and total is not None:
            rate += f", about {passed / done * (total - done):.0f} s left"
        of = "" if total is None else f" of {total}"
        warn(f"{what}: {done}{of} {unit}{rate}{f'; {then}' if then else ''}")

    return advance
