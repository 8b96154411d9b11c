from __future__ import annotations

import httpx
import pytest

from klarity_storage.errors import ConfigurationError, ConflictError
from klarity_storage.server.metrics.count import Metrics
from klarity_storage.server.metrics.listen import shown_metrics
from klarity_storage.server.settings.sections import MetricsSettings


def test_without_a_port_nothing_is_shown() -> None:
    with shown_metrics(MetricsSettings(), Metrics()) as address:
        assert address is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_of_its_own(host: str) -> None:
    metrics = Metrics()
    metrics.committed("models")
    with shown_metrics(MetricsSettings(port=0, host=host), metrics) as address:
        assert address is not None
        answer = httpx.get(address, trust_env=False)
        assert 'ks_commits_total{kind="models"} 1.0' in answer.text
        port = httpx.URL(address).port
        with (
            pytest.raises(ConflictError, match="figures"),
            shown_metrics(MetricsSettings(port=port, host=host), metrics),
        ):
            pass
    with pytest.raises(httpx.TransportError):
        httpx.get(address, trust_env=False)


def test_an_address_that_is_not_here() -> None:
    with (
        pytest.raises(ConfigurationError, match="cannot be shown"),
        shown_metrics(MetricsSettings(port=0, host="192.0.2.1"), Metrics()),
    ):
        pass
