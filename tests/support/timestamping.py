"""A timestamping authority (RFC 3161) of one's own: `openssl ts` behind HTTP on this machine."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from support.certificates import IS_AUTHORITY, pem, private, signed

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
    (folder / "root.pem").write_bytes(pem(signed("root", root, root, IS_AUTHORITY)))
    (folder / "leaf.pem").write_bytes(pem(signed("leaf", leaf, root, [(stamping, True)])))
    (folder / "key.pem").write_bytes(private(leaf))
