"""Compressed forms: small, the same on every run, and never believed."""

from __future__ import annotations

import gzip
import hashlib
import os

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from klarity_storage.layout import Kind, Name
from klarity_storage.versions.encoded import (
    Coding,
    compress,
    decompress,
    is_worth_a_try,
    read_form,
    read_forms,
    read_index,
    write_encoded,
)

NAME = Name("web", Kind.ARTEFACTS, "front")
PLACE = (NAME, "0" * 64, f"manifest-{'1' * 64}.parquet")
TEXT = b"export const answer = 42;\n" * 400


def fits(coding: Coding, form: bytes, data: bytes) -> bool:
    return decompress(coding, form, len(data), hashlib.sha256(data).hexdigest())


def test_only_what_pays_is_kept() -> None:
    forms = compress(TEXT)
    assert list(forms) == ["br", "gzip"]
    assert forms == compress(TEXT)
    assert len(forms["br"]) < len(forms["gzip"]) < len(TEXT) / 10
    assert compress(os.urandom(4096)) == {}
    assert not is_worth_a_try("a.js", 100)
    assert not is_worth_a_try("a.js", 100 << 20)
    assert not is_worth_a_try("js", 10_000)


@given(st.binary(max_size=3000))
def test_each_form_is_that_of_its_file(data: bytes) -> None:
    for coding, form in (("br", brotli.compress(data)), ("gzip", gzip.compress(data))):
        assert fits(coding, form, data)  # type: ignore[arg-type]
        assert not fits(coding, form, data + b"x")  # type: ignore[arg-type]
        assert not fits(coding, form[:-1], data)  # type: ignore[arg-type]


@pytest.mark.parametrize("coding", ["br", "gzip"])
def test_a_bomb_is_not_unpacked(coding: Coding) -> None:
    bomb = bytes(64 << 20)
    form = {"br": brotli.compress, "gzip": gzip.compress}[coding](bomb)
    assert len(form) < 100_000
    assert not fits(coding, form, bomb[: 1 << 20])
    for damage in (b"", b"nonsense", form[: len(form) // 2]):
        assert not fits(coding, damage, TEXT)


def test_they_are_found_beside_the_manifest() -> None:
    store = MemoryStore()
    assert read_index(store, *PLACE) == {}
    forms = compress(TEXT)
    write_encoded(store, *PLACE, [("a" * 64, forms), ("b" * 64, {})])
    index = read_index(store, *PLACE)
    assert {c: read_form(store, *PLACE, index["a" * 64][c]) for c in forms} == forms
    assert index["b" * 64] == {}
    assert read_forms(store, *PLACE) == {"a" * 64: forms, "b" * 64: {}}
    store.put(NAME.encoded_key(*PLACE[1:], "json"), b"nonsense")
    assert read_index(store, *PLACE) == {}
    store.delete(NAME.encoded_key(*PLACE[1:], "bin"))
    assert read_form(store, *PLACE, index["a" * 64]["br"]) == b""
    assert read_forms(store, *PLACE) == {}
