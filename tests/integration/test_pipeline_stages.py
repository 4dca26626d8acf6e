"""Stages of runs that come to no decision: what is read, killed or trained, each by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from augment_ops.cli.runs import run_pipeline
from augment_ops.content import from_json
from augment_ops.data.ingest import ingest
from augment_ops.data.manifest import SnapshotManifest
from augment_ops.data.store import Store
from augment_ops.delivery.online import OnlineBatches
from augment_ops.errors import InputError
from augment_ops.gate.rules import load
from augment_ops.governance.ledger import Ledger
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.pipeline.at_once import computed_at_once, have_room
from augment_ops.pipeline.computing import StageWork, compute_ahead
from augment_ops.pipeline.execute import Ahead, StageRef, execute
from augment_ops.pipeline.graph import BY_NAME, STAGES
from augment_ops.pipeline.inputs import Inputs
from augment_ops.pipeline.outputs import Augmentation
from augment_ops.pipeline.params import parse_params
from augment_ops.pipeline.provenance import enter_run
from augment_ops.pipeline.run import record_of
from augment_ops.pipeline.stages.catalogue import WORK
from augment_ops.quality.report import QualityReport
from augment_ops.settings import Settings
from augment_ops.training import loop
from augment_ops.training.result import TrainingResult
from support.report_page import Page
from support.state_folder import settings_in

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    home = tmp_path_factory.mktemp("home")
    with settings_in(home, ROOT / "policies") as found:
        yield found


def test_a_kill_while_an_output_is_told_of_computes_nothing_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry is in the ledger, its record is not kept: it is found by the one, and told again."""
    enter_run(settings, "cli-killed", parse_params({"dataset": "digits", "max_samples": 200}), "ann")
    with monkeypatch.context() as patch:
        patch.setattr("augment_ops.pipeline.execute.tell", _killed)
        with pytest.raises(OSError, match="killed"):
            execute(settings, "cli-killed", "ingest")
    assert record_of(Store(settings.store), "cli-killed", "ingest") is None
    before = Ledger(settings.ledger).entries()
    with monkeypatch.context() as patch:
        patch.setattr("augment_ops.pipeline.stages.data.read_source", _killed)
        ref = execute(settings, "cli-killed", "ingest")
    assert (ref.reused, ref.reused_from) == (False, "")
    assert Ledger(settings.ledger).entries() == before
    assert execute(settings, "cli-killed", "ingest").reused


def test_a_source_that_changes_while_it_is_read_leaves_nothing_under_the_key_of_what_it_was(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = load_digits()
    source, labels = tmp_path / "digits.npz", digits.target[:200]
    np.savez(source, images=digits.images[:200].astype(np.uint8), labels=labels)
    enter_run(settings, "cli-written-to", parse_params({"dataset": str(source)}), "ann")

    def read(*given: Any, **named: Any) -> SnapshotManifest:
        np.savez(source, images=digits.images[200:400].astype(np.uint8), labels=digits.target[200:400])
        return ingest(*given, **named)

    before = Ledger(settings.ledger).entries()
    with monkeypatch.context() as patch:
        patch.setattr("augment_ops.pipeline.stages.data.read_source", read)
        with pytest.raises(InputError, match="they changed while they were read"):
            execute(settings, "cli-written-to", "ingest")
    assert Ledger(settings.ledger).entries() == before
    assert execute(settings, "cli-written-to", "ingest").said == "done"
    np.savez(source, images=digits.images[:200].astype(np.uint8), labels=labels)
    enter_run(settings, "cli-written-again", parse_params({"dataset": str(source)}), "ann")
    assert execute(settings, "cli-written-again", "ingest").reused_from == ""  # the same address, another content


def _killed(*given: Any, **named: Any) -> None:
    raise OSError("killed")


def _reads_a_parameter(inputs: Inputs) -> QualityReport:
    assert inputs.params.epochs  # which decides nothing of the data
    return QualityReport("check_data", "", "", ())


def _reads_an_output(inputs: Inputs) -> QualityReport:
    return inputs.output("check_augmented", QualityReport)


def _reads_a_file(inputs: Inputs) -> QualityReport:
    load(inputs.policies / "gates" / "default.yaml")
    return QualityReport("check_data", "", "", ())


@pytest.mark.parametrize("compute", [_reads_a_parameter, _reads_an_output, _reads_a_file])
def test_an_undeclared_read_fails_and_records_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, compute: Callable[[Inputs], QualityReport]
) -> None:
    run = f"cli{compute.__name__.replace('_', '-')}"
    enter_run(settings, run, parse_params({"dataset": "digits"}), "ann")
    execute(settings, run, "ingest")
    before = Ledger(settings.ledger).entries()
    # Without the first run's output under the same key, which would be found.
    monkeypatch.setattr("augment_ops.pipeline.computing.computed_with", lambda: ("another program",))
    monkeypatch.setitem(WORK, "check_data", replace(WORK["check_data"], compute=compute))
    with pytest.raises(InputError, match=r"stage check_data: found a read of the .*, which it does not declare"):
        execute(settings, run, "check_data")
    assert record_of(Store(settings.store), run, "check_data") is None
    assert Ledger(settings.ledger).entries() == before


# What comes before the stress test: the models are there.
TO_THE_MODELS = tuple(takewhile(lambda name: name != "stress_test", BY_NAME))


@pytest.mark.slow
def test_every_delivery_trains_the_same_model(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, model, order = Store(settings.store), {}, []
    warm_up, build = OnlineBatches.warm_up, loop.build
    monkeypatch.setattr(OnlineBatches, "warm_up", lambda self: (order.append("warm up"), warm_up(self))[1])
    monkeypatch.setattr(loop, "build", lambda *given, **how: (order.append("build"), build(*given, **how))[1])
    text = (ROOT / "policies" / "augment" / "digits-robust.yaml").read_text().replace("digits-robust", "digits-mixed")
    policy = tmp_path / "digits-mixed.yaml"
    policy.write_text(f"{text}mixing: {{kind: mixup, alpha: 0.2, p: 0.5}}\n")
    for run, named, delivery in (
        ("cli-online", str(policy), "online"),
        ("cli-nearline", str(policy), "nearline"),
        ("cli-offline", str(policy), "offline"),
        ("cli-unmixed", "digits-robust", "online"),
    ):
        asked = {"dataset": "digits", "policy": named, "delivery": delivery, "epochs": 2}
        enter_run(settings, run, parse_params(asked), "ann")
        done = {stage: store.get(execute(settings, run, stage).output) for stage in TO_THE_MODELS}
        assert from_json(Augmentation, done["augment"]).mode == delivery
        trained = from_json(TrainingResult, done["train_candidate"])
        model[run] = trained.model_digest
        assert trained.threads == 1
    assert model["cli-online"] == model["cli-nearline"] == model["cli-offline"] != model["cli-unmixed"]
    # Of four candidates and their one control, all but the candidate that reads shards; each while its model is made.
    assert (order.count("warm up"), order.count("build"), order[:2]) == (4, 5, ["warm up", "build"])
    measured = {"dataset": "digits", "policy": str(policy), "delivery": "auto", "epochs": 2}
    run_pipeline(measured, "cli-auto", quiet=True)
    chosen = execute(settings, "cli-auto", "augment").output
    choice = from_json(Augmentation, store.get(chosen)).choice
    assert choice is not None and choice.measured is not None and choice.mode == "online"
    trained = from_json(TrainingResult, store.get(execute(settings, "cli-auto", "train_candidate").output))
    assert trained.model_digest == model["cli-online"]
    page = Page((settings.home / "reports" / "cli-auto" / "report.html").read_text())
    assert page.row_with("online, 1 worker")[2].endswith("%")
    assert len(list(settings.home.glob("mlflow/artifacts/**/delivery/choice.json"))) == 1
    # Killed between the entry and the record: what was measured is found again, and not measured to another result.
    store.remove_document("runs/cli-auto/augment.json")
    assert execute(settings, "cli-auto", "augment").output == chosen


def test_trainings_at_once_come_to_the_weights_of_one_after_the_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, run, trainings = Store(settings.store), "cli-at-once", [BY_NAME["train_candidate"], BY_NAME["train_control"]]
    enter_run(settings, run, parse_params({"dataset": "digits", "epochs": 2, "batch_size": 48}), "ann")
    for stage in takewhile(lambda one: one not in trainings, STAGES):
        execute(settings, run, stage.name)
    for cores, gib, room in ((1, 8, False), (2, 7, False), (2, 8, True)):
        monkeypatch.setattr("augment_ops.pipeline.at_once.usable_cores", lambda cores=cores: cores)
        monkeypatch.setattr("augment_ops.pipeline.at_once.free_memory", lambda gib=gib: gib << 30)
        assert have_room(settings, run, trainings) is room

    def models(outputs: dict[str, str]) -> dict[str, str]:
        found = {name: from_json(TrainingResult, store.get(output)) for name, output in outputs.items()}
        return {name: result.model_digest for name, result in found.items()}

    works = [StageWork(settings, run, one.name) for one in trainings]
    alone = {work.stage: compute_ahead(work, lambda line: None, Trace(run)).output for work in works}
    shutil.rmtree(settings.home / "unfinished")  # they would go on where these have come to
    lines: list[tuple[str, str]] = []
    heard: dict[str, Ahead] = {}
    together: dict[str, StageRef] = {}
    with computed_at_once(settings, run, trainings, lambda *line: lines.append(line)) as done:
        for name, heard[name] in done:
            together[name] = execute(settings, run, name, ahead=heard[name])
    assert models({name: ref.output for name, ref in together.items()}) == models(alone)
    for role in ("candidate", "control"):
        assert [line.split(":")[0] for name, line in lines if name == f"train_{role}"] == [
            f"{role} epoch 1/2",
            f"{role} epoch 2/2",
        ]
        assert together[f"train_{role}"].said == "done"
        computed = heard[f"train_{role}"](Trace(run))
        assert together[f"train_{role}"].wall_s > computed.wall_s  # of the process; this one only enters it
    assert not have_room(settings, run, trainings)  # there is nothing left to do
