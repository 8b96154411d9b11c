"""The control database on PostgreSQL, which several servers share."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from klarity_storage.errors import ConfigurationError, UnavailableError
from klarity_storage.server.db.engine import PATIENCE, WAITS, Database

CONNECTIONS: Final = 20
"""Of one server at most, unless it is told another number."""

APPLICATION: Final = "klarity-storage"
"""How the connections of all servers are called."""

_QUEUE_SECONDS: Final = 10
"""How long a request waits for a connection when all of a server's are in use."""

_WRITERS: Final = 0x4B53_0001
"""The advisory lock of all that change something; of this database, as every such lock is."""

_LINK: Final = {
    "connect_timeout": 5,
    "application_name": APPLICATION,
    "client_encoding": "utf8",
    # a machine that is gone says no word: this is how long we wait for one
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_SESSION: Final = {
    # years up to 9999 exist in every zone only if the zone is UTC
    "TimeZone": "UTC",
    "lock_timeout": f"{int(PATIENCE * 1000)}ms",
    "statement_timeout": "60s",
    # the other end of the same: a server that is gone must not hold the lock of all writers
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


def postgres_database(url: str, connections: int = CONNECTIONS) -> Database:
    """The database at a URL of libpq, tried once.

    Args:
        url: ``postgresql://user:password@host/name``; never shown.
        connections: how many are open at once at most.

    Raises:
        ConfigurationError: the driver is not installed, the URL cannot be read, or the database
            does not keep text in UTF-8.
        UnavailableError: it does not answer; why, in the words of the driver.
    """
    engine = _engine(url, _link(url), connections)
    try:
        _try(engine)
    except BaseException:
        engine.dispose()
        raise
    return Database(engine)


def _engine(url: str, link: dict[str, Any], connections: int) -> Engine:
    engine = create_engine(
        "postgresql+psycopg://",
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_QUEUE_SECONDS,
        pool_pre_ping=True,  # a restart of the database is not the request's affair
        hide_parameters=True,
        use_native_hstore=False,
    )

    def locate(dialect: Any, entry: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        # here and not in SQLAlchemy's URL, which knows less of libpq's and is shown in places
        del dialect, entry
        arguments[:] = [url]
        options.update(link)

    event.listen(engine, "do_connect", locate)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _link(url: str) -> dict[str, Any]:
    """What of the connection's own options the URL does not say."""
    try:
        from psycopg import ProgrammingError  # noqa: PLC0415 - an extra
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "database.url names a PostgreSQL, whose driver is not installed.",
            hint="pip install 'klarity-storage[server,postgres]'",
        ) from error
    try:
        said = conninfo_to_dict(url)
    except ProgrammingError:
        raise ConfigurationError(  # without its cause, which shows the URL
            "database.url cannot be read.",
            hint="Write postgresql://user:password@host:5432/name; in the password %40 for @.",
        ) from None
    return {key: value for key, value in _LINK.items() if key not in said}


def _try(engine: Engine) -> None:
    """Connect once, where the operator who reads the failure may know everything but a secret."""
    try:
        with engine.connect() as connection:
            encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    except OperationalError as error:
        # libpq's messages name host, port, user and database, and never a password
        reason = "; ".join(line.strip() for line in str(error.orig).splitlines() if line.strip())
        raise UnavailableError(
            f"The control database does not answer: {reason.rstrip('.')}.",
            hint="Check database.url (KS_DATABASE_URL), and that PostgreSQL runs.",
        ) from error
    if encoding != "UTF8":
        raise ConfigurationError(
            f"The control database keeps text in {encoding}, not in UTF-8.",
            hint="Make it with: createdb --encoding UTF8 --template template0 NAME",
        )


def _prepare(connection: Any, entry: ConnectionPoolEntry) -> None:
    """Set up a connection, by statements: poolers let through few options of a start."""
    del entry
    chosen = ", ".join(f"set_config('{key}', '{value}', false)" for key, value in _SESSION.items())
    connection.execute(f"SELECT {chosen}")
    connection.commit()


def _begin(connection: Connection) -> None:
    """Wait for the other writers of all servers, where something will be written.

    One lock for all, as SQLite has it: changes are rare and short, and no code has to be written
    for the case that two of them cannot be put in an order. A reader waits for nobody.

    Each statement of a writer sees what was committed before it: a snapshot for all of them would
    be taken by the statement that waits, before the writer ahead is done.
    """
    from psycopg import IsolationLevel  # noqa: PLC0415 - an extra

    waits = connection.get_execution_options().get(WAITS)
    driver: Any = connection.connection.driver_connection
    driver.read_only = True if waits is None else None
    if waits is None:
        driver.isolation_level = IsolationLevel.REPEATABLE_READ
        return
    driver.isolation_level = IsolationLevel.READ_COMMITTED
    if waits != int(PATIENCE * 1000):
        connection.execute(text(f"SET LOCAL lock_timeout = {waits}"))
        connection.execute(text(f"SET LOCAL statement_timeout = {waits + 60_000}"))
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITERS})"))
