"""The HTTP application over the services."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, Final

from litestar import Litestar, Request, Router
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag

from klarity_storage.server.http.access import Observed
from klarity_storage.server.http.authentication import context_of, know_the_caller
from klarity_storage.server.http.cors import share
from klarity_storage.server.http.documents import summarise
from klarity_storage.server.http.failures import answer_failure
from klarity_storage.server.http.limits import Limited
from klarity_storage.server.http.remote import BehindProxies
from klarity_storage.server.http.request_id import stamp
from klarity_storage.server.metrics.states import States
from klarity_storage.server.routes import (
    audit,
    authorize,
    credentials,
    deployments,
    files,
    garbage,
    grants,
    groups,
    health,
    identity,
    metrics,
    pages,
    queries,
    raw_binaries,
    rights,
    service_accounts,
    spaces,
    tables,
    tokens,
    users,
    versions,
)
from klarity_storage.server.services import Services
from klarity_storage.server.settings.check import read_networks
from klarity_storage.server.settings.sections import LimitsSettings, ServerSettings
from klarity_storage.server.web.hosts import ByHost

WORKERS: Final = 40
"""Requests that are worked on at once; the database has a connection for each."""

API_VERSION: Final = "1"
"""The version of the API, which is also in every path: ``/v1``."""

_NOUNS = (
    identity,
    spaces,
    users,
    service_accounts,
    groups,
    tokens,
    grants,
    rights,
    credentials,
    tables,
    queries,
    raw_binaries,
    versions,
    garbage,
    deployments,
    audit,
)
_TAGS = {
    "server": "Who the server is, and who the caller is to it.",
    "spaces": "The units of ownership.",
    "users": "People who log in.",
    "services": "Machine accounts, which hold tokens and nothing else.",
    "groups": "Users and services that are granted something together.",
    "tokens": "What a user or a service shows to be known.",
    "grants": "Who has which role on what, until when.",
    "credentials": "Temporary keys of the S3 engine, through which bytes flow directly.",
    "versions": "Artefacts, models and datasets: immutable versions, and tags on them.",
    "tables": "Delta Lake tables.",
    "web": "Front ends: which version of one a deployment shows to browsers.",
    "audit": "Who did what, and who was refused.",
    "files": "The bytes of all that over HTTPS, for whoever has no S3.",
}


def create_app(
    services: Services,
    server: ServerSettings | None = None,
    limits: LimitsSettings | None = None,
) -> Litestar:
    """The application that answers by these services."""
    return answer_by(services, describe_app(limits), server)


def describe_app(limits: LimitsSettings | None = None) -> Litestar:
    """The application as far as its routes and its OpenAPI document go: it answers nothing."""
    return _application(limits or LimitsSettings())


def answer_by(services: Services, app: Litestar, server: ServerSettings | None = None) -> Litestar:
    """Let an application that answers nothing yet answer by these services."""
    services.metrics.watch(States(services))
    app.state["services"] = services
    trusted = read_networks(server.trusted_proxies if server else ())
    # around Litestar's own: also what no route takes comes from somewhere, and is noted
    by_host = ByHost(app.asgi_handler, services.web.settings.hosts)
    app.asgi_handler = BehindProxies(Observed(by_host, services.metrics), trusted)
    return app


def _application(limits: LimitsSettings) -> Litestar:
    app = Litestar(
        route_handlers=[
            *health.ROUTES,
            *authorize.ROUTES,
            _guarded("/", metrics),
            _guarded("/v1", *_NOUNS),
            files.ROUTER,
            pages.ROUTER,
        ],
        exception_handlers={Exception: answer_failure},
        before_send=[stamp, share],
        on_startup=[_hire_workers],
        on_shutdown=[_end_processes],
        openapi_config=_openapi(),
        request_max_body_size=limits.body_bytes,
        middleware=[Limited(limits)],
        logging_config=None,  # logging is the process's affair: server/main.py sets it up
    )
    summarise(app.openapi_schema)
    return app


async def _hire_workers() -> None:
    """Let handlers run in enough threads: asyncio's own number follows the cores, and ours wait."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(WORKERS, "ks-request"))


async def _end_processes(app: Litestar) -> None:
    """On the loop that they ran on."""
    services: Services | None = app.state.get("services")
    if services is not None:
        services.queries.close()
        services.thumbnails.close()


def _guarded(path: str, *nouns: ModuleType) -> Router:
    """What takes a token."""
    return Router(
        path,
        route_handlers=[handler for noun in nouns for handler in noun.ROUTES],
        guards=[know_the_caller],
        dependencies={"context": Provide(context_of, sync_to_thread=False)},
        security=[{"bearer": []}],
    )


def _openapi() -> OpenAPIConfig:
    bearer = SecurityScheme(type="http", scheme="bearer", description="A token: `ks_…`.")
    return OpenAPIConfig(
        title="Klarity Storage",
        version=API_VERSION,
        description="The control plane: who may do what to which data, and what there is.",
        components=Components(security_schemes={"bearer": bearer}),
        tags=[Tag(name=name, description=told) for name, told in _TAGS.items()],
        use_handler_docstrings=True,
        operation_id_creator=_operation_id,
        # one document, and no pages that would load scripts from elsewhere
        path="/schema",
        render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        openapi_router=Router(
            "/schema", route_handlers=[], include_in_schema=False, before_request=_one_document
        ),
    )


def _operation_id(handler: HTTPRouteHandler, *_: object) -> str:
    return handler.handler_name


def _one_document(request: Request[Any, Any, Any]) -> None:
    """Litestar answers other paths below with a page of its own: they do not exist."""
    if request.url.path.rstrip("/") not in {"/schema", "/schema/openapi.json"}:
        raise NotFoundException
