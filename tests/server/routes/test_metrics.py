from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from control_fixture import Api, Control, MemoryEngine


def figures(api: Api) -> dict[tuple[str, ...], float]:
    """Each figure by its name and its labels' values."""
    answer = api("GET", "/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_it_takes_an_administrator(control: Control) -> None:
    control.stranger.fails(401, "GET", "/metrics")
    control.user("alice").fails(403, "GET", "/metrics")
    assert ("ks_decisions_total", "no", "get_metrics") in figures(control.admin)


def test_names_of_data_and_users_are_in_no_label(control: Control) -> None:
    control.space("hidden-space")
    alice = control.user("hidden-user")
    control.grant("user:hidden-user", "writer", "hidden-space/datasets/hidden-name")
    alice("GET", "/v1/spaces/hidden-space/datasets/hidden-name/versions?hidden=1")
    alice("GET", "/hidden/path")
    alice("HIDDEN", "/v1/whoami")
    text = control.admin("GET", "/metrics").text
    assert "hidden" not in text.lower()
    assert 'route="/v1/spaces/{space}/{kind}/{name}/versions"' in text


def test_the_parts_at_this_moment(control: Control, memory_engine: MemoryEngine) -> None:
    found = figures(control.admin)
    assert found["ks_ready", "database"] == found["ks_ready", "engine"] == 1
    assert found["ks_queries", "running"] == found["ks_queries", "waiting"] == 0
    memory_engine.fault, memory_engine.restarts = "It sleeps.", 3
    found = figures(control.admin)
    assert found["ks_ready", "database"] == 1
    assert found["ks_ready", "engine"] == 0
    assert found["ks_engine_restarts_total",] == 3


def test_work_is_counted(
    real: Control, push: Callable[[Api, str, dict[str, bytes]], Any], space: str
) -> None:
    real.space(space)
    push(real.admin, f"{space}/datasets/cats", {"a.txt": b"meow"})
    found = figures(real.admin)
    assert found["ks_commits_total", "datasets"] == 1
    assert found["ks_credentials_total", "write"] >= 1
    assert found["ks_decisions_total", "yes", "commit_version"] == 1
    route = "/v1/spaces/{space}/{kind}/{name}/versions"
    assert found["ks_http_requests_total", "POST", route, "201"] == 1
    assert found["ks_http_request_seconds_count", "POST", route] == 1
    assert found["ks_http_requests_in_flight",] == 1
