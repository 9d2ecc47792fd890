"""Certificates and revocation lists that change all the time, made in memory."""

from __future__ import annotations

import datetime
import ipaddress
import itertools
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NUMBERS = itertools.count(1)


def spiffe(account: str) -> str:
    return f"spiffe://cluster.local/ns/soak/sa/{account}"


class Authority:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"soak authority {next(NUMBERS)}")])
        builder = self._dated(x509.CertificateBuilder(), self.name, self.key)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(usage(signs_certificates=True), critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())
        self.revoked: list[int] = []

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def server(self) -> tuple[bytes, bytes, int]:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return self._leaf(names, ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, account: str) -> tuple[bytes, bytes, int]:
        return self._leaf([x509.UniformResourceIdentifier(spiffe(account))], ExtendedKeyUsageOID.CLIENT_AUTH)

    def revocation_list(self) -> bytes:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(now - datetime.timedelta(hours=1)).next_update(now + datetime.timedelta(days=1))
        builder = builder.add_extension(x509.CRLNumber(next(NUMBERS)), critical=False)
        for serial in self.revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _dated(
        self, builder: x509.CertificateBuilder, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = builder.subject_name(subject).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(
            now + datetime.timedelta(days=1)
        )

    def _leaf(self, names: list[x509.GeneralName], purpose: x509.ObjectIdentifier) -> tuple[bytes, bytes, int]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._dated(x509.CertificateBuilder(), x509.Name([]), key)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(usage(signs_certificates=False), critical=True)
        certificate = builder.sign(self.key, hashes.SHA256())
        key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return certificate.public_bytes(serialization.Encoding.PEM), key_pem, certificate.serial_number


def usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def replace(file: Path, content: bytes) -> None:
    """As a mount is updated: there is no moment with half of it."""
    fresh = file.with_name(file.name + ".new")
    fresh.write_bytes(content)
    fresh.replace(file)
