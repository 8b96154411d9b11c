"""What only a server has: users, services, groups, tokens, grants, the record of decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Unpack

from klarity_storage.client.audit import AuditFilter, read_audit
from klarity_storage.client.http import Http, quoted
from klarity_storage.protocol.audit import AuditEvent
from klarity_storage.protocol.grants import CreateGrant, Grant, GrantList, Role
from klarity_storage.protocol.groups import CreateGroup, Group, GroupList
from klarity_storage.protocol.rights import Action, Right, RightList
from klarity_storage.protocol.services import CreateService, Service, ServiceList
from klarity_storage.protocol.spaces import SetQuota, Space, StartMove
from klarity_storage.protocol.tokens import CreateToken, NewToken, Token, TokenList
from klarity_storage.protocol.users import CreateUser, User, UserList


class Admin:
    """Users, services, groups, their tokens, and who may do what."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def set_quota(
        self, space: str, *, max_bytes: int | None = None, max_objects: int | None = None
    ) -> Space:
        """Set how much may lie in a space, in the place of what was set before.

        Args:
            space: which.
            max_bytes: None for no limit.
            max_objects: None for no limit.
        """
        body = SetQuota(bytes=max_bytes, objects=max_objects)
        return self._http.put(quoted("spaces", space, "quota"), body, Space)

    def move_space(self, space: str, bucket: str) -> Space:
        """Begin to move a space to another of the server's buckets.

        The server copies it, makes sure of each object, and switches; until then the space takes
        no writes, and ``get_space(space).move`` says how far it is.

        Raises:
            ConflictError: the move would break what the strategy of its bucket promises.
        """
        body = StartMove(bucket=bucket)
        return self._http.post(quoted("spaces", space, "move"), body, Space)

    def cancel_move(self, space: str) -> None:
        """Let a space stay where it lies."""
        self._http.delete(quoted("spaces", space, "move"))

    def get_users(self) -> list[User]:
        return self._http.get(quoted("users"), UserList).items

    def create_user(
        self, name: str, display_name: str = "", *, administrator: bool = False
    ) -> User:
        body = CreateUser(name=name, display_name=display_name, administrator=administrator)
        return self._http.post(quoted("users"), body, User)

    def disable_user(self, name: str) -> User:
        """End a user's tokens for good; what they made stays theirs.

        Grants to the user and the groups that the user is in stay listed, and count for nothing.
        """
        return self._http.post(quoted("users", name, "disable"), None, User)

    def get_services(self) -> list[Service]:
        return self._http.get(quoted("services"), ServiceList).items

    def create_service(
        self, name: str, display_name: str = "", *, space: str | None = None
    ) -> Service:
        """Make a machine account: it holds tokens and nothing else.

        Args:
            name: no user has it, and none will.
            display_name: how it is called.
            space: whose owners make its tokens and disable it; administrators without it.
        """
        body = CreateService(name=name, display_name=display_name, space=space)
        return self._http.post(quoted("services"), body, Service)

    def disable_service(self, name: str) -> Service:
        """End a service's tokens for good, as `disable_user` does."""
        return self._http.post(quoted("services", name, "disable"), None, Service)

    def get_groups(self) -> list[Group]:
        return self._http.get(quoted("groups"), GroupList).items

    def get_group(self, name: str) -> Group:
        return self._http.get(quoted("groups", name), Group)

    def create_group(self, name: str, description: str = "") -> Group:
        body = CreateGroup(name=name, description=description)
        return self._http.post(quoted("groups"), body, Group)

    def delete_group(self, name: str) -> None:
        """Take a group away, with all that was granted to it."""
        self._http.delete(quoted("groups", name))

    def add_member(self, group: str, member: str) -> None:
        """Put a user or a service into a group; once is as good as twice."""
        self._http.ensure(quoted("groups", group, "members", member))

    def remove_member(self, group: str, member: str) -> None:
        """Take a user or a service out of a group; once is as good as twice."""
        self._http.delete(quoted("groups", group, "members", member))

    def get_tokens(self, user: str | None = None, *, service: str | None = None) -> list[Token]:
        return self._http.get(quoted("tokens"), TokenList, user=user, service=service).items

    def create_token(
        self,
        user: str | None = None,
        label: str = "",
        expires_in: int | None = None,
        *,
        service: str | None = None,
        scopes: Sequence[str] = (),
    ) -> NewToken:
        """Make a token; its secret is in this answer and nowhere else.

        Args:
            user: whose; the caller's own without it.
            label: what it is for.
            expires_in: seconds until it expires; never without it.
            service: which service's, in the place of a user's.
            scopes: what it is narrowed to, each ``role:space[/kind[/name-glob]]``, such as
                ``reader:vision/datasets``; it may do whatever its account may without them.
        """
        body = CreateToken(
            user=user, label=label, expires_in=expires_in, service=service, scopes=list(scopes)
        )
        return self._http.post(quoted("tokens"), body, NewToken)

    def revoke_token(self, token_id: str) -> None:
        self._http.delete(quoted("tokens", token_id))

    def get_grants(self, space: str | None = None, principal: str | None = None) -> list[Grant]:
        return self._http.get(quoted("grants"), GrantList, space=space, principal=principal).items

    def create_grant(
        self,
        principal: str,
        role: Role | str,
        pattern: str,
        expires_at: datetime | None = None,
    ) -> Grant:
        """Grant a role.

        Args:
            principal: ``user:alice``, ``group:annotators``, ``service:trainer``, or ``anyone``.
            role: ``reader``, ``writer`` or ``owner``.
            pattern: ``space[/kind[/name-glob]]``.
            expires_at: when it ends; never without it.
        """
        body = CreateGrant(
            principal=principal, role=Role(role), pattern=pattern, expires_at=expires_at
        )
        return self._http.post(quoted("grants"), body, Grant)

    def explain(self, principal: str, target: str) -> list[Right]:
        """What a principal may do with a target, and by what, or why not.

        Args:
            principal: ``user:alice``, ``group:annotators``, ``service:trainer`` or ``anyone``.
            target: ``space``, ``space/kind`` or ``space/kind/name``.
        """
        found = self._http.get(quoted("rights"), RightList, principal=principal, target=target)
        return found.items

    def get_holders(self, target: str, action: Action | str = Action.READ) -> list[Right]:
        """Every principal that may do that, and by what; takes an owner of the target."""
        path = quoted("rights", "holders")
        return self._http.get(path, RightList, target=target, action=str(action)).items

    def get_audit(
        self, limit: int | None = None, **query: Unpack[AuditFilter]
    ) -> Iterator[AuditEvent]:
        """Decisions that the caller may know of, newest first; read while they are asked for.

        Args:
            limit: so many at most; all without it.
            query: which: ``who``, ``what``, ``operation``, ``since``, ``until``, ``allowed``.
        """
        return read_audit(self._http, limit, **query)

    def revoke_grant(self, grant_id: str) -> None:
        self._http.delete(quoted("grants", grant_id))
