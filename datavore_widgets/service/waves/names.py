"""The indexes and variables of Sentinel-1's wave mode, by the documented names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from datavore_widgets.errors import UnknownName, did_you_mean
from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.service.swan import VARIABLE

__all__ = [
    "ALL",
    "KINDS",
    "SPECTRA",
    "about",
    "index_id",
    "kind_of",
    "may_hold_waves",
    "satellite_of",
    "variables_of",
]

ALL = "all<"
"""The index of all satellites together: lists of files are asked of it."""

SPECTRA = frozenset({"efth", VARIABLE})
"""What the spectra of wave models are called in their files: WAVEWATCH III's and SWAN's."""

_INDEX = re.compile(r"(S1[A-Z])WV\.v3<")

KINDS = ("roughness", "real", "imaginary", "swell", "ww3")
"""What can be pictured of an acquisition."""

_SPELLED = {
    "roughness": "l1_roughness",
    "real": "{0}_WV_OCN__2S_realcrossspectra_{1}",
    "imaginary": "{0}_WV_OCN__2S_imaginarycrossspectra_{1}",
    "swell": "{0}_WV_OCN__2S_ocean_swell_spectra_{1}",
    "ww3": "{0}_WV_OCN__2S_ww3",
}
_ABOUT = {
    "roughness": ("Sea surface roughness", "1"),
    "real": ("Real part of the cross spectrum", "(m/rad)²"),
    "imaginary": ("Imaginary part of the cross spectrum", "(m/rad)²"),
    "swell": ("Ocean swell spectrum", "m⁴"),
    "ww3": ("Wave model spectrum", "m⁴"),
}


def index_id(satellite: str) -> str:
    """The documented id of a satellite's index.

    Examples
    --------
    >>> index_id("S1A")
    'S1AWV.v3<'
    """
    return f"{satellite}WV.v3<"


def satellite_of(index: str) -> str | None:
    """The satellite that an index is of; None for all of them, and for what is no index of a wave mode."""
    found = _INDEX.fullmatch(index)
    return found[1] if found else None


def variables_of(satellite: str) -> dict[str, VariableInfo]:
    """The five variables of a satellite's index."""
    names = {kind: spelled.format(satellite, satellite.lower()) for kind, spelled in _SPELLED.items()}
    return {name: VariableInfo(name, *_ABOUT[kind]) for kind, name in names.items()}


def about(kind: str) -> tuple[str, str]:
    """The long name and the units of what is pictured."""
    return _ABOUT[kind]


def kind_of(index: str, varname: str, satellites: list[str]) -> tuple[str, str | None]:
    """What a variable pictures, and the satellite that it is of.

    Parameters
    ----------
    satellites : list of str
        Those that there are.

    Raises
    ------
    UnknownName
        When the index has no such variable; for one of another satellite it names the right one.
    """
    own = satellite_of(index)
    mine = [own] if own is not None else satellites
    known = {
        name: (kind, satellite) for satellite in mine for kind, name in zip(KINDS, variables_of(satellite), strict=True)
    }
    if varname in known:
        kind, satellite = known[varname]
        return kind, satellite if kind != "roughness" else own
    if own is not None and isinstance(varname, str):
        twin = re.sub(r"S1[A-Z]", own, re.sub(r"s1[a-z]", own.lower(), varname))
        if twin in known:
            raise UnknownName(
                f"{varname!r} is not of {own}, which {index!r} is the index of; take {twin!r}", suggestions=(twin,)
            )
    message, near = did_you_mean(f"variable of {index!r}:", varname, known)
    raise UnknownName(f"{message} (variables: {', '.join(known)})", suggestions=near)


def may_hold_waves(names: Iterable[str]) -> bool:
    """Whether a file with variables of these names may be of a wave mode, or hold a model's spectra.

    Examples
    --------
    >>> may_hold_waves(["longitude", "efth"]), may_hold_waves(["sst"])
    (True, False)
    """
    return not {"oswPolSpec", *SPECTRA}.isdisjoint(names)
