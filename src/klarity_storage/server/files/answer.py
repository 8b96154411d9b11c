"""The answer for a file: which status, which headers, which bytes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

from klarity_storage.server.files.budget import Window
from klarity_storage.server.files.conditions import Answer, decide_answer
from klarity_storage.server.files.content import Content
from klarity_storage.server.files.describe import (
    ASK_AGAIN,
    FOREVER,
    GUARDED,
    content_disposition,
    repr_digest,
)
from klarity_storage.server.files.pieces import Pieces, Stage, digest_of
from klarity_storage.server.files.ranges import Span, parse_ranges
from klarity_storage.server.files.reader import Reader


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sent for a request of a file."""

    status: int
    headers: dict[str, str]
    length: int
    """Bytes of the body."""
    sections: tuple[bytes | Span, ...]
    """The body: bytes of the file, and what stands between them."""
    whole: bool
    """Whether it is the file from its first byte to its last, which can be verified."""


def plan_answer(
    content: Content, headers: Mapping[str, str], method: str, *, attachment: bool = False
) -> Plan:
    """Decide what is sent.

    Raises:
        RangeNotSatisfiableError: the range cannot be served; its ``size`` says how long it is.
        PreconditionFailedError: the caller wants another state of the file.
    """
    told = describe(content, attachment=attachment)
    answer = decide_answer(headers, method, content.etag)
    if answer is Answer.NOT_MODIFIED:
        kept = {name: told[name] for name in (*GUARDED, "ETag", "Cache-Control")}
        return Plan(304, kept, 0, (), whole=False)
    spans = None
    if answer is Answer.RANGES:
        spans = parse_ranges(headers["range"], content.size)
    if spans is None:
        length = {"Content-Length": str(content.size)}
        everything = (Span(0, content.size),) if content.size else ()
        return Plan(200, told | length, content.size, everything, whole=True)
    return _one(content, told, spans[0]) if len(spans) == 1 else _several(content, told, spans)


def describe(content: Content, *, attachment: bool = False) -> dict[str, str]:
    """The headers of a file that are the same for all of it and for parts."""
    told = GUARDED | {
        "Content-Type": content.media_type,
        "Content-Disposition": content_disposition(content.path, attachment=attachment),
        "ETag": content.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": FOREVER if content.lasting else ASK_AGAIN,
    }
    return told | ({"Repr-Digest": repr_digest(content.sha256)} if content.sha256 else {})


async def small_body(content: Content, plan: Plan) -> bytes:
    """All bytes that are planned, where they are few, verified where they are all of the file."""
    reader = Reader(content)
    whole = plan.whole and content.sha256 is not None
    data = b""
    for section in plan.sections:
        if isinstance(section, bytes):
            data += section
            continue
        parts = content.parts(section.start, section.end)
        data += await reader.take(replace(part, etag=None) if whole else part for part in parts)
    if whole and await digest_of(data) != content.sha256:
        raise content.damaged()
    return data


async def body(
    content: Content, plan: Plan, reader: Reader, window: Window, *, early: Stage
) -> Pieces:
    """The bytes that are planned, the file's own verified where they are all of it.

    Args:
        content: the file.
        plan: what of it.
        reader: of the file.
        window: what each piece is taken from, in order.
        early: `ahead`, or `in_turn` where many read.
    """
    for section in plan.sections:
        if isinstance(section, bytes):
            window.take(len(section))
            yield section
            continue
        parts = content.parts(section.start, section.end)
        if plan.whole and content.sha256:  # then it does not matter which state is read
            source = reader.read_whole(replace(part, etag=None) for part in parts)
        else:
            source = reader.read(parts)
        source = early(source)
        async with aclosing(source):
            async for piece in source:
                yield piece


def _one(content: Content, told: dict[str, str], span: Span) -> Plan:
    headers = told | {
        "Content-Range": span.told(content.size),
        "Content-Length": str(span.length),
    }
    return Plan(206, headers, span.length, (span,), whole=span.length == content.size)


def _several(content: Content, told: dict[str, str], spans: list[Span]) -> Plan:
    boundary = secrets.token_hex(16)
    sections: list[bytes | Span] = []
    for span in spans:
        head = (
            f"\r\n--{boundary}\r\nContent-Type: {content.media_type}\r\n"
            f"Content-Range: {span.told(content.size)}\r\n\r\n"
        )
        sections += [head.encode(), span]
    sections.append(f"\r\n--{boundary}--\r\n".encode())
    length = sum(part.length if isinstance(part, Span) else len(part) for part in sections)
    headers = told | {
        "Content-Type": f"multipart/byteranges; boundary={boundary}",
        "Content-Length": str(length),
    }
    return Plan(206, headers, length, tuple(sections), whole=False)
