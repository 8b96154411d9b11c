"""Other spellings of a path, raw on the wire: each is refused, or is decoded once and no more."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from server_fixture import RunningServer

pytestmark = pytest.mark.real

SPELLINGS = {
    "dots": "{seen}/../{hidden}",
    "encoded dots": "{seen}/%2e%2e/{hidden}",
    "mixed dots": "{seen}/.%2E/{hidden}",
    "encoded slashes": "{seen}%2f..%2f{hidden}",
    "dots encoded twice": "{seen}/%252e%252e/{hidden}",
    "slashes encoded twice": "{seen}%252f..%252f{hidden}",
    "encoded three times": "{seen}%25252f%25252e%25252e%25252f{hidden}",
    "backslashes": "{seen}%5c..%5c{hidden}",
    "overlong slash": "{seen}%c0%af..%c0%af{hidden}",
    "overlong dots": "%c0%ae%c0%ae/{hidden}",
    "%u": "{seen}%u002f{hidden}",
    "NUL": "{hidden}%00",
    "NUL and more": "{hidden}%00.json",
    "parameter": "{hidden};x=1",
    "space": "{hidden}%20",
    "dot and space": "{hidden}.%20",
    "full width": "{wide}",
    "Cyrillic": quote("\u0435") + "{hidden}",
    "dotless i": "{hidden}" + quote("\u0131"),
    "combining": "{hidden}" + quote("\u0301"),
    "zero width": quote("\u200b") + "{hidden}",
    "right to left": quote("\u202e") + "{hidden}",
    "full width slashes": "{seen}" + quote("\uff0f..\uff0f") + "{hidden}",
    "fraction slash": "{seen}" + quote("\u2044") + "{hidden}",
    "two dot leader": "{seen}/" + quote("\u2025") + "/{hidden}",
    "upper case": "{upper}",
    "Kelvin": quote("\u212a") + "{hidden}",
    "line": "{hidden}%0a",
    "CRLF": "{hidden}%0d%0aX-Evil:%20yes",
    "tab": "{hidden}%09",
    "globs": "*",
    "question": "{hidden}%3f",
    "encoded letters": "{encoded}",
    "letters encoded twice": "{twice}",
    "two slashes": "/{hidden}",
    "trailing slashes": "{hidden}//",
}
"""Ways to write the name of what exists and what the caller may not see."""

TEMPLATES = (
    "/v1/spaces/{}",
    "/v1/spaces/{}/datasets",
    "/v1/spaces/{}/tables",
    "/v1/spaces/{seen}/datasets/{}/versions",
    "/v1/spaces/{seen}/datasets/cats/versions/{}",
    "/v1/spaces/{seen}/datasets/cats/tags/{}",
    "/v1/spaces/{seen}/tables/{}",
    "/v1/users/{}",
)


@dataclass(frozen=True)
class Wire:
    """The server, without a client that tidies paths up."""

    connection: http.client.HTTPConnection
    token: str

    def get(self, path: str) -> tuple[int, http.client.HTTPMessage, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        self.connection.request("GET", path, headers=headers)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())


@pytest.fixture
def names(server: RunningServer, space: str) -> dict[str, str]:
    """Of a space that the caller owns, and of one that the caller may not see, in all spellings."""
    hidden = f"{space}hidden"
    server.admin.create_space(space)
    server.admin.create_space(hidden)
    return {
        "seen": space,
        "hidden": hidden,
        "upper": hidden.upper(),
        "wide": quote("".join(chr(ord(letter) + 0xFEE0) for letter in hidden)),
        "encoded": "".join(f"%{ord(letter):02x}" for letter in hidden),
        "twice": "".join(f"%25{ord(letter):02x}" for letter in hidden),
    }


@pytest.fixture
def wire(server: RunningServer, names: dict[str, str]) -> Iterator[Wire]:
    user = f"{names['seen']}user"
    server.admin.admin.create_user(user)
    server.admin.admin.create_grant(f"user:{user}", "owner", names["seen"])
    place = urlsplit(server.address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    yield Wire(connection, server.admin.admin.create_token(user).secret)
    connection.close()


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_spelling_gets_elsewhere(wire: Wire, names: dict[str, str], template: str) -> None:
    template = template.replace("{seen}", names["seen"])
    for told, spelling in SPELLINGS.items():
        written = spelling.format(**names)
        for path in (template.format(written), template.format(f"{names['seen']}/{written}")):
            status, headers, problem = wire.get(path)
            assert status in {400, 404, 405}, (told, path, problem)
            assert problem["status"] == status
            assert "X-Evil" not in headers, told


def test_a_path_is_decoded_once(wire: Wire, names: dict[str, str]) -> None:
    seen = names["seen"]
    encoded = "".join(f"%{ord(letter):02x}" for letter in seen)
    assert wire.get(f"/v1/spaces/{encoded}")[2]["key"] == seen
    assert wire.get(f"/v1/spaces/{encoded.replace('%', '%25')}")[0] == 400
