"""Write the API's contract to files, or see whether the files are in step with the program.

``python -m klarity_storage.server.contract [--check] FOLDER`` needs no engine and no data.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from klarity_storage.errors import StorageError, error_classes
from klarity_storage.server.app import describe_app

_SENTENCE: Final = re.compile(r".+?[.](?=\s|$)", re.DOTALL)


def contract() -> dict[str, str]:
    """The text of each file of the contract by its name; the same for the same program."""
    return {"openapi.json": _text(openapi()), "errors.json": _text(errors())}


def openapi() -> dict[str, Any]:
    """The OpenAPI document that /schema answers."""
    return describe_app().openapi_schema.to_schema()


def errors() -> list[dict[str, Any]]:
    """Every code that a failure may have, by code: its class, status and meaning.

    ``parent`` is the code of the class that it derives from, so that clients in other languages
    have the same tree.
    """
    return [
        {
            "code": code,
            "name": cls.__name__,
            "parent": next(
                (base.code for base in cls.__bases__ if issubclass(base, StorageError)), None
            ),
            "status": cls.status,
            "title": cls.title,
            "meaning": _first_sentence(inspect.getdoc(cls) or cls.title),
        }
        for code, cls in sorted(error_classes().items())
    ]


def write_contract(folder: Path) -> None:
    """Write the files anew."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contract().items():
        (folder / name).write_text(text, encoding="utf-8")


def stale_files(folder: Path) -> list[str]:
    """The names of the files that are missing or out of step."""
    return [
        name
        for name, text in contract().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the files are in step."""
    parser = argparse.ArgumentParser(prog="klarity_storage.server.contract", description=__doc__)
    parser.add_argument("folder", type=Path, help="where openapi.json and errors.json lie")
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    given = parser.parse_args(arguments)
    if not given.check:
        write_contract(given.folder)
        return 0
    stale = [str(given.folder / name) for name in stale_files(given.folder)]
    if stale:
        sys.stderr.write(f"Out of step: {', '.join(stale)}. Run: make contract\n")
    return 1 if stale else 0


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _first_sentence(text: str) -> str:
    found = _SENTENCE.match(text)
    return " ".join((found[0] if found else text).split())


if __name__ == "__main__":
    sys.exit(main())
