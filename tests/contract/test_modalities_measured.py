"""What every modality brings for suites, quality reports and training, held against its own declarations."""

from __future__ import annotations

import json
import pkgutil
import tomllib

import numpy as np
import pytest

from augment_ops import modalities
from augment_ops.content import canonical_json
from augment_ops.data.payload import ArrayPayload
from augment_ops.delivery.online import OnlineBatches
from augment_ops.engine.key import sample_key
from augment_ops.modalities import NAMES, modality
from augment_ops.modalities.corruptions import SEVERITIES, Corruptions
from augment_ops.quality.rules import check_name
from augment_ops.runtime import load
from augment_ops.runtime.artifact import Artifact
from augment_ops.training import trainer
from augment_ops.training.base import Budget, Labelled, Task, Trained
from augment_ops.training.declared import fitted
from support.places import ROOT

# Of a sample that every corruption works on.
SHAPES = {"image": (32, 32, 3), "tabular": (5,), "text": (64,), "interactions": (32, 2)}
# No modality may leave out how many samples of a class there are, or that what is held out was seen before.
DATA = {
    "unreadable", "label_range", "label_conflict", "exact_duplicates_between_splits", "missing_class", "class_balance",
    "train_samples_per_class", "test_samples_per_class",
}  # fmt: skip
AUGMENTED = {"identical", "held_out_leakage"}


def corruptions() -> list[object]:
    return [
        pytest.param(name, modality(name).corruptions, one, id=f"{name}-{one}")
        for name in NAMES
        for one in modality(name).corruptions.names
    ]


@pytest.mark.parametrize(("name", "known", "corruption"), corruptions())
def test_published_strengths_are_such_as_a_suite_may_give(name: str, known: Corruptions, corruption: str) -> None:
    published = known.published(corruption, SHAPES[name])
    assert list(published) == list(known.parameters(corruption))
    assert all(unit for unit in known.parameters(corruption).values())
    assert {len(values) for values in published.values()} == {len(SEVERITIES)}
    assert known.fault(corruption, published) == ""
    assert known.shape_fault(corruption, SHAPES[name]) == ""
    for wrong in (
        {},
        published | {"surprise": (1, 2, 3, 4, 5)},
        {key: values[:4] for key, values in published.items()},
    ):
        assert known.fault(corruption, wrong)
    content = known.published_content(corruption)
    assert content
    assert canonical_json(json.loads(canonical_json(content))) == canonical_json(content)


@pytest.mark.parametrize("name", NAMES)
def test_causes_fit_the_codes_of_outcomes(name: str) -> None:
    causes = modality(name).corruptions.causes
    assert 0 < len(set(causes)) == len(causes) < 256


@pytest.mark.parametrize("name", NAMES)
def test_every_threshold_has_its_check_and_what_nobody_may_leave_out_is_there(name: str) -> None:
    checks = modality(name).checks
    for rules, measured, needed in (
        (checks.data_rules, checks.data, DATA),
        (checks.augmented_rules, checks.augmented, AUGMENTED),
    ):
        assert list(measured) == list(rules.model_fields)
        assert needed <= set(measured)
        assert {field.alias for field in rules.model_fields.values()} == {check_name(field) for field in measured}


def test_the_modalities_are_the_packages_there_are_and_nothing_imports_one_of_them() -> None:
    assert [modality(name).name for name in NAMES] == list(NAMES)
    packages = {f"augment_ops.modalities.{one.name}" for one in pkgutil.iter_modules(modalities.__path__) if one.ispkg}
    assert packages == {f"augment_ops.modalities.{name}" for name in NAMES}
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (forbidden,) = (one["forbidden_modules"] for one in contracts if one["name"].startswith("a modality is asked for"))
    assert set(forbidden) == packages


@pytest.mark.parametrize("name", NAMES)
def test_its_own_trainer_learns_of_its_samples_and_its_runtime_answers_for_them(name: str) -> None:
    kind, n, classes = modality(name), 64, ("a", "b", "c")
    samples = kind.invented(n, SHAPES[name], sample_key("contract", name))
    labelled = Labelled(ArrayPayload(samples), np.arange(n) % 3)

    def learnt() -> Trained:
        ids = tuple(f"s{i}" for i in range(n))
        source = OnlineBatches(samples, labelled.labels, ids, None, seed=7, batch_size=16, workers=0)
        task = Task(modality=name, classes=classes, train=labelled, validation=labelled, augmented=False)
        try:
            return fitted(trainer(kind.trainer), task, source, Budget(1, 16, 7), "cpu")
        finally:
            source.close()

    trained = learnt()
    assert learnt().artifact == trained.artifact
    with load(Artifact(trained.artifact, trained.digest, "contract", trained.format)) as model:
        scores = model(samples)
        assert (scores.dtype, scores.shape) == (np.float32, (n, len(classes)))
        assert np.array_equal(model(samples[::-1].copy())[::-1], scores), "of each sample by itself"
