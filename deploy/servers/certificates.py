"""Certificates for TLS on loopback: one authority of our own, and what it signs.

Made with ``cryptography`` (the Python Cryptographic Authority's library, kept and audited for twelve years).
``trustme``, the smaller one for tests, writes keys in the older form of OpenSSL, which Kafka's PEM key stores
refuse: they need unencrypted PKCS#8.

Valid for a year from yesterday; for 127.0.0.1 and localhost unless told other hosts.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from servers.files import write_private

VALID_DAYS = 365
LOCAL_HOSTS = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Issued:
    """A certificate with its key and its authority, in PEM."""

    key: bytes
    certificate: bytes
    authority: bytes

    def write(self, path: Path) -> None:
        """All three into one file that only its owner may read: the key store that Kafka takes."""
        write_private(path, (self.key + self.certificate + self.authority).decode())


class Authority:
    """A certificate authority that lives as long as this object; its key is nowhere else."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _named(name)
        builder = _certificate(self._subject, self._subject, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())

    @property
    def certificate(self) -> bytes:
        """What clients are to trust (PEM)."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def write(self, path: Path) -> None:
        """Its certificate, without its key, into a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.certificate)

    def issue(self, name: str, hosts: Sequence[str] = LOCAL_HOSTS) -> Issued:
        """A certificate for ``CN=name`` at these hosts (names or addresses), good for servers and clients."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _certificate(_named(name), self._subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
        )
        signed = builder.sign(self._key, hashes.SHA256())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Issued(private, signed.public_bytes(serialization.Encoding.PEM), self.certificate)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    )
