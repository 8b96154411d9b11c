"""The record of decisions, as far as the caller may read it."""

from __future__ import annotations

from dataclasses import fields

import msgspec

from klarity_storage.errors import InvalidInputError
from klarity_storage.protocol.audit import MAX_EVENTS, AuditEvent, AuditPage
from klarity_storage.server.audit.sink import Audience, AuditQuery, Keep
from klarity_storage.server.catalog.text import check_text
from klarity_storage.server.context import Context
from klarity_storage.server.rights.actor import Actor
from klarity_storage.server.rights.decide import Action
from klarity_storage.server.rights.patterns import Pattern
from klarity_storage.server.rights.require import permitted, require
from klarity_storage.server.rights.targets import Server


def list_events(
    context: Context, query: AuditQuery, *, limit: int, cursor: str | None = None
) -> AuditPage:
    """A page of decisions: administrators see all, owners those about what they own, all their own.

    Raises:
        InvalidInputError: a part of the query cannot be used.
    """
    if not 1 <= limit <= MAX_EVENTS:
        raise InvalidInputError(
            f"There is no page of {limit} events.", hint=f"Ask for 1 to {MAX_EVENTS}."
        )
    told = _told(query)
    require(context, Action.LIST, Server(), about=f"audit {told}".rstrip())
    owns = _owner_of(context)
    own = _own(context.actor)
    page = context.services.audit.read(
        query,
        limit=limit,
        cursor=cursor,
        keep=lambda event: own(event) or owns(event),
        audience=_audience(context),
    )
    items = [event if owns(event) else _as_told_to_its_caller(event) for event in page.items]
    return AuditPage(items=items, next=page.next)


def _told(query: AuditQuery) -> str:
    """The query, for its own audit line."""
    for text in (query.who, query.what, query.operation, query.request):
        if text is not None:
            check_text(text, "query")
    for moment in (query.since, query.until):
        if moment is not None and moment.tzinfo is None:
            raise InvalidInputError(
                f"The time {moment.isoformat()} has no time zone.",
                hint=f"Write {moment.isoformat()}Z for UTC.",
            )
    given = ((field.name, getattr(query, field.name), field.default) for field in fields(query))
    return " ".join(f"{name}={value}" for name, value, default in given if value != default)


def _own(actor: Actor) -> Keep:
    """Whether the caller caused an event; a token that was narrowed knows of its own alone."""
    if actor.scopes:
        return lambda event: event.token_id == actor.token_id
    return lambda event: event.principal == actor.principal


def _owner_of(context: Context) -> Keep:
    """Whether the caller owns what an event is about; each thing is decided about once."""
    may = permitted(context, Action.OWN)
    if may(Server()):
        return lambda _: True
    known: dict[str | None, bool] = {None: False}

    def owns(event: AuditEvent) -> bool:
        if event.scope not in known:
            known[event.scope] = may(Pattern.parse(event.scope or ""))
        return known[event.scope]

    return owns


def _audience(context: Context) -> Audience | None:
    if context.actor.administrator:
        return None
    held = context.services.rights.grants_held(context.actor)
    spaces = frozenset(Pattern.parse(grant.pattern).space for grant in held)
    return Audience(context.actor.principal, spaces)


def _as_told_to_its_caller(event: AuditEvent) -> AuditEvent:
    """An event without what was not told to whoever caused it: whether the thing exists."""
    if not event.hidden:
        return event
    reason = "there is no such thing, or you may not see it"
    return msgspec.structs.replace(event, scope=None, about="", reason=reason)
