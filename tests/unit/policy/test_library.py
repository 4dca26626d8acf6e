from __future__ import annotations

from pathlib import Path

import pytest

from augment_ops.errors import PolicyError
from augment_ops.policy.library import admit, admit_to_run, policy_names, policy_path
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
