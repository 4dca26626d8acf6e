"""A run and the records that its stages leave: references into the store, written last and replaced whole.

`runs/<run>/run.json` says what was asked, `runs/<run>/<stage>.json` points at the output of a stage. A stage whose
record answers to the same inputs is not run again; one that was killed has no record, and finds its output in the
ledger or starts over.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from augment_ops import __version__, shipped
from augment_ops.content import LATER, canonical_json, from_json, sha256_hex
from augment_ops.data.store import Store
from augment_ops.errors import InputError
from augment_ops.names import told_apart
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.params import parse_params


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was asked, by whom and when.

    Attributes:
        id: the driver's own id (Airflow's run id, or `cli-…`).
        params: as validated.
        actor: who started the run.
        software: version of this package.
        git_commit: commit of the checkout it ran from, or `unknown`.
        link: address of the run in its driver's UI; empty on the command line.
    """

    id: str
    params: dict[str, Any]
    actor: str
    started_at: str
    software: str
    git_commit: str
    link: str = ""

    @property
    def typed(self) -> RunParams:
        """The parameters as their type."""
        return parse_params(self.params)


@dataclass(frozen=True)
class StageRecord:
    """Points at the output of one stage.

    Attributes:
        key: digest of everything the output depends on.
        output: digest of the output document.
        wall_s: seconds of work, imports and recording included; of finding it, where another run had made it.
        reused_from: id of the run that made it; empty where this one did.
    """

    stage: str
    key: str
    output: str
    wall_s: float
    finished_at: str
    reused_from: str = field(default="", metadata=LATER)


def begin(store: Store, run_id: str, params: RunParams, actor: str, link: str = "") -> Run:
    """Record a run, or find it again where its first stage is retried.

    Raises:
        InputError: the id belongs to a run that was asked something else.
    """
    run = _kept(store, run_id)
    if run is not None:
        started_with = {**asdict(RunParams()), **run.params}  # one that came later had its default, whoever asked
        changed = [name for name, value in asdict(params).items() if started_with[name] != value]
        if changed:
            raise InputError(
                f"run {run_id}",
                f"other parameters than it was started with ({', '.join(changed)})",
                "the same parameters, or none, which keeps them",
                "start a new run",
            )
        return run
    run = Run(
        id=run_id,
        params=asdict(params),
        actor=actor,
        started_at=now(),
        software=__version__,
        git_commit=git_commit(),
        link=link,
    )
    store.put_document(_name(run_id, "run"), canonical_json(run))
    return run


def earlier_params(store: Store, run_id: str) -> dict[str, Any]:
    """Parameters of the run of that id; none where there is no such run yet."""
    found = _kept(store, run_id)
    return {} if found is None else found.params


def find(store: Store, run_id: str) -> Run:
    """The run of that id.

    Raises:
        InputError: there is none.
    """
    found = _kept(store, run_id)
    if found is None:
        raise InputError(f"run {run_id}", "no record of it", "a run whose first stage has run", "start with ingest")
    return found


def record_of(store: Store, run_id: str, stage: str) -> StageRecord | None:
    """What `stage` left behind in this run, or None."""
    found = store.get_document(_name(run_id, stage))
    return None if found is None else from_json(StageRecord, found)


def keep_record(store: Store, run_id: str, record: StageRecord) -> None:
    """Write the record of a finished stage; its output is in the store already."""
    store.put_document(_name(run_id, record.stage), canonical_json(record))


def declaration_of(store: Store, run_id: str) -> str:
    """sha256 of what is recorded of a run: its parameters, who began it and when.

    Raises:
        InputError: there is no such run.
    """
    find(store, run_id)
    return sha256_hex(store.get_document(_name(run_id, "run")) or b"")


def entry_key(run_id: str, *parts: str) -> str:
    """Key of a ledger entry of a run; a column of 255 characters takes it whatever the id."""
    longest = 150  # Airflow takes ids of 250; the parts are at most a word and a digest
    if len(run_id) > longest:
        run_id = told_apart(run_id, run_id, 141, "~", 40)
    return ":".join([run_id, *parts])


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@cache
def git_commit() -> str:
    """Commit of this checkout, `-dirty` where it was changed since; `unknown` outside one."""
    root = shipped.checkout()
    if root is None or not (root / ".git").exists():
        return "unknown"  # installed: git would answer for whatever checkout lies around it
    try:
        out = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # no tags
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return out.stdout.strip()


def _kept(store: Store, run_id: str) -> Run | None:
    """The run in the folder of that id.

    Raises:
        InputError: another run's folder goes by the same name, as where a file system takes `A` for `a`.
    """
    found = store.get_document(_name(run_id, "run"))
    run = None if found is None else from_json(Run, found)
    if run is not None and run.id != run_id:
        where = f"the folder of run {run.id}, which goes by the same name"
        raise InputError(f"run {run_id}", where, "an id of its own", "start the run under another id")
    return run


def _name(run_id: str, document: str) -> str:
    return f"runs/{folder_name(run_id)}/{document}.json"


def report_path(home: Path, run_id: str) -> Path:
    """Where the report of a run is, on the machine that made it."""
    return home / "reports" / folder_name(run_id) / "report.html"


def folder_name(run_id: str) -> str:
    """The run's id as part of a path: what a file system takes, and no other run's."""
    # Airflow's ids hold colons and plus signs, which object stores and file systems dislike, and up to 250 characters,
    # where file systems end at 255 bytes. A hash keeps `a:b` and `a_b`, and two that begin alike, two runs.
    longest, room = 246, 255
    name = re.sub(r"[^A-Za-z0-9._-]", "_", run_id)
    return name if name == run_id and len(name) <= longest else told_apart(name, run_id, room)
