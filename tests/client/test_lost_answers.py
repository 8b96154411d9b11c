"""What was done stays done when the server's answer to it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import klarity_storage as ks
from conftest import PlantTree
from engine_proxy import Exchange, spoiled
from server_fixture import RunningServer


@contextmanager
def losing(server: RunningServer) -> Iterator[tuple[ks.Storage, list[tuple[str, int]]]]:
    """A connection that loses the answer to the first DELETE of each address, and what was said."""
    deletes: list[tuple[str, int]] = []

    def lose(exchange: Exchange) -> tuple[int, bytes] | None:
        if exchange.method == "DELETE":
            first = exchange.path not in [path for path, _ in deletes]
            deletes.append((exchange.path, exchange.status))
            if first and exchange.status == 204:
                return None
        return exchange.status, exchange.answer

    with spoiled(server.address, lose) as address, ks.connect(address, token=server.token) as own:
        yield own, deletes


def test_deleting_is_done_once_though_its_answer_is_lost(
    server: RunningServer, owned: ks.Storage, plant: PlantTree, space: str
) -> None:
    version = owned.push(f"{space}/datasets/cats", plant({"a": b"1"}))
    owned.tag(version.ref, "prod")
    grant = server.admin.admin.create_grant("anyone", "reader", space)
    with losing(server) as (storage, deletes):
        storage.untag(f"{space}/datasets/cats", "prod")
        storage.delete(version.ref)
        storage.admin.revoke_grant(grant.id)
    assert [status for _, status in deletes] == 3 * [204, 404]
    events = owned.get_events(f"{space}/datasets/cats")
    assert [event.action for event in events] == ["delete", "untag", "tag"]


def test_what_was_never_there_is_missing(
    server: RunningServer, owned: ks.Storage, plant: PlantTree, space: str
) -> None:
    owned.push(f"{space}/datasets/cats", plant({"a": b"1"}))
    with losing(server) as (storage, deletes), pytest.raises(ks.VersionNotFoundError):
        storage.untag(f"{space}/datasets/cats", "prod")
    assert [status for _, status in deletes] == [404]
