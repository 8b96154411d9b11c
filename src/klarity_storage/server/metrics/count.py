"""What is counted while the server works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of Prometheus' text format."""

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})


class Metrics:
    """The figures of one server; labels hold words of this program only, so they are bounded."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = self._counter(
            "http_requests", "Requests that were answered.", "method", "route", "status"
        )
        self._seconds = Histogram(
            "ks_http_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._answers: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._in_flight = Gauge(
            "ks_http_requests_in_flight",
            "Requests that are worked on.",
            registry=self._registry,
        )
        self._decisions = self._counter(
            "decisions", "Decisions of who may do what.", "operation", "allowed"
        )
        self._decided: dict[tuple[str, bool], Counter] = {}
        self._credentials = self._counter(
            "credentials", "Temporary S3 keys that were issued.", "operation"
        )
        self._commits = self._counter("commits", "Commits of versions that were taken.", "kind")
        self._refused = self._counter(
            "authentication_failures", "Callers that were not let in.", "reason"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"ks_{name}", text, labels, registry=self._registry)

    @contextmanager
    def working(self) -> Iterator[None]:
        """A request is worked on as long as the context lasts."""
        self._in_flight.inc()
        try:
            yield
        finally:
            self._in_flight.dec()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; ``route`` is its template, never its path."""
        key = (method if method in _METHODS else "other", route, status)
        if key not in self._answers:  # looking labels up costs more than counting
            method = key[0]
            self._answers[key] = (
                self._requests.labels(method, route, str(status)),
                self._seconds.labels(method, route),
            )
        count, histogram = self._answers[key]
        count.inc()
        histogram.observe(seconds)

    def decided(self, operation: str, *, allowed: bool) -> None:
        key = (operation, allowed)
        if key not in self._decided:
            self._decided[key] = self._decisions.labels(operation, "yes" if allowed else "no")
        self._decided[key].inc()

    def issued(self, operation: str) -> None:
        """Temporary keys were made for reading, writing, …."""
        self._credentials.labels(operation).inc()

    def committed(self, kind: str) -> None:
        self._commits.labels(kind).inc()

    def not_let_in(self, reason: str) -> None:
        """``unauthenticated`` or ``rate_limited``."""
        self._refused.labels(reason).inc()

    def watch(self, states: Collector) -> None:
        """Ask for these figures, too, whenever somebody asks for all."""
        self._registry.register(states)

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)

    @property
    def registry(self) -> CollectorRegistry:
        return self._registry
