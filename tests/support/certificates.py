"""Certificates of an authority of our own, for a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Extensions = list[tuple[x509.ExtensionType, bool]]
IS_AUTHORITY: Extensions = [(x509.BasicConstraints(ca=True, path_length=None), True)]
OF_CLIENT: Extensions = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)]
OF_SERVER: Extensions = [
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
    (x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False),
]


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: str
    key: str


class Authority:
    """Signs certificates; its own is `ca.pem` of the folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self.file = folder / "ca.pem"
        self.file.write_bytes(pem(signed("root", self._key, self._key, IS_AUTHORITY)))

    def signs(self, name: str, extensions: Extensions) -> Pair:
        """A certificate with a key of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate, secret = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(pem(signed(name, key, self._key, extensions)))
        secret.write_bytes(private(key))
        return Pair(str(certificate), str(secret))


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def private(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*form)


def signed(
    name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, extensions: Extensions
) -> x509.Certificate:
    """A certificate of a key, signed by another, which is called root."""
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, "root"))
    built = x509.CertificateBuilder(
        issuer,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        datetime.now(UTC) - timedelta(days=1),
        datetime.now(UTC) + timedelta(days=1),
    )
    usage = x509.KeyUsage(True, False, False, False, False, name == "root", False, False, False)
    identifiers: Extensions = [
        (usage, True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ]
    for extension, critical in [*identifiers, *extensions]:
        built = built.add_extension(extension, critical)
    return built.sign(signer, hashes.SHA256())
