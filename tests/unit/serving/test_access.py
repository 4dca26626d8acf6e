"""Tokens: hashes alone are kept, each is for some things, and one that is revoked is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augment_ops.errors import InputError, StoreError
from augment_ops.serving import access
from augment_ops.serving.access import Rates, Tokens, tokens_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tokens_path(tmp_path)


def test_the_secret_is_kept_nowhere_and_the_file_is_the_owners(path: Path) -> None:
    secret = Tokens(path).create("app", ["predict"])
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    found = Tokens(path).of(secret)
    assert found is not None
    assert (found.name, found.scopes) == ("app", ("predict",))
    assert Tokens(path).of(secret[:-1]) is None
    assert Tokens(path).of(json.loads(path.read_text())["tokens"][0]["sha256"]) is None


def test_one_that_is_revoked_is_refused_by_who_has_read_it_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_LOOK_S", 0.0)
    secret, reader = Tokens(path).create("app", ["predict"]), Tokens(path)
    Tokens(path).create("other", ["label"])
    assert reader.of(secret) is not None
    Tokens(path).revoke("app")
    assert reader.of(secret) is None
    assert [one.name for one in reader.all()] == ["other"]


def test_revoking_the_last_one_opens_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_LOOK_S", 0.0)
    tokens = Tokens(path)
    assert not tokens.in_force
    tokens.create("app", ["predict"])
    assert tokens.in_force
    tokens.revoke("app")
    assert tokens.in_force and not len(tokens)


@pytest.mark.parametrize("name", ["", "App", "a b", "a--b", "a" * 61, "../x"])
def test_a_name_that_is_none_is_refused(path: Path, name: str) -> None:
    with pytest.raises(InputError):
        Tokens(path).create(name, ["predict"])
    assert not path.exists()


def test_a_name_that_is_taken_an_unknown_scope_and_a_token_that_is_not_there_are_refused(path: Path) -> None:
    tokens = Tokens(path)
    tokens.create("app", ["admin", "predict"])
    for refused in (lambda: tokens.create("app", ["label"]), lambda: tokens.create("b", ["predikt"])):
        with pytest.raises(InputError):
            refused()
    with pytest.raises(InputError, match="predict"):
        tokens.create("b", ["predikt"])
    with pytest.raises(InputError, match="app"):
        tokens.revoke("ap")
    assert [one.scopes for one in tokens.all()] == [("predict", "admin")]


def test_a_damaged_file_lets_nobody_in(path: Path) -> None:
    Tokens(path).create("app", ["predict"])
    path.write_text(path.read_text()[:-5])
    with pytest.raises(StoreError):
        Tokens(path).of("x")


def test_a_token_has_its_rate_and_another_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(access, "monotonic", lambda: now[0])
    rates = Rates(2.0)
    assert [rates.take("a") for _ in range(3)] == [True, True, False]
    assert rates.take("b")
    now[0] = 0.5
    assert [rates.take("a") for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [rates.take("a") for _ in range(3)] == [True, True, False]
    assert all(Rates(None).take("a") for _ in range(1000))
