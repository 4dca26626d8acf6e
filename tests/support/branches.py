"""How many branches of each room the tests below tests/unit take, counted in the process of the tests.

Measured with `make branches`, printed at the end, no threshold: a low number is a place to look. Only unit tests
are followed: the others run most of their code in processes of their own, and a test that is followed takes half as
much time again (Python 3.11 to 3.13 count branches by a trace function), which `make test` does not pay. What numba
and Triton compile is not seen.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

from support.places import ROOT

_UNIT = ROOT / "tests" / "unit"
_COMPILED = ["augment_ops/**/kernels/*", "augment_ops/modalities/image/fused/device/*"]


class Branches:
    """Follows the unit tests of one process; the one that the others answer to adds up what all of them saw."""

    def __init__(self, folder: Path, controls: bool) -> None:
        self.folder, self._controls, self._running = folder, controls, False
        self._coverage = self._made(suffix=True)

    def _made(self, suffix: bool) -> Coverage:
        packages = [str(ROOT / "augment_ops")]
        made = Coverage(
            data_file=str(self.folder / "data"),
            data_suffix=suffix,
            config_file=False,
            branch=True,
            source=packages,
            omit=[str(ROOT / pattern) for pattern in _COMPILED],
            messages=False,
        )
        made.set_option("run:disable_warnings", ["no-data-collected"])  # by a process that had no unit test
        return made

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        if not self._running and _is_unit(item):
            self._coverage.start()
            self._running = True
        try:
            return (yield)
        finally:
            if self._running and (nextitem is None or not _is_unit(nextitem)):
                self._coverage.stop()
                self._running = False

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["branches"] = str(self.folder)

    def pytest_sessionfinish(self) -> None:
        self._coverage.save()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._controls:
            return
        terminalreporter.section("branches that unit tests take", sep="-")
        for line in self.table():
            terminalreporter.write_line(line)
        shutil.rmtree(self.folder, ignore_errors=True)

    def table(self) -> list[str]:
        """A line a room: branches that were taken, of how many."""
        combined = self._made(suffix=False)
        combined.combine()
        # Templates are followed as well where Jinja names them as what runs: they have no branches of Python.
        files = sorted(name for name in combined.get_data().measured_files() if name.endswith(".py"))
        if not files:
            return ["no unit test ran"]
        rooms: dict[str, tuple[int, int]] = {}
        for name in files:
            parts = Path(name).relative_to(ROOT).parts
            room = parts[1] if len(parts) > 2 else "ground floor"
            counts = combined.branch_stats(name).values()  # a report in JSON would take half as long again
            taken, of = rooms.get(room, (0, 0))
            rooms[room] = (taken + sum(count for _, count in counts), of + sum(count for count, _ in counts))
        total = tuple(map(sum, zip(*rooms.values(), strict=True)))
        rows = [*sorted(rooms.items()), ("all", total)]
        return [f"{room:<14} {taken:>5} of {of:>5} {taken / max(of, 1):>5.0%}" for room, (taken, of) in rows]


def _is_unit(item: pytest.Item) -> bool:
    return item.path.is_relative_to(_UNIT)


def add_option(parser: pytest.Parser) -> None:
    """The option that asks for it."""
    parser.addoption("--branches", action="store_true", help="count the branches that unit tests take, by room")


def follow(config: pytest.Config) -> None:
    """Count, where that is asked for; the workers of pytest-xdist leave their counts in the controller's folder."""
    if not config.getoption("branches"):
        return
    told = getattr(config, "workerinput", {}).get("branches")
    folder = Path(told or tempfile.mkdtemp(prefix="branches-"))
    config.pluginmanager.register(Branches(folder, controls=told is None), "branches")
