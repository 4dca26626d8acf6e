"""Ed25519 keys: who approves signs with a key that nobody else has, kept outside the repository.

A public key stands in policies/approvers.yaml as `ed25519:` and 32 bytes in base64, or as OpenSSH writes it. The
private one is a PKCS #8 file that only its owner can read, or lies in an ssh-agent.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from augment_ops.content import sha256_hex
from augment_ops.errors import GovernanceError, InputError
from augment_ops.files import SMALL, read_regular

PREFIX = "ed25519:"
SSH = "ssh-ed25519"
_BYTES = 32
# Of a public key in SSH's own form (RFC 8709): two texts, each behind its length.
_BLOB = len(SSH).to_bytes(4, "big") + SSH.encode() + _BYTES.to_bytes(4, "big")


class Key:
    """A private key that can sign.

    Attributes:
        public: as approvers.yaml has it.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = _spelled(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, message: bytes) -> str:
        """The signature in base64. Ed25519 draws no random number, so the same message has the same one."""
        return base64.b64encode(self._private.sign(message)).decode("ascii")


def parse_public(text: str) -> Ed25519PublicKey:
    """The key that a text of approvers.yaml stands for.

    Raises:
        ValueError: what would have been accepted.
    """
    try:
        raw = _decoded(text.removeprefix(PREFIX))
    except ValueError:
        raw = b""
    if not text.startswith(PREFIX) or len(raw) != _BYTES:
        raise ValueError(f"{PREFIX} and 32 bytes in base64, as `augment-ops policy keygen` prints it")
    return Ed25519PublicKey.from_public_bytes(raw)


def canonical(text: str) -> str:
    """The one spelling of a public key: two people who share a key cannot hide it by writing it in two ways.

    Args:
        text: as `parse_public` takes it, or `ssh-ed25519 AAAA… comment`, a line of OpenSSH.

    Raises:
        ValueError: what would have been accepted.
    """
    words = text.split()
    if words[:1] != [SSH]:
        parse_public(text)
        return text
    try:
        found = public_of(_decoded(words[1]))
    except (ValueError, IndexError):
        found = None
    if found is None:
        raise ValueError(f"{SSH} and what `ssh-keygen -t ed25519` has written into the file .pub")
    return found


def public_of(blob: bytes) -> str | None:
    """The public key in SSH's own form, as approvers.yaml has it; None where it is of another kind."""
    raw = blob.removeprefix(_BLOB)
    return _spelled(raw) if blob.startswith(_BLOB) and len(raw) == _BYTES else None


def _spelled(raw: bytes) -> str:
    return PREFIX + base64.b64encode(raw).decode("ascii")


def verifies(public: str, signature: str, message: bytes) -> bool:
    """Whether `signature` is that of `message` under the key; False also for what is no key or no signature."""
    try:
        parse_public(public).verify(_decoded(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _decoded(text: str) -> bytes:
    """The bytes of a text in base64 that has only one spelling: the bits that padding leaves over are zero.

    Raises:
        ValueError: not base64, or another spelling of it.
    """
    raw = base64.b64decode(text, validate=True)  # binascii.Error is a ValueError
    if base64.b64encode(raw).decode("ascii") != text:
        raise ValueError("another spelling")
    return raw


def fingerprint(public: str) -> str:
    """Twelve hex digits by which people tell keys apart."""
    return sha256_hex(public.encode())[:12]


def default_path(person: str) -> Path:
    """Where a person's key is kept unless AUGMENT_OPS_KEY says otherwise."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "augment-ops" / f"{person}.pem"


def witness_path(keys: Path) -> Path:
    """Where an installation keeps the key with which it witnesses answers given in its UI.

    Args:
        keys: `Settings.keys`.
    """
    return keys / "airflow.pem"


def installation_path(keys: Path) -> Path:
    """Where an installation keeps the key with which it signs entries of the ledger.

    Args:
        keys: `Settings.keys`.
    """
    return keys / "installation.pem"


def generate(path: Path, *, outside: Path) -> Key:
    """Make a key and keep it in `path`, mode 0600.

    Args:
        outside: the folder in which no key may lie: whoever can read the repository could sign.

    Raises:
        InputError: the path lies inside `outside`, or there is a key already.
    """
    path = path.expanduser().absolute()
    if _is_inside(path, outside):
        fix = _elsewhere(path.name, outside)
        raise InputError(f"key {path}", f"a path inside {outside}", "one outside the repository", fix)
    if not _write_new(path):
        fix = "use it, or move it away to make another"
        raise InputError(f"key {path}", "a key that is there already", "a new file", fix)
    return load(path)


def _is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _elsewhere(name: str, outside: Path) -> str:
    """What to do instead. Where home is a checkout itself, the usual place lies in it as well."""
    usual, beside = default_path(Path(name).stem), outside.resolve().parent / name
    for place in (usual, beside):
        if not _is_inside(place, outside):
            return f"--out {place}"
    return "keep the policies in a folder of their own, not directly below the root: AUGMENT_OPS_POLICIES says where"


def ensure(path: Path) -> Key:
    """The key in `path`, made where there is none."""
    if not path.exists():
        _write_new(path)
    return load(path)


def _write_new(path: Path) -> bool:
    """Make a key, whole or not at all; False where one is there, which stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    # The mode is given on creation: between a write and a chmod anybody could have read it.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.link(temporary, path)  # unlike a rename it never replaces a key that somebody made meanwhile
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def load(path: Path) -> Key:
    """Read a private key.

    Raises:
        GovernanceError: no such file, readable by others, or not an Ed25519 key in PKCS #8.
    """
    path = path.expanduser()
    make = f"make one: augment-ops policy keygen --out {path}"
    try:
        mode, content = path.stat().st_mode, read_regular(str(path), limit=SMALL)
    except OSError as error:
        found = error.strerror or str(error) or "no file"
        raise GovernanceError(f"key {path}", found, "a private key", make) from error
    if mode & 0o077:
        raise GovernanceError(
            f"key {path}", f"mode {mode & 0o777:o}: others can read it", "mode 600", f"chmod 600 {path}"
        )
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise GovernanceError(
            f"key {path}", str(error)[:120] or "something else", "an Ed25519 key in PKCS #8 without a passphrase", make
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        found = type(private).__name__.removeprefix("_").removesuffix("PrivateKey")
        raise GovernanceError(f"key {path}", f"an {found} key", "an Ed25519 key", make)
    return Key(private)
