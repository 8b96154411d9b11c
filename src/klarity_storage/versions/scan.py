"""The files of a local tree, checked before a byte of them is read."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from klarity_storage.errors import FileMissingError, InvalidInputError, InvalidPathError
from klarity_storage.layout import check_path
from klarity_storage.versions.engine_errors import told_as_ours


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to push: where it is, its path in the version, and what its inode says."""

    path: str
    location: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, path: str, location: str, status: os.stat_result) -> SourceFile:
        """A file by what ``stat`` says of it."""
        return cls(
            path,
            location,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_ino,
        )

    @property
    def file(self) -> Path:
        # made when it is asked for: a million Path objects are half a gigabyte
        return Path(self.location)


def scan_tree(source: Path) -> list[SourceFile]:
    """List what a push of ``source`` holds, sorted by path.

    A file stands for a tree of one file. Empty folders are not kept. A link to a file inside the
    tree is stored as the file that it leads to.

    Raises:
        FileMissingError: there is no such file or folder.
        InvalidInputError: it holds no file.
        InvalidPathError: a name cannot be stored, a link leaves the tree or leads to a folder, or
            something is neither file nor folder.
        ForbiddenError: a folder cannot be listed.
    """
    if not source.exists():
        raise FileMissingError(f"There is no file or folder {str(source)!r}.")
    if source.is_file():
        return [SourceFile.of(check_path(source.name), str(source), source.stat())]
    root = source.resolve()
    found: list[SourceFile] = []
    folders = [(str(source), "")]
    while folders:
        folder, prefix = folders.pop()
        with told_as_ours(f"the folder {folder!r}"), os.scandir(folder) as entries:
            for entry in entries:
                _visit(entry, prefix + entry.name, root, found, folders)
    if not found:
        raise InvalidInputError(
            f"The folder {str(source)!r} holds no files.", hint="A version has one file at least."
        )
    found.sort(key=lambda file: file.path)
    return found


def _visit(
    entry: os.DirEntry[str],
    path: str,
    root: Path,
    found: list[SourceFile],
    folders: list[tuple[str, str]],
) -> None:
    check_path(path)
    if entry.is_symlink():
        _check_link(Path(entry.path), path, root)
    elif entry.is_dir():
        folders.append((entry.path, f"{path}/"))
        return
    status = entry.stat()
    if not stat.S_ISREG(status.st_mode):
        raise InvalidPathError(
            f"{path!r} is neither a file nor a folder.", hint="Push a tree of plain files."
        )
    found.append(SourceFile.of(path, entry.path, status))


def _check_link(link: Path, path: str, root: Path) -> None:
    try:
        target = link.resolve(strict=True)
    except (FileNotFoundError, RuntimeError, OSError):
        raise InvalidPathError(
            f"The link {path!r} leads nowhere.", hint="Remove it, or mend its target."
        ) from None
    if not target.is_relative_to(root):
        raise InvalidPathError(
            f"The link {path!r} leaves the tree.", hint="Copy its target into the tree."
        )
    if target.is_dir():
        raise InvalidPathError(
            f"The link {path!r} leads to a folder.", hint="Copy the folder in its place."
        )
