from __future__ import annotations

from pathlib import Path

import pytest

from augment_ops.errors import PolicyError
from augment_ops.policy.library import admit, admit_to_run, admit_to_serve, policy_names, policy_path
from support.places import POLICIES


def test_every_shipped_policy_is_admitted():
    names = policy_names(POLICIES)
    assert {"digits-none", "digits-robust", "fashion-robust"} <= set(names)
    for name in names:
        assert admit(POLICIES, name).name == name


def test_a_policy_beyond_its_limits_is_not_admitted(policies: Path, text):
    (policies / "augment" / "tested.yaml").write_text(text("Rotate: {limit: 20}"))
    (policies / "limits" / "general.yaml").write_text("domain: general\ndescription: d\nmax_rotation_deg: 19\n")
    with pytest.raises(PolicyError, match=r"Rotate\.limit: found 20; expected within ±19"):
        admit(policies, "tested")
    (policies / "limits" / "general.yaml").write_text("domain: general\ndescription: d\nmax_rotation_deg: 20\n")
    assert admit(policies, "tested").transforms[0].name == "Rotate"


def test_a_policy_without_its_domain_is_not_admitted(policies: Path, text):
    (policies / "augment" / "tested.yaml").write_text(text(domain="nowhere"))
    with pytest.raises(PolicyError, match=r"nowhere\.yaml"):
        admit(policies, "tested")


def test_a_file_outside_the_library_is_named_by_its_path(policies: Path, tmp_path: Path):
    assert policy_path(policies, "a") == policies / "augment" / "a.yaml"
    assert policy_path(policies, str(tmp_path / "b.yaml")) == tmp_path / "b.yaml"
    assert policy_names(policies) == []


def test_a_run_does_not_train_on_what_its_models_never_see_again(policies: Path, text):
    (policies / "augment" / "tested.yaml").write_text(text("Rotate: {limit: 2}", "Normalize: {}"))
    (policies / "limits" / "general.yaml").write_text("domain: general\ndescription: d\n")
    assert admit(policies, "tested").normalises
    with pytest.raises(PolicyError, match=r"tested\.yaml: transforms\[1\]\.Normalize: found float32 images"):
        admit_to_run(policies, "tested")


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("transactions-robust", "transforms[1].Smote"),
        ("ratings-robust", "transforms[0].Insert"),
    ],
)
def test_a_service_does_not_augment_by_what_looks_at_other_samples(name: str, where: str):
    assert admit_to_run(POLICIES, name).name == name
    with pytest.raises(PolicyError) as refused:
        admit_to_serve(POLICIES, name)
    assert where in [fault.where for fault in refused.value.faults]
    assert admit_to_serve(POLICIES, "intents-robust").name == "intents-robust"


def test_a_service_does_not_mix_samples_nor_scales_them(policies: Path, text):
    (policies / "limits" / "general.yaml").write_text("domain: general\ndescription: d\n")
    path = policies / "augment" / "tested.yaml"
    path.write_text(text("Rotate: {limit: 2}") + "mixing: {kind: mixup}\n")
    assert admit_to_run(policies, "tested").mixing is not None
    with pytest.raises(PolicyError, match=r"for a service.*\n.*mixing: found mixup; expected samples that stay apart"):
        admit_to_serve(policies, "tested")
    path.write_text(text("Rotate: {limit: 2}", "Normalize: {}"))
    with pytest.raises(PolicyError, match="Normalize"):
        admit_to_serve(policies, "tested")
