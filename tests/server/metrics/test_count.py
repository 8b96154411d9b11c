from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from klarity_storage.server.metrics.count import Metrics


def figures(text: str) -> dict[tuple[str, ...], float]:
    """Each figure by its name and its labels' values."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_is_counted_is_shown() -> None:
    metrics = Metrics()
    metrics.answered("GET", "/v1/spaces/{space}", 200, 0.004)
    metrics.answered("BREW", "none", 405, 0.1)
    metrics.decided("create_grant", allowed=False)
    metrics.issued("read")
    metrics.committed("datasets")
    metrics.not_let_in("unauthenticated")
    with metrics.working():
        found = figures(metrics.text().decode())
    assert found["ks_http_requests_total", "GET", "/v1/spaces/{space}", "200"] == 1
    assert found["ks_http_requests_total", "other", "none", "405"] == 1
    assert found["ks_http_request_seconds_count", "GET", "/v1/spaces/{space}"] == 1
    assert found["ks_http_requests_in_flight",] == 1
    assert found["ks_decisions_total", "no", "create_grant"] == 1
    assert found["ks_credentials_total", "read"] == 1
    assert found["ks_commits_total", "datasets"] == 1
    assert found["ks_authentication_failures_total", "unauthenticated"] == 1
    assert found["process_resident_memory_bytes",] > 0
    assert figures(metrics.text().decode())["ks_http_requests_in_flight",] == 0


def test_two_servers_in_a_process_count_for_themselves() -> None:
    one, other = Metrics(), Metrics()
    one.committed("datasets")
    assert ("ks_commits_total", "datasets") not in figures(other.text().decode())


def test_a_request_that_fails_is_no_longer_worked_on() -> None:
    metrics = Metrics()
    with pytest.raises(RuntimeError), metrics.working():
        raise RuntimeError
    assert figures(metrics.text().decode())["ks_http_requests_in_flight",] == 0
