"""Versions are pushed, deleted and collected at once through a real server and its engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import msgspec
import pytest

import klarity_storage as ks
from conftest import PlantTree
from klarity_storage.protocol.credentials import S3Credentials
from klarity_storage.protocol.versions import Garbage
from klarity_storage.server.engines.keys import EngineKeys
from klarity_storage.server.engines.ports import Ports
from klarity_storage.server.engines.sts import Access
from server_fixture import RunningServer

pytestmark = pytest.mark.real


def test_pushes_race_with_collections(
    server: RunningServer, owned: ks.Storage, plant: PlantTree, space: str
) -> None:
    ref = f"{space}/datasets/cats"
    trees = [plant({"own": bytes([i]), "shared": b"s" * 1000}, f"tree{i}") for i in range(4)]
    with server.user(("writer", space)) as writer:

        def push(i: int) -> None:
            for step in range(3):
                writer.push(ref, trees[(i + step) % 4])

        def collect(_: int) -> None:
            for version in owned.get_versions(ref)[1:]:
                try:
                    owned.delete(version.ref)
                except ks.NotFoundError:
                    continue
                list(owned.collect_garbage(ref, grace=timedelta(0), dry_run=False))

        push(0)
        with ThreadPoolExecutor(5) as pool:
            work = [pool.submit(push, i) for i in range(3)]
            work += [pool.submit(collect, i) for i in range(2)]
            for future in work:
                future.result()
        push(1)

        report = writer.verify(space)
        assert report.damaged == ()
        assert report.versions
        with pytest.raises(ks.ForbiddenError):
            list(writer.collect_garbage(ref))
    collect(0)  # the race itself may have found nothing to purge
    actions = {event.action for event in owned.get_events(ref)}
    assert {"delete", "purge"} <= actions


def test_uploads_that_were_killed_are_listed_and_aborted(
    server: RunningServer, owned: ks.Storage, space: str
) -> None:
    ref = f"{space}/datasets/cats"
    others = f"{space}/datasets/cats2"
    keys = msgspec.json.decode((server.data / "engine" / "keys.json").read_bytes(), type=EngineKeys)
    ports = msgspec.json.decode((server.data / "engine" / "ports.json").read_bytes(), type=Ports)
    access = Access(
        S3Credentials(
            endpoint=f"http://127.0.0.1:{ports.s3}",
            region="us-east-1",
            bucket="klarity",
            access_key_id=keys.access_key_id,
            secret_access_key=keys.secret_access_key,
        ),
        role_arn="",
    )
    key = f"{ref}/{'a' * 64}/large"
    upload = access.s3.create_multipart_upload(Bucket="klarity", Key=key)["UploadId"]
    access.s3.upload_part(
        Bucket="klarity", Key=key, UploadId=upload, PartNumber=1, Body=b"x" * 1000
    )
    access.s3.create_multipart_upload(Bucket="klarity", Key=f"{others}/{'a' * 64}/large")

    def collect(dry_run: bool, grace: timedelta = timedelta(0)) -> Garbage:
        ((_, found),) = owned.collect_garbage(ref, grace=grace, dry_run=dry_run)
        return found

    assert collect(False, timedelta(days=1)).young == 1
    for dry_run in (True, False):
        found = collect(dry_run)
        (item,) = found.items
        assert (item.key, item.size, item.reason) == (key, 1000, "upload")
        assert (found.objects, found.bytes, found.more) == (1, 1000, False)
    assert collect(True).items == []
    assert len(list(access.uploads.under(f"{others}/"))) == 1


def test_a_server_tells_what_local_mode_tells(
    owned: ks.Storage, plant: PlantTree, space: str
) -> None:
    cats = owned.push(f"{space}/datasets/cats", plant({"a": b"1", "b": b"2"}, "first"))
    new = owned.push(f"{space}/datasets/cats", plant({"a": b"1", "c": b"2"}, "second"))
    net = owned.push(f"{space}/models/net", plant({"w": b"1"}, "net"), lineage=[cats.ref])

    (change,) = owned.diff(cats.ref, new.ref)
    assert (change.change, change.old_path, change.path) == ("renamed", "b", "c")
    assert owned.lineage(cats.ref).made_into == [net.ref]
    owned.delete(cats.ref, reason="old")
    assert [event.reason for event in owned.get_events(f"{space}/datasets/cats")] == ["old"]
    assert owned.why(cats.ref).kept
    back = owned.push(f"{space}/datasets/cats", plant({"a": b"1", "b": b"2"}, "first"))
    assert back == cats
    assert owned.verify(space).whole
