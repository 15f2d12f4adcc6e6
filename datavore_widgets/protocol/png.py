"""Pictures of at most 256 colours as PNG, quickly; and whether a PNG is whole, told without decoding it.

The palette is ordered by value, so that neighbouring pixels have neighbouring numbers: rows filtered by "Up" are
then mostly small numbers and zeros, and the fastest deflate does well on them.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import BadReply

try:
    from isal import isal_zlib as deflate
except ImportError:  # no wheel for this machine: zlib makes equally good pictures, four times slower
    import zlib as deflate  # type: ignore[no-redef]

__all__ = ["MOST_PIXELS", "check_png", "encode", "with_texts"]

MOST_PIXELS = 4096 * 4096
"""More are refused: a picture of 10 kB may ask for gigabytes when it is decoded."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UP = 2
_FASTEST = 1


def check_png(data: bytes) -> tuple[int, int]:
    """Walk through a PNG: signature, header, every chunk's check sum, and its end (PNG specification, section 5).

    Returns
    -------
    (width, height)
        In pixels.

    Raises
    ------
    BadReply
        When it is no PNG, is cut short or damaged, or has more pixels than `MOST_PIXELS`.
    """
    if not data.startswith(_SIGNATURE):
        raise BadReply("the picture is no PNG")
    at = len(_SIGNATURE)
    kinds: list[bytes] = []
    while not kinds or kinds[-1] != b"IEND":
        if len(data) < at + 12:
            raise BadReply("the picture is cut short")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if len(data) < end:
            raise BadReply("the picture is cut short")
        if zlib.crc32(data[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise BadReply("the picture is damaged: the check sum of a part is wrong")
        kinds.append(kind)
        at = end
    if at != len(data) or kinds[0] != b"IHDR" or b"IDAT" not in kinds:
        raise BadReply("the picture is damaged: its parts are not those of a PNG")
    width, height = struct.unpack_from(">II", data, 16)
    if not 0 < width * height <= MOST_PIXELS:
        raise BadReply(f"the picture has {width} by {height} pixels; at most {MOST_PIXELS} are shown")
    return width, height


def encode(indices: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    """A PNG with a palette (colour type 3, eight bits), the same bytes for the same picture.

    Parameters
    ----------
    indices : ndarray of uint8, shape (height, width)
        Places in the palette, from the top row to the bottom one.
    palette : ndarray of uint8, shape (n, 4)
        Red, green, blue and opacity of up to 256 colours, the transparent ones first.

    Notes
    -----
    The interpreter's lock is released while deflating.
    PNG (third edition), https://www.w3.org/TR/png-3/: filter type 2 is Up, x − b modulo 256.
    """
    height, width = indices.shape
    rows = np.empty((height, width + 1), dtype=np.uint8)
    rows[:, 0] = _UP
    rows[0, 1:] = indices[0]
    np.subtract(indices[1:], indices[:-1], out=rows[1:, 1:])
    opacity = palette[: np.count_nonzero(palette[:, 3] < 255), 3]
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", palette[:, :3].tobytes()),
            _chunk(b"tRNS", opacity.tobytes()),
            _chunk(b"IDAT", deflate.compress(rows, _FASTEST)),
            _chunk(b"IEND", b""),
        )
    )


def with_texts(png: bytes, texts: Mapping[str, str]) -> bytes:
    """A picture that carries texts, in UTF-8 (chunks `iTXt`; PNG specification, section 11.3.3.4).

    Parameters
    ----------
    png : bytes
        A whole picture.
    texts : mapping of str to str
        By keywords of 1 to 79 letters of Latin-1.
    """
    end = len(png) - len(_chunk(b"IEND", b""))
    chunks = (
        _chunk(b"iTXt", name.encode("latin-1", "replace")[:79] + b"\0\0\0\0\0" + text.encode())
        for name, text in texts.items()
    )
    return png[:end] + b"".join(chunks) + png[end:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return b"".join(
        (struct.pack(">I", len(data)), name, data, struct.pack(">I", deflate.crc32(data, deflate.crc32(name))))
    )
