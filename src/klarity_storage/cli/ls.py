"""``ks ls``: from spaces down to files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from klarity_storage.cli import _format
from klarity_storage.cli._command import Command
from klarity_storage.cli._output import Column
from klarity_storage.cli._session import Session, pass_session
from klarity_storage.cli.space import show_spaces

if TYPE_CHECKING:
    from klarity_storage.cli._files import FileEntry, FolderEntry
    from klarity_storage.layout import Kind, Reference

NAMES = (Column("name", lambda name: f"{name.space}/{name.kind}/{name.name}", whole=True),)
VERSIONS = (
    Column("version", form=_format.digest, whole=True),
    Column("committed", lambda version: version.at, _format.moment),
    Column("by"),
    Column("files", form=_format.count, right=True),
    Column("size", lambda version: version.bytes, _format.size, right=True),
    Column("tags", lambda version: ", ".join(version.tags)),
    Column("message", loose=True),
)
FILES = (Column("path", whole=True),)
FILES_LONG = (
    Column(
        "size",
        form=lambda size, exact: "" if size is None else _format.size(size, exact),
        right=True,
    ),
    Column("sha256", form=_format.digest),
    Column("type", lambda file: file.media_type),
    *FILES,
)


@click.command(
    "ls",
    cls=Command,
    examples=[
        "ks ls",
        "ks ls vision",
        "ks ls vision/datasets",
        "ks ls vision/datasets/cats",
        "ks ls --long vision/datasets/cats@latest",
        "ks ls --folder ks://vision/datasets/cats@latest/train",
    ],
)
@click.argument("target", required=False)
@click.option("--long", "-l", is_flag=True, help="Sizes, digests and types of files.")
@click.option("--folder", "-d", is_flag=True, help="One folder, not what lies in its folders.")
@pass_session
def command(session: Session, /, *, target: str | None, long: bool, folder: bool) -> None:
    """List spaces, names, versions, or the files of a version.

    TARGET is nothing, SPACE, SPACE/KIND, SPACE/KIND/NAME, or SPACE/KIND/NAME@VERSION; a version's
    files may be narrowed by a path: ks://SPACE/KIND/NAME@VERSION/PATH.
    """
    from klarity_storage.layout import Reference, parse_kind

    parts = (target or "").removeprefix("ks://").rstrip("/").split("/")
    if not target:
        show_spaces(session)
    elif len(parts) == 1:
        _names(session, parts[0], None)
    elif len(parts) == 2:
        _names(session, parts[0], parse_kind(parts[1]))
    else:
        reference = Reference.parse(target.rstrip("/"))
        if reference.selector or reference.path:
            _files(session, reference, long=long, folder=folder)
        else:
            _versions(session, reference)


def _shown(file: FileEntry | FolderEntry) -> str:
    from klarity_storage.cli._files import shown_as

    return shown_as(file.role, file.overlay_of)


def _names(session: Session, space: str, kind: Kind | None) -> None:
    from klarity_storage.errors import InvalidInputError
    from klarity_storage.layout import VERSIONED_KINDS, Kind, check_name
    from klarity_storage.protocol.versions import NameInfo, NameList

    check_name(space, "space")
    kinds = [kind] if kind else [*VERSIONED_KINDS, Kind.TABLES]
    storage = session.connect()
    getters = {
        Kind.ARTEFACTS: storage.get_artefacts,
        Kind.MODELS: storage.get_models,
        Kind.DATASETS: storage.get_datasets,
    }
    items: list[NameInfo] = []
    for each in kinds:
        if each in getters:
            items += getters[each](space)
        elif each is Kind.TABLES:
            tables = storage.get_data_tables(space)
            items += [NameInfo(space=t.space, kind=each, name=t.name) for t in tables]
        else:
            raise InvalidInputError(f"{each} are listed with the table that they belong to.")
    where = f"{space}/{kind}" if kind else space
    session.out.listing(
        NameList(items=items),
        NAMES,
        line=lambda name: f"{name.space}/{name.kind}/{name.name}",
        empty=f"There is nothing in {where}.",
    )


def _versions(session: Session, reference: Reference) -> None:
    from klarity_storage.errors import InvalidReferenceError
    from klarity_storage.protocol.versions import VersionList

    if not reference.name.kind.versioned:
        raise InvalidReferenceError(
            f"{reference} has no versions of files.", hint=f"ks table show {reference}"
        )
    versions = [version.info for version in session.connect().get_versions(str(reference))]
    session.out.listing(
        VersionList(items=versions),
        VERSIONS,
        line=lambda version: version.version,
        empty=f"{reference} has no version.",
    )


def _files(session: Session, reference: Reference, *, long: bool, folder: bool) -> None:
    from klarity_storage.cli._files import COLUMNS, MANY, FileList, FolderList, write_files
    from klarity_storage.errors import FileMissingError
    from klarity_storage.layout import Reference

    version = session.connect().get_version(str(Reference(reference.name, reference.selector)))
    files: FileList | FolderList
    try:
        if folder:
            files = FolderList.of(version.folder(reference.path or ""))
        elif len(found := version.files(reference.path)) > MANY:
            wanted = COLUMNS if long or session.out.json else COLUMNS[:1]
            table = version.manifest(*wanted, below=reference.path)
            write_files(session.out, table, long=long)
            return
        else:
            files = FileList.of(found)
    except FileMissingError:
        files = FileList(items=[])
    columns: tuple[Column, ...] = FILES_LONG if long else FILES
    if long and any(file.role for file in files.items):
        columns = (*FILES_LONG[:-1], Column("shown", _shown, whole=True), *FILES)
    session.out.listing(
        files,
        columns,
        line=lambda file: file.path,
        empty=f"{reference} holds no file.",
    )
