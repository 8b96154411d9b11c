"""Thumbnails look as the image does: their pixels are held against Pillow's own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from klarity_storage.errors import NotAnImageError, UnreadableImageError
from klarity_storage.server.thumbnails.draw import draw
from server.thumbnails.pictures import (
    bombs,
    decoded,
    encoded,
    gif,
    lies,
    photograph,
    strangers,
)

PIXELS = 50_000_000
LANCZOS = Image.Resampling.LANCZOS


def apart(one: Image.Image, other: Image.Image) -> tuple[int, float]:
    """How far the values of two pictures are apart: at most, and on average."""
    assert (one.size, one.mode) == (other.size, other.mode)
    difference = np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16))
    return int(difference.max()), float(difference.mean())


def drawn(data: bytes, width: int = 128) -> Image.Image:
    picture = decoded(draw(data, width, PIXELS))
    assert picture.format == "WEBP"
    return picture


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_photograph_of_every_format(kind: str) -> None:
    photo = photograph()
    data = encoded(photo.quantize() if kind == "GIF" else photo, kind)
    expected = decoded(data).convert("RGB").resize((128, 80), LANCZOS)
    most, mean = apart(drawn(data), expected)
    assert mean < 4, (most, mean)


@pytest.mark.parametrize(
    ("size", "width", "becomes"),
    [
        ((640, 400), 64, (64, 40)),
        ((400, 640), 64, (40, 64)),
        ((640, 640), 1024, (640, 640)),
        ((20, 10), 64, (20, 10)),
        ((9000, 1), 64, (64, 1)),
        ((1, 1), 64, (1, 1)),
    ],
)
def test_it_fits_and_is_never_enlarged(
    size: tuple[int, int], width: int, becomes: tuple[int, int]
) -> None:
    assert drawn(encoded(photograph(*size), "PNG"), width).size == becomes


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_it_stands_upright(orientation: int, kind: str) -> None:
    photo = photograph(320, 200)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo, kind, exif=exif)
    expected = ImageOps.exif_transpose(decoded(data)).convert("RGB")
    expected.thumbnail((64, 64), LANCZOS)
    _, mean = apart(drawn(data, 64), expected)
    assert mean < 4
    assert not decoded(draw(data, 64, PIXELS)).getexif()  # it is turned, and says no more of it


def test_nothing_else_that_an_image_says_of_itself_is_passed_on() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif.get_ifd(0x8825)[2] = (47.0, 22.0, 0.0)
    data = encoded(photograph(), "JPEG", exif=exif, comment=b"a secret")
    small = draw(data, 256, PIXELS)
    assert b"camera" not in small
    assert b"secret" not in small
    assert not {"exif", "xmp", "icc_profile", "comment"} & decoded(small).info.keys()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey(kind: str) -> None:
    """A PNG's white is 65535; a TIFF's is its brightest point."""
    values = np.tile(np.linspace(0, 4095, 512), (256, 1)).astype(np.uint16)
    data = encoded(Image.fromarray(values), kind)
    small = np.asarray(drawn(data).convert("L"), np.float64)
    expected = np.tile(np.linspace(0, 255 if kind == "TIFF" else 16, 128), (64, 1))
    assert small.shape == expected.shape
    assert np.abs(small - expected).max() < 4


def test_a_whole_range_of_sixteen_bits_is_what_browsers_show() -> None:
    values = np.tile(np.linspace(0, 65535, 512), (64, 1)).astype(np.uint16)
    small = np.asarray(drawn(encoded(Image.fromarray(values), "PNG"), 512).convert("L"), np.int16)
    assert np.abs(small[0] - (values[0] >> 8).astype(np.int16)).max() <= 1


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_numbers_that_are_no_colours(kind: type) -> None:
    values: Any = np.tile(np.linspace(-1000, 1000, 256), (64, 1)).astype(kind)
    small = np.asarray(drawn(encoded(Image.fromarray(values), "TIFF"), 256).convert("L"), np.int16)
    assert np.abs(small[0] - np.linspace(0, 255, 256)).max() <= 2
    assert (np.diff(small[0]) >= 0).all()


def test_one_grey_alone_and_values_that_are_none() -> None:
    same = Image.fromarray(np.full((64, 64), 7, np.uint16))
    assert drawn(encoded(same, "TIFF")).convert("L").getextrema() == (0, 0)
    none = Image.fromarray(np.full((64, 64), np.nan, np.float32))
    with pytest.raises((UnreadableImageError, ValueError), match="no numbers"):
        draw(encoded(none, "TIFF"), 64, PIXELS)


def test_a_mask_keeps_its_values() -> None:
    """Palettes are colours, not numbers to mix; and nothing is compressed away."""
    labels = np.kron(np.arange(4).reshape(2, 2), np.ones((32, 32))).astype(np.uint8)
    mask = Image.fromarray(labels)
    mask.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    assert mask.mode == "P"
    data = encoded(mask, "PNG")
    small = drawn(data, 64)
    assert apart(small, decoded(data).convert("RGB"))[0] == 0
    assert {colour for _, colour in small.getcolors() or []} == {
        (0, 0, 0),
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
    }


@pytest.mark.parametrize("how", ["RGBA", "LA", "palette", "colour", "grey colour"])
def test_what_one_sees_through(how: str) -> None:
    photo = photograph(256, 160).convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    match how:
        case "palette":
            flat = photograph(256, 160).quantize(16)
            data = encoded(flat, "PNG", transparency=3)
        case "colour":
            flat = Image.new("RGB", (256, 160), (9, 8, 7))
            flat.paste(photograph(100, 100), (20, 20))
            data = encoded(flat, "PNG", transparency=(9, 8, 7))
        case "grey colour":
            grey = Image.new("L", (256, 160), 9)
            grey.paste(photograph(100, 100).convert("L"), (20, 20))
            data = encoded(grey, "PNG", transparency=9)
        case _:
            data = encoded(photo.convert(how), "PNG")
    expected = decoded(data).convert("RGBA").resize((64, 40), LANCZOS, reducing_gap=3.0)
    small = drawn(data, 64)
    assert small.mode == "RGBA"
    assert apart(small.getchannel("A"), expected.getchannel("A"))[0] <= 1
    black = Image.new("RGBA", small.size, "black")
    seen = [Image.alpha_composite(black, each).convert("RGB") for each in (small, expected)]
    assert apart(*seen)[0] <= 2


def test_colours_of_print() -> None:
    photo = photograph().convert("CMYK")
    data = encoded(photo, "JPEG")
    expected = decoded(data).convert("RGB").resize((128, 80), LANCZOS)
    assert apart(drawn(data), expected)[1] < 4
    plain = encoded(photo, "TIFF")
    assert apart(drawn(plain), expected)[1] < 4


def test_a_profile_is_followed_and_a_broken_one_is_not() -> None:
    turned = Image.merge("RGB", photograph().split()[::-1])
    lab = encoded(photograph().convert("RGB"), "TIFF")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = encoded(turned, "PNG", icc_profile=profile)
    assert apart(drawn(same), drawn(encoded(turned, "PNG")))[1] < 2
    broken = encoded(turned, "PNG", icc_profile=profile[:200])
    assert apart(drawn(broken), drawn(encoded(turned, "PNG")))[1] == 0
    assert drawn(lab).mode == "RGB"


def test_black_and_white_and_grey() -> None:
    grey = photograph().convert("L")
    for image in (grey, grey.convert("1")):
        data = encoded(image, "PNG")
        expected = decoded(data).convert("L").resize((128, 80), LANCZOS, reducing_gap=3.0)
        assert apart(drawn(data).convert("L"), expected)[0] <= 1


def test_of_many_pictures_the_first_is_drawn() -> None:
    red, blue = (Image.new("RGB", (80, 50), colour) for colour in ("red", "blue"))
    for kind in ("GIF", "TIFF", "WEBP", "PNG"):
        data = encoded(red, kind, save_all=True, append_images=[blue] * 3)
        small = drawn(data, 64).convert("RGB")
        assert apart(small, Image.new("RGB", small.size, "red"))[0] < 8
    assert drawn(gif(100_000), 64).size == (64, 64)


@pytest.mark.parametrize("what", bombs())
def test_what_is_too_large_is_refused_before_it_is_decoded(what: str) -> None:
    with pytest.raises(UnreadableImageError, match="more than 50,000,000 pixels"):
        draw(bombs()[what], 256, PIXELS)


@pytest.mark.parametrize("what", strangers())
def test_what_is_no_image_is_not_one(what: str) -> None:
    with pytest.raises(NotAnImageError, match="no image"):
        draw(strangers()[what], 256, PIXELS)


def test_no_plugin_is_loaded_that_is_not_needed() -> None:
    """Some of Pillow's run other programs, and all are code that strangers' bytes would reach."""
    program = (
        "from klarity_storage.server.thumbnails.worker import answer; from PIL import Image\n"
        "for data in (b'%!PS-Adobe-3.0', b'II*\\0', b'nothing'):\n"
        "    assert answer(data, 64, 100)[0] == b'N', data\n"
        "print(*sorted(Image.OPEN))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"} <= loaded
    assert not {"EPS", "PDF", "WMF", "ICO", "PSD", "JPEG2000", "AVIF"} & loaded


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of what it finds in a TIFF
@pytest.mark.parametrize("what", lies())
def test_damage_never_makes_a_picture(what: str) -> None:
    from klarity_storage.server.thumbnails.worker import answer

    how, told = answer(lies()[what], 256, PIXELS)
    assert how in {b"N", b"U"}
    assert told.decode().partition("\n")[0].endswith(".")
