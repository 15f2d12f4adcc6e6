"""Pictures of at most 256 colours as PNG, quickly.

The palette is ordered by value, so that neighbouring pixels have neighbouring numbers: rows filtered by "Up" are
then mostly small numbers and zeros, and the fastest deflate does well on them.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

try:
    from isal import isal_zlib as deflate
except ImportError:  # no wheel for this machine: zlib makes equally good pictures, four times slower
    import zlib as deflate  # type: ignore[no-redef]

__all__ = ["encode"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UP = 2
_FASTEST = 1


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


def _chunk(name: bytes, data: bytes) -> bytes:
    return b"".join(
        (struct.pack(">I", len(data)), name, data, struct.pack(">I", deflate.crc32(data, deflate.crc32(name))))
    )
