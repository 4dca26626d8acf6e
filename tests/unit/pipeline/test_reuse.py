"""Outputs found by their key: what another run has made is believed where the ledger names it, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from augment_ops.content import canonical_json
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.provenance import Provenance, enter_run, enter_stage
from augment_ops.pipeline.recorders.ledger import tell_ledger
from augment_ops.pipeline.reuse import Lookup, computed_with
from augment_ops.pipeline.run import Run, StageRecord, keep_record, record_of
from augment_ops.settings import Settings
from augment_ops.workspace import Workspace
from support.trained import training_result

KEY = "a" * 64


@dataclass(frozen=True)
class Made:
    """An output that points at an object."""

    of: str
    object: str


class Bench:
    """A store, a ledger and two runs, of which the first has made something."""

    def __init__(self, settings: Settings) -> None:
        self.workspace = Workspace(settings, "ann")
        self.store, self.ledger = self.workspace.store, self.workspace.ledger
        self.first, self.second = (enter_run(settings, run, RunParams(), "ann") for run in ("first", "second"))
        self.said: list[str] = []
        self.lookup = Lookup(
            store=self.store,
            run="second",
            stage="ingest",
            key=KEY,
            cls=Made,
            objects=lambda made: (made.object,),
            say=self.said.append,
        )
        self.part = self.store.put(b"pixels")
        self.output = self.store.put(canonical_json(Made("the data", self.part)))

    def enter(self, run: Run, output: str, key: str = KEY, stage: str = "ingest", reused_from: str = "") -> None:
        enter_stage(self.ledger, run, StageRecord(stage, key, output, 1.0, run.started_at, reused_from), [])

    def note(self, run: str, output: str) -> None:
        replace(self.lookup, run=run).note(output)

    def object_file(self, digest: str) -> Path:
        (path,) = Path(self.store.uri).rglob(digest)
        return path


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUGMENT_OPS_ACTOR", "ann")
    return Bench(Settings.from_environment())


def test_what_the_ledger_names_is_found(bench: Bench) -> None:
    bench.enter(bench.first, bench.output)
    assert bench.lookup.in_other_run(bench.ledger) is None  # nothing leads there yet
    bench.note("first", bench.output)
    found = bench.lookup.in_other_run(bench.ledger)
    assert found is not None
    assert (found.output, found.value.of, found.reused_from) == (bench.output, "the data", "first")
    assert bench.said == []


def test_what_a_run_made_itself_before_is_its_own(bench: Bench) -> None:
    """A source that changed, and changed back: the newest execution of the run is another, and its key came before."""
    bench.enter(bench.second, bench.output)
    bench.note("second", bench.output)
    found = bench.lookup.in_other_run(bench.ledger)
    assert found is not None
    assert found.reused_from == ""


def _never_made(bench: Bench) -> str:
    bench.note("first", bench.store.put(canonical_json(Made("made up", bench.part))))
    return "the ledger names no ingest of run 'first' that made it"


def _of_another_key(bench: Bench) -> str:
    other = bench.store.put(canonical_json(Made("other data", bench.part)))
    bench.enter(bench.first, other, key="b" * 64)
    bench.note("first", other)
    return "the ledger names no ingest of run 'first' that made it"


def _of_another_stage(bench: Bench) -> str:
    other = bench.store.put(canonical_json(Made("a check", bench.part)))
    bench.enter(bench.first, other, stage="check_data")
    bench.note("first", other)
    return "the ledger names no ingest of run 'first' that made it"


def _of_a_run_that_never_was(bench: Bench) -> str:
    bench.note("made-up", bench.output)
    return "the ledger names no ingest of run 'made-up' that made it"


def _not_a_hint(bench: Bench) -> str:
    bench.store.put_document(f"outputs/ingest/{KEY}.json", b'{"run": 3')
    return "document Hint"


def _gone(bench: Bench) -> str:
    bench.object_file(bench.output).unlink()
    return "no such object"


def _altered(bench: Bench) -> str:
    path = bench.object_file(bench.output)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"the data", b"my  data"))
    return "the object was altered or damaged"


def _without_its_object(bench: Bench) -> str:
    bench.object_file(bench.part).unlink()
    return f"run first made it, and its object {bench.part[:12]}… is gone"


@pytest.mark.parametrize(
    "tamper",
    [
        _never_made,
        _of_another_key,
        _of_another_stage,
        _of_a_run_that_never_was,
        _not_a_hint,
        _gone,
        _altered,
        _without_its_object,
    ],
)
def test_a_hint_that_does_not_hold_is_said_once_and_not_followed(bench: Bench, tamper: Callable[[Bench], str]) -> None:
    bench.enter(bench.first, bench.output)
    bench.note("first", bench.output)
    why = tamper(bench)
    assert bench.lookup.in_other_run(bench.ledger) is None
    (line,) = bench.said
    assert line.startswith("an earlier output is not used: ")
    assert why in line


def test_an_execution_without_a_record_is_found_in_its_own_run(bench: Bench) -> None:
    def known() -> Provenance:
        return Provenance.of(bench.ledger, "second")

    assert bench.lookup.in_run(known()) is None
    bench.enter(bench.second, bench.output, reused_from="first")
    found = bench.lookup.in_run(known())
    assert found is not None
    assert (found.output, found.reused_from) == (bench.output, "first")
    (entry,) = known().executions("ingest")
    assert entry.subjects["reused_from"] == "first"
    assert replace(bench.lookup, key="b" * 64).in_run(known()) is None
    bench.object_file(bench.part).unlink()
    assert bench.lookup.in_run(known()) is None  # made again


def test_a_record_of_an_earlier_version_is_read_and_one_of_this_run_is_as_it_was(bench: Bench) -> None:
    record = StageRecord("ingest", KEY, bench.output, 1.5, "2026-01-01T00:00:00+00:00")
    keep_record(bench.store, "second", record)
    (path,) = Path(bench.store.uri).rglob("second/ingest.json")
    assert "reused_from" not in path.read_text()
    assert record_of(bench.store, "second", "ingest") == record
    keep_record(bench.store, "second", replace(record, reused_from="first"))
    assert record_of(bench.store, "second", "ingest") == replace(record, reused_from="first")


def test_a_training_that_is_repeated_with_another_outcome_is_another_act(bench: Bench) -> None:
    """As when a run is gone on with by a program whose libraries calculate otherwise."""
    ctx = Context(bench.workspace, bench.second)
    for artifact in ("2" * 64, "2" * 64, "5" * 64, "5" * 64):
        tell_ledger(ctx, "train_control", training_result(artifact=artifact), "")
    tell_ledger(ctx, "train_control", training_result(artifact="6" * 64), "first")  # which is the first run's act
    trained = [entry for entry in bench.ledger.entries() if entry.act == "train"]
    assert [entry.subjects["artifact"] for entry in trained] == ["2" * 64, "5" * 64]
    assert trained[0].key == "second:train:control"


def test_a_key_has_this_program_and_what_calculates_beside_it() -> None:
    program, *libraries = computed_with()
    assert program.startswith("augment-ops ")
    assert {"numpy", "torch"} <= {name.split()[0] for name in libraries}
