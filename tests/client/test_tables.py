from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import klarity_storage as ks


@pytest.fixture(params=["local", "server"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> ks.Storage:
    if request.param == "local":
        return ks.connect(tmp_path / "store")
    owned: ks.Storage = request.getfixturevalue("owned")
    return owned


def test_tables_are_found_by_name_columns_and_metadata(storage: ks.Storage, space: str) -> None:
    def push(name: str, columns: list[str], **metadata: str) -> None:
        row = dict.fromkeys(columns, 1)
        storage.push_data_frame(f"{space}/tables/{name}", [row], metadata=metadata)

    def found(name: str | None = None, **wanted: object) -> list[str]:
        return [t.name for t in storage.get_data_tables(space, name, **wanted)]  # type: ignore[arg-type]

    push("runs", ["id", "score"], team="eyes", stage="raw")
    push("runs-2", ["id", "score", "label"], team="ears")
    push("names", ["id"], team="eyes")
    assert found() == ["names", "runs", "runs-2"]
    assert found("runs*") == ["runs", "runs-2"]
    assert found(columns=["score"]) == ["runs", "runs-2"]
    assert found(columns=["score", "label"]) == ["runs-2"]
    assert found(metadata={"team": "eyes"}) == ["names", "runs"]
    assert found(metadata={"team": "eyes", "stage": "raw"}) == ["runs"]
    assert found("r*", columns=["id"], metadata={"team": "eyes"}) == ["runs"]
    assert found(columns=["nothing"]) == []


def test_columns_have_comments(storage: ks.Storage, space: str) -> None:
    table = storage.push_data_frame(f"{space}/tables/runs", [{"id": 1, "score": 0.5}])
    told = storage.set_comments(table, {"score": "IoU, 0 to 1", "id": "of the run"})
    assert [column.comment for column in told.info.columns] == ["of the run", "IoU, 0 to 1"]
    storage.set_comments(table, {"id": "ü"})
    after = storage.push_data_frame(table, [{"id": 2, "score": 0.25}])
    assert [column.comment for column in after.info.columns] == ["ü", "IoU, 0 to 1"]
    assert storage.get_data_frame(table).count() == 2
    with pytest.raises(ks.InvalidQueryError, match="did you mean 'score'"):
        storage.set_comments(table, {"id": "x", "scor": "y"})
    assert storage.get_data_table(table.ref).info.columns[0].comment == "ü"


def test_comments_of_arrow_fields_stay(storage: ks.Storage, space: str) -> None:
    def field(name: str, comment: str = "") -> pa.Field:
        return pa.field(name, pa.int64(), metadata={"comment": comment, "else": "x"})

    def comments() -> dict[str, str]:
        info = storage.get_data_table(space, "runs").info
        return {column.name: column.comment for column in info.columns}

    def push(*fields: pa.Field, **options: Any) -> None:
        rows = pa.table([[1]] * len(fields), schema=pa.schema(fields))
        storage.push_data_frame(f"{space}/tables/runs", rows, **options)

    push(field("id", "of the run, ü"), field("n"))
    assert comments() == {"id": "of the run, ü", "n": ""}
    push(field("id", "another"), field("n", "how many"))
    assert comments() == {"id": "of the run, ü", "n": "how many"}
    before = storage.get_data_table(space, "runs").info.version
    push(field("id"), field("n"), field("new", "came later"), evolve=True)
    assert comments() == {"id": "of the run, ü", "n": "how many", "new": "came later"}
    assert storage.get_data_table(space, "runs").info.version == before + 1
    push(field("n"), field("id", "again"), mode="overwrite", evolve=True)
    assert comments() == {"n": "how many", "id": "again"}
    push(field("n"), field("id"), mode="merge", keys=["id"])
    assert comments() == {"n": "how many", "id": "again"}
