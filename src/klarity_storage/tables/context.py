"""DataFusion sessions, and the engines that they reach."""

from __future__ import annotations

import hashlib
from functools import cache
from threading import Lock
from weakref import WeakKeyDictionary

from datafusion import SessionConfig, SessionContext
from datafusion.object_store import AmazonS3

from klarity_storage.protocol.credentials import S3Credentials

_OPTIONS = {
    # other readers of Arrow do not all know string views
    "datafusion.execution.parquet.schema_force_view_types": "false",
    # Parquet's minima and maxima leave NaN out: DataFusion, told that both are 1.0, reads a column
    # of 1.0 and NaN as 1.0 throughout (see apache/datafusion#24804)
    "datafusion.execution.collect_statistics": "false",
    # the parts of a join wait for each other's filters, and whoever reads a frame as an Arrow
    # stream reads them one after another: without this it would wait for ever
    "datafusion.optimizer.enable_join_dynamic_filter_pushdown": "false",
}

_stores: WeakKeyDictionary[SessionContext, set[str]] = WeakKeyDictionary()
_lock = Lock()


def new_context() -> SessionContext:
    """A session that reads tables rightly; one serves any number of tables and credentials."""
    context = SessionContext(SessionConfig(dict(_OPTIONS)))
    with _lock:
        _stores[context] = set()
    return context


@cache
def shared_context() -> SessionContext:
    """The session of all who bring none: it lives as long as the process, and so do its frames."""
    return new_context()


def prepare(context: SessionContext | None) -> SessionContext:
    """The caller's session with the settings that right rows depend on, or the shared one."""
    if context is None:
        return shared_context()
    with _lock:
        if context not in _stores:
            for option, value in _OPTIONS.items():
                context.sql(f"SET {option} = {value}")
            _stores[context] = set()
    return context


def engine_url(context: SessionContext, s3: S3Credentials) -> str:
    """The address, with its closing slash, under which a session reaches a bucket with these keys.

    A session keeps one store for each address, so that the address names the keys, by a digest: two
    users' keys for one bucket never mix, nor do renewed keys break a frame made before.
    """
    parts = (s3.endpoint, s3.bucket, s3.access_key_id, s3.secret_access_key, s3.session_token or "")
    host = "keys-" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    with _lock:
        known = _stores.setdefault(context, set())
        if host not in known:
            context.register_object_store("s3://", _store(s3), host)
            known.add(host)
    return f"s3://{host}/"


def _store(s3: S3Credentials) -> AmazonS3:
    return AmazonS3(
        bucket_name=s3.bucket,
        endpoint=s3.endpoint,
        region=s3.region,
        access_key_id=s3.access_key_id,
        secret_access_key=s3.secret_access_key,
        session_token=s3.session_token,
        allow_http=s3.endpoint.startswith("http://"),
    )
