"""How values are kept in the store: nothing is lost.

Packed integers of one or two bytes stay as they are, but that all that is missing becomes the lowest integer, and
the others step aside for it. Floats that are whole multiples of a simple fraction become such integers too, where
decoding gives back the same bits. Everything else is kept as the floats it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.protocol.masks import is_masked
from datavore_widgets.service.decode import Packing

__all__ = ["Coded", "Codes", "Unfit", "candidates"]

_DIVISORS = (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 50, 64, 100, 128, 200, 250, 256, 500, 512, 1000, 1024, 2000, 10_000)
_EXACT = 2**53
"""Whole numbers up to here are float64 without loss."""

_BAND = 1 << 16
"""Numbers that are decoded at a time."""


class Unfit(Exception):
    """These codes cannot say all of the values."""


@dataclass(frozen=True)
class Codes:
    """How values of one segment are written as codes.

    Integer codes are decoded in the order of operations of `Packing.decode`, so to the same bits:
    value = (code - shift) · scale + offset, or (code - shift) / divisor.

    Parameters
    ----------
    dtype : dtype
        Of the codes: `int8`, `int16`, `float32` or `float64`.
    value : dtype
        Of the values.
    gaps : bool
        Whether values may be missing: NaN, or the lowest integer.
    shift : int
        Added to the stored integers, modulo their width.
    scale, offset : numpy scalar, optional
        As in the files.
    divisor : int, optional
        Of floats that are kept as integers.
    """

    dtype: np.dtype[Any]
    value: np.dtype[Any]
    gaps: bool
    shift: int = 0
    scale: Any = None
    offset: Any = None
    divisor: int | None = None

    @cached_property
    def is_whole(self) -> bool:
        """Whether the codes are integers, whose sums are exact."""
        return self.dtype.kind == "i"

    @cached_property
    def missing(self) -> int:
        """The integer that means "missing"."""
        return int(np.iinfo(self.dtype).min)

    @cached_property
    def lowest(self) -> Any:
        """What no code lies below: the maximum of nothing."""
        return self.dtype.type(np.iinfo(self.dtype).min if self.is_whole else -np.inf)

    @cached_property
    def highest(self) -> Any:
        """What no code lies above: the minimum of nothing."""
        return self.dtype.type(np.iinfo(self.dtype).max if self.is_whole else np.inf)

    @cached_property
    def slope(self) -> float:
        """Difference of two values whose codes are neighbours."""
        if self.divisor is not None:
            return 1.0 / self.divisor
        return float(self.scale) if self.is_whole and self.scale is not None else 1.0

    @cached_property
    def table(self) -> NDArray[np.float64]:
        """The value of each integer code, by the code without its sign, as `decode` gives it."""
        unsigned = np.dtype(f"u{self.dtype.itemsize}")
        every = np.arange(2 ** (8 * self.dtype.itemsize), dtype=unsigned).view(self.dtype)
        return np.ma.getdata(self.decode(every)).astype(np.float64)

    def level(self, code: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values of codes, whole ones or not, in float64."""
        # Each step is a pass over as many numbers as a picture has pixels: none that changes nothing.
        code = code - self.shift if self.shift else code
        if self.divisor is not None:
            return code / self.divisor
        start = float(self.offset) if self.is_whole and self.offset is not None else 0.0
        code = code * self.slope if self.slope != 1.0 else code
        return code + start if start else code

    @property
    def line(self) -> tuple[int, float, float, float]:
        """What takes integer codes to values, for the compiled loops: as in `level`, (code - shift) / a · b + c."""
        start = 0.0 if self.divisor is not None or self.offset is None else float(self.offset)
        return self.shift, float(self.divisor or 1), 1.0 if self.divisor is not None else self.slope, start

    def how(self, origin: float) -> tuple[float | None, bool, Any, Any]:
        """What the compiled loops have to know; `origin` is taken off floats before they are summed."""
        return None if self.is_whole else origin, self.gaps, self.lowest, self.highest

    # --- writing ----------------------------------------------------------------------------------------------------

    def encode(self, raw: NDArray[Any], packing: Packing) -> NDArray[Any]:
        """The codes of stored values.

        Raises
        ------
        Unfit
            When they cannot be said in these codes, or are not finite.
        """
        if not self.is_whole:
            return self._floats(raw, packing)
        if self.divisor is not None:
            return self._fractions(packing.decode(raw))
        if _kept(packing) != self:
            raise Unfit
        data = _native(raw, packing)
        unsigned = np.dtype(f"u{data.dtype.itemsize}")
        turned = self.shift % 2 ** (8 * unsigned.itemsize)
        codes = (data.view(unsigned) + unsigned.type(turned) if turned else data).view(self.dtype)
        if not self.gaps or self._falls_into_place(packing):
            return np.asarray(codes)
        missing = packing.missing(data)
        if ((codes == self.missing) & ~missing).any():
            raise Unfit
        return np.where(missing, self.dtype.type(self.missing), codes)

    def _falls_into_place(self, packing: Packing) -> bool:
        """Whether the shift alone makes all that is missing the lowest integer, and nothing else."""
        if packing.minimum is not None or packing.maximum is not None:
            return False
        width = 2 ** (8 * self.dtype.itemsize)
        return all((int(fill) + self.shift - self.missing) % width == 0 for fill in packing.fills)

    def _floats(self, raw: NDArray[Any], packing: Packing) -> NDArray[Any]:
        values = packing.decode(raw)
        data = np.ma.getdata(values)
        if data.dtype.kind in "iu" and data.dtype.itemsize == 8 and data.size and np.abs(data).max() > _EXACT:
            raise Unfit
        codes = data.astype(self.dtype)
        if np.isinf(codes).any():
            raise Unfit
        if is_masked(values):
            codes[np.ma.getmaskarray(values)] = np.nan
        return codes

    def _fractions(self, values: NDArray[Any]) -> NDArray[Any]:
        missing = np.isnan(values)
        with np.errstate(invalid="ignore", over="ignore"):
            wide = np.rint(values.astype(np.float64) * (self.divisor or 1)) + self.shift
            wide[missing] = self.missing
            inside = (wide >= self.missing + 1) & (wide <= np.iinfo(self.dtype).max)
            if not (inside | missing).all():
                raise Unfit
            codes = wide.astype(self.dtype)
        if not (missing | (self.decode(codes) == values)).all():
            raise Unfit
        return codes

    # --- reading ----------------------------------------------------------------------------------------------------

    def decode(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Values, as `Packing.decode` gives them: floats with NaN, or integers with a mask where any may miss.

        Codes that are their own values are given back themselves.
        """
        if not self.is_whole:
            if self.value.kind == "f":
                return codes.astype(self.value, copy=False)
            return self._masked(codes, np.isnan(codes))
        if self.value.kind != "f":
            values = (codes.astype(np.int32) - self.shift).astype(self.value)
            return np.ma.MaskedArray(values, mask=codes == self.missing) if self.gaps else values
        values = np.empty(codes.shape, self.value)
        # Bands stay in the processor's cache, and only the result needs memory that the system has to find.
        band = max(_BAND * len(codes) // max(codes.size, 1), 1)
        for first in range(0, len(codes), band):
            values[first : first + band] = self._floating(codes[first : first + band])
        return values

    def _floating(self, codes: NDArray[Any]) -> NDArray[Any]:
        whole = codes.astype(np.int32)
        if self.shift:
            whole -= self.shift
        if self.divisor is not None:
            values = (whole / self.divisor).astype(self.value)
        else:
            values = whole.astype(self.value)
            if self.scale is not None:
                values *= self.scale
            if self.offset is not None:
                values += self.offset
        if self.gaps:
            np.copyto(values, np.nan, where=codes == self.missing)
        return values

    def _masked(self, codes: NDArray[Any], missing: NDArray[np.bool_]) -> NDArray[Any]:
        values = np.where(missing, 0, codes).astype(self.value)
        return np.ma.MaskedArray(values, mask=missing) if self.gaps else values

    # --- in the footer of a segment ---------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """As JSON: every number comes back to the same bits."""
        return {
            "dtype": self.dtype.str,
            "value": self.value.str,
            "gaps": self.gaps,
            "shift": self.shift,
            "scale": _told(self.scale),
            "offset": _told(self.offset),
            "divisor": self.divisor,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(
            np.dtype(told["dtype"]),
            np.dtype(told["value"]),
            told["gaps"],
            told["shift"],
            _scalar(told["scale"]),
            _scalar(told["offset"]),
            told["divisor"],
        )


@dataclass(frozen=True, eq=False)
class Coded:
    """Some values as the codes that they are kept in, not to be written to: a picture can do without the values.

    Parameters
    ----------
    codes : ndarray
        Of any shape.
    meaning : Codes
        How they are read.
    dtype : dtype
        What the values become after that.
    offset : float
        Added to the values.
    """

    codes: NDArray[Any]
    meaning: Codes
    dtype: np.dtype[Any]
    offset: float = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the values."""
        return self.codes.shape

    @property
    def size(self) -> int:
        """Number of values."""
        return self.codes.size

    @property
    def nbytes(self) -> int:
        """Bytes of the codes."""
        return self.codes.nbytes

    def __getitem__(self, item: Any) -> Coded:
        return replace(self, codes=self.codes[item])

    def plus(self, offset: float) -> Coded:
        """The same values with an offset added."""
        return replace(self, offset=self.offset + offset)

    @property
    def missing(self) -> int | None:
        """The code that means "missing"; None where nothing is."""
        return self.meaning.missing if self.meaning.gaps else None

    def values(self) -> NDArray[Any]:
        """The values, as `Codes.decode` gives them."""
        values = self.meaning.decode(self.codes).astype(self.dtype, copy=False)
        return values + self.offset if self.offset else values

    def table(self) -> NDArray[Any]:
        """The values of all codes there can be, by the code without its sign; for codes of one or two bytes."""
        unsigned = np.dtype(f"u{self.codes.dtype.itemsize}")
        every = np.arange(2 ** (8 * unsigned.itemsize), dtype=unsigned).view(self.codes.dtype)
        return replace(self, codes=every).values()

    def level(self, code: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """The values of means of codes, NaN for NaN, in the type that colours are told by."""
        kind = self.dtype if self.dtype.kind == "f" else np.dtype(np.float64 if self.offset else np.float32)
        values = self.meaning.level(code.astype(np.float64, copy=False))
        return (values + self.offset if self.offset else values).astype(kind, copy=False)


def candidates(packing: Packing, raw: NDArray[Any]) -> list[Codes]:
    """Codes to be tried for the values of a segment, the smallest first.

    Parameters
    ----------
    raw : ndarray
        Some of the stored values, of which the first guess is made.
    """
    found = []
    kept = _kept(packing)
    if kept is not None:
        found.append(kept)
    elif packing.dtype.kind == "f":
        found += [codes for codes in [_simple(packing.decode(raw), packing.dtype)] if codes is not None]
    code = packing.dtype if packing.dtype in (np.dtype("f4"), np.dtype("f8")) else np.dtype("f8")
    # A float is always free to be NaN; only integers tell.
    found.append(Codes(code, packing.dtype, packing.dtype.kind == "f" or packing.can_miss))
    return found


def _kept(packing: Packing) -> Codes | None:
    """The codes of integers of one or two bytes, which stay as they are; None for others."""
    stored = packing.stored
    if stored.kind not in "iub" or stored.itemsize > 2:
        return None
    limits = np.iinfo(stored if stored.kind != "b" else np.uint8)
    shift = -(int(limits.max) + 1) // 2 if limits.min == 0 else 0
    if any(fill == limits.max for fill in packing.fills):
        # One up, and the highest becomes the lowest, which is the one that means "missing".
        shift += 1
    return Codes(np.dtype(f"i{stored.itemsize}"), packing.dtype, packing.can_miss, shift, packing.scale, packing.offset)


def _simple(values: NDArray[Any], dtype: np.dtype[Any]) -> Codes | None:
    """Two-byte codes of floats that are multiples of a simple fraction; None where a sample of them is not."""
    flat = values.reshape(-1)
    some = flat[:: max(1, flat.size // 65_536)]
    some = some[~np.isnan(some)].astype(np.float64)
    if not some.size or not np.isfinite(some).all():
        return None
    low, high = float(some.min()), float(some.max())
    for divisor in _DIVISORS:
        if (high - low) * divisor > 65_000:
            return None
        shift = -round((low + high) / 2 * divisor) if max(-low, high) * divisor > 32_000 else 0
        if abs(shift) < 2**30 and np.array_equal((np.rint(some * divisor) / divisor).astype(dtype), some.astype(dtype)):
            return Codes(np.dtype("i2"), dtype, True, shift, divisor=divisor)
    return None


def _native(raw: NDArray[Any], packing: Packing) -> NDArray[Any]:
    """Stored values in the machine's byte order, with the sign that they are meant to have."""
    data = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    return data.view(np.uint8 if data.dtype.kind == "b" else packing.stored)


def _told(scalar: Any) -> tuple[str, float | int] | None:
    return None if scalar is None else (scalar.dtype.str, scalar.item())


def _scalar(told: Any) -> Any:
    return None if told is None else np.dtype(told[0]).type(told[1])
