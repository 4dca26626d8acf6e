from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from augment_ops import __version__, shipped
from augment_ops.data.store import Store
from augment_ops.errors import AugmentOpsError, InputError
from augment_ops.pipeline import run as runs
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.run import StageRecord, begin, entry_key, find, keep_record, record_of

AIRFLOW_ID = "manual__2025-11-22T02:54:32.123456+00:00"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def test_a_run_is_recorded_and_found(store: Store):
    run = begin(store, AIRFLOW_ID, RunParams(seed=3), "ada", "http://airflow/run")
    assert find(store, AIRFLOW_ID) == run
    assert (run.id, run.actor, run.link, run.software) == (AIRFLOW_ID, "ada", "http://airflow/run", __version__)
    assert run.typed == RunParams(seed=3)
    assert run.started_at.endswith("+00:00")


def test_a_retry_finds_the_run_as_it_was(store: Store):
    run = begin(store, "r", RunParams(), "ada")
    assert begin(store, "r", RunParams(), "bob") == run
    with pytest.raises(InputError, match=r"run r: found other parameters than it was started with \(policy, seed\)"):
        begin(store, "r", RunParams(seed=8, policy="other"), "ada")
    assert find(store, "r") == run


def test_an_unknown_run(store: Store):
    with pytest.raises(InputError, match="run nowhere: found no record of it"):
        find(store, "nowhere")


def test_ids_that_need_other_characters_stay_apart(store: Store):
    ids = [
        "a:b",
        "a_b",
        "a+b",
        "a/b",
        "a b",
        "a.b",
        "a..b",
        "ä",
        "A",
        "../up",
        AIRFLOW_ID,
        AIRFLOW_ID.replace(":", "_"),
    ]
    for number, run_id in enumerate(ids):
        begin(store, run_id, RunParams(seed=number), "ada")
    assert [find(store, run_id).params["seed"] for run_id in ids] == list(range(len(ids)))
    names = store.documents("runs/")
    assert len(names) == len(ids)
    assert all(name.isascii() and not set(name) & set(":+ ") for name in names)
    assert all(
        path.is_relative_to(Path(store.uri) / "documents" / "runs") for path in Path(store.uri).rglob("run.json")
    )


def test_ids_as_long_as_airflow_takes_them(store: Store):
    ids = [f"manual__2026-01-01T00:00:00+00:00_{'x' * 215}{end}" for end in "ab"] + ["y" * 247, "y" * 248]
    for number, run_id in enumerate(ids):
        begin(store, run_id, RunParams(seed=number), "ada")
    assert [find(store, run_id).params["seed"] for run_id in ids] == list(range(len(ids)))
    keys = [entry_key(run_id, "refuse", "f" * 64) for run_id in ids]
    assert len(set(keys)) == len(ids)
    assert all(len(key) <= 255 and key.startswith(entry_key(i, "")) for key, i in zip(keys, ids, strict=True))


@pytest.mark.parametrize("run_id", ["", ".", ".."])
def test_ids_that_name_no_folder_are_refused(store: Store, run_id):
    with pytest.raises(AugmentOpsError):
        begin(store, run_id, RunParams(), "ada")


def test_records_of_stages(store: Store):
    assert record_of(store, AIRFLOW_ID, "ingest") is None
    record = StageRecord("ingest", "k" * 64, "o" * 64, 1.25, runs.now())
    keep_record(store, AIRFLOW_ID, record)
    assert record_of(store, AIRFLOW_ID, "ingest") == record
    assert record_of(store, AIRFLOW_ID, "train") is None
    assert record_of(store, "other", "ingest") is None
    newer = StageRecord("ingest", "n" * 64, "o" * 64, 2.5, runs.now())
    keep_record(store, AIRFLOW_ID, newer)
    assert record_of(store, AIRFLOW_ID, "ingest") == newer


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch) -> Path:
    """A checkout of its own, in which the module seems to lie."""
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "pyproject.toml").touch()
    monkeypatch.setattr(shipped, "_CHECKOUT", root)
    runs.git_commit.cache_clear()
    yield root
    runs.git_commit.cache_clear()


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    out = subprocess.run(["git", "-C", str(root), *identity, *arguments], capture_output=True, text=True, check=True)
    return out.stdout.strip()


def commit_now() -> str:
    runs.git_commit.cache_clear()
    return runs.git_commit()


def test_the_commit_is_that_of_this_checkout(checkout: Path):
    assert commit_now() == "unknown"
    git(checkout.parent, "init", "-q")  # a checkout around it is not it
    git(checkout.parent, "commit", "-q", "--allow-empty", "-m", "around")
    assert commit_now() == "unknown"
    git(checkout, "init", "-q")
    assert commit_now() == "unknown"  # no commit yet
    (checkout / "a").write_text("1")
    git(checkout, "add", "a")
    git(checkout, "commit", "-q", "-m", "first")
    head = git(checkout, "rev-parse", "HEAD")
    assert commit_now() == head
    git(checkout, "tag", "-a", "v1.0.0", "-m", "tagged")
    assert commit_now() == head  # the commit, not the name of a release
    (checkout / "a").write_text("2")
    assert commit_now() == f"{head}-dirty"


def test_without_git_the_commit_is_unknown(checkout: Path, monkeypatch):
    (checkout / ".git").mkdir()
    monkeypatch.setenv("PATH", str(checkout))
    assert commit_now() == "unknown"
