"""Answers about waves as plain values and arrays, and back; `payloads` makes bytes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from datavore_widgets.errors import BadReply
from datavore_widgets.protocol import checks
from datavore_widgets.protocol.times import Stamp
from datavore_widgets.protocol.waves import Acquisitions, CartesianCross, ModelSpectrum, Quicklook, WaveSpectrum

__all__ = [
    "acquisitions_map",
    "quicklook_facts",
    "read_acquisitions",
    "read_quicklook",
    "read_spectrum",
    "spectrum_map",
]

_LONGEST_TEXT = 2000  # in a header: HTTP clients refuse lines of 64 kB

# Name → kinds of numbers that it may have, and its dimensions: equal letters are equal lengths.
_Layout = Mapping[str, tuple[str, str]]

_ROWS: _Layout = {
    "labels": ("i", "n"),
    **dict.fromkeys(
        ("lon", "lat", "heading", "incidence", "hs", "wavelength", "direction", "wind_speed", "wind_from"), ("f", "n")
    ),
    "quality": ("i", "n"),
    "satellite": ("S", "n"),
    "mode": ("S", "n"),
    "file": ("S", "n"),
    "partition_hs": ("f", "np"),
    "partition_wavelength": ("f", "np"),
    "partition_direction": ("f", "np"),
    "partition_quality": ("i", "np"),
}
_SPECTRUM: _Layout = {
    "k": ("f", "k"),
    "phi": ("f", "a"),
    "energy": ("f", "ka"),
    "cross_re": ("f", "ka"),
    "cross_im": ("f", "ka"),
    "partitions": ("i", "ka"),
    "partition_ids": ("i", "p"),
    "partition_hs": ("f", "p"),
    "partition_wavelength": ("f", "p"),
    "partition_direction": ("f", "p"),
    "partition_quality": ("i", "p"),
    "partition_iconf": ("i", "p"),
    "partition_ambiguity": ("f", "p"),
    "shortest": ("f", "a"),
    "roughness": ("f", "yx"),
}
_OPTIONAL = ("cross_re", "cross_im", "shortest", "roughness")
_CARTESIAN: _Layout = {"re": ("f", "ar"), "im": ("f", "ar"), "k_range": ("f", "r"), "k_azimuth": ("f", "a")}
_MODEL: _Layout = {"energy": ("f", "ka")}

_NUMBERS = (
    "lon",
    "lat",
    "incidence",
    "heading",
    "wind_speed",
    "wind_from",
    "cutoff",
    "nrcs",
    "hs",
    "total_hs",
    "roughness_spacing",
)
_TEXTS = ("satellite", "mode", "file", "lag")
_MODEL_NUMBERS = ("lon", "lat", "distance", "hours", "hs", "hs_inside", "period", "direction")


def quicklook_facts(answer: Quicklook) -> dict[str, Any]:
    """What is true of a picture, but its pixels."""
    return {
        "width": answer.width,
        "height": answer.height,
        "time": None if answer.time is None else answer.time.iso,
        "lon": answer.lon,
        "lat": answer.lat,
        "satellite": answer.satellite[:_LONGEST_TEXT],
        "mode": answer.mode[:_LONGEST_TEXT],
        "incidence": answer.incidence,
        "units": answer.units[:_LONGEST_TEXT],
        "long_name": answer.long_name[:_LONGEST_TEXT],
        "note": answer.note[:_LONGEST_TEXT],
        "file": answer.file[:_LONGEST_TEXT],
    }


def read_quicklook(png: bytes, size: tuple[int, int], told: Mapping[str, Any]) -> Quicklook:
    """A picture with what was told of it; a server that tells nothing has an empty mapping."""
    width, height = size
    if told and (told.get("width"), told.get("height")) != (width, height):
        checks.wrong("size")
    return Quicklook(
        png,
        width,
        height,
        checks.stamp(told, "time"),
        checks.maybe(checks.number, told, "lon"),
        checks.maybe(checks.number, told, "lat"),
        checks.text(told, "satellite"),
        checks.text(told, "mode"),
        checks.maybe(checks.number, told, "incidence"),
        checks.text(told, "units"),
        checks.text(told, "long_name"),
        checks.text(told, "note"),
        checks.text(told, "file"),
    )


def acquisitions_map(answer: Acquisitions) -> dict[str, Any]:
    """The columns by name; text is UTF-8, which is a quarter of numpy's own."""
    columns = {name: getattr(answer, name) for name in _ROWS}
    for name, (kind, _) in _ROWS.items():
        if kind == "S":
            columns[name] = np.char.encode(columns[name], "utf-8")
    return {**columns, "total": answer.total}


def read_acquisitions(told: Mapping[str, Any]) -> Acquisitions:
    """The columns as they were told, if they are of one length."""
    columns = _arrays(told, _ROWS)
    for name, (kind, _) in _ROWS.items():
        if kind == "S":
            columns[name] = np.char.decode(columns[name], "utf-8")
    return Acquisitions(**columns, total=checks.whole(told.get("total"), "total"))


def spectrum_map(answer: WaveSpectrum) -> dict[str, Any]:
    """Its parts by name."""
    told: dict[str, Any] = {name: getattr(answer, name) for name in (*_SPECTRUM, *_NUMBERS, *_TEXTS)}
    told |= {"time": answer.time.iso, "quality": answer.quality, "notes": list(answer.notes)}
    cartesian, model = answer.cartesian, answer.model
    told["cartesian"] = None if cartesian is None else {name: getattr(cartesian, name) for name in _CARTESIAN}
    if model is not None:
        told["model"] = {name: getattr(model, name) for name in (*_MODEL, *_MODEL_NUMBERS, "source")}
        told["model"]["time"] = model.time.iso
    return told


def read_spectrum(told: Mapping[str, Any]) -> WaveSpectrum:
    """The parts as they were told, if their shapes agree."""
    lengths: dict[str, int] = {}
    parts = _arrays(told, _SPECTRUM, lengths)
    parts |= {name: checks.number(told.get(name), name) for name in _NUMBERS}
    parts |= {name: checks.text(told, name) for name in _TEXTS}
    cartesian = told.get("cartesian")
    return WaveSpectrum(
        time=_time(told),
        cartesian=None
        if cartesian is None
        else CartesianCross(**_arrays(checks.typed(cartesian, dict, "cartesian"), _CARTESIAN)),
        model=_model(told.get("model"), lengths),
        quality=checks.whole(told.get("quality"), "quality"),
        notes=tuple(checks.typed(note, str, "notes") for note in checks.typed(told.get("notes"), list, "notes")),
        **parts,
    )


def _model(value: Any, lengths: dict[str, int]) -> ModelSpectrum | None:
    if value is None:
        return None
    told = checks.typed(value, dict, "model")
    parts = _arrays(told, _MODEL, lengths)
    parts |= {name: checks.number(told.get(name), name) for name in _MODEL_NUMBERS}
    return ModelSpectrum(**parts, source=checks.text(told, "source"), time=_time(told))


def _time(told: Mapping[str, Any]) -> Stamp:
    return Stamp(checks.label(told.get("time"), "time"))


def _arrays(told: Mapping[str, Any], layout: _Layout, lengths: dict[str, int] | None = None) -> dict[str, Any]:
    """The arrays of a layout, each of a kind and a shape that fits the others."""
    known = {} if lengths is None else lengths
    found: dict[str, Any] = {}
    for name, (kind, dims) in layout.items():
        if told.get(name) is None and name in _OPTIONAL:
            found[name] = None
            continue
        array = checks.typed(told.get(name), np.ndarray, name)
        if array.dtype.kind != kind:
            checks.wrong(f"type of {name!r}")
        if array.ndim != len(dims) or any(known.setdefault(dim, size) != size for dim, size in zip(dims, array.shape)):  # noqa: B905  # as many as there are
            raise BadReply(f"the reply's {name!r} has the shape {array.shape}, which does not fit the others")
        found[name] = array
    return found
