"""Colour tables and the scales that lead from a value to a colour.

The renderer, the colour bar and the swatches all take their colours from here, so what the bar says is what the
pixels show. Tables come from the `cmap` package. Importing it and forgetting it at the end takes longer than drawing a
picture, so each table that was asked for once is kept in the user's cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datavore_widgets.errors import InvalidValue, did_you_mean
from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.masks import is_masked
from datavore_widgets.protocol.user_cache import user_cache

__all__ = [
    "DEFAULT",
    "GROUPS",
    "LEVELS",
    "Categories",
    "LogNorm",
    "Norm",
    "as_floating",
    "check_name",
    "colormap",
    "default_cmap",
    "names",
    "palette",
    "scale",
]

UInt8Array = NDArray[np.uint8]

LEVELS = 255
"""Colours of a continuous scale: what eight bits hold beside the one for missing."""

DEFAULT = "viridis"
"""Taken where nothing is known of a variable."""

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sequential": (
            *("viridis", "plasma", "inferno", "magma", "cividis"),
            *("thermal", "haline", "solar", "ice", "gray", "oxy", "deep", "dense", "algae", "matter", "turbid"),
            *("speed", "amp", "tempo", "rain"),
            *("Blues", "Greens", "Greys", "Oranges", "Purples", "Reds"),
            *("BuGn", "BuPu", "GnBu", "OrRd", "PuBu", "PuBuGn", "PuRd", "RdPu", "YlGn", "YlGnBu", "YlOrBr", "YlOrRd"),
            *("bone", "pink", "copper", "hot", "afmhot", "autumn", "cool", "spring", "summer", "winter"),
        ),
        "diverging": (
            *("balance", "delta", "curl", "diff", "tarn", "topo"),
            *("bwr", "seismic", "coolwarm", "RdBu", "RdYlBu", "RdYlGn", "RdGy", "BrBG", "PiYG", "PRGn", "PuOr"),
            "Spectral",
        ),
        "cyclic": ("phase", "twilight", "twilight_shifted", "hsv"),
        "rainbow": ("turbo", "jet", "s3pcpn", "rainbow", "nipy_spectral", "terrain", "ocean", "cubehelix"),
        "qualitative": ("tab10", "tab20", "Set1", "Set2", "Set3", "Paired", "Dark2", "Accent"),
    }
)
"""Names for a picker, by what they are good for; each has a reversed twin with `_r`."""

# Spelled out, since several collections share names such as "ocean".
_COLLECTIONS = {
    "bids": "viridis plasma inferno magma",
    "cividis": "cividis",
    "cmocean": "thermal haline solar ice oxy deep dense algae matter turbid speed amp tempo rain "
    "balance delta curl diff tarn topo phase",
    "matlab": "gray bone pink copper hot autumn cool spring summer winter hsv jet",
    "colorbrewer": "Blues Greens Greys Oranges Purples Reds BuGn BuPu GnBu OrRd PuBu PuBuGn PuRd RdPu YlGn YlGnBu "
    "YlOrBr YlOrRd RdBu RdYlBu RdYlGn RdGy BrBG PiYG PRGn PuOr Spectral Set1 Set2 Set3 Paired Dark2 Accent",
    "gnuplot": "afmhot rainbow ocean",
    "matplotlib": "bwr seismic coolwarm twilight twilight_shifted nipy_spectral terrain",
    "google": "turbo",
    "cubehelix": "cubehelix",
    "tableau": "tab10 tab20",
}
_QUALIFIED = {name: f"{space}:{name}" for space, listed in _COLLECTIONS.items() for name in listed.split()}

_PLAIN = tuple(name for group in GROUPS.values() for name in group)
_KNOWN = frozenset(_PLAIN) | frozenset(f"{name}_r" for name in _PLAIN)

# Precipitation by colour: dry is nearly white, then blues, green, yellow, red, and purple for the extreme.
_S3PCPN = (
    (0.00, 0xF4F6F8),
    (0.08, 0xC3DCF0),
    (0.20, 0x6FB1E6),
    (0.32, 0x2367C9),
    (0.42, 0x129C8F),
    (0.52, 0x2FB344),
    (0.62, 0xA5D52F),
    (0.70, 0xFCE92C),
    (0.80, 0xF99A1C),
    (0.90, 0xDB2320),
    (1.00, 0x7E1473),
)


def names() -> tuple[str, ...]:
    """Every name of a colour map, in the order of the groups, each followed by its reversed twin."""
    return tuple(spelling for name in _PLAIN for spelling in (name, f"{name}_r"))


def check_name(name: str) -> str:
    """The name itself, if there is such a colour map; loads no table.

    Raises
    ------
    InvalidValue
        When there is none; it offers the nearest names.
    """
    if name not in _KNOWN:
        message, near = did_you_mean("colour map", name, _KNOWN)
        raise InvalidValue(message, suggestions=near)
    return name


@lru_cache(maxsize=512)
def colormap(name: str) -> UInt8Array:
    """Table of a colour map.

    Parameters
    ----------
    name : str
        One of `names()`: matplotlib's and cmocean's spellings (`gray`, which both have, is matplotlib's), or
        `s3pcpn`, a rainbow-like table for precipitation of our own making (near-white, blues, green, yellow, red,
        purple; straight lines in sRGB between). `_r` at the end reverses.

    Returns
    -------
    ndarray of uint8, shape (256, 3)
        Red, green and blue from the lowest to the highest value; not writeable.

    Raises
    ------
    InvalidValue
        When there is no such colour map; it offers the nearest names.

    Examples
    --------
    >>> colormap("gray")[[0, 255]].tolist()
    [[0, 0, 0], [255, 255, 255]]
    """
    check_name(name)
    if name.endswith("_r"):
        table = colormap(name.removesuffix("_r"))[::-1].copy()
    elif name == "s3pcpn":
        places = [place for place, _ in _S3PCPN]
        parts = [[color >> shift & 255 for _, color in _S3PCPN] for shift in (16, 8, 0)]
        table = np.column_stack([np.rint(np.interp(np.linspace(0, 1, 256), places, part)) for part in parts])
        table = table.astype(np.uint8)
    else:
        table = _of_cmap(name)
    table.setflags(write=False)
    return table


def _of_cmap(name: str) -> UInt8Array:
    """A table of the `cmap` package, from the user's cache folder where it is kept there."""
    kept = _kept(name)
    if kept is not None:
        with contextlib.suppress(OSError):
            found = np.fromfile(kept, dtype=np.uint8)
            if found.size == 256 * 3:  # else the disk was full, or the like
                return found.reshape(256, 3)
    import cmap

    colors = np.asarray(cmap.Colormap(_QUALIFIED[name]).lut(256))[:, :3]
    # Qualitative maps have a few colours, each for an equal part of the table.
    table: UInt8Array = np.rint(colors * 255).astype(np.uint8)[np.arange(256) * len(colors) // 256]
    if kept is not None:
        part = kept.with_name(f"{kept.name}.{os.getpid()}-{threading.get_ident()}")
        with contextlib.suppress(OSError):  # where nothing can be kept, it is made each time
            kept.parent.mkdir(parents=True, exist_ok=True)
            table.tofile(part)
            part.replace(kept)
    return table


def _kept(name: str) -> Path | None:
    """Where a table is kept: under another name as soon as another `cmap` is installed; None if there is no telling."""
    found = PathFinder.find_spec("cmap")
    if found is None or found.origin is None:
        return None
    try:
        file = Path(found.origin).stat()
    except OSError:  # it comes from an archive
        return None
    which = hashlib.blake2b(f"{found.origin} {file.st_mtime_ns} {file.st_size}".encode(), digest_size=8)
    return user_cache() / "colours" / f"{name}-{which.hexdigest()}"


@dataclass(frozen=True, slots=True)
class Norm:
    """Linear scale of a continuous quantity, in equal levels.

    With w = (vmax − vmin) / levels, a value v has the level floor((v − vmin) / w), kept within 0 … levels − 1:
    level k holds vmin + k·w ≤ v < vmin + (k + 1)·w, the last one vmax too. Smaller and larger values, infinite ones
    included, take the first and the last level; NaN has none.

    Raises
    ------
    InvalidValue
        When the limits are not finite, not in order, or so close or far apart that numbers cannot tell the levels.
    """

    vmin: float
    vmax: float
    levels: int = LEVELS

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= LEVELS:
            raise InvalidValue(f"a scale has 1 to {LEVELS} levels, not {self.levels!r}")
        if not (math.isfinite(self.vmin) and math.isfinite(self.vmax) and self.vmin < self.vmax):
            raise InvalidValue(f"vmin ({self.vmin:g}) must be below vmax ({self.vmax:g}), both finite")
        span = self.vmax - self.vmin
        resolved = span / self.levels > 4 * math.ulp(max(abs(self.vmin), abs(self.vmax)))
        if not (math.isfinite(span) and math.isfinite(self.levels / span) and resolved):
            raise InvalidValue(f"the limits {self.vmin!r} and {self.vmax!r} are too close or too far apart to colour")

    @property
    def edges(self) -> NDArray[np.float64]:
        """Values between the levels, shape (levels + 1,): vmin … vmax."""
        return np.linspace(self.vmin, self.vmax, self.levels + 1)

    @property
    def centers(self) -> NDArray[np.float64]:
        """Value in the middle of each level, shape (levels,)."""
        edges = self.edges
        return np.asarray((edges[:-1] + edges[1:]) / 2)

    def indices(self, values: ArrayLike) -> UInt8Array:
        """Places in the palette: 0 for a missing value, the level + 1 for others.

        Parameters
        ----------
        values : array_like or masked array, any shape
            NaN and masked are missing.

        Notes
        -----
        float32 is reckoned in float32 where that resolves a level sixteen times over, else in float64: a value
        within 1/16 of a level from an edge may take the neighbouring level.
        """
        array = as_floating(values)
        width = (self.vmax - self.vmin) / self.levels
        if array.dtype == np.float32 and max(abs(self.vmin), abs(self.vmax)) * 2.0**-23 * 16 < width < 1e30:
            kind: type[np.floating[Any]] = np.float32
        else:
            kind = np.float64
        # One level below vmin is 0, so that NaN can become 0 and everything else 1 and more.
        base, factor = kind(self.vmin - width), kind(1 / width)
        first, last = kind(1), kind(self.levels)
        source = np.ascontiguousarray(array).reshape(-1)
        out = np.empty(source.shape, dtype=np.uint8)
        # Blocks stay in the processor's cache through all passes.
        work = np.empty(min(_BLOCK, source.size), dtype=kind)
        nought = np.zeros_like(work)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, source.size, _BLOCK):
                piece = source[start : start + _BLOCK]
                levels = work[: piece.size]
                np.subtract(piece, base, out=levels)
                np.multiply(levels, factor, out=levels)
                np.clip(levels, first, last, out=levels)
                np.fmax(levels, nought[: piece.size], out=levels)
                np.copyto(out[start : start + _BLOCK], levels, casting="unsafe")
        return out.reshape(array.shape)


_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class LogNorm(Norm):
    """Logarithmic scale of a quantity that spreads over orders of magnitude: levels of equal ratio.

    Values of 0 and below are beyond the lower limit: they take the first level.

    Raises
    ------
    InvalidValue
        As `Norm`, and when the limits are not above 0.
    """

    def __post_init__(self) -> None:
        if not self.vmin > 0:
            raise InvalidValue(f"a logarithmic scale begins above 0, not at {self.vmin:g}; give a vmin above 0")
        # Not `super()`: a dataclass with slots is made anew, and the old one is no base of it.
        Norm.__post_init__(self)
        self._of_logarithms()

    def _of_logarithms(self) -> Norm:
        return Norm(math.log(self.vmin), math.log(self.vmax), self.levels)

    @property
    def edges(self) -> NDArray[np.float64]:
        """Values between the levels, shape (levels + 1,): vmin … vmax."""
        return np.geomspace(self.vmin, self.vmax, self.levels + 1)

    @property
    def centers(self) -> NDArray[np.float64]:
        """Geometric middle of each level, shape (levels,)."""
        edges = self.edges
        return np.asarray(np.sqrt(edges[:-1] * edges[1:]))

    def indices(self, values: ArrayLike) -> UInt8Array:
        """Places in the palette; see `Norm.indices`."""
        array = as_floating(values)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._of_logarithms().indices(np.log(np.maximum(array, array.dtype.type(0))))


def as_floating(values: ArrayLike) -> NDArray[np.floating[Any]]:
    """float32 or float64 that holds the values exactly, missing as NaN."""
    array = values if isinstance(values, np.ndarray) else np.asarray(values)
    if array.dtype not in (np.float32, np.float64):
        small = array.dtype.itemsize <= 2 or array.dtype == np.bool_
        array = array.astype(np.float32 if small else np.float64)
    if is_masked(array):
        array = array.filled(np.nan)
    return array


@dataclass(frozen=True, slots=True)
class Categories:
    """Scale of flags: each value its own colour.

    Parameters
    ----------
    values : tuple of int
        The values there are, ascending; 1 to 254 of them. Any other value is shown as missing.

    Raises
    ------
    InvalidValue
        When there are none, too many, or they are not in order.
    """

    values: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.values) < LEVELS:
            raise InvalidValue(f"a scale of flags has 1 to {LEVELS - 1} values, not {len(self.values)}")
        if any(after <= before for before, after in zip(self.values, self.values[1:], strict=False)):
            raise InvalidValue(f"the values of flags rise, each one once; these are {self.values!r}")

    @property
    def levels(self) -> int:
        """Number of colours."""
        return len(self.values)

    def indices(self, values: ArrayLike) -> UInt8Array:
        """Places in the palette: 0 for missing values and unknown flags, 1 + the position in `values` for others."""
        array = as_floating(values)
        known = np.array(self.values, dtype=np.float64)
        place = np.searchsorted(known, array)
        found = known.take(place, mode="clip") == array
        return np.where(found, place + 1, 0).astype(np.uint8)


def scale(kind: str, vmin: float, vmax: float, flags: Iterable[int] = (), how: str = "linear") -> Norm | Categories:
    """The scale of a variable, for its pixels and for its colour bar.

    Parameters
    ----------
    kind : str
        Of the variable (see `VariableInfo.kind`).
    vmin, vmax : float
        Limits; flags do not heed them.
    flags : iterable of int
        Values of the flags, in any order. More than 254 of them, or none, are coloured as a continuous quantity.
    how : {'linear', 'log'}
        How colours follow the values (see `Style.scale` and `MapImage.scale`); flags do not heed it.
    """
    values = tuple(sorted({int(value) for value in flags}))
    if kind == "flags" and 1 <= len(values) < LEVELS:
        return Categories(values)
    return LogNorm(vmin, vmax) if how == "log" else Norm(vmin, vmax)


@lru_cache(maxsize=128)
def palette(name: str, levels: int = LEVELS) -> UInt8Array:
    """Colours of the levels of a scale, behind a transparent one for missing.

    Level k of n has the colour in the middle of the k-th of n equal parts of the colour map.

    Returns
    -------
    ndarray of uint8, shape (levels + 1, 4)
        Red, green, blue, opacity; not writeable. Row 0 is transparent.
    """
    table = colormap(name)
    colors = np.zeros((levels + 1, 4), dtype=np.uint8)
    colors[1:, :3] = table[(2 * np.arange(levels) + 1) * 256 // (2 * levels)]
    colors[1:, 3] = 255
    colors.setflags(write=False)
    return colors


# First match wins: a deviation of a temperature is a deviation, a direction of waves a direction.
_ADVICE = tuple(
    (rf"\b(?:{words})\b", name)  # compiled when it is searched for, and kept by `re`
    for words, name in (
        (r"anomal(?:y|ies)|anom|sla|deviation|difference|bias|increment|tendency|above sea level", "balance"),
        (r"direction|\w*dir|azimuth|phase", "phase"),
        (r"ice|sic|siconc|sithick|siage", "ice"),
        (r"chlorophyll|chl|chla|chlor|phytoplankton|phyc|algae|nppv?", "algae"),
        (r"oxygen|o2|doxy|dissoxygen", "oxy"),
        (r"salinity|salt|psal|sal|sss|sos?", "haline"),
        (r"temperature|sst|temp|tos|thetao|theta|tas|tasmax|tasmin|t2m|ptemp|analysed", "thermal"),
        (r"wave height|significant height|swh|hs|vhm0|wave amplitude", "amp"),
        (r"speed|magnitude", "speed"),
        (r"vorticity|curl|divergence|convergence", "curl"),
        (r"velocity|eastward|northward|upward|zonal|meridional|[uvw](?:o|10)?|[uv]gosa?|[uv]as", "balance"),
        (r"bathymetry|topography|altitude|elevation|etopo\d*|orography|rose", "topo"),
        (r"depth|thickness|mld|mlotst|deptho", "deep"),
        (r"density|sigma\w*|rho", "dense"),
        (r"turbidity|suspended|spm|tsm|attenuation|kd490|kd", "turbid"),
        (r"organic|cdom|nitrate|no3|phosphate|po4|silicate|iron|nutrient\w*", "matter"),
        (r"rain\w*|precipitation|precip|rr", "rain"),
        (r"irradiance|radiation|radiative|shortwave|solar|par", "solar"),
        (r"period|age", "tempo"),
    )
)
_ADVICE_BY_UNITS = {
    **dict.fromkeys(("k", "kelvin", "degc", "deg_c", "celsius", "degree_celsius", "degrees_celsius", "°c"), "thermal"),
    **dict.fromkeys(("psu", "pss-78"), "haline"),
}


def default_cmap(info: VariableInfo) -> str:
    """The colour map that suits a variable, by cmocean's advice.

    The catalogue's own choice comes first; then the kind, the standard name, the name, the long name, the units.

    Examples
    --------
    >>> default_cmap(VariableInfo("tos", standard_name="sea_surface_temperature"))
    'thermal'
    >>> default_cmap(VariableInfo("sla", kind="anomaly"))
    'balance'
    """
    if info.cmap is not None:
        return info.cmap
    if info.kind == "flags":
        return "tab10" if len(info.flags) <= 10 else "tab20" if len(info.flags) <= 20 else DEFAULT
    if info.kind == "direction":
        return "phase"
    if info.kind == "anomaly":
        return "balance"
    for text in (info.standard_name, info.name, info.long_name):
        words = re.sub(r"[\W_]+", " ", text).lower()
        for pattern, name in _ADVICE:
            if re.search(pattern, words):
                return name
    return _ADVICE_BY_UNITS.get(info.units.strip().lower(), DEFAULT)
