"""Which outcomes of an earlier run are believed; models are functions, store and ledger are real."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augment_ops.content import canonical_json, from_json
from augment_ops.data.payload import ArrayPayload
from augment_ops.data.store import Store
from augment_ops.governance.ledger import Ledger
from augment_ops.pipeline import run as runs
from augment_ops.pipeline.known_outcomes import Asked, known, remember
from augment_ops.pipeline.outputs import StressTest
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.provenance import enter_run, enter_stage
from augment_ops.pipeline.run import StageRecord, now
from augment_ops.settings import Settings
from augment_ops.stress.evaluate import evaluate
from augment_ops.stress.outcomes import from_bytes
from augment_ops.stress.suite import SuiteManifest, freeze, load
from augment_ops.workspace import open_ledger, open_store

POLICIES = Path(__file__).resolve().parents[3] / "policies"
DIGESTS = {"candidate": "c" * 64, "control": "d" * 64}
ARTIFACTS = {"candidate": "1" * 64, "control": "2" * 64}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path / "home"))
    return Settings.from_environment()


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings)


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return open_ledger(settings)


@pytest.fixture
def suite(store: Store) -> SuiteManifest:
    return frozen(store, 12)


def frozen(store: Store, n: int) -> SuiteManifest:
    spec = load(POLICIES / "stress" / "invariances.yaml")
    images = ArrayPayload(np.random.default_rng(0).integers(0, 256, (n, 8, 8, 1), np.uint8))
    ids, labels = [f"s{i}" for i in range(n)], (np.arange(n) % 2).astype(np.int64)
    few = spec.model_copy(update={"corruptions": {"noise": spec.corruptions["noise"]}})
    return freeze(few, images, ids, labels, store.put, snapshot_digest="5" * 64, classes=("a", "b"))


def bright(images: np.ndarray) -> np.ndarray:
    level = images.mean(axis=(1, 2, 3)) / 255
    return np.stack([1 - level, level], axis=1).astype(np.float32)


def dark(images: np.ndarray) -> np.ndarray:
    return bright(images)[:, ::-1]


def stress_tested(store: Store, suite: SuiteManifest) -> StressTest:
    models = {"candidate": (DIGESTS["candidate"], bright), "control": (DIGESTS["control"], dark)}
    report = evaluate(suite, store.get, store.put, models, None, seen={}, columns={})
    return StressTest(suite, report, artifacts=ARTIFACTS)


Enter = Callable[..., str]


@pytest.fixture
def enter(settings: Settings, store: Store, ledger: Ledger) -> Enter:
    """Has a run make that output in a stage, as the ledger then says; its digest."""

    def _enter(stress: StressTest, run_id: str = "first", stage: str = "stress_test") -> str:
        output = store.put(canonical_json(stress))
        run = enter_run(settings, run_id, RunParams(), "ann")
        enter_stage(ledger, run, StageRecord(stage, "k", output, 1.0, now()), [])
        return output

    return _enter


def asked(suite: SuiteManifest, role: str = "control") -> Asked:
    return Asked(suite=suite.digest, model=DIGESTS[role], artifact=ARTIFACTS[role])


def heard(store: Store, ledger: Ledger, question: Asked) -> tuple[str | None, str]:
    """The run that is believed, and what is said."""
    said: list[str] = []
    found = known(store, ledger, question, said.append)
    return (None if found is None else found.run), " ".join(said)


def hint(store: Store, question: Asked, **changes: str) -> None:
    """Alter a hint, or forge one."""
    before = json.loads(store.get_document(question.document) or b"{}")
    store.put_document(question.document, canonical_json({**before, **changes}))


@pytest.fixture
def first(store: Store, ledger: Ledger, suite: SuiteManifest, enter: Enter) -> StressTest:
    stress = stress_tested(store, suite)
    remember(store, ledger, "first", enter(stress), stress)
    return stress


def test_what_a_model_said_is_found_whatever_its_role_was(
    first: StressTest, store: Store, ledger: Ledger, suite: SuiteManifest
) -> None:
    before = from_bytes(store.get(first.report.outcomes), first.report.outcomes)
    for role in DIGESTS:
        found = known(store, ledger, asked(suite, role), print)
        assert found is not None
        assert found.run == "first"
        assert np.array_equal(found.predictions.predicted, before.predictions(role).predicted)


def test_of_another_model_program_or_suite_nothing_is_looked_for(
    first: StressTest, store: Store, ledger: Ledger, suite: SuiteManifest
) -> None:
    for change in ("model", "artifact", "suite"):
        assert heard(store, ledger, replace(asked(suite), **{change: "f" * 64})) == (None, "")


def test_a_hint_that_holds_stays_and_one_that_does_not_is_replaced(
    first: StressTest, store: Store, ledger: Ledger, suite: SuiteManifest, enter: Enter
) -> None:
    again = replace(first, reused={"control": "first"})
    output = enter(again, "second")
    remember(store, ledger, "second", output, again)
    assert heard(store, ledger, asked(suite)) == ("first", "")
    hint(store, asked(suite), output="f" * 64)
    remember(store, ledger, "second", output, again)
    assert heard(store, ledger, asked(suite)) == ("second", "")


def test_an_output_that_the_ledger_does_not_name_is_not_believed(
    first: StressTest, store: Store, ledger: Ledger, suite: SuiteManifest, enter: Enter
) -> None:
    better = replace(first, report=replace(first.report, champion_version="9"))
    forged = store.put(canonical_json(better))
    hint(store, asked(suite), output=forged)
    run, said = heard(store, ledger, asked(suite))
    assert run is None
    assert "outcomes of before are not used again" in said
    enter(better, "first", "report")  # named, but as what another stage made
    assert heard(store, ledger, asked(suite))[0] is None


def test_a_run_that_nobody_entered_is_not_believed(
    first: StressTest, store: Store, ledger: Ledger, suite: SuiteManifest
) -> None:
    runs.begin(store, "made-up", RunParams(), "eve")
    hint(store, asked(suite), run="made-up")
    assert heard(store, ledger, asked(suite))[0] is None


def test_a_run_whose_record_was_altered_is_not_believed(
    first: StressTest, store: Store, ledger: Ledger, suite: SuiteManifest
) -> None:
    (path,) = Path(store.uri).rglob("run.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"actor": "eve"}))
    assert heard(store, ledger, asked(suite))[0] is None


def test_another_role_of_the_same_output_is_not_believed(
    first: StressTest, store: Store, ledger: Ledger, suite: SuiteManifest
) -> None:
    for role in ("candidate", "champion"):
        hint(store, asked(suite), role=role)
        assert heard(store, ledger, asked(suite))[0] is None


def test_another_program_with_the_same_weights_is_not_believed(
    first: StressTest, store: Store, ledger: Ledger, suite: SuiteManifest
) -> None:
    other = replace(asked(suite), artifact="f" * 64)
    hint(store, other, **json.loads(store.get_document(asked(suite).document) or b""))
    assert heard(store, ledger, other)[0] is None


def test_outcomes_of_another_suite_are_not_believed(
    first: StressTest, store: Store, ledger: Ledger, suite: SuiteManifest, enter: Enter
) -> None:
    other = stress_tested(store, frozen(store, 14))
    hint(store, asked(suite), run="other", output=enter(other, "other"))
    assert heard(store, ledger, asked(suite))[0] is None


def test_a_report_that_names_the_outcomes_of_another_is_not_believed(
    store: Store, ledger: Ledger, suite: SuiteManifest, enter: Enter
) -> None:
    stress, other = stress_tested(store, suite), stress_tested(store, frozen(store, 14))
    mixed = replace(stress, report=replace(stress.report, outcomes=other.report.outcomes))
    hint(store, asked(suite), run="first", output=enter(mixed), role="control")
    assert heard(store, ledger, asked(suite))[0] is None


def test_what_another_version_heard_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, store: Store, ledger: Ledger, suite: SuiteManifest, enter: Enter
) -> None:
    monkeypatch.setattr(runs, "__version__", "0.0.1")
    output = enter(stress_tested(store, suite))
    hint(store, asked(suite), run="first", output=output, role="control")
    run, said = heard(store, ledger, asked(suite))
    assert run is None
    assert "made by version 0.0.1" in said


@pytest.mark.parametrize("part", ["output", "outcomes"])
@pytest.mark.parametrize("how", ["gone", "altered"])
def test_what_is_not_whole_is_not_believed(
    first: StressTest, store: Store, ledger: Ledger, suite: SuiteManifest, part: str, how: str
) -> None:
    told = json.loads(store.get_document(asked(suite).document) or b"")
    digest = told["output"] if part == "output" else first.report.outcomes
    path = store.local(digest)
    path.unlink()
    if how == "altered":
        path.write_bytes(b"x")
    run, said = heard(store, ledger, asked(suite))
    assert run is None
    assert digest[:8] in said


def test_a_hint_that_is_none_is_said_to_be(
    first: StressTest, store: Store, ledger: Ledger, suite: SuiteManifest
) -> None:
    store.put_document(asked(suite).document, b"[]")
    run, said = heard(store, ledger, asked(suite))
    assert run is None
    assert "document OutcomesHint" in said


def test_a_document_of_before_reads_and_keeps_its_bytes(store: Store, suite: SuiteManifest) -> None:
    stress = stress_tested(store, suite)
    before = canonical_json({"suite": stress.suite, "report": stress.report})
    assert from_json(StressTest, before) == StressTest(stress.suite, stress.report)
    assert canonical_json(StressTest(stress.suite, stress.report)) == before
    told = replace(stress, reused={"control": "first"})
    assert from_json(StressTest, canonical_json(told)) == told
