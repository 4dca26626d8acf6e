from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from augment_ops import Policy
from augment_ops.errors import PolicyError
from augment_ops.modalities.image.catalogue import CATALOGUE
from augment_ops.policy.spec import Mixing, version_key


def refusal(text: str) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        Policy.from_text(text, "file.yaml")
    return caught.value


def test_a_policy_is_read(text):
    policy = Policy.from_text(
        text(
            "Affine: {rotate: [-5, 5], p: 1.0}",
            "HorizontalFlip:",
            "OneOf: {p: 0.5, transforms: [{GaussNoise: {p: 0.2}}, {Sequential: {transforms: [{VerticalFlip: {}}]}}]}",
            limitations='["not upside down"]',
            discovered_by="{method: density-matching, mlflow_run: abc}",
        )
    )
    assert [t.name for t in policy.transforms] == ["Affine", "HorizontalFlip", "OneOf"]
    assert policy.transforms[0].params == {"rotate": [-5, 5], "p": 1.0}
    assert policy.transforms[1].params == {}
    assert policy.transforms[2].params == {"p": 0.5}
    assert [t.name for t in policy.transforms[2].children] == ["GaussNoise", "Sequential"]
    assert policy.transforms[2].children[1].children[0].name == "VerticalFlip"
    assert policy.budget.at == (8, 8, 1)
    assert policy.limitations == ("not upside down",)
    assert policy.discovered_by is not None
    assert not policy.is_identity
    assert Policy.from_text(text()).is_identity
    assert pickle.loads(pickle.dumps(policy)) == policy


def test_all_faults_come_at_once(text):
    error = refusal(
        text(
            "GausNoise: {}",
            "Affine: {rotat: 3, scale: none, p: 2}",
            "SomeOf: {n: 2, transforms: [{Rotate: {limit: x}}, 7, {Lambda: {}}], foo: 1}",
            "{Rotate: {}, Blur: {}}",
            "Blur: 3",
            "RandomCrop: {height: 4}",
            version="1.2",
            owner=None,
            nmae="x",
            budget="{p95: 1, at: [8, 8]}",
        )
    )
    said = str(error)
    for fault in (
        "version: found 1.2",
        "owner: found nothing",
        "nmae: found unknown key",
        "Did you mean name?",
        "budget.p95: found unknown key; expected one of at, p95_ms",
        "Did you mean p95_ms?",
        "budget.p95_ms: found nothing",
        "budget.at.2: found nothing",
        "transforms[0].GausNoise: found unknown transform 'GausNoise'",
        "Did you mean GaussNoise?",
        "transforms[1].Affine.rotat: found unknown parameter 'rotat'",
        "Did you mean rotate?",
        "transforms[1].Affine.scale: found 'none'",
        "transforms[1].Affine.p: found 2",
        "transforms[2].SomeOf.foo: found unknown parameter 'foo'",
        "transforms[2].SomeOf.transforms[0].Rotate.limit: found 'x'",
        "transforms[2].SomeOf.transforms[1]: found 7",
        "transforms[2].SomeOf.transforms[2].Lambda: found 'Lambda': it holds Python code",
        "transforms[3]: found {'Rotate': {}, 'Blur': {}}",
        "transforms[4].Blur: found 3",
        "transforms[5].RandomCrop.width: found nothing",
    ):
        assert fault in "\n".join(str(f) for f in error.faults), fault
    assert said.startswith(f"file.yaml: {len(error.faults)} faults\n")
    assert len(error.faults) == len({(f.where, f.found) for f in error.faults})


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Not Kebab"},
        {"name": "trailing-"},
        {"version": "1.0"},
        {"version": "v1.0.0"},
        {"version": '"1.0.0\\n"'},
        {"modality": "video"},
        {"domain": "../../etc"},
        {"owner": "''"},
        {"description": "null"},
        {"budget": "{p95_ms: 0, at: [8, 8, 1]}"},
        {"budget": "{p95_ms: 1, at: [8, 8]}"},
        {"budget": "{p95_ms: 1, at: [8, 0, 1]}"},
        {"limitations": "words without a list"},
        {"discovered_by": "{method: x}"},
        {"transforms": "null"},
        {"transforms": "Affine"},
        {"transforms": "{Affine: {}}"},
        {"transforms": None},
    ],
    ids=str,
)
def test_a_faulty_head_is_refused_at_its_field(text, fields):
    error = refusal(text(**fields))
    assert error.faults[0].where.split(".")[0] == next(iter(fields))


@pytest.mark.parametrize(
    ("step", "where"),
    [
        ("OneOf: {transforms: [{Rotate: {p: 0}}, {Blur: {p: 0.0}}]}", "OneOf.transforms"),  # divides by zero inside
        ("OneOf: {transforms: []}", "OneOf.transforms"),
        ("OneOf: {}", "OneOf.transforms"),
        ("OneOf: {transforms: [{Rotate: {}}], p: 1.5}", "OneOf.p"),
        ("OneOf: {transforms: [{Rotate: {}}], p: true}", "OneOf.p"),
        ("SomeOf: {transforms: [{Rotate: {}}], n: 0}", "SomeOf.n"),
        ("SomeOf: {transforms: [{Rotate: {}}], n: -1}", "SomeOf.n"),
        ("SomeOf: {transforms: [{Rotate: {}}], n: 2}", "SomeOf.n"),
        ("SomeOf: {transforms: [{Rotate: {}}], n: 1.5}", "SomeOf.n"),
        ("SomeOf: {transforms: [{Rotate: {}}], n: one}", "SomeOf.n"),
        ("SomeOf: {transforms: [{Rotate: {}}], replace: maybe}", "SomeOf.replace"),
        ("Affine: {1: 2}", "Affine.1"),
        ("OneOf: {1: 2, transforms: [{Rotate: {}}]}", "OneOf.1"),
        ("1: {p: 1}", "1"),
        ("null: {p: 1}", "None"),
        ("Compose: {transforms: []}", "Compose"),
        ("Rotate: {strict: true}", "Rotate.strict"),
        ("CropAndPad: {percent: null, px: null}", "CropAndPad"),
        ("SquareSymmetry: {}", "SquareSymmetry"),
        ("RGBShift: {r_shift_limit: -1}", "RGBShift"),  # the schema takes it, the constructor does not
        ("Normalize: {p: 0.5}", "Normalize"),
        ("OneOf: {transforms: [{Normalize: {}}]}", "OneOf"),
        ("Sequential: {transforms: [{OneOf: {transforms: [{Normalize: {}}]}}]}", "Sequential"),
        ("Posterize: {num_bits: [[1, 2], [3, 4]]}", "Posterize"),  # a TypeError, after which the library takes defaults
    ],
)
def test_a_faulty_step_is_refused_at_its_place(text, step, where):
    assert refusal(text(step)).faults[0].where == f"transforms[0].{where}"


def test_normalize_is_the_last_step(text):
    Policy.from_text(text("Rotate: {}", "Normalize: {p: 1}"))
    error = refusal(text("Normalize: {}", "Rotate: {}"))
    assert [(f.where, f.found) for f in error.faults] == [("transforms[0].Normalize", "before other transforms")]


def test_mixing_is_part_of_a_policy(text):
    plain, mixed = (
        Policy.from_text(text("Rotate: {}", **more)) for more in ({}, {"mixing": "{kind: mixup, alpha: 0.2}"})
    )
    assert (plain.mixing, mixed.mixing) == (None, Mixing(kind="mixup", alpha=0.2))
    assert plain.digest != mixed.digest
    assert Policy.from_text(text("Rotate: {}", mixing="null")).digest == plain.digest
    assert not Policy.from_text(text(mixing="{kind: cutmix}")).is_identity


@pytest.mark.parametrize(
    ("wrong", "where"),
    [("mixup", ""), ("{kind: blend}", ".kind"), ("{}", ".kind"), ("{kind: mixup, alpha: 0}", ".alpha"),
     ("{kind: cutmix, p: 1.5}", ".p"), ("{kind: cutmix, q: 1}", ".q")],
)  # fmt: skip
def test_faults_of_mixing(text, wrong, where):
    assert [fault.where for fault in refusal(text("Rotate: {}", mixing=wrong)).faults] == [f"mixing{where}"]


def test_some_of_may_repeat_more_often_than_it_has_transforms(text):
    Policy.from_text(text("SomeOf: {transforms: [{Rotate: {}}], n: 3, replace: true}"))


def test_a_message_stays_short_enough_to_read(text):
    error = refusal(text(*["Nonsense: {}"] * 30, description="[" + "x, " * 1000 + "]"))
    assert len(error.faults) == 31
    assert "… and 11 more" in str(error)
    assert all(len(fault.found) <= 130 for fault in error.faults)


def test_load_names_the_file(text, tmp_path: Path):
    (tmp_path / "tested.yaml").write_text(text("Rotate: {}"))
    assert Policy.load(tmp_path / "tested.yaml").text == text("Rotate: {}")
    (tmp_path / "other.yaml").write_text(text())
    with pytest.raises(PolicyError, match=r"other.yaml: name: found tested; expected other"):
        Policy.load(str(tmp_path / "other.yaml"))
    with pytest.raises(
        PolicyError, match=r"no such file; expected a policy: other, tested(.|\n)*Did you mean tested\?"
    ):
        Policy.load(tmp_path / "testd.yaml")


def test_versions_are_ordered_by_number():
    assert sorted(["1.10.0", "1.9.3", "0.30.1"], key=version_key) == ["0.30.1", "1.9.3", "1.10.0"]


@pytest.mark.parametrize("modality", ["audio", "video", "3", "[image]"])
def test_a_modality_that_is_not_here_is_one_fault(text, modality):
    """Nobody can say what its steps mean, or how many axes its samples have: that is not said as well."""
    error = refusal(text("Jitter: {}", modality=modality, budget="{p95_ms: 1, at: [20]}"))
    (fault,) = error.faults
    assert fault.where == "modality"
    assert "image" in fault.expected


def test_a_mixing_that_samples_of_the_modality_do_not_know_is_a_fault(text, monkeypatch):
    monkeypatch.setattr(type(CATALOGUE), "mixings", ("mixup",))
    assert Policy.from_text(text(mixing="{kind: mixup}")).mixing is not None
    (fault,) = refusal(text(mixing="{kind: cutmix}")).faults
    assert (fault.where, fault.expected) == ("mixing.kind", "mixup")
