"""How the parts of the server are, at the moment when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from klarity_storage.server.catalog.readiness import check_parts
from klarity_storage.server.services import Services


class States(Collector):
    """Readiness of the parts, the engine's restarts, and who waits for a query's turn."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked when this is registered: it may be before the parts answer."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Ask each part."""
        info = GaugeMetricFamily("ks_info", "The server's version.", labels=["version"])
        info.add_metric([version("klarity-storage")], 1)
        yield info
        ready = GaugeMetricFamily("ks_ready", "Whether a part does its work.", labels=["part"])
        for part, told in check_parts(self._services).parts.items():
            ready.add_metric([part], told == "ok")
        yield ready
        yield CounterMetricFamily(
            "ks_engine_restarts",
            "Times that the embedded engine died and was started again.",
            self._services.buckets.main.engine.restarts,
        )
        turns = self._services.queries.turns
        queries = GaugeMetricFamily("ks_queries", "Queries now, by state.", labels=["state"])
        queries.add_metric(["running"], turns.running)
        queries.add_metric(["waiting"], turns.waiting)
        yield queries
        yield CounterMetricFamily("ks_query_turns", "Queries that got a turn.", turns.taken)
        yield CounterMetricFamily(
            "ks_query_refusals", "Queries that got none: too many waited already.", turns.refused
        )
