"""Callers without a token: what is public is theirs to read, of the rest they learn nothing."""

from __future__ import annotations

from pathlib import Path

from control_fixture import MemoryEngine, running_control
from klarity_storage.protocol.spaces import Strategy
from klarity_storage.server.buckets.bucket import Bucket


def test_strangers_read_what_is_public_and_are_sent_to_log_in_elsewhere(tmp_path: Path) -> None:
    main, site = MemoryEngine(), MemoryEngine()
    buckets = [Bucket("main", main), Bucket("site", site, Strategy.WEB, public=True)]
    with running_control(tmp_path, buckets) as control:
        control.admin.ok("POST", "/v1/spaces", {"key": "front", "bucket": "site"})
        control.space("closed")
        site.store.put("front/raw_binary/runs/1/x", b"open")
        main.store.put("closed/raw_binary/runs/1/x", b"closed")
        nobody = control.stranger
        found = nobody("GET", "/files/front/raw_binary/runs/1/x")
        assert (found.status_code, found.content) == (200, b"open")
        (line,) = control.audit(found.headers["X-Request-Id"])
        assert (line["principal"], line["allowed"]) == ("anyone", True)
        assert nobody("GET", "/files/front/raw_binary/runs/1/y").status_code == 404
        closed = nobody.fails(401, "GET", "/files/closed/raw_binary/runs/1/x")
        absent = nobody.fails(401, "GET", "/files/absent/raw_binary/runs/1/x")
        assert closed | {"request_id": ""} == absent | {"request_id": ""}
        bad = nobody(
            "GET", "/files/front/raw_binary/runs/1/x", headers={"Authorization": "Basic x"}
        )
        assert bad.status_code == 401
        assert control.user("bob")("GET", "/files/front/raw_binary/runs/1/x").content == b"open"
