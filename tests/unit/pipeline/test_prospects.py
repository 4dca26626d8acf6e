"""What a snapshot alone says of a run's end is said when there is one: before anything is trained."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest

from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.errors import CheckRefused, DataError
from augment_ops.gate.needs import Need
from augment_ops.gate.rules import load as load_gate
from augment_ops.pipeline.context import Context
from augment_ops.pipeline.parameters import RunParams
from augment_ops.pipeline.provenance import enter_run
from augment_ops.pipeline.stages.catalogue import WORK
from augment_ops.pipeline.stages.prospects import _shortage, misfits, shortages
from augment_ops.settings import Settings
from augment_ops.stress.suite import load as load_suite
from augment_ops.workspace import Workspace, open_store
from support.places import POLICIES


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(POLICIES, home / "policies")
    return Settings.from_environment({"AUGMENT_OPS_HOME": str(home), "AUGMENT_OPS_POLICIES": str(home / "policies")})


@pytest.fixture(scope="module")
def few(settings: Settings) -> Snapshot:
    """150 of the digits, 38 of them held out."""
    store = open_store(settings)
    return Snapshot(store, ingest("digits", store, max_samples=150))


def stopped(settings: Settings, snapshot: Snapshot, **asked: Any) -> tuple[Exception | None, list[str]]:
    """With what the run stops once `ingest` has left this snapshot, and what it said."""
    run, said = f"run-{len(asked)}-{asked.get('environment', '')}", list[str]()
    enter_run(settings, run, RunParams(**asked), "ann", "")
    ctx = replace(Context.of(settings, run), say=said.append)
    return WORK["ingest"].refuses(ctx, snapshot.manifest), said


def test_too_few_samples_stop_a_run_that_counts_and_are_said_in_dev(settings: Settings, few: Snapshot) -> None:
    error, said = stopped(settings, few, environment="staging")
    assert isinstance(error, CheckRefused)
    assert said == []
    whole, each = error.faults
    assert (whole.where, whole.found) == ("gate default: invariance.min_n", "38 held-out samples in the suite")
    assert whole.fix == "add about 648 samples: 25% of what is added is held out"
    assert each.found.startswith(
        "10 of 10 classes with fewer than 20 held-out samples in the suite: 3 (3), 4 (3), 8 (3)"
    )
    error, said = stopped(settings, few)
    assert error is None
    assert len(said) == 2
    assert all(line.startswith("warning: the gate will not pass any model") for line in said)


def test_what_there_is_enough_of_is_not_mentioned(settings: Settings) -> None:
    store = open_store(settings)
    assert stopped(settings, Snapshot(store, ingest("digits", store)), environment="staging") == (None, [])


def test_what_to_do_is_told_by_how_the_samples_were_chosen(settings: Settings, few: Snapshot) -> None:
    workspace = Workspace(settings, "ann")

    def fix(snapshot: Snapshot, **asked: Any) -> str:
        return shortages(workspace, RunParams(**asked), snapshot)[0].fix

    given = Snapshot(open_store(settings), replace(few.manifest, split_rule="given by the source"))
    assert fix(given) == "add 162 samples to the split test"
    assert fix(few, max_samples=150).endswith("; or take more than 150 of the data set (max_samples)")
    suite = settings.policies / "stress" / "invariances.yaml"
    text = suite.read_text()
    try:
        suite.write_text("\n".join("max_samples: 30" if x.startswith("max_samples:") else x for x in text.splitlines()))
        assert fix(few) == "raise max_samples of the suite invariances (30 of 38 held-out samples)"
        assert "30 held-out samples" in shortages(workspace, RunParams(), few)[0].found
    finally:
        suite.write_text(text)


def test_a_gate_about_samples_of_no_class_needs_some_of_the_data_set(settings: Settings) -> None:
    workspace, store = Workspace(settings, "ann"), open_store(settings)
    gate = settings.policies / "gates" / "default.yaml"
    text = gate.read_text()
    try:
        gate.write_text(f"{text}\nout_of_scope: {{max_accepted: 0.5, margin: 0.02, min_n: 30}}\n")
        (fault,) = shortages(workspace, RunParams(), Snapshot(store, ingest("digits", store)))
    finally:
        gate.write_text(text)
    assert fault.where == "gate default: out_of_scope.min_n" and fault.found == "0 samples of no class in the suite"
    assert "say out-of-scope of 30 more" in fault.fix


@pytest.mark.parametrize(
    ("gate", "has", "offered"),
    [("default", {"3": 3, "8": 4}, True), ("default", {"8": 4}, False), ("transactions", {"1": 4}, False)],
)
def test_a_waiver_is_always_offered_and_one_class_only_where_there_are_two(
    few: Snapshot, gate: str, has: dict[str, int], *, offered: bool
) -> None:
    rules, suite = load_gate(POLICIES / "gates" / f"{gate}.yaml"), load_suite(POLICIES / "stress" / "invariances.yaml")
    fix = _shortage(rules, suite, Need(rule="class_recall", has=has, least=20, of=10), few, 38).fix
    assert fix.endswith("by name for a time (augment-ops waive)")
    assert ("equivalent" in fix) == ("of the others" in fix) == offered


def test_samples_that_a_policy_or_a_suite_cannot_work_on(settings: Settings, few: Snapshot) -> None:
    path = settings.policies / "augment" / "cropping.yaml"
    text = (settings.policies / "augment" / "digits-robust.yaml").read_text()
    head = text.split("transforms:", maxsplit=1)[0].replace("name: digits-robust", "name: cropping")
    path.write_text(
        head.replace("[28, 28, 1]", "[32, 32, 1]") + "transforms:\n  - RandomCrop: {height: 24, width: 24}\n"
    )
    found = misfits(Workspace(settings, "ann"), RunParams(policy="cropping"), few)
    assert found
    error, _ = stopped(settings, few, policy="cropping")
    assert isinstance(error, DataError)
    assert list(error.faults) == found
