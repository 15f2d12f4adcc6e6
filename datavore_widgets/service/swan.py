"""Spectra of the wave model SWAN, which it writes as text, as variables with CF's names.

The form is that of SWAN's user manual, appendix "Spectrum files, input and output": a header of words, each with its
count and values on the lines below, then for each time and place a table of whole numbers with its factor.

- `VaDens` is a variance density in m²/Hz/degr.
- Directions of `NDIR` are where waves come *from*, clockwise from north; those of `CDIR` are where they go *to*,
  anticlockwise from east (the manual, "Units and coordinate systems").

What the form allows and cannot be put on a map or compared is refused: places in metres, spectra without directions or
without times.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from datavore_widgets.errors import Unreadable

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["VARIABLE", "is_swan", "read_swan"]

VARIABLE = "VaDens"
"""The name that SWAN gives to its densities."""

_FIRST = re.compile(rb"SWAN\s+\d")
_MOST_BYTES = 2**28
_MOST_VALUES = 2**26
_LONGEST_LINE = 2**20
_EPOCH = dt.datetime(1970, 1, 1)


def is_swan(head: bytes) -> bool:
    """Whether a file that begins so holds spectra of SWAN: the word and the version of the form are its first line.

    Examples
    --------
    >>> is_swan(b"SWAN   1      Swan standard spectral file, version")
    True
    """
    return _FIRST.match(head) is not None


def read_swan(path: Path) -> dict[str, xr.Variable]:
    """The spectra of a file over time, station, frequency and direction.

    Raises
    ------
    Unreadable
        When it is damaged, too large, or holds what is not read.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise Unreadable(f"{str(path)!r} has more than {_MOST_BYTES // 2**20} MB of text, which is not read")
    with path.open(encoding="latin-1") as file:
        return _Reading(str(path), file).variables()


class _Reading:
    """One pass over the lines of a file."""

    def __init__(self, name: str, lines: Iterable[str]) -> None:
        self._name = name
        self._lines = self._meant(lines)
        self._number = 0

    def _meant(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines that are no comments."""
        for number, line in enumerate(lines, start=1):
            self._number = number
            if len(line) > _LONGEST_LINE:
                self._fail("is too long")
            if not line.endswith("\n"):  # of a number that was cut off, what is left is a number too
                self._fail("was cut short; fetch the file again")
            if line.strip() and not line.startswith("$"):
                yield line

    def _fail(self, what: str) -> NoReturn:
        raise Unreadable(f"line {self._number} of {self._name!r}, a file of SWAN's spectra, {what}")

    def _refuse(self, what: str) -> NoReturn:
        raise Unreadable(f"{self._name!r} holds spectra of SWAN {what}")

    def _line(self) -> str:
        line = next(self._lines, None)
        if line is None:
            raise Unreadable(f"{self._name!r}, a file of SWAN's spectra, ends early, after line {self._number}")
        return line

    def _word(self) -> str:
        """The first word of the next line; what follows it is a remark."""
        return self._line().split()[0]

    def _count(self, most: int = _MOST_VALUES) -> int:
        word = self._word()
        if not (word.isascii() and word.isdigit() and len(word) < 10 and 1 <= int(word) <= most):
            self._fail(f"should be a count up to {most:,}, not {word[:20]!r}")
        return int(word)

    def _numbers(self, words: list[str]) -> NDArray[np.float64]:
        try:
            numbers = np.array(words, dtype=np.float64)
        except ValueError:
            self._fail("should hold numbers alone")
        if not np.isfinite(numbers).all():
            self._fail("holds numbers that are not finite")
        return numbers

    def _column(self, width: int = 1) -> NDArray[np.float64]:
        """As many lines of numbers as the count above them says, shape (n, width)."""
        rows = []
        for _ in range(self._count()):
            words = self._line().split()[:width]
            if len(words) < width:
                self._fail(f"should hold {width} numbers")
            rows.append(self._numbers(words))
        return np.array(rows)

    # --- the header -------------------------------------------------------------------------------------------------

    def variables(self) -> dict[str, xr.Variable]:
        import xarray as xr

        if self._word() != "SWAN":
            self._fail("should begin with the word SWAN")
        word = self._word()
        if word != "TIME":
            self._refuse("without times, which are not read")
        if (coding := self._count()) != 1:
            self._refuse(f"with times in the coding {coding}, which is not read; have SWAN write coding 1 (ISO)")
        word = self._word()
        if word != "LONLAT":
            self._refuse("at places in metres, which are not read; have SWAN work in spherical coordinates")
        places = self._column(2)
        word = self._word()
        if word not in ("AFREQ", "RFREQ"):
            self._fail(f"should be AFREQ or RFREQ, not {word[:20]!r}")
        f = self._column()[:, 0]
        if f.size < 2 or f[0] <= 0 or (np.diff(f) <= 0).any():
            self._refuse("whose frequencies do not ascend")
        word = self._word()
        if word not in ("NDIR", "CDIR"):
            self._refuse("without directions, which are not read")
        theta, is_nautical = self._column()[:, 0], word == "NDIR"
        missing = self._quantity()
        cells = (places.shape[0], f.size, theta.size)
        times, tables = [], []
        for line in self._lines:
            times.append(self._time(line))
            if (len(times) * np.prod(cells, dtype=np.float64)) > _MOST_VALUES:
                self._refuse(f"of more than {_MOST_VALUES:,} values, which are not read")
            tables.append(np.stack([self._table(cells[1:], missing) for _ in range(cells[0])]))
        if not times:
            self._refuse("at no time at all")
        if not is_nautical:
            theta = 90.0 - theta
        return {
            "time": xr.Variable("time", times, {"standard_name": "time", "units": "seconds since 1970-01-01"}),
            "longitude": xr.Variable("station", places[:, 0], _about("longitude", "degrees_east")),
            "latitude": xr.Variable("station", places[:, 1], _about("latitude", "degrees_north")),
            "frequency": xr.Variable("frequency", f, _about("sea_surface_wave_frequency", "s-1")),
            "direction": xr.Variable(
                "direction",
                np.mod(theta, 360.0),
                _about(f"sea_surface_wave_{'from' if is_nautical else 'to'}_direction", "degree"),
            ),
            VARIABLE: xr.Variable(
                ("time", "station", "frequency", "direction"),
                np.stack(tables),
                {
                    **_about("sea_surface_wave_directional_variance_spectral_density", "m2 Hz-1 degree-1"),
                    "long_name": "variance density of waves",
                },
            ),
        }

    def _quantity(self) -> float:
        """The number that stands for a missing density."""
        if (word := self._word()) != "QUANT":
            self._fail(f"should be QUANT, not {word[:20]!r}")
        if (count := self._count(1000)) != 1:
            self._refuse(f"with {count} quantities, which are not read")
        name, units = self._word(), self._word()
        if name != VARIABLE or units.lower() != "m2/hz/degr":
            self._refuse(f"as {name[:20]} in {units[:20]}, which is not read; have SWAN write VaDens in m2/Hz/degr")
        return float(self._numbers([self._word()])[0])

    # --- the tables -------------------------------------------------------------------------------------------------

    def _time(self, line: str) -> float:
        """Seconds since 1970, UTC."""
        word = line.split()[0]
        try:
            return (dt.datetime.strptime(word, "%Y%m%d.%H%M%S") - _EPOCH).total_seconds()
        except ValueError:
            self._fail(f"should be a time such as 20161011.000000, not {word[:20]!r}")

    def _table(self, shape: tuple[int, ...], missing: float) -> NDArray[np.float32]:
        """One spectrum, shape (nf, nd); NaN where there is none."""
        word = self._word()
        if word == "ZERO":
            return np.zeros(shape, np.float32)
        if word == "NODATA":
            return np.full(shape, np.nan, np.float32)
        if word != "FACTOR":
            self._fail(f"should be FACTOR, ZERO or NODATA, not {word[:20]!r}")
        factor = self._numbers([self._word()])[0]
        size = shape[0] * shape[1]
        rows: list[NDArray[np.float64]] = []
        held = 0
        while held < size:
            rows.append(self._numbers(self._line().split()))
            held += rows[-1].size
        if held > size:
            self._fail(f"holds more than the {size} values of a spectrum")
        values = np.concatenate(rows)
        return np.where(values == missing, np.nan, values * factor).reshape(shape).astype(np.float32)


def _about(standard_name: str, units: str) -> dict[str, Any]:
    return {"standard_name": standard_name, "units": units}
