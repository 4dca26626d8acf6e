"""A timestamping authority (RFC 3161) of one's own: `openssl ts` behind HTTP on this machine."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIGURATION = """
[tsa]
default_tsa = this
[this]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ess_cert_id_alg = sha256
"""


class LocalAuthority:
    """Answers with a token, or with whatever `answers` is replaced by; counts the questions."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url, self.root, self._folder = f"http://127.0.0.1:{port}/tsr", folder / "root.pem", folder
        self.asked: list[bytes] = []
        self.answers = self.token
        folder.mkdir()
        (folder / "ts.cnf").write_text(_CONFIGURATION)
        (folder / "serial").write_text("01\n")
        self.renew()

    def renew(self) -> None:
        """Another authority at the same address, by other keys."""
        _keys(self._folder)

    def token(self, query: bytes) -> bytes:
        """What a good authority answers; a refusal where the question is no question."""
        (self._folder / "query").write_bytes(query)
        command = "openssl ts -reply -config ts.cnf -queryfile query -signer leaf.pem -inkey key.pem"
        done = subprocess.run(command.split(), cwd=self._folder, check=False, capture_output=True, timeout=60)
        return done.stdout  # a refusal as well

    def witness(self, keep: str, certificate: Path | None = None) -> str:
        """As AUGMENT_OPS_WITNESSES names it."""
        return f"tsa+{self.url}?keep={keep}&certificate={certificate or self.root}"


@contextmanager
def local_authority(folder: Path) -> Iterator[LocalAuthority]:
    """One that answers until the block ends."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here, which makes the timestamps")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            authority.asked.append(query)
            answer = authority.answers(query)
            self.send_response(200 if answer else 503)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        authority = LocalAuthority(folder, server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield authority
        finally:
            server.shutdown()
            thread.join()


def _keys(folder: Path) -> None:
    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    made = {
        "root.pem": _certificate("root", root, root, [(x509.BasicConstraints(ca=True, path_length=None), True)]),
        "leaf.pem": _certificate("leaf", leaf, root, [(stamping, True)]),
    }
    for name, certificate in made.items():
        (folder / name).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(leaf.private_bytes(*form))


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, "root"))
    built = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(),
        datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1),
    )  # fmt: skip
    usage = x509.KeyUsage(True, False, False, False, False, name == "root", False, False, False)
    identifiers: list[tuple[x509.ExtensionType, bool]] = [
        (usage, True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ]
    for extension, critical in [*identifiers, *extensions]:
        built = built.add_extension(extension, critical)
    return built.sign(signer, hashes.SHA256())
