"""Readers that are not ours read tables with the keys that a connection gives."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder

import klarity_storage as ks

Reader = Callable[[str, ks.Credentials], list[dict[str, Any]]]

ROWS: list[dict[str, Any]] = [
    {"id": 1, "city": "a b", "price": decimal.Decimal("1.10"), "at": dt.date(2026, 1, 1)},
    {"id": 2, "city": None, "price": None, "at": dt.date(1, 1, 1)},
    {"id": 2**53 + 1, "city": "ü/%", "price": decimal.Decimal("0.01"), "at": None},
]


def read_polars(uri: str, keys: ks.Credentials) -> list[dict[str, Any]]:
    frame = pl.scan_delta(uri, storage_options=keys.storage_options())
    return frame.sort("id").collect().to_dicts()


def read_deltalake(uri: str, keys: ks.Credentials) -> list[dict[str, Any]]:
    table = DeltaTable(uri, storage_options=keys.storage_options())
    rows = QueryBuilder().register("t", table).execute("select * from t order by id")
    found: list[dict[str, Any]] = pa.table(rows.read_all()).to_pylist()
    return found


def read_duckdb(uri: str, keys: ks.Credentials) -> list[dict[str, Any]]:
    """Its extensions come with packages of the same version, and nothing is downloaded."""
    never: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    s3 = keys.current
    with duckdb.connect(config=never) as session:
        for name in ("httpfs", "delta"):
            session.load_extension(str(extension(name)))
        session.execute(
            f"create secret (type s3, key_id '{s3.access_key_id}', region '{s3.region}', "
            f"secret '{s3.secret_access_key}', session_token '{s3.session_token}', "
            f"endpoint '{s3.endpoint.removeprefix('http://')}', use_ssl false, url_style 'path')"
        )
        rows = session.execute(f"select * from delta_scan('{uri}') order by id")
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]


def extension(name: str) -> Path:
    package = find_spec(f"duckdb_extension_{name}")
    assert package is not None
    assert package.origin is not None
    (file,) = Path(package.origin).parent.glob(f"extensions/*/{name}.duckdb_extension")
    return file


@pytest.mark.parametrize("partition_by", [[], ["city"]], ids=["plain", "partitioned"])
@pytest.mark.parametrize("read", [read_polars, read_deltalake, read_duckdb])
def test_foreign_readers_agree(
    owned: ks.Storage, space: str, read: Reader, partition_by: list[str]
) -> None:
    name = f"{space}/tables/runs"
    owned.push_data_frame(name, ROWS[:2], partition_by=partition_by)
    owned.push_data_frame(name, [*ROWS[1:], {**ROWS[0], "id": 7}], mode="merge", keys=["id"])
    owned.delete_rows(name, "id = 7")
    keys = owned.credentials(name)

    found = read(f"s3://{keys.bucket}/{name}", keys)

    columns = list(ROWS[0])
    assert [{column: row[column] for column in columns} for row in found] == ROWS


@pytest.mark.parametrize("read", [read_polars, read_deltalake, read_duckdb])
def test_keys_to_one_table_read_no_other(owned: ks.Storage, space: str, read: Reader) -> None:
    for name in ("runs", "runs-2"):
        owned.push_data_frame(f"{space}/tables/{name}", ROWS)
    keys = owned.credentials(f"{space}/tables/runs")

    with pytest.raises(Exception, match=r"(?i)forbidden|denied|403|permission"):
        read(f"s3://{keys.bucket}/{space}/tables/runs-2", keys)
