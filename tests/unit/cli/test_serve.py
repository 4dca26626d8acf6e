"""What `augment-ops serve` and `augment-ops token` take and say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from augment_ops.cli.serve import _tls, create, list_, revoke
from augment_ops.errors import InputError
from augment_ops.serving.messages import Tls


@pytest.fixture
def pem(tmp_path: Path) -> str:
    path = tmp_path / "one.pem"
    path.write_text("")
    return str(path)


def test_certificates_are_given_together_and_are_files(pem: str) -> None:
    assert _tls("", "", "") is None
    assert _tls(pem, pem, "") == Tls(certificate=pem, key=pem)
    assert _tls(pem, pem, pem) == Tls(certificate=pem, key=pem, clients=pem)
    for given in ((pem, "", ""), ("", pem, ""), ("", "", pem), (pem, "", pem)):
        with pytest.raises(InputError, match="give both"):
            _tls(*given)
    with pytest.raises(InputError, match="--tls-key"):
        _tls(pem, f"{pem}.none", "")


def test_tokens_are_given_out_listed_and_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUGMENT_OPS_HOME", str(tmp_path))
    create("app", ["predict"], as_json=True)
    made = json.loads(capsys.readouterr().out)
    assert made["name"] == "app" and len(made["token"]) > 40
    list_(as_json=True)
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["scopes"] == ["predict"] and made["token"] not in str(listed)
    revoke("app", as_json=False)
    assert "app is refused" in capsys.readouterr().out
    list_(as_json=True)
    assert json.loads(capsys.readouterr().out) == []
