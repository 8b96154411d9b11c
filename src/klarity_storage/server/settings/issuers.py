"""What the settings of issuers must be to be safe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from klarity_storage.errors import ConfigurationError
from klarity_storage.protocol.oidc import is_issuer
from klarity_storage.server.settings.sections import OidcSettings

_ISSUER: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_PREFIX: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def check_issuers(issuers: Mapping[str, OidcSettings]) -> None:
    """Refuse issuers that could not be told apart, or not be spoken to in safety.

    Raises:
        ConfigurationError: it names the setting.
    """
    seen: dict[str, str] = {}
    for name, settings in issuers.items():
        if not _ISSUER.fullmatch(name):
            raise ConfigurationError(
                f"[oidc.{name}] cannot be the name of an issuer.",
                hint="Use 1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter or digit.",
            )
        if not is_issuer(settings.issuer):
            raise ConfigurationError(
                f"oidc.{name}.issuer is not an address that can be trusted.",
                hint="It must be https, without user, query and fragment; http on loopback only.",
            )
        if settings.issuer in seen:
            raise ConfigurationError(
                f"oidc.{name}.issuer is that of oidc.{seen[settings.issuer]}, too."
            )
        seen[settings.issuer] = name
        if not settings.audience or not settings.algorithms:
            raise ConfigurationError(f"oidc.{name} needs an audience, and algorithms.")
        if not _PREFIX.fullmatch(settings.group_prefix_of(name)):
            raise ConfigurationError(
                f"oidc.{name}.group_prefix cannot be the beginning of a group's name.",
                hint="Use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit.",
            )
