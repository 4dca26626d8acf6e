"""Which policies a service may augment with: what the environment demands at its start and while it runs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest

from augment_ops.errors import ActRefused, PolicyError
from augment_ops.lifecycle.acts import end
from augment_ops.serving import admitted
from augment_ops.serving.admitted import AdmittedPolicies
from support.service import BREAKER, rules
from support.still import STILL

POLICY, VERSION = "digits-robust", "1.0.0"
NAMED = f"{POLICY}@{VERSION}"


def of(desk: Any, says: list[str], environment: str = "production", named: str = NAMED, **served: Any) -> Any:
    asked = rules(augment={"policies": [named], "samples_per_day": None}, breaker=BREAKER)
    answering = replace(STILL, environment=environment, **served)
    return AdmittedPolicies(desk.workspace(), answering, asked, says.append)


def test_production_asks_for_an_approval_and_a_revocation_takes_it_away_within_one_look(desk: Any) -> None:
    with pytest.raises(ActRefused, match="no approval that counts"):
        of(desk, [])
    assert of(desk, [], environment="staging").augmentation.policies
    desk.approve()
    says: list[str] = []
    found = of(desk, says)
    (laid,) = found.augmentation.policies
    assert (laid.name, laid.read().digest) == (NAMED, laid.digest)
    assert found.changed() is None
    end(desk.workspace("bob"), POLICY, "revoke", reason="7 and 1 confused", environment="production")
    assert found.changed().policies == ()
    assert "was revoked" in found.augmentation.refused[NAMED]
    assert found.changed() is None
    desk.approve(by="cy")
    assert [one.name for one in found.changed().policies] == [NAMED]
    assert [line.split(":")[0] for line in says] == [f"policy {NAMED} is off", f"policy {NAMED} is on again"]


def test_an_approval_whose_approver_lost_the_role_ends_without_an_entry(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.approve()
    found = of(desk, [])
    desk.write(approvers=f'{{id: bob, name: bob, keys: ["{desk.keys["bob"].public}"]}}')
    monkeypatch.setattr(admitted, "_AGAIN_S", 0.0)
    assert found.changed().policies == ()


def test_where_nobody_can_tell_nothing_is_augmented(desk: Any) -> None:
    desk.approve()
    says: list[str] = []
    found = of(desk, says)
    ledger = desk.settings.home / "ledger.db"
    kept = ledger.read_bytes()
    ledger.write_bytes(b"no database" * 1000)
    assert found.changed().policies == ()
    ledger.write_bytes(kept)
    assert [one.name for one in found.changed().policies] == [NAMED]
    assert len(says) == 2


def test_who_could_not_tell_is_asked_again_at_the_next_look(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.approve()
    found = of(desk, [])
    approvers = desk.settings.policies / "approvers.yaml"
    kept = approvers.read_bytes()
    approvers.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(admitted, "_AGAIN_S", 0.0)
        assert found.changed().policies == ()
    approvers.write_bytes(kept)
    assert [one.name for one in found.changed().policies] == [NAMED]


@pytest.mark.parametrize(
    ("named", "served", "said"),
    [
        ("digits-robust@1.0.1", {}, "version: found 1.0.0 in the file of digits-robust; expected 1.0.1"),
        ("digits-rbust@1.0.0", {}, "digits-robust"),
        ("intents-robust@1.0.0", {}, "modality: found text; expected image"),
        ("transactions-robust@1.0.0", {"modality": "tabular", "shape": (16,)}, r"transforms\[1\].Smote"),
    ],
)
def test_what_a_service_cannot_apply_is_refused_when_it_starts(
    draft: Any, named: str, served: dict[str, Any], said: str
) -> None:
    with pytest.raises(PolicyError, match=said):
        of(draft, [], "dev", named, **served)


def test_what_makes_samples_of_another_shape_is_refused(draft: Any) -> None:
    folder = draft.settings.policies / "augment"
    shutil.copy(folder / f"{POLICY}.yaml", folder / "smaller.yaml")
    draft.edit(
        (f"name: {POLICY}", "name: smaller"),
        ("transforms:\n", "transforms:\n  - Resize: {height: 4, width: 4, p: 1.0}\n"),
        name="smaller",
    )
    with pytest.raises(PolicyError, match="images of 4x4 from 8x8"):
        of(draft, [], "dev", "smaller@1.0.0")
