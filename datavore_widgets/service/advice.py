"""What a file's own conventions advise for a variable: good samples, corrections, the time of a sample, its scale."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SAMPLE_TIMES", "corrections", "sample_time", "scale_of", "start_filters"]

SAMPLE_TIMES = ("sst_dtime", "dtime")
"""What GHRSST calls the seconds of each sample after the time of the granule."""

_GOOD = 4
"""Quality levels of 4 and 5 are acceptable and best (GHRSST Data Specification 2.0, 9.7)."""

_BIAS = "sses_bias"
_OF_TEMPERATURE = re.compile(r"sea_surface_(sub)?(skin_)?(foundation_)?temperature.*|sst\w*|dt_analysis|sses_\w+")

_LOGARITHMIC = re.compile(
    r"\b(chlorophyll|chl|chla|chlor|phytoplankton|primary production|npp\w*|kd490|kd|spm|tsm|suspended)\b"
)
"""Quantities that spread over orders of magnitude (Campbell 1995, on the lognormal distribution in the sea)."""


def start_filters(
    name: str, variable: xr.Variable, stored: Mapping[str, xr.Variable], attrs: Mapping[str, Any]
) -> dict[str, Any]:
    """The conditions that a view of a variable best starts with: of GHRSST L2P and L3, samples of good quality."""
    quality = stored.get("quality_level")
    if quality is None or not set(quality.dims) <= set(variable.dims) or not _is_ghrsst(attrs):
        return {}
    return {"quality_level": {"min": _GOOD}} if name not in SAMPLE_TIMES and _is_of_temperature(name, variable) else {}


def corrections(name: str, variable: xr.Variable, stored: Mapping[str, xr.Variable]) -> tuple[str, ...]:
    """The variables that are meant to be subtracted: a temperature less its bias is the best estimate (GDS 2.0)."""
    bias = stored.get(_BIAS)
    if bias is None or name.startswith(("sses_", "dt_")) or not _is_of_temperature(name, variable):
        return ()
    same = bias.dims == variable.dims and str(bias.attrs.get("units")) == str(variable.attrs.get("units"))
    return (_BIAS,) if same else ()


def sample_time(
    kinds: Mapping[str, str | None], stored: Mapping[str, xr.Variable], rows: str, columns: str
) -> str | None:
    """The variable that tells when each sample was taken: seconds after the granule's time, or a time of its own."""
    over = {rows, columns}
    for name in SAMPLE_TIMES:
        if name in stored and over <= set(map(str, stored[name].dims)):
            return name
    own = (
        name
        for name, kind in kinds.items()
        if kind == "time" and stored[name].ndim > 0 and set(map(str, stored[name].dims)) <= over
    )
    return next(own, None)


def scale_of(name: str, variable: xr.Variable) -> str:
    """`log` for quantities that spread over orders of magnitude and are not logarithms already."""
    attrs = variable.attrs
    if "log" in str(attrs.get("units", "")).lower():
        return "linear"
    words = " ".join(str(text) for text in (name, attrs.get("standard_name", ""), attrs.get("long_name", "")))
    words = re.sub(r"[\W_]+", " ", words).lower()
    is_other = re.search(r"\b(log|log10|anomal\w*|error|bias|uncertainty|flags?|mask|trend)\b", words)
    return "log" if _LOGARITHMIC.search(words) and not is_other else "linear"


def _is_ghrsst(attrs: Mapping[str, Any]) -> bool:
    """Whether a file follows the GHRSST Data Specification, with a quality for each sample: L2P, L3U, L3C, L3S."""
    level = str(attrs.get("processing_level", "")).strip().upper()
    words = " ".join(str(attrs.get(key, "")) for key in ("Conventions", "project", "title", "id", "gds_version_id"))
    return level.startswith(("L2P", "L3")) or "gds_version_id" in attrs or "GHRSST" in words.upper()


def _is_of_temperature(name: str, variable: xr.Variable) -> bool:
    standard = str(variable.attrs.get("standard_name", "")).lower()
    return _OF_TEMPERATURE.fullmatch(name.lower()) is not None or _OF_TEMPERATURE.fullmatch(standard) is not None
