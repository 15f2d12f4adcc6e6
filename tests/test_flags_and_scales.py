"""Logarithmic scales, and flags of values, of bits, of both, and of truth."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.answers import VariableInfo
from datavore_widgets.protocol.colormap import LogNorm, Norm, palette, scale
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import Canvas, DataQuery, LapseDataQuery, MapQuery, Source, Style, parse_filters
from datavore_widgets.protocol.times import WHOLE_LAPSE
from datavore_widgets.service.catalog import open_catalog
from datavore_widgets.service.limits import limits_of
from datavore_widgets.service.local import LocalService
from datavore_widgets.widgets.color_bar import bar_ticks
from datavore_widgets.widgets.ticks import log_ticks
from datavore_widgets.widgets.units import Scale
from tests import fields

CELLS = BBox(-5, -90, 355, 90)
"""Each pixel of a picture of 36 by 18 is a cell."""


def pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[::-1]


def chlorophyll() -> xr.Dataset:
    dataset = fields.no_time()
    rng = np.random.default_rng(0)
    values = 10 ** rng.uniform(-3, 2, dataset["sst"].shape)
    values[0, :4], values[1, 0], values[1, 1] = 0.0, -1.0, np.nan
    attrs = {"standard_name": "mass_concentration_of_chlorophyll_a_in_sea_water", "units": "mg m-3"}
    return dataset.drop_vars("sst").assign(CHL=(("lat", "lon"), values, attrs))


def test_chlorophyll_is_drawn_on_a_logarithmic_scale() -> None:
    dataset = chlorophyll()
    with LocalService({"a": dataset}) as service:
        assert service._store.library.info().index("a").variables["CHL"].scale == "log"
        source = Source("a", "CHL", None)
        image = service.answer(MapQuery(source, Canvas(CELLS, 36), Style("gray", 0.01, 10.0)))
        plain = service.answer(MapQuery(source, Canvas(CELLS, 36), Style("gray", 0.01, 10.0, "linear")))
        below = service.answer(MapQuery(source, Canvas(CELLS, 36), Style("gray", 0.0, 10.0)))
        default = service.answer(MapQuery(source, Canvas(CELLS, 36)))
        with pytest.raises(InvalidValue, match="above 0"):
            service.answer(MapQuery(source, Canvas(CELLS, 36), Style("gray", 0.0, 10.0, "log")))
    assert (image.scale, plain.scale, below.scale, default.scale) == ("log", "linear", "linear", "log")
    values = dataset["CHL"].values
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.clip((np.log10(np.maximum(values, 0)) + 2) / 3, 0, 1)
    drawn = pixels(image.png)
    assert drawn[1, 1, 3] == 0
    there = np.isfinite(values)
    assert (drawn[..., 3][there] == 255).all()
    assert np.abs(drawn[..., 0][there] - 255 * part[there]).max() <= 2
    positive = values[there & (values > 0)]
    assert (default.vmin, default.vmax) == pytest.approx(tuple(np.percentile(positive, [2, 98])))


@pytest.mark.parametrize(
    ("name", "attrs", "expected"),
    [
        ("chlor_a", {}, "log"),
        ("CHL", {"units": "log10(mg m-3)"}, "linear"),
        ("CHL_error", {"long_name": "chlorophyll error"}, "linear"),
        ("sst", {"long_name": "Sea surface temperature"}, "linear"),
        ("SPM", {}, "log"),
    ],
)
def test_what_is_logarithmic_is_told_by_name_and_units(name: str, attrs: dict[str, str], expected: str) -> None:
    dataset = fields.no_time().rename(sst=name)
    dataset[name].attrs = attrs
    assert open_catalog({"a": dataset}).indexes["a"].info.variables[name].scale == expected


@settings(deadline=None)
@given(
    st.floats(1e-6, 1e3),
    st.floats(1.5, 1e6),
    st.lists(st.floats(-1e9, 1e9) | st.just(np.nan), min_size=1, max_size=20),
    st.sampled_from((np.float32, np.float64)),
)
def test_levels_of_a_logarithmic_scale_are_those_between_its_edges(
    low: float, ratio: float, values: list[float], kind: type
) -> None:
    norm = LogNorm(low, low * ratio)
    array = np.array(values, dtype=kind)
    levels = norm.indices(array).astype(int)
    edges = norm.edges
    assert np.array_equal(levels == 0, np.isnan(array))
    exact = np.clip(np.searchsorted(edges, array.astype(float), side="right"), 1, 255)
    assert np.abs(levels - exact)[~np.isnan(array)].max(initial=0) <= 1
    assert np.array_equal(norm.indices(norm.centers), np.arange(1, 256))


def test_the_colour_bar_says_what_the_pixels_show() -> None:
    norm = scale("continuous", 0.01, 100.0, how="log")
    assert isinstance(norm, LogNorm)
    marks = bar_ticks(norm, Scale("mg m-3"))
    assert [(pytest.approx(part), text) for part, text in marks] == [
        (0.0, "0.01"), (0.125 * np.log10(3) * 2, "0.03"), (0.25, "0.1"), (0.25 + 0.25 * np.log10(3), "0.3"), (0.5, "1"),
        (0.5 + 0.25 * np.log10(3), "3"), (0.75, "10"), (0.75 + 0.25 * np.log10(3), "30"), (1.0, "100"),
    ]  # fmt: skip
    # The level of a marked value is at the part of the bar where its mark is.
    for part, text in marks:
        assert abs(int(norm.indices([float(text)])[0]) - 1 - part * 255) <= 1
    assert log_ticks(2.0, 4.0) == [2.0]
    assert type(scale("continuous", 1, 2)) is Norm


def test_limits_of_a_logarithmic_quantity_are_above_nought() -> None:
    info = VariableInfo("chl", scale="log")
    low, high = limits_of(np.array([0.0, -1.0, 0.01, 1.0, 10.0]), info)
    assert 0 < low < high


# --- flags ------------------------------------------------------------------------------------------------------------


def flagged(stored: NDArray, **attrs: object) -> xr.Dataset:
    dataset = fields.no_time()
    return dataset.assign(flag=(("lat", "lon"), stored, attrs), sst=dataset["sst"].fillna(0.0))


def bits() -> NDArray:
    return (np.arange(18 * 36).reshape(18, 36) % 8).astype(np.int8)


def test_flags_that_share_bits_are_combinations(tmp_path: Path) -> None:
    dataset = flagged(bits(), flag_masks=np.array([1, 2, 4], dtype=np.int8), flag_meanings="land ice rain")
    dataset.to_netcdf(tmp_path / "a.nc")
    with LocalService({"a": tmp_path / "a.nc"}) as service:
        info = service._store.library.info().index("a").variables["flag"]
        assert info.kind == "flags"
        assert info.flags[0] == "none"
        assert info.flags[5] == "land + rain"
        assert info.masks == {"land": (1, 1), "ice": (2, 2), "rain": (4, 4)}
        image = service.answer(MapQuery(Source("a", "flag", None), Canvas(CELLS, 36)))
        colours = palette(image.cmap, 8)
        assert np.array_equal(pixels(image.png), colours[bits() + 1])
        ice = service.answer(DataQuery(Source("a", "sst", None, filters=parse_filters({"flag": "ice"})), CELLS))
        assert np.array_equal(np.isfinite(ice.data), bits() & 2 > 0)
        either = parse_filters({"flag": ["ice", "land", 0]})
        data = service.answer(DataQuery(Source("a", "sst", None, filters=either), CELLS)).data
        assert np.array_equal(np.isfinite(data), (bits() & 3 > 0) | (bits() == 0))
        with pytest.raises(InvalidValue, match="rain"):
            service.answer(DataQuery(Source("a", "sst", None, filters=parse_filters({"flag": "rian"})), CELLS))


def test_flags_with_masks_and_values_are_fields_of_bits() -> None:
    dataset = flagged(
        bits(),
        flag_masks=np.array([3, 3, 3, 4], dtype=np.int8),
        flag_values=np.array([0, 1, 2, 4], dtype=np.int8),
        flag_meanings="sea land ice rain",
    )
    with LocalService({"a": dataset}) as service:
        info = service._store.library.info().index("a").variables["flag"]
        assert [info.flags[value] for value in (0, 1, 2, 3, 6)] == ["sea", "land", "ice", "none", "ice + rain"]
        data = service.answer(DataQuery(Source("a", "sst", None, filters=parse_filters({"flag": "sea"})), CELLS)).data
    assert np.array_equal(np.isfinite(data), bits() & 3 == 0)


def test_many_bits_are_told_and_filtered_but_no_categories() -> None:
    stored = (1 << (np.arange(18 * 36).reshape(18, 36) % 12)).astype(np.int16)
    masks = (1 << np.arange(12)).astype(np.int16)
    dataset = flagged(stored, flag_masks=masks, flag_meanings=" ".join(f"m{k}" for k in range(12)))
    with LocalService({"a": dataset}) as service:
        info = service._store.library.info().index("a").variables["flag"]
        assert (info.kind, info.flags, len(info.masks)) == ("continuous", {}, 12)
        data = service.answer(DataQuery(Source("a", "sst", None, filters=parse_filters({"flag": "m11"})), CELLS)).data
    assert np.array_equal(np.isfinite(data), stored == 1 << 11)


@pytest.mark.parametrize("unsigned", ["true", "false"])
@pytest.mark.parametrize("told", [np.int8, np.uint8, np.int16])
def test_the_highest_bit_is_a_flag_whatever_sign_it_is_written_with(told: type, unsigned: str) -> None:
    stored = np.array([0, 1, 128, 129], dtype=np.uint8)[np.arange(18 * 36).reshape(18, 36) % 4]
    masks = np.array([1, 128], dtype=np.uint8)
    attrs = {"flag_masks": masks.astype(told), "flag_meanings": "land bad", "_Unsigned": unsigned}
    dataset = flagged(stored.astype(np.int8), **attrs).expand_dims(time=[np.datetime64("2001-01-01", "ns")])
    with LocalService({"a": dataset}) as service:
        info = service._store.library.info().index("a").variables["flag"]
        top = 128 if unsigned == "true" else -128
        assert info.flags == {0: "none", 1: "land", top: "bad", top + 1: "land + bad"}
        bad = Source("a", "sst", None, filters=parse_filters({"flag": "bad"}))
        assert np.array_equal(np.isfinite(service.answer(DataQuery(bad, CELLS)).data), stored >= 128)
        part = service.answer(LapseDataQuery("a", "flag", CELLS, WHOLE_LAPSE, "fraction:bad")).data
        assert np.array_equal(part, stored >= 128)


def test_every_bit_of_a_type_may_be_a_flag() -> None:
    stored = (1 << (np.arange(18 * 36).reshape(18, 36) % 16)).astype(np.uint16).astype(np.int16)
    masks = (1 << np.arange(16)).astype(np.uint16).astype(np.int16)
    dataset = flagged(stored, flag_masks=masks, flag_meanings=" ".join(f"m{k}" for k in range(16)))
    with LocalService({"a": dataset}) as service:
        info = service._store.library.info().index("a").variables["flag"]
        assert (info.flags, info.masks["m15"]) == ({}, (-(1 << 15), -(1 << 15)))


def test_flag_values_have_the_sign_that_values_are_meant_to_have() -> None:
    stored = np.array([1, 200, 255], dtype=np.uint8)[np.arange(18 * 36).reshape(18, 36) % 3]
    values = np.array([1, 200, 255], dtype=np.uint8).view(np.int8)
    attrs = {"flag_values": values, "flag_meanings": "sea ice land", "_Unsigned": "true"}
    with LocalService({"a": flagged(stored.view(np.int8), **attrs)}) as service:
        assert service._store.library.info().index("a").variables["flag"].flags == {1: "sea", 200: "ice", 255: "land"}
        ice = Source("a", "sst", None, filters=parse_filters({"flag": "ice"}))
        assert np.array_equal(np.isfinite(service.answer(DataQuery(ice, CELLS)).data), stored == 200)


def test_flags_that_values_cannot_have_are_left_out() -> None:
    attrs = {"flag_values": np.array([0, 1, 300, np.nan]), "flag_meanings": "sea land ice rain"}
    with LocalService({"a": flagged(bits(), **attrs)}) as service:
        assert service._store.library.info().index("a").variables["flag"].flags == {0: "sea", 1: "land"}


def test_a_condition_on_whole_numbers_is_met_by_that_number_alone() -> None:
    stored = 10_000_000 + np.arange(18 * 36, dtype=np.int32).reshape(18, 36)
    with LocalService({"a": flagged(stored)}) as service:
        one = Source("a", "sst", None, filters=parse_filters({"flag": 10_000_003}))
        assert np.array_equal(np.isfinite(service.answer(DataQuery(one, CELLS)).data), stored == 10_000_003)


def test_truth_is_a_flag(tmp_path: Path) -> None:
    dataset = fields.no_time()
    dataset = dataset.assign(wet=dataset["sst"] > 20).drop_vars("sst")
    dataset.to_netcdf(tmp_path / "a.nc")
    for spec in (dataset, tmp_path / "a.nc"):
        with LocalService({"a": spec}) as service:
            info = service._store.library.info().index("a").variables["wet"]
            assert (info.kind, info.flags) == ("flags", {0: "false", 1: "true"})
            image = service.answer(MapQuery(Source("a", "wet", None), Canvas(CELLS, 36)))
        assert np.array_equal(pixels(image.png), palette(image.cmap, 2)[dataset["wet"].values.astype(int) + 1])


@pytest.mark.parametrize(
    ("name", "attrs", "kind"),
    [
        ("wdir", {"units": "degree"}, "direction"),
        ("mwd", {"units": "degrees true"}, "direction"),
        ("VMDR", {"units": "degree", "standard_name": "sea_surface_wave_from_direction"}, "direction"),
        ("spr", {"units": "degree", "standard_name": "sea_surface_wave_directional_spread"}, "continuous"),
        ("dspr", {"units": "degree", "long_name": "spread about the mean direction"}, "continuous"),
        ("dir", {"units": "1"}, "continuous"),
    ],
)
def test_directions_are_told_by_name_and_units(name: str, attrs: dict[str, str], kind: str) -> None:
    dataset = fields.no_time().rename(sst=name)
    dataset[name].attrs = attrs
    assert open_catalog({"a": dataset}).indexes["a"].info.variables[name].kind == kind
