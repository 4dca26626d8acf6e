"""The home with 1,000 runs: its first page and others, as they are made and through HTTP.

    python benchmarks/home.py

Writes benchmarks/home.json. One run of the digits is real; the others are copies of its documents under other ids, and
of its entries in the ledger, by other people at other times. Every entry is chained and signed. The pages are asked
for in a fresh process, as `augment-ops ui` serves them: `start` is until it prints its address, `first` the first
request after that, the others medians. `after_another_run` is the first page after one more has come.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from augment_ops.content import canonical_json
from augment_ops.governance.chain import Entry, chained, row_of
from augment_ops.governance.keys import ensure, installation_path
from augment_ops.governance.signatures import signature_row
from augment_ops.pipeline.overview import runs
from augment_ops.pipeline.run import Run
from augment_ops.settings import Settings
from augment_ops.workspace import open_ledger, open_store

HERE = Path(__file__).parent
RUNS, TIMES = 1000, 20
PEOPLE = ("ada", "grace", "alan", "edsger")
COMMAND = [sys.executable, "-c", "from augment_ops.cli import main; main()"]
PAGES = {"first_page": "", "runs": "runs", "runs_that_passed": "runs?state=PASS", "page_20_of_runs": "runs?page=20",
         "policies": "policies", "costs": "costs", "drift": "drift"}  # fmt: skip


def main() -> None:
    """Make the runs, then ask."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "AUGMENT_OPS_HOME": folder, "AUGMENT_OPS_ACTOR": "ada", "OMP_NUM_THREADS": "1"}
        environment.pop("MLFLOW_TRACKING_URI", None)
        subprocess.run(
            [*COMMAND, "run", "--quiet", "--dataset", "digits"], env=environment, check=False, stdout=subprocess.DEVNULL
        )
        settings = Settings.from_environment(environment)
        (real,) = runs(open_store(settings))
        copies = [copy_run(settings, real, number) for number in range(1, RUNS)]
        enter(settings, real, copies)
        assert open_ledger(settings).audit().faults == []
        result = {
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
            "runs": RUNS,
            "entries": open_ledger(settings).size(),
            "made_ms": made(environment),
            "http_ms": served(environment, settings, real),
        }
    (HERE / "home.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def copy_run(settings: Settings, real: Run, number: int) -> Run:
    """Another run with the same outputs."""
    began = datetime.fromisoformat(real.started_at) - timedelta(hours=number)
    run = replace(real, id=f"cli-{number:012x}", actor=PEOPLE[number % len(PEOPLE)], started_at=began.isoformat())
    source, target = (Path(settings.store) / "documents" / "runs" / one for one in (real.id, run.id))
    shutil.copytree(source, target)
    (target / "run.json").write_bytes(canonical_json(run))
    return run


def enter(settings: Settings, real: Run, copies: list[Run]) -> None:
    """What the ledger would have of the copies: the real run's entries with their keys and versions."""
    ledger = open_ledger(settings)
    entries = ledger.entries()
    of_run = [entry for entry in entries if entry.key.startswith(real.id)]
    key, last = ensure(installation_path(settings.keys)), entries[-1]
    rows, signatures, version = [], [], 1
    for run in copies:
        for entry in of_run:
            subjects = dict(entry.subjects)
            if entry.act == "promote":
                subjects |= {"previous": str(version), "version": f"digits/{version + 1}"}
                version += 1
            last = chained(last, content_of(entry, last, run, real, subjects))
            rows.append(tuple(row_of(last).values()))
            signatures.append(tuple(signature_row(last, key, last.at).values()))
    with sqlite3.connect(settings.home / "ledger.db") as connection:
        names = ", ".join(row_of(last))
        connection.executemany(f"INSERT INTO ledger ({names}) VALUES ({', '.join('?' * len(rows[0]))})", rows)
        connection.executemany("INSERT INTO ledger_signature VALUES (?, ?, ?, ?, ?)", signatures)
    connection.close()


def content_of(entry: Entry, last: Entry, run: Run, real: Run, subjects: dict[str, str]) -> dict[str, Any]:
    """An entry of a copy."""
    content = {name: getattr(entry, name) for name in ("act", "reason", "software")}
    key = entry.key.replace(real.id, run.id)
    return {**content, "at": last.at, "actor": run.actor, "subjects": subjects, "key": key}


def made(environment: dict[str, str]) -> dict[str, float]:
    """Milliseconds in which the application answers, without a server, in a fresh process."""
    code = (
        "import json, statistics, sys, time\n"
        "sys.path.insert(0, 'tests')\n"
        "from augment_ops.home.web import application\n"
        "from augment_ops.settings import Settings\n"
        "from support.visitor import ask\n"
        "app, pages, times = application(Settings.from_environment()), json.loads(sys.argv[1]), int(sys.argv[2])\n"
        "def ms(page):\n"
        "    started = time.perf_counter()\n"
        "    assert ask(app, '/' + page).status_code == 200\n"
        "    return (time.perf_counter() - started) * 1e3\n"
        "first = {'first': ms('')}\n"
        "found = {name: statistics.median(ms(page) for _ in range(times)) for name, page in pages.items()}\n"
        "print(json.dumps(first | found))\n"
    )
    command = [sys.executable, "-c", code, json.dumps(PAGES), str(TIMES)]
    out = subprocess.check_output(command, env=environment, cwd=HERE.parent, text=True)
    return {name: round(value, 1) for name, value in json.loads(out).items()}


def served(environment: dict[str, str], settings: Settings, real: Run) -> dict[str, float]:
    """Milliseconds through HTTP, from `augment-ops ui`."""
    started = time.perf_counter()
    command = [*COMMAND, "ui", "--port", "0", "--no-open"]
    with subprocess.Popen(command, env=environment, cwd=HERE.parent, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        try:
            found = {"start": (time.perf_counter() - started) * 1e3}
            with httpx.Client(base_url=address, trust_env=False) as client:
                found["first"] = ms(client, "")
                found |= {
                    name: statistics.median(ms(client, page) for _ in range(TIMES)) for name, page in PAGES.items()
                }
                copy = copy_run(settings, real, RUNS)
                enter(settings, real, [copy])
                found["after_another_run"] = ms(client, "")
        finally:
            process.terminate()
    return {name: round(value, 1) for name, value in found.items()}


def ms(client: httpx.Client, page: str) -> float:
    """Of one request."""
    started = time.perf_counter()
    assert client.get(f"/{page}").status_code == 200
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()
