"""Speed and direction of components along the axes of grids, staggered or not, against vectors on the sphere."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from PIL import Image

from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.protocol.queries import (
    Canvas,
    DataQuery,
    FilesQuery,
    LapseMapQuery,
    MapQuery,
    SeriesQuery,
    Source,
    Style,
    parse_filters,
)
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.catalog import open_catalog
from datavore_widgets.service.local import LocalService
from tests import fields

ALWAYS = Lapse(Date("0000"), Date("9999"))
Place = Callable[[NDArray, NDArray], tuple[NDArray, NDArray]]


def true_wind(lon: NDArray, lat: NDArray) -> tuple[NDArray, NDArray]:
    """Eastward and northward part of a smooth field."""
    return 5 + np.cos(np.radians(lon)), 2 * np.sin(np.radians(2 * lat)) + 1


def tilted(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """Places of a regular grid about another pole: longitudes and latitudes of x and y degrees."""
    a, b = np.radians(x), np.radians(y)
    vector = np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)])
    tilt, turn = np.radians(52.0), np.radians(140.0)
    about_y = np.array([[np.cos(tilt), 0, -np.sin(tilt)], [0, 1, 0], [np.sin(tilt), 0, np.cos(tilt)]])
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    px, py, pz = np.tensordot(about_z @ about_y, vector, axes=1)
    return np.degrees(np.arctan2(py, px)), np.degrees(np.arcsin(pz))


def along_axes(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """Parts of the true field along x and y of the tilted grid, by small steps on the ground."""
    lon, lat = tilted(x, y)
    step = 1e-5
    east_of, north_of = [], []
    for dx, dy in ((step, 0), (0, step)):
        there = tilted(x + dx, y + dy)
        east, north = ((there[0] - lon + 180) % 360 - 180) * np.cos(np.radians(lat)), there[1] - lat
        size = np.hypot(east, north)
        east_of.append(east / size)
        north_of.append(north / size)
    east, north = true_wind(lon, lat)
    return tuple(east * e + north * n for e, n in zip(east_of, north_of, strict=True))


X, Y = np.meshgrid(np.arange(-20.0, 20.0, 0.5), np.arange(-12.0, 12.0, 0.5))


def on_one_grid() -> xr.Dataset:
    lon, lat = tilted(X, Y)
    u, v = along_axes(X, Y)
    named = {"units": "m s-1", "coordinates": "lon lat"}
    return xr.Dataset(
        {
            "u": (("y", "x"), u, named),
            "v": (("y", "x"), v, named),
            "lon": (("y", "x"), lon, fields.LON),
            "lat": (("y", "x"), lat, fields.LAT),
        }
    )


def roms() -> xr.Dataset:
    """Sides of the cells between their middles: one column less for u, one row less for v."""
    parts: dict[str, object] = {}
    for place, dx, dy, columns, rows in (
        ("u", 0.25, 0, slice(0, -1), slice(None)),
        ("v", 0, 0.25, slice(None), slice(0, -1)),
    ):
        x, y = X[rows, columns] + dx, Y[rows, columns] + dy
        dims = (f"eta_{place}", f"xi_{place}")
        lon, lat = tilted(x, y)
        parts[f"lon_{place}"], parts[f"lat_{place}"] = (dims, lon, fields.LON), (dims, lat, fields.LAT)
        parts[place] = (dims, along_axes(x, y)[0 if place == "u" else 1], {"units": "m s-1", "long_name": "momentum"})
    return xr.Dataset(parts)


def nemo() -> xr.Dataset:
    """Sides behind the middles, in arrays of one shape."""
    parts: dict[str, object] = {}
    for name, place, dx, dy in (("vozocrtx", "u", 0.25, 0.0), ("vomecrty", "v", 0.0, 0.25)):
        dims = (f"y_{place}", f"x_{place}")
        lon, lat = tilted(X + dx, Y + dy)
        parts[f"nav_lon_{place}"], parts[f"nav_lat_{place}"] = (dims, lon, fields.LON), (dims, lat, fields.LAT)
        named = {"units": "m/s", "coordinates": f"nav_lon_{place} nav_lat_{place}"}
        parts[name] = (dims, along_axes(X + dx, Y + dy)[0 if place == "u" else 1], named)
    return xr.Dataset(parts)


CASES = {
    "one grid": (on_one_grid, "u_v", X.shape),
    "roms": (roms, "u_v", (X.shape[0] - 2, X.shape[1] - 2)),
    "nemo": (nemo, "vozocrtx_vomecrty", (X.shape[0] - 1, X.shape[1] - 1)),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_components_along_a_grid_are_turned_to_east_and_north(case: str) -> None:
    make, names, shape = CASES[case]
    with LocalService({"a": make()}) as service:
        told = service._store.library.info().index("a").variables
        found = {
            what: service.answer(DataQuery(Source("a", f"{what}_of_{names}", None)))
            for what in ("eastward", "northward", "speed", "direction")
        }
    lon, lat = found["speed"].lon, found["speed"].lat
    assert found["speed"].data.shape == shape
    # Each cell has its place in the middle of the cells of the grid.
    near = np.abs(np.stack(tilted(X, Y)).reshape(2, -1, 1)[:, :, 0] - np.array([[lon[3, 4]], [lat[3, 4]]])).max(axis=0)
    assert near.min() < 1e-3
    east, north = true_wind(lon, lat)
    inner = (slice(1, -1), slice(1, -1))
    for what, expected in (("eastward", east), ("northward", north), ("speed", np.hypot(east, north))):
        assert np.abs(found[what].data - expected)[inner].max() < 2e-3, what
    away = (found["direction"].data - np.degrees(np.arctan2(east, north)) + 180) % 360 - 180
    assert np.abs(away[inner]).max() < 0.05
    assert "derived from" in told[f"speed_of_{names}"].long_name
    assert "turned" in told[f"speed_of_{names}"].derived
    assert told[f"direction_of_{names}"].kind == "direction"


@pytest.mark.parametrize("case", ["roms", "nemo"])
def test_a_window_of_a_staggered_grid_is_that_part_of_the_whole(case: str) -> None:
    make, names, _ = CASES[case]
    box = BBox(135, 45, 150, 60)
    with LocalService({"a": make()}) as service:
        source = Source("a", f"speed_of_{names}", None)
        whole, part = service.answer(DataQuery(source)), service.answer(DataQuery(source, box))
        index = service._store.library.indexes["a"].variables[f"speed_of_{names}"]
        direct = index.read(None, (), slice(5, 20, 3), np.array([7, 8, 30]))
    inside = box.contains(whole.lon, whole.lat)
    assert inside.sum() > 20
    assert np.array_equal(np.sort(part.data[np.isfinite(part.data)]), np.sort(whole.data[inside]))
    assert np.array_equal(direct, whole.data[5:20:3][:, [7, 8, 30]])


def test_nothing_flows_through_a_coast() -> None:
    dataset = roms()
    dataset["u"][10, 5] = np.nan
    dataset["u"][10, 8:10] = np.nan
    with LocalService({"a": dataset}) as service:
        east, speed = (service._store.library.indexes["a"].variables[f"{w}_of_u_v"] for w in ("eastward", "speed"))
        assert east.info.name != speed.info.name
        values = speed.read(None, (), slice(None), np.arange(X.shape[1] - 2))
        u, v = dataset["u"].values, dataset["v"].values
        assert values[9, 5] == pytest.approx(np.hypot(u[10, 6] / 2, (v[9, 6] + v[10, 6]) / 2))
        assert np.isnan(values[9, 8])


def test_eastward_and_northward_parts_are_not_turned() -> None:
    dataset = on_one_grid()
    for name, word in (("u", "eastward"), ("v", "northward")):
        dataset[name].attrs["standard_name"] = f"{word}_sea_water_velocity"
    with LocalService({"a": dataset}) as service:
        told = service._store.library.info().index("a").variables
        assert set(told) == {"u", "v", "speed_of_u_v", "direction_of_u_v"}
        assert told["speed_of_u_v"].standard_name == "sea_water_speed"
        assert told["direction_of_u_v"].standard_name == "sea_water_velocity_to_direction"
        found = service.answer(DataQuery(Source("a", "direction_of_u_v", None))).data
    expected = np.degrees(np.arctan2(dataset["u"].values, dataset["v"].values)) % 360
    assert np.allclose(found, expected)


def wind() -> xr.Dataset:
    base = fields.with_depth().rename(sst="u10")
    angle = np.linspace(340, 380, 36)
    shape = base["u10"].shape
    attrs = {"units": "m s-1"}
    return base.assign(
        u10=(base["u10"].dims, np.broadcast_to(-3 * np.sin(np.radians(angle)), shape).astype(np.float32), attrs),
        v10=(base["u10"].dims, np.broadcast_to(-3 * np.cos(np.radians(angle)), shape).astype(np.float32), attrs),
        quality=(base["u10"].dims, np.broadcast_to(np.arange(36) % 2, shape).astype(np.int8)),
    )


def test_wind_is_told_by_where_it_comes_from_and_asked_like_anything_else() -> None:
    with LocalService({"a": wind()}) as service:
        told = service._store.library.info().index("a").variables["direction_of_u10_v10"]
        assert told.standard_name == "wind_from_direction"
        assert "from which it comes" in told.long_name
        deep = parse_filters({"depth": 10.0, "quality": 1})
        source = Source("a", "direction_of_u10_v10", Date("20120215"), filters=deep)
        found = service.answer(DataQuery(source, BBox(-5, -90, 355, 90)))
        angle = np.where(np.arange(36) % 2, np.linspace(340, 380, 36) % 360, np.nan)
        assert np.allclose(found.data, angle, atol=1e-4, equal_nan=True)
        assert found.dims == {"depth": 10.0}
        speed = service.answer(SeriesQuery("a", "speed_of_u10_v10", GLOBAL, ALWAYS))
        assert np.allclose(speed.values, 3.0)
        image = service.answer(MapQuery(Source("a", "speed_of_u10_v10", Date("20120215")), Canvas(GLOBAL, 36)))
        assert image.valid == image.total == 18 * 36


def test_directions_are_averaged_on_the_circle_over_a_lapse() -> None:
    dataset = wind().isel(depth=0, drop=True)
    half = np.radians(np.where(np.arange(3) % 2, 20.0, 350.0))[:, None, None]
    dataset["u10"] = (
        dataset["u10"].dims,
        np.broadcast_to(-np.sin(half), dataset["u10"].shape).astype(np.float64),
        {"units": "m s-1"},
    )
    dataset["v10"] = (
        dataset["v10"].dims,
        np.broadcast_to(-np.cos(half), dataset["v10"].shape).astype(np.float64),
        {"units": "m s-1"},
    )
    with LocalService({"a": dataset}) as service:
        lapse = Lapse(Date("201201"), Date("201202"))
        style = Style("gray", 0.0, 360.0)
        image = service.answer(LapseMapQuery("a", "direction_of_u10_v10", Canvas(GLOBAL, 36), lapse, style=style))
    shade = np.asarray(Image.open(io.BytesIO(image.png)).convert("RGBA"))[..., 0]
    # Of 350 and 20 degrees it is 5, not 185.
    assert np.abs(shade / 255 * 360 - 5).max() < 2


def test_components_that_have_nothing_to_do_with_one_another_make_nothing() -> None:
    dataset = on_one_grid()
    other = dataset["v"].copy(data=dataset["v"].values * 2).assign_attrs(units="km/h")
    for changed in (dataset.drop_vars("v"), dataset.assign(v=other)):
        assert not any(v.info.derived for v in open_catalog({"a": changed}).indexes["a"].variables.values())
    shifted = roms()
    shifted["lon_v"] = shifted["lon_v"] + 0.2
    assert set(open_catalog({"a": shifted}).indexes["a"].variables) == {"u", "v"}


def test_components_in_files_of_their_own_belong_together(tmp_path: Path) -> None:
    dataset = nemo()
    for name, place in (("vozocrtx", "u"), ("vomecrty", "v")):
        names = [name, f"nav_lon_{place}", f"nav_lat_{place}"]
        timed = (
            dataset[names]
            .expand_dims(time=[0.0])
            .assign_coords(time=("time", [5.0], {"units": "days since 2000-01-01"}))
        )
        timed = timed.assign({n: timed[n].isel(time=0, drop=True) for n in names[1:]})
        timed.to_netcdf(tmp_path / f"grid_{place}.nc")
    (tmp_path / "c.toml").write_text('[index.run]\nfiles = ["*.nc"]\n')
    with LocalService(tmp_path / "c.toml") as service:
        found = service.answer(DataQuery(Source("run", "speed_of_vozocrtx_vomecrty", Date("20000106"))))
        files = service.answer(FilesQuery("run", "speed_of_vozocrtx_vomecrty", GLOBAL, ALWAYS)).files
    assert sorted(Path(file).name for file in files) == ["grid_u.nc", "grid_v.nc"]
    expected = np.hypot(*true_wind(found.lon, found.lat))
    assert np.abs(found.data - expected)[1:-1, 1:-1].max() < 2e-3
