"""Areas that a file tells of its cells weigh where it does not tell their corners, and the answer says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from datavore_widgets.protocol.answers import Series
from datavore_widgets.protocol.geometry import EARTH_RADIUS, BBox
from datavore_widgets.protocol.queries import SeriesQuery
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.areas import area_weights
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.local import LocalService
from tests.real import SHARED_DATA

ALL = Lapse(Date("1800"), Date("2200"))
WORLD = BBox(-180, -90, 180, 90)
AREAS = "cells weighted by their area in the box"


def model(lon: str = "nav_lon", lat: str = "nav_lat") -> xr.Dataset:
    """Two times of a slanted grid, without corners and without areas."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:6, :8].astype(float)
    dims = "time", "y", "x"
    return xr.Dataset(
        {"tos": (dims, rng.normal(10, 3, (2, 6, 8)), {"units": "degC", "coordinates": f"{lon} {lat}"})},
        {
            "time": ("time", [0.0, 31.0], {"units": "days since 2000-01-01"}),
            lon: (("y", "x"), -30 + x + 0.3 * y, {"units": "degrees_east"}),
            lat: (("y", "x"), 40 + y - 0.2 * x, {"units": "degrees_north"}),
        },
    )


def area_of(shape=(6, 8)) -> np.ndarray:
    """Areas in m2, unlike those of the polygons."""
    return np.random.default_rng(8).uniform(0.5, 2.0, shape) * 1e10


def asked(dataset: xr.Dataset, box: BBox = WORLD) -> Series:
    with LocalService({"m": dataset}) as service:
        return service.answer(SeriesQuery("m", "tos", box, ALL, None, "area_avg"))


def expected(dataset: xr.Dataset, area: np.ndarray) -> np.ndarray:
    weights = xr.DataArray(area, dims=("y", "x"))
    return dataset.tos.weighted(weights).mean(("y", "x")).values


def measured(area: np.ndarray, dims=("y", "x"), units: str = "m2", **attrs) -> xr.Dataset:
    dataset = model()
    dataset["tos"].attrs["cell_measures"] = "area: areacello"
    return dataset.assign(areacello=(dims, area, {"units": units, "standard_name": "cell_area", **attrs}))


@pytest.mark.parametrize(
    ("dims", "units", "factor"), [(("y", "x"), "m2", 1.0), (("x", "y"), "m2", 1.0), (("y", "x"), "km^2", 1e-6)]
)
def test_cell_measures(dims, units, factor) -> None:
    area = area_of()
    told = (area if dims == ("y", "x") else area.T) * factor
    dataset = measured(told, dims, units)
    answer = asked(dataset)
    np.testing.assert_allclose(answer.values, expected(dataset, area), rtol=1e-12)
    assert answer.weighting == f"{AREAS} (areacello)"


def test_scale_factors_of_nemo() -> None:
    e1, e2 = np.sqrt(area_of()), np.sqrt(area_of()) * 1.5
    for lon, lat, point in (("nav_lon", "nav_lat", "t"), ("glamt", "gphit", "t"), ("glamu", "gphiu", "u")):
        dataset = model(lon, lat)
        dataset = dataset.assign(
            {
                # Mesh masks have a time of their own; those of other points are not these cells'.
                f"e1{point}": (("one", "y", "x"), e1[None], {"units": "m"}),
                f"e2{point}": (("one", "y", "x"), e2[None]),
                "e1f": (("y", "x"), np.ones((6, 8))),
                "e2f": (("y", "x"), np.ones((6, 8))),
            }
        )
        answer = asked(dataset)
        np.testing.assert_allclose(answer.values, expected(dataset, e1 * e2), rtol=1e-12)
        assert answer.weighting == f"{AREAS} (e1{point} x e2{point})"


def test_a_cell_area_needs_nobody_who_names_it() -> None:
    area = area_of()
    dataset = measured(area)
    del dataset["tos"].attrs["cell_measures"]
    answer = asked(dataset)
    np.testing.assert_allclose(answer.values, expected(dataset, area), rtol=1e-12)
    assert answer.weighting == f"{AREAS} (areacello)"


def test_metrics_of_roms_are_the_inverse_of_the_sides() -> None:
    sides = np.sqrt(area_of()), np.sqrt(area_of()) * 1.5
    dataset = model("lon_rho", "lat_rho")
    for units in ("meter-1", "m-1"):
        metrics = {
            name: (("y", "x"), 1 / side, {"units": units}) for name, side in zip(("pm", "pn"), sides, strict=True)
        }
        answer = asked(dataset.assign(metrics))
        np.testing.assert_allclose(answer.values, expected(dataset, sides[0] * sides[1]), rtol=1e-12)
        assert answer.weighting == f"{AREAS} (1 / (pm x pn))"
    other = {name: (("y", "x"), 1 / side, {"units": "ug m-3"}) for name, side in zip(("pm", "pn"), sides, strict=True)}
    assert "half-way" in asked(dataset.assign(other)).weighting


def lenders() -> dict[str, tuple[xr.Dataset, np.ndarray, str]]:
    """Files that tell the areas of the cells of `model`, with these and their names."""
    plain, area = model(), area_of()
    places = plain[["nav_lon", "nav_lat"]].drop_vars("time", errors="ignore")
    flat, named = ("y", "x"), {"coordinates": "nav_lon nav_lat"}
    e1, pm = np.sqrt(area) * 0.8, np.sqrt(area) * 1.1
    sides = {"e1t": (("t", "y", "x"), e1[None], {"units": "m"}), "e2t": (("t", "y", "x"), (area / e1)[None])}
    metrics = {
        "pm": (flat, 1 / pm, {"units": "meter-1", **named}),
        "pn": (flat, pm / area, {"units": "meter-1", **named}),
    }
    return {
        "areacello": (places.assign(areacello=(flat, area, {"units": "m2", **named})), area, "areacello"),
        "mesh_mask": (places.assign(sides), area, "e1t x e2t"),
        "roms_grid": (places.assign(metrics), area, "1 / (pm x pn)"),
    }


@pytest.mark.parametrize("name", sorted(lenders()))
@pytest.mark.parametrize("as_folder", [True, False])
def test_another_file_beside_it_tells_the_areas(tmp_path: Path, name: str, as_folder: bool) -> None:
    dataset = model()
    lender, area, source = lenders()[name]
    # As written once more in single precision, and on another turn.
    lender = lender.assign_coords(nav_lon=lender.nav_lon.astype("f4") + 360, nav_lat=lender.nav_lat.astype("f4"))
    for one, file in ((dataset, "tos.nc"), (lender, f"{name}.nc")):
        one.to_netcdf(tmp_path / file)
    (tmp_path / "catalogue.toml").write_text('[index.tos]\nfiles = ["*.nc"]\n')
    with LocalService(tmp_path if as_folder else tmp_path / "catalogue.toml") as service:
        answer = service.answer(SeriesQuery("tos", "tos", WORLD, ALL, None, "area_avg"))
        plainly = service.answer(SeriesQuery("tos", "tos", WORLD, ALL, None, "avg"))
        part = service.answer(SeriesQuery("tos", "tos", BBox(-28.3, 40.2, -24.4, 43.7), ALL, None, "area_avg"))
    np.testing.assert_allclose(answer.values, expected(dataset, area), rtol=1e-12)
    assert answer.weighting == part.weighting == f"{AREAS} ({source} of {name}.nc)"
    assert plainly.weighting == "every value alike"


def test_areas_of_other_cells_are_not_taken_and_what_a_file_tells_itself_comes_first() -> None:
    plain, area = model(), area_of()
    lender, _, _ = lenders()["areacello"]
    moved = lender.assign_coords(nav_lon=lender.nav_lon + 0.01)
    smaller = lender.isel(x=slice(1, None))
    for other in (moved, smaller, lender.assign(areacello=lender.areacello.assign_attrs(units="1"))):
        with LocalService({"m": plain, "other": other}) as service:
            answer = service.answer(SeriesQuery("m", "tos", WORLD, ALL, None, "area_avg"))
        assert answer.weighting == f"{AREAS} (corners half-way between the centres)"
    own = measured(area * 0.7 + 1e9)
    with LocalService({"m": own, "other": lender}) as service:
        answer = service.answer(SeriesQuery("m", "tos", WORLD, ALL, None, "area_avg"))
    np.testing.assert_allclose(answer.values, expected(own, area * 0.7 + 1e9), rtol=1e-12)
    assert answer.weighting == f"{AREAS} (areacello)"


def test_of_cells_that_the_box_cuts_the_same_part_of_the_told_area_weighs() -> None:
    plain, area = model(), area_of()
    box = BBox(-28.3, 40.2, -24.4, 43.7)
    grid = CurvilinearGrid.from_centers(plain.nav_lon, plain.nav_lat)
    cells, inside = area_weights(grid, box)
    _, whole = area_weights(grid, WORLD)
    rows = slice(cells.rows.start, cells.rows.stop)
    part = np.zeros(grid.shape)
    part[rows, cells.columns] = inside / whole[rows][:, cells.columns]
    assert ((part > 0.01) & (part < 0.99)).sum() > 8
    dataset = measured(area)
    np.testing.assert_allclose(asked(dataset, box).values, expected(dataset, part * area), rtol=1e-9)


def test_corners_of_the_file_are_better_and_areas_that_make_no_sense_are_none() -> None:
    plain = model()
    polygons = area_weights(CurvilinearGrid.from_centers(plain.nav_lon, plain.nav_lat), WORLD)[1]
    half_way = f"{AREAS} (corners half-way between the centres)"
    for wrong in (
        plain,
        measured(area_of(), units="degree2"),
        measured(area_of((6,)), dims=("y",)),
        measured(area_of((2, 6, 8)), dims=("time", "y", "x")),
        measured(area_of() * 1e9),
        measured(np.full((6, 8), np.nan)),
        plain.assign(tos=plain.tos.assign_attrs(cell_measures="area: elsewhere")),
        plain.assign(e1t=(("y", "x"), np.ones((6, 8)), {"units": "degrees"}), e2t=(("y", "x"), np.ones((6, 8)))),
    ):
        answer = asked(wrong)
        assert answer.weighting == half_way
        np.testing.assert_allclose(answer.values, expected(plain, polygons), rtol=1e-12)
    corners = {}
    for name, shifts in (("nav_lon", (-0.5, 0.5, 0.5, -0.5)), ("nav_lat", (-0.5, -0.5, 0.5, 0.5))):
        corners[f"{name}_bnds"] = (("y", "x", "corner"), plain[name].values[..., None] + np.array(shifts))
    told = measured(area_of()).assign(corners)
    for name in ("nav_lon", "nav_lat"):
        told[name].attrs["bounds"] = f"{name}_bnds"
    assert asked(told).weighting == f"{AREAS} (corners of the file)"


def test_a_cell_without_a_told_area_has_that_of_its_polygon() -> None:
    plain = model()
    polygons = area_weights(CurvilinearGrid.from_centers(plain.nav_lon, plain.nav_lat), WORLD)[1]
    area = polygons * EARTH_RADIUS**2 * 1.01
    area[2, 3], area[4, 4] = np.nan, 0.0
    wanted = np.where(area > 0, area, polygons * EARTH_RADIUS**2)
    dataset = measured(area * 1e-6, units="km2")
    np.testing.assert_allclose(asked(dataset).values, expected(dataset, np.nan_to_num(wanted)), rtol=1e-12)


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the real files are not here")
@pytest.mark.parametrize(
    "name", ["nemo_1m_20150101-20150201_grid-T.nc", "tos_Omon_CNRM-CM6-1_ssp245_r1i1p1f2_gn_201501.nc"]
)
def test_parts_of_orca_cells_add_up_to_the_box(name: str) -> None:
    """Its wrapped columns and its folded row are counted once; one of its cells has a side right over the pole."""
    south = -70.0  # farther south is land that its cells leave out
    rng = np.random.default_rng(6)
    with LocalService(SHARED_DATA / name) as service:
        (index,) = service._store.library.indexes.values()
        grid = index.variables["tos"].grid
        boxes = [BBox(-180, south, 180, 90), BBox(-60.3, 70, 30.7, 90), BBox(150.2, 55.1, -100.4, 88.7)]
        boxes += [BBox(west, 88, west + 90, 90) for west in (-180, -90, 0, 90)]
        for _ in range(5):
            low, high = np.sort(rng.uniform(south, 90, 2))
            boxes.append(BBox(rng.uniform(-180, 180), low, rng.uniform(-180, 180), high))
        for box in boxes:
            _, weights = area_weights(grid, box)
            area = np.radians(box.width) * (np.sin(np.radians(box.north)) - np.sin(np.radians(box.south)))
            assert weights.sum() == pytest.approx(area, rel=1e-6), box
        answer = service.answer(SeriesQuery(index.id, "tos", boxes[2], ALL, None, "area_avg"))
        assert answer.weighting == f"{AREAS} (corners of the file)"
