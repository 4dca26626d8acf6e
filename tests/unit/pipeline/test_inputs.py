"""What a stage may read: a read that the graph does not declare is refused, by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from augment_ops.content import canonical_json, sha256_hex
from augment_ops.data.manifest import SnapshotManifest, document_name
from augment_ops.data.store import Store
from augment_ops.errors import GovernanceError, InputError
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.pipeline.graph import BY_NAME, STAGES
from augment_ops.pipeline.inputs import Inputs, declared
from augment_ops.pipeline.parameters import RunParams
from augment_ops.policy.yaml_file import load_model, read_text
from augment_ops.quality.rules import QualityRules
from augment_ops.stress.suite import SuiteManifest

ROOT = Path(__file__).parents[3]
POLICIES = ROOT / "policies"
QUALITY = "quality/{quality}.yaml"


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Those of check_data, which declares one of each."""
    store = Store(str(tmp_path))
    ingested = store.put(canonical_json({"of": "ingest"}))
    return Inputs(
        stage=BY_NAME["check_data"],
        params=declared(BY_NAME["check_data"], RunParams()),
        store=store,
        state=None,
        policies=POLICIES,
        digests={"ingest": ingested},
        files={"quality/default.yaml": sha256_hex((POLICIES / "quality/default.yaml").read_bytes())},
        say=lambda line: None,
        trace=Trace(""),
    )


def test_what_is_declared_can_be_read(inputs: Inputs) -> None:
    assert inputs.params.quality == "default"
    assert inputs.output("ingest", dict) == {"of": "ingest"}
    with inputs.guarded():
        assert QualityRules.load(inputs.file(QUALITY)).name


def test_a_parameter_that_is_not_declared_is_refused(inputs: Inputs) -> None:
    said = "stage check_data: found a read of the parameter epochs, which it does not declare"
    with pytest.raises(InputError, match=said) as refused:
        inputs.params.epochs  # noqa: B018
    assert refused.value.faults[0].expected == "one of its params (quality)"
    assert "add it to its params in augment_ops/pipeline/graph.py" in refused.value.faults[0].fix


def test_nor_through_a_method_of_the_parameters(inputs: Inputs) -> None:
    with pytest.raises(InputError, match="a read of the parameter modality"):
        inputs.params.asked()
    control = declared(BY_NAME["train_control"], RunParams(epochs=3))
    assert control.epochs_for(100) == 3


def test_an_output_that_is_not_declared_is_refused(inputs: Inputs) -> None:
    with pytest.raises(InputError, match=r"a read of the output of stress_test, .* one of its inputs \(ingest\)"):
        inputs.output("stress_test", SuiteManifest)


def test_the_snapshot_is_the_one_that_the_ledger_names(inputs: Inputs) -> None:
    """Not what lies under its digest: a document that whoever can write to the store can point at other pixels."""
    ours = SnapshotManifest(
        digest="1" * 64, dataset="digits", uri="digits", classes=("0", "1"), image_shape=(8, 8, 1), split_rule="",
        counts={}, samples=2, defective=0, index="2" * 64, images="3" * 64,
    )  # fmt: skip
    inputs.store.put_document(document_name(ours.digest), canonical_json(replace(ours, images="4" * 64)))
    read = replace(inputs, digests={"ingest": inputs.store.put(canonical_json(ours))})
    assert read.snapshot.manifest == ours


def test_a_stage_that_only_has_to_have_run_is_no_input() -> None:
    control = BY_NAME["train_control"]
    assert "check_augmented" in control.comes_after
    assert "check_augmented" not in control.inputs


@pytest.mark.parametrize("through", ["by name", "by its path"])
def test_a_file_that_is_not_declared_is_refused(inputs: Inputs, through: str) -> None:
    with inputs.guarded(), pytest.raises(InputError, match=r"a read of the file policies/gates/"):
        read_text(
            inputs.file("gates/{gate}.yaml") if through == "by name" else POLICIES / "gates" / "default.yaml",
            kind="gate",
        )


def test_a_file_that_changes_while_the_stage_reads_is_refused(inputs: Inputs) -> None:
    """The key would name one content, and the output come of another: an earlier run's could be made up so."""
    inputs.files["quality/default.yaml"] = "0" * 64  # type: ignore[index]
    with inputs.guarded(), pytest.raises(GovernanceError, match="another content than when the stage began"):
        load_model(inputs.file(QUALITY), QualityRules, kind="quality rules")


def test_files_elsewhere_are_not_rules(inputs: Inputs, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.yaml"
    path.write_text("name: x\n")
    with inputs.guarded():
        assert read_text(path, kind="file") == "name: x\n"


def test_every_parameter_is_declared_by_a_stage() -> None:
    """One that no stage declares could decide nothing."""
    assert {name for stage in STAGES for name in stage.params} == set(vars(RunParams()))


def test_a_stage_reads_only_of_stages_before_it() -> None:
    names = [stage.name for stage in STAGES]
    late = [
        (stage.name, need)
        for place, stage in enumerate(STAGES)
        for need in stage.comes_after
        if need not in names[:place]
    ]
    assert late == []
