"""Names: what may be one, and which two are of one person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_ops.errors import GovernanceError, InputError
from augment_ops.identity import among, check_name, check_somebody, fold, is_name, lookalike, same


@pytest.mark.parametrize("other", ["ML-Deputy", " ml-deputy", "ml-deputy\t", "ｍｌ-deputy", "Ml-dEPUTY "])
def test_one_person_however_it_is_written(other: str) -> None:
    assert same("ml-deputy", other)
    assert among(other, ["ada", "ml-deputy"])
    assert lookalike(other, ["ada", "ml-deputy"]) == "ml-deputy"
    assert lookalike("ml-deputy", ["ada", "ml-deputy"]) is None


@pytest.mark.parametrize("nobody", [None, ""])
def test_nobody_is_nobody_else(nobody: str | None) -> None:
    assert not same(nobody, nobody)
    assert not among(nobody, ["", "ada"])


@given(st.text(max_size=20))
def test_folding_twice_changes_nothing(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@pytest.mark.parametrize("name", ["аda", "ada ", " ada", "a\u200bda", "ada\n", "", "x" * 256, "Ada Lovelace", "ｍｌ"])
def test_letters_that_stand_in_for_others_make_no_name(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(InputError, match="actor") as caught:
        check_name("actor", name)
    assert "approvers.yaml" in caught.value.faults[0].fix
    check_name("actor", "Ada.L_v-2@example.org")


def test_who_is_not_named_is_told_how() -> None:
    with pytest.raises(GovernanceError, match="nobody") as caught:
        check_somebody("revoke", "Unknown")
    assert "AUGMENT_OPS_ACTOR" in caught.value.faults[0].fix
    check_somebody("revoke", "ada")
    for machine in ("schedule", "Gate"):
        with pytest.raises(GovernanceError, match="no person"):
            check_somebody("propose", machine)
