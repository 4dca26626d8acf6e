"""A timestamping authority (RFC 3161): somebody else who signs that a text was there at a time, and keeps nothing."""

from __future__ import annotations

import time
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from augment_ops.errors import InputError
from augment_ops.shown import address

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_WAIT_S = 3.0  # for each step of an answer while an entry waits; over the internet one comes within a second
_LONGEST = 12_000  # bytes of an answer; with a chain of certificates it has 6,000, and a line of a witness bears 16 KiB
_TYPE = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}


class Authority:
    """The authority at an address, whose tokens count by the certificates that its owner is known by.

    Its methods raise ValueError where an answer or a token does not hold, an error of httpx where none comes.

    Args:
        certificates: PEM file: its root, and what stands between root and signer where tokens do not bring that along.

    Raises:
        InputError: no such file or no certificate in it, or the library is not installed.
    """

    def __init__(self, url: str, certificates: Path) -> None:
        self.name, self._url = address(url), url
        if find_spec("rfc3161_client") is None:
            raise InputError(
                "AUGMENT_OPS_WITNESSES",
                f"tsa+{self.name} without the package rfc3161-client",
                "the extra `timestamps`, where a timestamping authority is asked",
                "pip install 'augment-ops[timestamps]', or take the authority out",
            )
        self._roots = _certificates(certificates)

    def stamp(self, text: bytes) -> tuple[bytes, datetime]:
        """A token over the text, DER, held against question and certificates; and the time that it says."""
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

        asked = TimestampRequestBuilder().data(text).hash_algorithm(HashAlgorithm.SHA256).build()
        token = self._ask(asked.as_bytes())
        return token, self._verified(token, text, asked.nonce)

    def time_of(self, token: bytes, text: bytes) -> datetime:
        """When the authority saw this text, UTC; certificates count that did so then."""
        return self._verified(token, text)

    def _verified(self, token: bytes, text: bytes, nonce: int | None = None) -> datetime:
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

        found = decode_timestamp_response(token)
        try:
            VerifierBuilder(roots=self._roots, nonce=nonce).build().verify_message(found, text)
        except VerificationError as error:
            raise ValueError(f"its timestamp does not hold: {error}") from error
        return found.tst_info.gen_time

    def _ask(self, query: bytes) -> bytes:
        import httpx

        until, answer = time.monotonic() + _WAIT_S, b""
        verify = self._url.startswith("https")  # without TLS no certificates are read, which takes longer than the rest
        with (
            httpx.Client(timeout=_WAIT_S, verify=verify) as client,
            client.stream("POST", self._url, content=query, headers=_TYPE) as response,
        ):
            if response.status_code != httpx.codes.OK:  # in words of our own: those of httpx quote a password
                raise ValueError(f"status {response.status_code}")
            for part in response.iter_bytes():
                answer += part
                if len(answer) > _LONGEST or time.monotonic() > until:
                    raise ValueError(f"no answer of at most {_LONGEST} bytes within {_WAIT_S:g} s")
        return answer


def _certificates(path: Path) -> list[Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            "AUGMENT_OPS_WITNESSES",
            f"certificate={path}: {str(error)[:120]}",
            "a PEM file with the certificates by which the authority is known",
            "ask the authority for its root certificate, and give its path",
        ) from error
