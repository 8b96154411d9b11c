"""Open a connection, and find out at once whether it works."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from klarity_storage.client.config import TOKEN_VARIABLE, read_configuration
from klarity_storage.client.http import Http
from klarity_storage.client.local import LocalBackend
from klarity_storage.client.remote import RemoteBackend
from klarity_storage.client.storage import Storage
from klarity_storage.errors import UnauthenticatedError, UnavailableError

_LOG: Final = logging.getLogger("klarity_storage")


def connect(target: str | os.PathLike[str] | None = None, *, token: str | None = None) -> Storage:
    """Connect to a server, or to a directory (local mode: no account, no rights).

    Args:
        target: a base URL or a directory; else the environment (``KS_URL``), ``.safenai`` or the
            project API says.
        token: else the environment (``KS_TOKEN``), the home directory's ``.safenai`` or the project
            API says.

    Raises:
        ConfigurationError: nothing says where to connect, or a source is wrong.
        UnauthenticatedError: the token is missing, unknown, expired or revoked.
        UnavailableError: the server does not answer, and ``.safenai`` names no table that lies on
            this disk; with one, the connection is ``offline``, and all that needs the server
            raises this.

    Example:
        >>> import klarity_storage as ks, tempfile
        >>> ks.connect(tempfile.mkdtemp()).mode
        'local'
    """
    found = read_configuration(target, token)
    if not found.is_server:
        directory = Path(found.location).expanduser()
        return Storage(LocalBackend.at(directory), found.source, found.dataspaces)
    if found.token is None:
        raise UnauthenticatedError(
            f"There is no token for {found.location}.",
            hint=f"ks login {found.location}, or set {TOKEN_VARIABLE}.",
        )
    backend = RemoteBackend(Http(found.location, found.token, found.renew))
    try:
        identity = backend.whoami()
    except UnauthenticatedError as error:
        backend.close()
        raise UnauthenticatedError(
            f"{error.message} ({found.source})",
            hint=f"ks login {found.location}, or set {TOKEN_VARIABLE} to another token.",
            request_id=error.request_id,
        ) from error
    except UnavailableError as error:
        offline = Storage(backend, f"{found.source}, offline", found.dataspaces, offline=True)
        if not offline.has_tables_here():
            backend.close()
            raise
        _LOG.warning("%s Only tables on this disk can be read: ks table cached.", error.message)
        return offline
    except BaseException:
        backend.close()
        raise
    return Storage(backend, found.source, found.dataspaces, identity)
