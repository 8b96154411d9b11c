"""Read a certificate and its key, and refuse what could not serve or is not kept secret."""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from klarity_storage.errors import ConfigurationError
from klarity_storage.server.settings.sections import TlsSettings


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that fits its key and has not expired."""

    file: Path
    key: Path
    host: str | None
    """The first name of a host that it is for; a wildcard is none."""
    expires_at: datetime

    def context(self) -> ssl.SSLContext:
        """What takes this certificate, and no other, from whoever answers, by whatever address."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # it is for the address of clients: ours is loopback
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(self.file)
        return context


def read_certificate(settings: TlsSettings, folder: Path) -> Certificate | None:
    """The certificate of the settings, or None where there is none.

    Args:
        settings: which files; both or none.
        folder: what relative paths begin at.

    Raises:
        ConfigurationError: a file is missing or cannot be read, the key is another's, has a
            password or may be read by others, or the certificate is not valid now.
    """
    if settings.certificate is None and settings.key is None:
        return None
    if settings.certificate is None or settings.key is None:
        missing = "tls.certificate" if settings.certificate is None else "tls.key"
        raise ConfigurationError(f"HTTPS needs {missing}, too.", hint=f"Set {missing}.")
    file, key = folder / settings.certificate, folder / settings.key
    leaf = _leaf(_bytes(file, "certificate"), file)
    _check_key(_bytes(key, "key"), key, leaf)
    _check_mode(key)
    _check_time(leaf, file)
    return Certificate(file, key, _host(leaf), leaf.not_valid_after_utc)


def _bytes(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The {what} {path} cannot be read: {error.strerror}.", hint=f"Check tls.{what}."
        ) from error


def _leaf(content: bytes, path: Path) -> x509.Certificate:
    """The server's own certificate; those of authorities between may follow it."""
    try:
        return x509.load_pem_x509_certificates(content)[0]
    except (ValueError, IndexError) as error:
        raise ConfigurationError(
            f"{path} is no certificate in PEM.", hint="It begins with -----BEGIN CERTIFICATE-----."
        ) from error


def _check_key(content: bytes, path: Path, leaf: x509.Certificate) -> None:
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except TypeError as error:
        raise ConfigurationError(
            f"The key {path} has a password, which nobody could type in at a start.",
            hint=f"Take it away: openssl pkey -in {path} -out KEY, and keep KEY with mode 0600.",
        ) from error
    except ValueError as error:
        raise ConfigurationError(
            f"{path} is no private key in PEM.", hint="It begins with -----BEGIN PRIVATE KEY-----."
        ) from error
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise ConfigurationError(
            f"The key {path} belongs to another certificate.",
            hint="Set tls.certificate and tls.key to a pair.",
        )


def _check_mode(path: Path) -> None:
    """The owner alone may read a key; of root's own, a group for keys may, as on Debian."""
    found = path.stat()
    allowed = stat.S_IRGRP if found.st_uid == 0 and os.geteuid() != 0 else 0
    if stat.S_IMODE(found.st_mode) & 0o077 & ~allowed:
        raise ConfigurationError(
            f"The key {path} may be read by others.", hint=f"Run: chmod 600 {path}"
        )


def _check_time(leaf: x509.Certificate, path: Path) -> None:
    now = datetime.now(UTC)
    if now > leaf.not_valid_after_utc:
        raise ConfigurationError(
            f"The certificate {path} expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC.",
            hint="Renew it.",
        )
    if now < leaf.not_valid_before_utc:
        raise ConfigurationError(
            f"The certificate {path} is valid from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC "
            "on, which is not yet.",
            hint="Check the clock.",
        )


def _host(leaf: x509.Certificate) -> str | None:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    hosts = names.get_values_for_type(x509.DNSName)
    return next((host for host in hosts if not host.startswith("*")), None)
