"""Eight processes write entries at once, some thousands together: one valid chain, and nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from augment_ops.governance import Ledger

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PROCESSES = 8
# All begin at once, with a ledger that has no table yet: without its lock, a writer ends within its first entries. A
# connection an append: PostgreSQL takes several times as long for one.
EACH = {"sqlite": 250, "postgresql": 75}
WRITER = (
    "import sys; from augment_ops.governance.ledger import Ledger\n"
    "ledger, me = Ledger(sys.argv[1]), sys.argv[2]\n"
    "print('ready', flush=True); sys.stdin.readline()\n"
    "for i in range(int(sys.argv[3])): ledger.append('act', me, {'n': str(i)}, '', f'{me}-{i}')\n"
)


@pytest.mark.parametrize("backend", list(EACH))
def test_entries_of_eight_processes_at_once(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}" if backend == "sqlite" else request.getfixturevalue("postgres")()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    each = EACH[backend]
    command = [sys.executable, "-c", WRITER, url]
    writers = [
        subprocess.Popen(
            [*command, str(n), str(each)], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for n in range(PROCESSES)
    ]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * PROCESSES
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=1500)
    assert [writer.returncode for writer in writers] == [0] * PROCESSES
    ledger = Ledger(url)
    entries = ledger.entries()
    assert {entry.key for entry in entries} == {f"{n}-{i}" for n in range(PROCESSES) for i in range(each)}
    assert len(entries) == PROCESSES * each
    for n in range(PROCESSES):  # in the order in which each wrote them
        mine = [entry.key for entry in entries if entry.actor == str(n)]
        assert mine == [f"{n}-{i}" for i in range(each)]
    assert ledger.verify() == []
