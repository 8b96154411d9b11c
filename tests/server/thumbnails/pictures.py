"""Images, whole and hostile, as bytes."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
from PIL import Image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def photograph(width: int = 640, height: int = 400) -> Image.Image:
    """Colours that change slowly, as in what a camera sees."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    channels = [x * 255, y * 255, 128 + 127 * np.sin(6 * x + 4 * y)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def png(width: int, height: int, *chunks: tuple[bytes, bytes], data: bytes = b"\0") -> bytes:
    """A PNG that says how large it is, and need not be."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def tiff(*entries: tuple[int, int, int, int], data: bytes = b"") -> bytes:
    """A TIFF of tags as they come: number, type, count, value."""
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    directory = struct.pack("<H", len(entries)) + table + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8) + directory + data


def webp(width: int, height: int) -> bytes:
    """A WebP whose canvas is said to be so large."""
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif(frames: int, width: int = 64, height: int = 64) -> bytes:
    """A GIF of many frames, each the same few bytes."""
    first = encoded(Image.new("P", (width, height), 1), "GIF")
    start = first.index(b",")
    return first[:start] + first[start:-1] * frames + b";"


@cache
def bombs() -> dict[str, bytes]:
    """What must not be decoded, by what it is."""
    huge = 50_000
    plain = [(262, 3, 1, 2), (277, 3, 1, 3), (258, 3, 1, 8), (259, 3, 1, 1), (273, 4, 1, 200)]
    return {
        "png": png(huge, huge),
        "webp": webp(16_000, 16_000),
        "gif": gif(1, 8, 8)[:6] + struct.pack("<HH", huge, huge) + gif(1, 8, 8)[10:],
        "bmp": b"BM"
        + struct.pack("<IHHIIiiHHIIIIII", 99, 0, 0, 54, 40, huge, huge, 1, 24, *[0] * 6),
        "tiff": tiff((256, 4, 1, huge), (257, 4, 1, huge), *plain, (279, 4, 1, 10)),
        "jpeg": _tall_jpeg(60_000, 60_000),
    }


@cache
def lies() -> dict[str, bytes]:
    """What is no image, or not the one that it says."""
    photo = encoded(photograph(), "PNG")
    jpeg = encoded(photograph(), "JPEG")
    text = zlib.compress(bytes(20 << 20))
    return {
        "cut png": photo[: len(photo) // 2],
        "cut jpeg": jpeg[: len(jpeg) // 2],
        "cut in the head": photo[:20],
        "png of nothing": png(600, 600),
        "png with another checksum": photo.replace(b"IDAT", b"IDAU", 1),
        "png with much text": png(8, 8, (b"zTXt", b"a\0\0" + text), data=bytes(8 * 25)),
        "png with a profile bomb": png(8, 8, (b"iCCP", b"a\0\0" + text), data=b"\1"),
        "tiff with lies": tiff(
            (256, 4, 1, 500), (257, 4, 1, 500), (258, 3, 3, 0xFFFFFFF0), (259, 3, 1, 5),
            (262, 3, 1, 2), (273, 4, 0x3FFFFFFF, 8), (277, 3, 1, 3), (279, 4, 0x3FFFFFFF, 8),
        ),
        "tiff that leads to itself": b"II*\0" + struct.pack("<IHHHIII", 8, 1, 330, 4, 1, 8, 8),
        "tiff without a size": tiff((262, 3, 1, 2)),
        "tiff cut": encoded(photograph(), "TIFF", compression="tiff_lzw")[:3000],
        "webp cut": encoded(photograph(), "WEBP")[:500],
        "gif cut": encoded(photograph().quantize(), "GIF")[:900],
        "gif without a frame": b"GIF89a\x10\0\x10\0\0\0\0;",
    }  # fmt: skip


@cache
def strangers() -> dict[str, bytes]:
    """What is of no format that is read, some of which Pillow would read with other programs."""
    photo = photograph(64, 64)
    return {
        "text": b"hello",
        "nothing but a byte": b"\x89",
        "eps": encoded(photo, "EPS"),
        "postscript": b"%!PS-Adobe-3.0\n(%pipe%touch /tmp/owned) (w) file\n",
        "pdf": encoded(photo, "PDF"),
        "ico": encoded(photo, "ICO"),
        "ppm": encoded(photo, "PPM"),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "html": b"<!doctype html><script>alert(1)</script>",
    }


def _tall_jpeg(width: int, height: int) -> bytes:
    data = bytearray(encoded(photograph(64, 64), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)
