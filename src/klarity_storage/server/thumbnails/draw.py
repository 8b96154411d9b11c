"""Draw a small picture of an image: what Pillow makes of bytes that may come from anybody.

It runs in a process of its own (`worker`); the server itself loads nothing of it.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
from contextlib import suppress
from typing import Final, cast

from PIL import Image, ImageCms, ImageOps, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from klarity_storage.errors import NotAnImageError, UnreadableImageError

FORMATS: Final = (
    "PNG",
    "JPEG",
    "GIF",
    "BMP",
    # imported, or Pillow loads all plugins that it has: some of them run other programs
    TiffImagePlugin.TiffImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
)

_QUALITY: Final = 85
_DEEP: Final = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
"""Modes of more than 8 bits."""


def draw(data: bytes, width: int, pixels: int) -> bytes:
    """The first picture of an image, as WebP that fits into a square; it is never enlarged.

    Masks and the like, which have a palette, one channel or transparency, are not altered by
    compression: their values mean something.

    Args:
        data: the image.
        width: of the square, in pixels.
        pixels: an image of more is refused before any is decoded.

    Raises:
        NotAnImageError: it is of no format that is read.
        UnreadableImageError: it is damaged, or too large.
    """
    Image.MAX_IMAGE_PIXELS = pixels  # what plugins look at on their way
    try:
        with (
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(io.BytesIO(data), formats=FORMATS) as image,
        ):
            if image.width * image.height > pixels:
                raise Image.DecompressionBombError
            return _drawn(image, width)
    except UnidentifiedImageError:
        raise NotAnImageError(
            "It is no image that thumbnails are drawn of.",
            hint="These are PNG, JPEG, WebP, GIF, TIFF and BMP.",
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableImageError(
            f"The image has more than {pixels:,} pixels.", hint="Push a smaller one beside it."
        ) from None


def _drawn(image: Image.Image, width: int) -> bytes:
    profile = image.info.get("icc_profile")
    sharp = image.format != "JPEG" and (
        image.mode not in {"RGB", "CMYK", "YCbCr", "LAB"} or "transparency" in image.info
    )
    small = _with_shades(image)
    small.thumbnail((width, width), Image.Resampling.LANCZOS, reducing_gap=3.0)
    with suppress(ValueError, TypeError, KeyError, SyntaxError, OSError, struct.error):
        small = ImageOps.exif_transpose(small)  # browsers show what has broken EXIF, too
    if small.mode in _DEEP:
        small = _eight_bits(small, own_range=image.format != "PNG")
    if small.mode != "L" and (profile or small.mode not in {"RGB", "RGBA"}):
        small = _in_srgb(small, profile)
    sink = io.BytesIO()
    # without what the image says of itself: where it was taken, for example
    small.save(
        sink, "WEBP", lossless=sharp, quality=_QUALITY, method=4, icc_profile=b"", exif=b"", xmp=b""
    )
    return sink.getvalue()


def _with_shades(image: Image.Image) -> Image.Image:
    """What can be made smaller by mixing neighbours: a palette's numbers cannot."""
    transparent = "transparency" in image.info
    match image.mode:
        case "P":
            return image.convert("RGBA" if transparent else "RGB")
        case "PA" | "LA" | "La" | "RGBa":
            return image.convert("RGBA")
        case "1":
            return image.convert("L")
        case "L" | "RGB" if transparent:
            return image.convert("RGBA")
        case _:
            return image


def _eight_bits(image: Image.Image, *, own_range: bool) -> Image.Image:
    """From black to white: as PNG defines it, and elsewhere from the darkest to the brightest."""
    values = image.convert("F")
    low, high = cast("tuple[float, float]", values.getextrema()) if own_range else (0.0, 65535.0)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("its values are no numbers")
    scale = 255.0 / (high - low) if high > low else 0.0
    return values.point(lambda value: value * scale - low * scale).convert("L")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """As a screen shows it; without a profile, or with a broken one, by rule of thumb."""
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile and image.mode in {"RGB", "RGBA", "CMYK", "LAB"}:
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            found = ImageCms.profileToProfile(image, source, srgb, outputMode=mode)
            if found is not None:
                return found
    return image.convert(mode)
