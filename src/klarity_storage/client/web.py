"""The part of ``Storage`` that publishes front ends and deploys them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klarity_storage.client.connection import ALL, Connection
from klarity_storage.client.http import Http, quoted
from klarity_storage.client.remote import RemoteBackend
from klarity_storage.client.version import Version
from klarity_storage.errors import InvalidInputError, InvalidReferenceError
from klarity_storage.layout import Kind, Reference, check_name
from klarity_storage.protocol.spaces import Strategy
from klarity_storage.protocol.web import (
    Deploy,
    Deployment,
    DeploymentList,
    Release,
    ReleaseList,
    Rollback,
)
from klarity_storage.versions.progress import OnProgress

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class Web(Connection):
    """What ``Storage`` does with front ends."""

    def publish_web(
        self,
        app: str,
        source: str | os.PathLike[str],
        *,
        message: str = "",
        metadata: dict[str, Any] | None = None,
        progress: OnProgress | None = None,
    ) -> Version:
        """Make a new version of a front end; nothing shows it before it is deployed.

        Args:
            app: ``web/kd-front``, or ``kd-front`` where one space is for front ends.
            source: the folder that the bundler wrote.
            message: why, in one line.
            metadata: anything that JSON can hold.
            progress: called while it runs.

        Returns:
            The version; the one that stands already when its content is the latest.

        Raises:
            InvalidInputError: it is no front end: nothing was uploaded.
            InvalidPathError: it holds a link, or a name that cannot be stored.
            ForbiddenError: the caller may not write here.
        """
        from klarity_storage.client.bundle import check_bundle, write_compressed  # noqa: PLC0415
        from klarity_storage.versions.encoded import read_forms  # noqa: PLC0415
        from klarity_storage.versions.push import Description, push_tree  # noqa: PLC0415

        name = self._app(app).name
        files = check_bundle(Path(source))

        def compress(store: ObjectStore, folder: str, manifest: str) -> None:
            known = self._backend.versions(name)[:1]
            reading = self._backend.reading_store(name) if known else None
            earlier = (
                read_forms(reading, name, known[0].version, known[0].manifest) if reading else {}
            )
            write_compressed(store, (name, folder, manifest), files, earlier, progress)

        info = push_tree(
            self._backend,
            name,
            Path(source),
            Description(message=message, metadata=metadata or {}),
            progress=progress,
            beside=compress,
        )
        return Version(self._backend, info)

    def deploy_web(
        self, deployment: str, app: str, *, data: Sequence[str] = (), message: str = ""
    ) -> Deployment:
        """Show a version of a front end, from the next page that is loaded on.

        Pages that are open keep the files of the version that they were loaded with.

        Args:
            deployment: ``prod``, or ``web/prod`` in another space than the front end's.
            app: ``kd-front@3f9a`` or ``web/kd-front@3f9a``; the latest version without ``@``.
            data: references that the page reads from ``deployment.json``, each as the whole hash.
            message: why, in one line.

        Raises:
            VersionNotFoundError: there is no such version, or it was deleted.
            InvalidInputError: it is no front end, or it is not public.
            ForbiddenError: the caller may not write to the deployment.
        """
        reference = self._app(app)
        space, name = self._deployment(deployment, reference.name.space)
        body = Deploy(app=str(reference), data=list(data), message=message)
        return self._web.put(quoted("spaces", space, "deployments", name), body, Deployment)

    def rollback_web(
        self, deployment: str, *, to: str | None = None, message: str = ""
    ) -> Deployment:
        """Show an earlier release again, with the data that were pinned with it.

        Args:
            deployment: ``prod`` or ``web/prod``.
            to: the beginning of a release's hash; the one before the one that stands without it.
            message: why, in one line.

        Raises:
            VersionNotFoundError: there is no earlier release, or its version was deleted.
            ConflictError: somebody else has deployed meanwhile.
        """
        path = quoted("spaces", *self._parts(deployment), "rollback")
        return self._web.post(path, Rollback(to=to, message=message), Deployment)

    def get_deployments(self, space: str = ALL) -> list[Deployment]:
        """The deployments that show something, by name."""
        spaces = [space] if space != ALL else self._web_spaces()
        return [
            found
            for key in spaces
            for found in self._web.get(quoted("spaces", key, "deployments"), DeploymentList).items
        ]

    def get_deployment(self, deployment: str) -> Deployment:
        """What a deployment shows, and where."""
        return self._web.get(quoted("spaces", *self._parts(deployment)), Deployment)

    def get_releases(self, deployment: str) -> list[Release]:
        """What a deployment has shown, newest first."""
        path = quoted("spaces", *self._parts(deployment), "releases")
        return self._web.get(path, ReleaseList).items

    def remove_deployment(self, deployment: str) -> None:
        """Show nothing any more, and let go of the versions that it kept; its history stays."""
        self._web.delete(quoted("spaces", *self._parts(deployment)))

    @property
    def _web(self) -> Http:
        if not isinstance(self._backend, RemoteBackend):
            raise InvalidInputError(
                "A directory shows no pages to anybody.", hint="Connect to a server: ks login URL."
            )
        return self._backend.http

    def _parts(self, deployment: str) -> tuple[str, str, str]:
        space, name = self._deployment(deployment)
        return space, "deployments", name

    def _deployment(self, text: str, space: str | None = None) -> tuple[str, str]:
        """A deployment's space and name."""
        first, slash, name = text.partition("/")
        if not slash:
            check_name(text, "deployment")
            return space or self._only_space(f"{{}}/{text}"), text
        return check_name(first, "space"), check_name(name, "deployment")

    def _app(self, text: str) -> Reference:
        """A front end, and which version: ``kd-front@3f9a``, with the space or the whole name."""
        bare, at, selector = text.removeprefix("ks://").partition("@")
        parts = bare.split("/")
        if len(parts) == 1:
            check_name(bare, "front end")
            parts = [self._only_space(f"{{}}/{bare}"), Kind.ARTEFACTS, bare]
        elif len(parts) == 2:
            parts = [parts[0], Kind.ARTEFACTS, parts[1]]
        reference = Reference.parse("/".join(parts) + at + selector)
        if reference.name.kind is not Kind.ARTEFACTS:
            raise InvalidReferenceError(
                f"{text!r} is not a front end: those are artefacts.",
                hint="Write web/kd-front or web/kd-front@VERSION.",
            )
        return reference

    def _only_space(self, example: str) -> str:
        """The one space for front ends that the caller sees."""
        spaces = self._web_spaces()
        if len(spaces) == 1:
            return spaces[0]
        told = " and ".join(spaces) if spaces else "none"
        raise InvalidReferenceError(
            f"Which space? Of those in public buckets of the strategy web you see {told}.",
            hint=f"Write {example.format(spaces[0] if spaces else 'SPACE')}.",
        )

    def _web_spaces(self) -> list[str]:
        wanted = set(self._dataspaces)
        web = [s.key for s in self.get_spaces() if s.strategy is Strategy.WEB and s.public]
        return [key for key in web if key in wanted] or web
