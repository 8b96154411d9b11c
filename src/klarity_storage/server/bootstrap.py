"""The first administrator of a new server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy import exists, insert, select

from klarity_storage.protocol.users import CreateUser
from klarity_storage.server.catalog.secret import new_secret
from klarity_storage.server.catalog.tokens import new_token
from klarity_storage.server.catalog.users import new_user
from klarity_storage.server.db import schema
from klarity_storage.server.services import Services

ADMINISTRATOR: Final = "admin"


def first_token(services: Services, show: Callable[[str], None] | None = None) -> str | None:
    """Make the user ``admin`` and a token where there is no user yet, and return its secret.

    Args:
        services: the server's parts.
        show: told the secret before anything is committed. Killed before or while it shows the
            secret, the server starts anew the next time; killed between that and the commit, the
            secret that was shown opens nothing and the next start shows another. So nobody is
            locked out, which a commit before the showing could do.

    Returns:
        The secret, or None where there are users already.
    """
    with services.rights.change() as connection:
        if connection.execute(select(exists().select_from(schema.users))).scalar_one():
            return None
        secret = new_secret()
        admin = CreateUser(name=ADMINISTRATOR, display_name="Administrator", administrator=True)
        connection.execute(insert(schema.users).values(new_user(admin)))
        token = new_token(ADMINISTRATOR, secret, label="made at the first start")
        connection.execute(insert(schema.tokens).values(token))
        if show is not None:
            show(secret)
    return secret
