from __future__ import annotations

import io
import logging
import threading

from klarity_storage.server.logs.gather import GatheredLines

PATIENCE = 30.0


class Heard(io.StringIO):
    """A stream that says when it was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = threading.Event()

    def flush(self) -> None:
        super().flush()
        self.flushed.set()


def record(level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord("klarity_storage.x", level, "", 0, message, (), None)


def test_lines_are_written_soon_and_in_their_order() -> None:
    stream = Heard()
    handler = GatheredLines(stream)
    for number in range(5):
        handler.handle(record(logging.INFO, f"line {number}"))
    assert stream.flushed.wait(PATIENCE)
    handler.flush()
    assert stream.getvalue() == "".join(f"line {number}\n" for number in range(5))


def test_a_warning_does_not_wait_and_takes_along_what_does() -> None:
    stream = Heard()
    handler = GatheredLines(stream)
    handler.acquire()  # nobody else writes meanwhile
    try:
        handler.emit(record(logging.INFO, "before"))
        assert stream.getvalue() == ""
        handler.emit(record(logging.WARNING, "now"))
        assert stream.getvalue() == "before\nnow\n"
    finally:
        handler.release()


def test_what_waits_is_written_at_the_end() -> None:
    stream = Heard()
    handler = GatheredLines(stream)
    handler.acquire()
    try:
        handler.emit(record(logging.INFO, "last words"))
        handler.flush()
        assert stream.getvalue() == "last words\n"
    finally:
        handler.release()


def test_a_stream_that_is_gone_stops_nobody() -> None:
    stream = Heard()
    handler = GatheredLines(stream)
    handler.handleError = lambda record: None  # type: ignore[method-assign] # it would be printed
    stream.close()
    handler.handle(record(logging.WARNING, "to nobody"))
    fresh = Heard()
    handler._stream = fresh
    handler.handle(record(logging.WARNING, "to somebody"))
    assert fresh.getvalue().endswith("to somebody\n")


def test_text_of_a_thousand_lines_is_not_kept_waiting() -> None:
    stream = Heard()
    handler = GatheredLines(stream)
    handler.acquire()
    try:
        for _ in range(1000):
            handler.emit(record(logging.INFO, "x"))
        assert stream.getvalue().count("\n") == 1000
    finally:
        handler.release()


def test_lines_that_cannot_be_written_later_are_told_of() -> None:
    stream = Heard()
    handler = GatheredLines(stream)
    told: list[str] = []
    failed = threading.Event()

    def tell(record: logging.LogRecord) -> None:
        told.append(record.getMessage())
        failed.set()

    handler.handleError = tell  # type: ignore[method-assign] # it would be printed
    stream.close()
    handler.handle(record(logging.INFO, "to nobody"))
    assert failed.wait(PATIENCE)
    assert told == ["to nobody"]
