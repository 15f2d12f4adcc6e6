from __future__ import annotations

import io
import struct
import threading
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from datavore_widgets.protocol import png
from datavore_widgets.protocol.colormap import palette


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def chunks(data: bytes):
    place = 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        name, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        yield name, body, struct.unpack_from(">I", data, place + 8 + length)[0]
        place += 12 + length


@settings(derandomize=True, deadline=None, max_examples=60)
@given(height=st.integers(1, 70), width=st.integers(1, 70), levels=st.integers(1, 255), seed=st.integers(0, 99))
def test_a_picture_comes_back_bit_for_bit(height, width, levels, seed):
    indices = np.random.default_rng(seed).integers(0, levels + 1, (height, width)).astype(np.uint8)
    colors = palette("jet", levels)
    image = decoded(png.encode(indices, colors))
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), indices)
    np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), colors[indices])


def test_the_parts_are_those_of_the_standard_and_their_check_sums_are_right():
    data = png.encode(np.full((3, 5), 7, dtype=np.uint8), palette("viridis"))
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    parts = list(chunks(data))
    assert [name for name, _, _ in parts] == [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"]
    for name, body, check in parts:
        assert zlib.crc32(name + body) == check
    header, colors, opacity = (parts[i][1] for i in range(3))
    assert struct.unpack(">IIBBBBB", header) == (5, 3, 8, 3, 0, 0, 0)
    assert colors == palette("viridis")[:, :3].tobytes()
    assert opacity == b"\0"


def test_only_missing_is_transparent():
    image = decoded(png.encode(np.array([[0, 1, 255]], dtype=np.uint8), palette("gray"))).convert("RGBA")
    assert [image.getpixel((x, 0)) for x in range(3)] == [(0, 0, 0, 0), (0, 0, 0, 255), (255, 255, 255, 255)]


def test_the_same_picture_is_the_same_bytes_in_every_thread():
    indices = np.random.default_rng(3).integers(0, 256, (300, 400)).astype(np.uint8)
    expected = png.encode(indices, palette("thermal"))
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(png.encode(indices, palette("thermal")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8


def test_a_smooth_field_is_small():
    y, x = np.mgrid[0:512, 0:512]
    smooth = (128 + 100 * np.sin(x / 80) * np.cos(y / 60)).astype(np.uint8)
    assert len(png.encode(smooth, palette("viridis"))) < 60_000


def test_zlib_stands_in_for_isal(monkeypatch: pytest.MonkeyPatch):
    indices = np.random.default_rng(4).integers(0, 9, (40, 50)).astype(np.uint8)
    monkeypatch.setattr(png, "deflate", zlib)
    np.testing.assert_array_equal(np.asarray(decoded(png.encode(indices, palette("viridis")))), indices)
