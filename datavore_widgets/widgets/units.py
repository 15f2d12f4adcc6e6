"""Units as they are shown: typeset, and kelvin as °C where that is right."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datavore_widgets.protocol.aggregates import flag_of, percent_of
from datavore_widgets.protocol.answers import VariableInfo

__all__ = ["Scale", "is_level", "pretty", "scale_of"]

_LEVELS = ("avg", "area_avg", "geo_avg", "min", "max", "latest")


def is_level(aggregate: str) -> bool:
    """Whether an aggregate is a value of the quantity itself: on its scale, with its limits."""
    return aggregate in _LEVELS or percent_of(aggregate) is not None


_WORDS = {
    "": "",
    "1": "",
    "none": "",
    "unitless": "",
    "dimensionless": "",
    "k": "K",
    "kelvin": "K",
    "degk": "K",
    "deg_k": "K",
    "degree_kelvin": "K",
    "degrees_kelvin": "K",
    "c": "°C",
    "celsius": "°C",
    "degc": "°C",
    "deg_c": "°C",
    "degree_c": "°C",
    "degrees_c": "°C",
    "degree_celsius": "°C",
    "degrees_celsius": "°C",
    "degree": "°",
    "degrees": "°",
    "deg": "°",
    "degree_north": "°",
    "degrees_north": "°",
    "degree_east": "°",
    "degrees_east": "°",
    "percent": "%",
    "psu": "psu",
    "micron": "µm",
    **dict.fromkeys(("meter", "meters", "metre", "metres"), "m"),
}
_SUPERSCRIPTS = str.maketrans("0123456789-+.", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺·")
_POWER = re.compile(r"(?<=[A-Za-zµ°%])(?<!\d[eE])(?:\*\*|\^)?([+-]?\d+)(?![\d.])")
_LEVEL = re.compile(r"temperature|\bsst\b|\btas(min|max)?\b|\btos\b|\bt2m\b|\bthetao\b", re.IGNORECASE)
_NO_LEVEL = re.compile(
    r"anomal|differ|deviat|\bstd|_std|error|bias|trend|tendency|increment|varian|uncertain|gradient|\brange\b|"
    r"amplitude|spread|rms|change|brightness|depression",
    re.IGNORECASE,
)
_ZERO_CELSIUS = 273.15


def pretty(units: str) -> str:
    """Units of CF or UDUNITS, typeset.

    Examples
    --------
    >>> pretty("m s-1"), pretty("kg m**-3"), pretty("degrees_C"), pretty("1")
    ('m s⁻¹', 'kg m⁻³', '°C', '')
    """
    text = " ".join(units.split())
    word = _WORDS.get(text.lower() if len(text) > 1 else text.lower().replace("c", "?") if text != "C" else "c")
    if word is not None:
        return word
    return _POWER.sub(lambda m: m.group(1).lstrip("+").translate(_SUPERSCRIPTS), text)


@dataclass(frozen=True, slots=True)
class Scale:
    """From the units of the data to those on the screen: `shown = value + offset`."""

    units: str
    offset: float = 0.0

    def shown(self, values: ArrayLike) -> NDArray[np.float64]:
        """Values as on the screen."""
        return np.asarray(values, dtype=np.float64) + self.offset

    def native(self, shown: float) -> float:
        """A value typed on the screen, in the units of the data."""
        return float(shown) - self.offset


def is_temperature_level(variable: VariableInfo) -> bool:
    """Whether a kelvin of this variable may be read as a point of the Celsius scale.

    Deviations, differences, errors and trends are not: one kelvin of them is one degree. Nor are brightness
    temperatures, which are quoted in kelvin.
    """
    names = f"{variable.name} {variable.long_name} {variable.standard_name}"
    return variable.kind == "continuous" and bool(_LEVEL.search(names)) and not _NO_LEVEL.search(names)


def scale_of(variable: VariableInfo, aggregate: str = "avg", units: str | None = None) -> Scale:
    """How the values of a variable are shown.

    Parameters
    ----------
    aggregate : str
        Of a series: a count has no unit, and a deviation keeps its kelvin.
    units : str, optional
        As the answer tells them; None: as the catalogue does.
    """
    if aggregate == "count":
        return Scale("values")
    if flag_of(aggregate) is not None:
        return Scale("")
    text = pretty(variable.units if units is None else units)
    if text == "K" and is_level(aggregate) and is_temperature_level(variable):
        return Scale("°C", -_ZERO_CELSIUS)
    return Scale(text)
