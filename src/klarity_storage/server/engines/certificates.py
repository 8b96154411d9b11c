"""The certificates that close the embedded engine's gRPC ports to everybody but itself."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from klarity_storage.server.engines.keys import write_private

LIFETIME: Final = timedelta(days=365)
_PEM: Final = serialization.Encoding.PEM


def write_certificates(folder: Path) -> None:
    """Write ``ca.crt``, ``engine.crt`` and ``engine.key``: new ones at every start of a server.

    The authority's own key is thrown away: no second certificate can ever be signed with it.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    engine_key = ec.generate_private_key(ec.SECP256R1())
    authority = (
        _builder("Klarity Storage engine authority", authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    engine = (
        _builder("Klarity Storage engine", engine_key.public_key())
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            ),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    write_private(folder / "ca.crt", authority.public_bytes(_PEM))
    write_private(folder / "engine.crt", engine.public_bytes(_PEM))
    write_private(
        folder / "engine.key",
        engine_key.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _builder(name: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    issuer = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "Klarity Storage engine authority")]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # A clock that is set back a little must not lock the engine out of itself.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
    )
