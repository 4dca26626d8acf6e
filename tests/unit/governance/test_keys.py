"""Keys: which files are taken for one, how the first process to make one wins, and what a signature is worth."""

from __future__ import annotations

import base64
import concurrent.futures
import multiprocessing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from augment_ops.errors import AugmentOpsError, GovernanceError, InputError
from augment_ops.governance.keys import PREFIX, ensure, fingerprint, generate, load, parse_public, verifies

_PLAIN = NoEncryption()
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def _pem(key: object, encryption: object = _PLAIN) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)  # type: ignore[attr-defined]


def _file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "key.pem"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_key_that_was_made_signs(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ada.pem"
    key = generate(path, outside=tmp_path / "repository")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    assert [p.name for p in path.parent.iterdir()] == ["ada.pem"], "an unfinished private key stayed behind"
    assert load(path).public == key.public
    assert verifies(key.public, key.sign(b"said"), b"said")
    assert not verifies(key.public, key.sign(b"said"), b"said otherwise")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (_pem(rsa.generate_private_key(65537, 2048)), "an RSA key"),
        (_pem(ec.generate_private_key(ec.SECP256R1())), "an EC key"),
        (_pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"secret")), "encrypted"),
        (b"", "."),
        (b"-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n", "."),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ada", "."),
    ],
    ids=["rsa", "curve", "encrypted", "empty", "cut", "public"],
)
def test_what_is_no_ed25519_key_is_refused(tmp_path: Path, content: bytes, found: str) -> None:
    with pytest.raises(GovernanceError, match=found) as caught:
        load(_file(tmp_path, content))
    assert "augment-ops policy keygen --out" in caught.value.faults[0].fix


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = _file(tmp_path, _pem(Ed25519PrivateKey.generate()), mode)
    with pytest.raises(GovernanceError, match=f"mode {mode:o}") as caught:
        load(path)
    assert caught.value.faults[0].fix == f"chmod 600 {path}"


def test_a_key_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pem", tmp_path):  # a folder is no key either
        with pytest.raises(GovernanceError) as caught:
            load(path)
        assert f"augment-ops policy keygen --out {path}" in caught.value.faults[0].fix


@pytest.mark.parametrize("way", ["in it", "below it", "through a link", "by dots"])
def test_no_key_is_made_inside_the_repository(tmp_path: Path, way: str) -> None:
    repository = tmp_path / "repository"
    (repository / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(repository)
    path = {
        "in it": repository / "k.pem",
        "below it": repository / "sub" / "k.pem",
        "through a link": tmp_path / "link" / "k.pem",
        "by dots": tmp_path / "other" / ".." / "repository" / "k.pem",
    }[way]
    with pytest.raises(InputError, match="outside the repository"):
        generate(path, outside=repository)
    assert not (repository / "k.pem").exists()


@pytest.mark.parametrize(("config", "place"), [("elsewhere", "elsewhere/augment-ops/k.pem"), ("home/.config", "k.pem")])
def test_the_place_that_is_named_instead_is_outside_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str, place: str
) -> None:
    """Somebody's home may be the checkout."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / config))
    with pytest.raises(InputError) as caught:
        generate(tmp_path / "home" / "k.pem", outside=tmp_path / "home")
    named = Path(caught.value.faults[0].fix.removeprefix("--out "))
    assert named == tmp_path / place
    generate(named, outside=tmp_path / "home")


def test_below_the_root_there_is_no_place_outside(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        generate(tmp_path / "k.pem", outside=Path("/"))
    assert "AUGMENT_OPS_POLICIES" in caught.value.faults[0].fix


def test_a_key_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    before = generate(path, outside=tmp_path / "repository").public
    with pytest.raises(InputError, match="there already"):
        generate(path, outside=tmp_path / "repository")
    assert load(path).public == ensure(path).public == before


def _ensure(path: str) -> str:
    return ensure(Path(path)).public


def test_eight_processes_that_need_a_key_get_the_same(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "airflow.pem"
    with concurrent.futures.ProcessPoolExecutor(8, mp_context=multiprocessing.get_context("fork")) as pool:
        made = list(pool.map(_ensure, [str(path)] * 16))
    assert set(made) == {load(path).public}
    assert [p.name for p in path.parent.iterdir()] == ["airflow.pem"]


def test_a_public_key_has_one_spelling(tmp_path: Path) -> None:
    public = ensure(tmp_path / "k.pem").public
    parse_public(public)
    text = public.removeprefix(PREFIX)
    padded = text[-2]  # of 43 digits the last carries two bits that no byte has
    other = _ALPHABET[_ALPHABET.index(padded) ^ 1]
    assert base64.b64decode(text[:-2] + other + "=") == base64.b64decode(text)
    for wrong in (
        "",
        PREFIX,
        text,
        PREFIX + text[:-1],
        PREFIX + text + "=",
        PREFIX + text + "\n",
        f" {public}",
        PREFIX + text[:-2] + other + "=",
        PREFIX.upper() + text,
        PREFIX + text.replace("=", "é"),
        PREFIX + base64.b64encode(bytes(31)).decode(),
        PREFIX + base64.b64encode(bytes(33)).decode(),
    ):
        with pytest.raises(ValueError, match="32 bytes in base64"):
            parse_public(wrong)


def test_a_signature_has_one_spelling(tmp_path: Path) -> None:
    key = ensure(tmp_path / "k.pem")
    signature = key.sign(b"said")
    other = signature[:-3] + _ALPHABET[_ALPHABET.index(signature[-3]) ^ 1] + "=="
    assert base64.b64decode(other) == base64.b64decode(signature)
    for wrong in (other, "", signature[:-1], signature + "\n", signature.lower(), "é" * 88, signature[:-4]):
        assert not verifies(key.public, wrong, b"said")
    for nobody in ("", "ed25519:", "ed25519:" + base64.b64encode(bytes(32)).decode()):
        assert not verifies(nobody, signature, b"said")


def test_keys_are_told_apart(tmp_path: Path) -> None:
    first, second = ensure(tmp_path / "a.pem").public, ensure(tmp_path / "b.pem").public
    assert len({fingerprint(first), fingerprint(second)}) == 2
    assert len(fingerprint(first)) == 12


def test_errors_of_keys_are_ours(tmp_path: Path) -> None:
    """A format that the library does not support is another exception than one that it cannot parse."""
    unsupported = (  # PKCS #8 with an algorithm that nobody has
        b"-----BEGIN PRIVATE KEY-----\nMBMCAQAwBQYDKgMEBAcEBQECAwQF\n-----END PRIVATE KEY-----\n"
    )
    with pytest.raises(AugmentOpsError):
        load(_file(tmp_path, unsupported))
