"""Whether a picture is whole, told without decoding it."""

from __future__ import annotations

import struct
import zlib

from datavore_widgets.errors import BadReply

__all__ = ["MOST_PIXELS", "check_png"]

MOST_PIXELS = 4096 * 4096
"""More are refused: a picture of 10 kB may ask for gigabytes when it is decoded."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


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
