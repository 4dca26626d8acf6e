"""Trainers of the user's own: looked at before the run, held to what they declare, and the two worked examples."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pydantic import BaseModel

from augment_ops.data.payload import ArrayPayload
from augment_ops.errors import InputError, PolicyError, TrainingError
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact
from augment_ops.training import trainer
from augment_ops.training.base import Budget, Labelled, Task
from augment_ops.training.declared import fitted
from augment_ops.training.own import source_of
from augment_ops.training.recipe import Recipe
from augment_ops.training.script_trainer import ScriptSettings
from augment_ops.training.torch_settings import TorchSettings
from support.places import POLICIES

SCRIPT = "augment_ops.training.script_trainer:ScriptTrainer"
LIGHTNING = "augment_ops.training.lightning_trainer:LightningTrainer"
# A whole script: softmax regression, of what lies in its folder and nothing else.
TRAINS = """
import json, sys
from pathlib import Path
import numpy as np, torch
from augment_ops.training.export import exported

folder = Path(sys.argv[1])
asked = json.loads((folder / "params.json").read_text())
torch.manual_seed(asked["seed"])
size = int(np.prod(asked["shape"]))

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(size, len(asked["classes"]))

    def forward(self, samples):
        return self.linear(samples.flatten(1).to(torch.float32) / 255)

net, curve = Net(), []
optimizer = torch.optim.Adam(net.parameters(), 0.02)
for epoch in range(asked["epochs"]):
    with np.load(folder / f"train-{epoch:03d}.npz") as kept:
        samples, labels = torch.from_numpy(kept["samples"]), torch.from_numpy(kept["labels"])
    for _ in range(20):
        logits = net(samples)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        optimizer.zero_grad(); loss.backward(); optimizer.step()
    curve.append({"train_loss": float(loss), "train_accuracy": float((logits.argmax(1) == labels).float().mean())})
(folder / "model.pt2").write_bytes(exported(net, samples.numpy()))
(folder / "metrics.json").write_text(json.dumps({"curve": curve}))
"""


def asked(training: Any) -> Task:
    return Task(
        modality="image",
        classes=("left", "middle", "right"),
        train=Labelled(ArrayPayload(training.images), training.labels),
        validation=Labelled(ArrayPayload(training.images[:30]), training.labels[:30]),
        augmented=False,
    )


def fit(training: Any, name: str, settings: BaseModel | None = None) -> Any:
    return fitted(trainer(name), asked(training), training.online(None), Budget(2, 32, 7, settings), "cpu")


def scripted(folder: Path, source: str, **more: Any) -> ScriptSettings:
    path = folder / "train.py"
    path.write_text(source)
    return ScriptSettings(script=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest(), **more)


def share_right(training: Any, trained: Any) -> float:
    with load(Artifact(trained.artifact, trained.digest, "model.pt2", trained.format)) as answers:
        return float((answers(training.images).argmax(axis=1) == training.labels).mean())


def test_a_script_trains_in_its_own_process_and_its_program_answers(training: Any, tmp_path: Path) -> None:
    trained = fit(training, SCRIPT, scripted(tmp_path, TRAINS))
    assert share_right(training, trained) > 0.9
    assert len(trained.curve) == 2 and np.isnan(trained.curve[-1].validation_loss)
    assert trained.factory.startswith("script:train.py@")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import sys; sys.exit('no data here')", "exit code 1; it said last: no data here"),
        ("pass", "No such file or directory: params.json"),
        ("open('model.pt2', 'w'); open('metrics.json', 'w').write('{\"curve\": []}')", "metrics.json: found curve"),
        (
            "open('model.pt2', 'w').write('no zip'); "
            "open('metrics.json', 'w').write('{\"curve\": [{\"train_loss\": 1, \"train_accuracy\": 1}]}')",
            "trainer script_file: found File is not a zip file",
        ),
        (
            "open('model.pt2', 'w'); open('metrics.json', 'w').write('{\"curve\": [{\"train_loss\": NaN, '"
            "'\"train_accuracy\": 1}]}')",
            "finite number",
        ),
    ],
)
def test_what_a_script_fails_at_is_one_clear_error(training: Any, tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(TrainingError, match=re.escape(said)):
        fit(training, SCRIPT, scripted(tmp_path, source))


def test_a_script_that_takes_too_long_is_ended_with_what_it_started(training: Any, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    source = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(told)!r}, 'w').write(str(child.pid))\n"
        "print('half way', file=sys.stderr, flush=True)\ntime.sleep(600)\n"
    )
    with pytest.raises(TrainingError, match=r"nothing after 3 s; expected an end within time_limit_s; .*half way"):
        fit(training, SCRIPT, scripted(tmp_path, source, time_limit_s=3))
    child = int(told.read_text())
    if psutil.pid_exists(child):  # ended, and waits to be told of
        psutil.Process(child).wait(10)


@pytest.mark.parametrize("changed", ["other content", None])
def test_another_script_than_the_recipe_s_is_not_started(training: Any, tmp_path: Path, changed: str | None) -> None:
    settings = scripted(tmp_path, TRAINS)
    if changed is None:
        Path(settings.script).unlink()
    else:
        Path(settings.script).write_text(changed)
    with pytest.raises(InputError, match="recipe: script_file"):
        fit(training, SCRIPT, settings)


def test_lightning_trains_what_the_trainer_torch_trains(training: Any) -> None:
    first, second = fit(training, LIGHTNING), fit(training, LIGHTNING)
    assert first.artifact == second.artifact, "deterministic"
    assert len(first.curve) == 2 and first.curve[1].train_loss < first.curve[0].train_loss
    assert share_right(training, first) == pytest.approx(first.curve[-1].train_accuracy, abs=0.5)
    assert first.curve[-1].validation_accuracy == pytest.approx(
        share_right_of(first, training.images[:30], training.labels[:30])
    )


def share_right_of(trained: Any, images: Any, labels: Any) -> float:
    with load(Artifact(trained.artifact, trained.digest, "model.pt2", trained.format)) as answers:
        return float((answers(images).argmax(axis=1) == labels).mean())


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"own_trainer_{os.getpid()}_{abs(hash(request.node.name))}"

    def write(source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source)
        return f"{name}:Mine"

    yield write
    sys.modules.pop(name, None)


OWN = """
from augment_ops.training.script_trainer import ScriptTrainer
class Mine(ScriptTrainer):
    name = "mine"
    def fit(self, task, source, budget, device):
        raise ZeroDivisionError("by hand")
"""


def test_every_member_that_is_missing_or_wrong_is_named_at_once(module: Any) -> None:
    source = "class Mine:\n  name = 'torch'\n  format = 'onnx'\n  def fit(self, task): ...\n  def pace(self): ...\n"
    with pytest.raises(InputError) as caught:
        trainer(module(source))
    wrong = {fault.where.rpartition(".")[2] for fault in caught.value.faults}
    assert wrong == {"name", "format", "settings", "entries", "check", "check_settings", "device", "fit", "pace"}


@pytest.mark.parametrize(
    ("source", "said"),
    [("", "AttributeError"), ("Mine = 3", "Mine.fit"), ("class Mine:\n  def __init__(self, x): ...", "no argument")],
)
def test_what_is_no_trainer_is_refused(module: Any, source: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        trainer(module(source))


def test_what_it_raises_or_returns_otherwise_is_told_as_its_fault(training: Any, module: Any) -> None:
    name = module(OWN)
    with pytest.raises(TrainingError, match="trainer mine: found ZeroDivisionError: by hand"):
        fit(training, name)
    assert source_of(name) == hashlib.sha256(OWN.encode()).hexdigest()


def test_its_section_stands_under_its_name_and_the_default_needs_none(module: Any, tmp_path: Path) -> None:
    own = trainer(module(OWN))
    default = Recipe.load(POLICIES / "recipes" / "default.yaml", own)
    assert default.settings("mine") == ScriptSettings()
    assert default.digest == Recipe.load(POLICIES / "recipes" / "default.yaml").digest
    path = tmp_path / "theirs.yaml"
    head = "name: theirs\nversion: 1.0.0\ndescription: For tests.\n"
    path.write_text(head + "mine: {time_limit_s: 5}\n")
    assert Recipe.load(path, own).settings("mine") == ScriptSettings(time_limit_s=5)
    path.write_text(head + "torch: {}\n")
    with pytest.raises(PolicyError, match="a section for the trainer mine"):
        Recipe.load(path, own).settings("mine")
    path.write_text(head + "mine: {time_limit: 5}\n")
    with pytest.raises(PolicyError, match="time_limit_s"):
        Recipe.load(path, own)


def test_a_recipe_of_the_trainer_torch_is_as_before_beside_it(module: Any) -> None:
    own = trainer(module(OWN))
    assert Recipe.load(POLICIES / "recipes" / "default.yaml", own).settings("torch") == TorchSettings()
