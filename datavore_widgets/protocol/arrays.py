"""Arrays in msgpack, in the encoding that msgpack-numpy clients write and read, without its dangers.

An array is a map with the byte-string keys `nd`, `type`, `kind`, `shape` and `data`. msgpack-numpy would run pickle for
`kind` = `O`; here nothing but plain numbers, times and fixed-length text is read, and every length is checked before
memory is taken.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgpack
import numpy as np

from datavore_widgets.errors import BadReply

__all__ = ["pack", "unpack"]

_TYPES = re.compile(
    r"[<>|=]?(?:b1|[iu][1248]|f[248]|[mM]8(?:\[\d{0,4}(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?|[SU][1-9]\d{0,3})"
)
_MOST_DIMENSIONS = 8
_DEEPEST = 8


def pack(value: Any) -> bytes:
    """Msgpack of lists, mappings with text keys, text, numbers, None and numpy arrays or scalars.

    Raises
    ------
    TypeError
        For anything else, such as an array of objects.
    """
    packed: bytes = msgpack.packb(value, default=_encode, use_bin_type=True)
    return packed


def _encode(value: Any) -> dict[bytes, Any]:
    if isinstance(value, np.ndarray | np.generic) and _TYPES.fullmatch(value.dtype.str):
        coded = {b"nd": isinstance(value, np.ndarray), b"type": value.dtype.str}
        if isinstance(value, np.ndarray):
            # `kind` is empty for plain types; `shape` is told even for no dimension.
            coded |= {b"kind": b"", b"shape": value.shape}
        return coded | {b"data": value.tobytes()}
    raise TypeError(f"cannot be written to msgpack: {type(value).__name__}")


def unpack(data: bytes) -> Any:
    """What msgpack bytes hold, arrays restored.

    Text may be written as text or, as old writers do, as bytes. Arrays are writable copies.

    Raises
    ------
    BadReply
        When the bytes are not exactly one msgpack value, or hold an array of another type or length than they say.
    """
    try:
        # raw: old writers do not tell text from bytes; `_decode` does, as it knows where bytes are meant.
        loaded = msgpack.unpackb(data, raw=True, use_list=True)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise BadReply(f"the reply is not one whole msgpack value ({type(error).__name__})") from error
    return _decode(loaded)


def _decode(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise BadReply(f"the msgpack reply nests deeper than {_DEEPEST} levels")
    if isinstance(value, dict):
        if b"nd" in value:
            return _array(value) if value[b"nd"] else _scalar(value)
        return {_text(key): _decode(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item, depth + 1) for item in value]
    if isinstance(value, bytes):
        return _text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise BadReply(f"the msgpack reply holds a {type(value).__name__}")


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        raise BadReply(f"a name in the msgpack reply is a {type(value).__name__}, not text")
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise BadReply("text in the msgpack reply is not UTF-8") from None


def _scalar(coded: dict[bytes, Any]) -> np.generic:
    array = _array(coded | {b"shape": [], b"kind": b""})
    scalar: np.generic = array.reshape(1)[0]
    return scalar


def _array(coded: dict[bytes, Any]) -> np.ndarray[Any, np.dtype[Any]]:
    spelled, shape, data = coded.get(b"type"), coded.get(b"shape"), coded.get(b"data")
    kind = coded.get(b"kind", b"")
    name = spelled.decode("ascii", "replace") if isinstance(spelled, bytes) else ""
    if kind not in (b"", None) or not _TYPES.fullmatch(name):
        raise BadReply(f"the reply holds an array of type {name or spelled!r}, which is not read")
    if (
        not isinstance(shape, list)
        or len(shape) > _MOST_DIMENSIONS
        or any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in shape)
    ):
        raise BadReply(f"the reply holds an array of the shape {shape!r}")
    dtype = np.dtype(name)
    if not isinstance(data, bytes) or math.prod(shape) * dtype.itemsize != len(data):
        length = len(data) if isinstance(data, bytes) else None
        raise BadReply(f"the reply holds {length} bytes for an array of {name} of the shape {tuple(shape)}")
    try:
        return np.ndarray(tuple(shape), dtype, buffer=data).copy()
    except (ValueError, MemoryError) as error:
        raise BadReply(f"the reply holds an array of the shape {tuple(shape)}") from error
