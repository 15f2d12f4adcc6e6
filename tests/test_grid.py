"""Cells found by place and by box, against masks worked out the slow way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import DataQuery, Source
from datavore_widgets.protocol.times import Date
from datavore_widgets.service.grid import RectilinearGrid
from datavore_widgets.service.local import LocalService
from tests import fields

SHIFTS = (-280.0, -180.0, 0.0, 20.0, 100.0)


@st.composite
def grids(draw):
    """Grids of any orientation, convention and extent; steps of quarters, so that edges are exact in floats."""
    is_global = draw(st.booleans())
    if is_global:
        nx = draw(st.sampled_from([3, 4, 8, 36, 72]))
        step = 360.0 / nx
    else:
        nx = draw(st.integers(1, 30))
        step = draw(st.sampled_from([0.25, 0.5, 1.0, 2.5, 7.5]))
    start = draw(st.sampled_from(SHIFTS)) + draw(st.integers(0, 80)) * 0.25
    lon = start + step * np.arange(nx)
    if draw(st.booleans()):
        lon = (lon + 180.0) % 360.0 - 180.0  # may jump in the middle
    if draw(st.booleans()):
        lon = lon[::-1]
    dlat = draw(st.sampled_from([0.5, 1.0, 5.0]))
    south = draw(st.integers(-90, 60)) + dlat / 2
    lat = south + dlat * np.arange(draw(st.integers(1, 20)))
    lat = lat[lat < 90.0]
    if draw(st.booleans()):
        lat = lat[::-1]
    return RectilinearGrid.from_centers(lon, lat)


@st.composite
def boxes(draw):
    """Boxes of any convention: over the antimeridian, over Greenwich, a whole turn, without width, at the poles."""
    quarter = st.integers(-4 * 360, 4 * 720).map(lambda n: n / 4 + draw(st.sampled_from([0.0, 0.1])))
    west = draw(quarter.filter(lambda v: -360 <= v <= 720))
    width = draw(st.one_of(st.just(0.0), st.just(360.0), st.integers(0, 1440).map(lambda n: n / 4)))
    east = west + width
    if east > 720.0 or (draw(st.booleans()) and width < 360.0):
        east = (east + 180.0) % 360.0 - 180.0
        west = (west + 180.0) % 360.0 - 180.0
        if width >= 360.0:
            west, east = -180.0, 180.0
    south, north = sorted((draw(st.integers(-90, 90)), draw(st.integers(-90, 90))))
    return BBox(west, south, east, north)


def cells(grid):
    """(west, east) of every column, of its own accord: half-way to its neighbours, worked out cell by cell."""
    return [tuple(sorted(pair)) for pair in zip(grid.lon_edges[:-1], grid.lon_edges[1:], strict=True)]


def overlaps(cell, bbox):
    """Whether a cell and a box share more than an edge, on the turn that the box starts on or another."""
    west, east = cell
    start, stop = bbox.west, bbox.west + bbox.width
    return any(
        west + turn < stop - 1e-7 and east + turn > start + 1e-7 for turn in (-1080, -720, -360, 0, 360, 720, 1080)
    )


@settings(max_examples=300, deadline=None)
@given(grid=grids(), bbox=boxes())
def test_columns_and_rows_in_a_box_are_those_of_a_mask(grid, bbox):
    columns = grid.columns_in(bbox)
    expected = np.flatnonzero(bbox.contains_longitude(grid.lon))
    assert sorted(columns.tolist()) == expected.tolist()
    east_of_west = (grid.lon[columns] - bbox.west + 1e-7) % 360
    assert (np.diff(east_of_west) > 0).all(), "from west to east"
    rows = grid.rows_in(bbox)
    inside = (grid.lat >= bbox.south) & (grid.lat <= bbox.north)
    assert np.arange(grid.lat.size)[rows].tolist() == np.flatnonzero(inside).tolist()


@settings(max_examples=300, deadline=None)
@given(grid=grids(), bbox=boxes())
def test_columns_and_rows_touching_a_box_are_those_that_overlap_it(grid, bbox):
    columns = grid.columns_touching(bbox)
    assert len(set(columns.tolist())) == columns.size, "every column once"
    if bbox.width > 0:
        expected = [i for i, cell in enumerate(cells(grid)) if overlaps(cell, bbox)]
        assert sorted(columns.tolist()) == expected
    elif grid.is_cyclic:
        assert columns.tolist() == [int(grid.columns_at(bbox.west))]
    rows = np.arange(grid.lat.size)[grid.rows_touching(bbox)]
    if bbox.height > 0:
        low, high = np.sort(np.c_[grid.lat_edges[:-1], grid.lat_edges[1:]], axis=1).T
        assert rows.tolist() == np.flatnonzero((low < bbox.north) & (high > bbox.south)).tolist()
    if columns.size:
        window = grid.window(slice(0, grid.lat.size), columns)
        assert (np.diff(window.lon_edges) > 0).all()
        assert (np.diff(window.lon) > 0).all()
        middles = window.lon
        assert np.array_equal(columns[window.columns_at(middles)], grid.columns_at(middles))


@settings(max_examples=200, deadline=None)
@given(grid=grids(), shift=st.sampled_from([-720, -360, 0, 360]), lons=st.lists(st.floats(-180, 540), max_size=20))
def test_a_longitude_finds_its_cell_in_any_convention(grid, shift, lons):
    lons = np.asarray(lons, dtype=np.float64)
    found = grid.columns_at(lons + shift)
    for lon, column in zip(lons, found, strict=True):
        holding = [
            i
            for i, (west, east) in enumerate(cells(grid))
            if any(west - 1e-5 <= lon + turn <= east + 1e-5 for turn in (-720, -360, 0, 360, 720))
        ]
        if column == -1:
            strictly = [
                i
                for i, (west, east) in enumerate(cells(grid))
                if any(west + 1e-5 < lon + turn < east - 1e-5 for turn in (-720, -360, 0, 360, 720))
            ]
            assert not strictly
        else:
            assert column in holding


@settings(max_examples=100, deadline=None)
@given(grid=grids())
def test_every_centre_lies_in_its_own_cell_and_every_edge_in_one(grid):
    ny, nx = grid.shape
    assert grid.columns_at(grid.lon).tolist() == list(range(nx))
    assert grid.rows_at(grid.lat).tolist() == list(range(ny))
    assert (grid.columns_at(grid.lon_edges) >= 0).all()
    assert (grid.rows_at(grid.lat_edges) >= 0).all()
    if grid.is_cyclic:
        assert (grid.columns_at(np.linspace(-500, 500, 4001)) >= 0).all()
        assert abs(grid.lon_edges[-1] - grid.lon_edges[0]) == 360.0


def test_float32_longitudes_of_a_whole_turn_are_cyclic():
    lon = (np.arange(432, dtype=np.float32) * np.float32(360 / 432)).astype(np.float32)
    grid = RectilinearGrid.from_centers(lon, np.array([-5.0, 0.0, 5.0], dtype=np.float32))
    assert grid.is_cyclic
    assert abs(grid.lon_edges[-1] - grid.lon_edges[0]) == 360.0
    assert grid.bbox == BBox(-180.0, -7.5, 180.0, 7.5)
    # 0.8333333 as float32 lies east of the box's edge by rounding alone.
    assert grid.columns_in(BBox(0, -5, 0.8333333, 5)).tolist() == [0, 1]


def test_a_grid_that_lacks_a_column_is_not_cyclic():
    grid = RectilinearGrid.from_centers(np.arange(0.0, 359.0), [0.0, 1.0])
    assert not grid.is_cyclic
    assert grid.columns_at([358.4, 359.0, -0.4, -0.6]).tolist() == [358, -1, 0, -1]


def test_columns_that_repeat_the_first_after_a_turn_are_left_out():
    grid = RectilinearGrid.from_centers(np.arange(0.0, 361.0, 10.0), [0.0, 10.0])
    assert grid.shape == (2, 36)
    assert grid.is_cyclic
    assert grid.columns_in(BBox(-180, -90, 180, 90)).size == 36


def test_a_box_over_the_seam_is_one_wrapped_run():
    grid = RectilinearGrid.from_centers(np.arange(0.5, 360.0), np.arange(-89.5, 90.0))
    assert grid.columns_in(BBox(-2, -1, 2, 1)).tolist() == [358, 359, 0, 1]
    assert grid.columns_in(BBox(358, -1, 2, 1)).tolist() == [358, 359, 0, 1]
    assert grid.columns_touching(BBox(-1.5, -1, 0.5, 1)).tolist() == [358, 359, 0]
    window = grid.window(slice(80, 100), grid.columns_in(BBox(-2, -1, 2, 1)))
    assert window.lon.tolist() == [358.5, 359.5, 360.5, 361.5]
    assert window.lon_edges.tolist() == [358.0, 359.0, 360.0, 361.0, 362.0]
    assert window.lat_edges.size == 21
    assert window.columns_at([0.2, -1.2, 10.0]).tolist() == [2, 0, -1]


@pytest.mark.parametrize("lon", [[0.0, 1, 2, 3], [3.0, 2, 1, 0], [358.0, 359, 0, 1]])
def test_a_box_without_width_touches_the_cell_that_holds_it(lon):
    grid = RectilinearGrid.from_centers(lon, [0.0, 1.0])
    west, east = sorted(grid.lon_edges[[0, -1]])
    for meridian in (west, west + 0.2, west + 1, west + 2.5, east - 0.2, east):
        columns = grid.touching(BBox(meridian, 0, meridian, 1)).columns
        assert columns.tolist() == [grid.columns_at(meridian)]
    assert grid.touching(BBox(east + 0.1, 0, east + 0.1, 1)).count == 0


def test_a_whole_turn_starts_at_the_west_of_the_box():
    grid = RectilinearGrid.from_centers(np.arange(0.5, 360.0), [0.0, 1.0])
    columns = grid.columns_touching(BBox(-180, -90, 180, 90))
    assert columns[0] == 180
    assert columns.size == 360
    window = grid.window(slice(None), columns)
    assert window.is_cyclic
    assert np.array_equal(window.lon_edges, np.arange(180.0, 541.0))


def test_a_window_over_both_ends_of_a_regional_grid_keeps_the_hole():
    grid = RectilinearGrid.from_centers(np.arange(-6.0, 37.0, 2.0), [30.0, 32.0])
    columns = grid.columns_touching(BBox(0, -90, 360, 90))
    assert sorted(columns.tolist()) == list(range(22))
    window = grid.window(slice(None), columns)
    assert window.hole == (37.0, 353.0)
    assert (window.columns_at([40.0, 180.0, 352.0]) == -1).all()
    assert columns[window.columns_at([36.0, 354.0, -6.0, 0.0])].tolist() == [21, 0, 0, 3]
    thinned = window.coarsen(1, 2)
    assert (thinned.columns_at([40.0, 180.0, 352.0]) == -1).all()


def test_bounds_are_taken_where_they_are_cells_around_the_centres():
    lat = np.array([-60.0, 0.0, 70.0])
    lat_bounds = np.array([[-90.0, -45.0], [-45.0, 20.0], [20.0, 90.0]])
    lon = np.array([0.0, 90.0, 180.0, 270.0])
    lon_bounds = np.array([[-45.0, 45.0], [45.0, 135.0], [135.0, 225.0], [225.0, -45.0]])
    grid = RectilinearGrid.from_centers(lon, lat, lon_bounds, lat_bounds)
    assert grid.lat_edges.tolist() == [-90.0, -45.0, 20.0, 90.0]
    assert grid.lon_edges.tolist() == [-45.0, 45.0, 135.0, 225.0, 315.0]
    assert grid.is_cyclic
    apart = np.array([[-90.0, -50.0], [-45.0, 20.0], [20.0, 90.0]])
    assert RectilinearGrid.from_centers(lon, lat, None, apart).lat_edges[1] == -30.0
    flipped = RectilinearGrid.from_centers(lon, lat[::-1], lon_bounds, lat_bounds[::-1, ::-1])
    assert flipped.lat_edges.tolist() == [90.0, 20.0, -45.0, -90.0]


@pytest.mark.parametrize("steps", [(1, 1), (2, 3), (3, 4), (5, 7)])
def test_strides_keep_cells_in_their_place_and_the_outer_edges(steps):
    grid = RectilinearGrid.from_centers(np.arange(0.5, 360.0), np.arange(89.5, -90.0, -1.0))
    coarse = grid.coarsen(*steps)
    assert np.array_equal(coarse.lon, grid.lon[:: steps[1]])
    assert coarse.lon_edges.size == coarse.lon.size + 1
    assert coarse.lat_edges.size == coarse.lat.size + 1
    assert coarse.lon_edges[[0, -1]].tolist() == [0.0, 360.0]
    assert coarse.lat_edges[[0, -1]].tolist() == [90.0, -90.0]
    assert np.array_equal(coarse.columns_at(coarse.lon), np.arange(coarse.lon.size))
    middles = (coarse.lon[:-1] + coarse.lon[1:]) / 2
    assert np.allclose(coarse.lon_edges[1:-1], middles)


def test_cells_end_at_the_poles():
    grid = RectilinearGrid.from_centers([0.0, 1.0], np.linspace(-90, 90, 5))
    assert grid.lat_edges.tolist() == [-90.0, -67.5, -22.5, 22.5, 67.5, 90.0]
    assert grid.rows_at([90.0, -90.0, 89.9, 91.0, np.nan]).tolist() == [4, 0, 4, -1, -1]


def test_nan_is_nowhere():
    grid = RectilinearGrid.from_centers(np.arange(0.0, 360.0), [0.0, 1.0])
    assert grid.columns_at([np.nan, np.inf]).tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("lon", "lat", "word"),
    [
        ([0.0, 1.0, 0.5], [0.0, 1.0], "neither rise nor fall"),
        ([0.0, 1.0], [0.0, 5.0, 3.0], "neither rise nor fall"),
        ([0.0, np.nan], [0.0, 1.0], "missing"),
        ([0.0, 9.97e36], [0.0, 1.0], "no longitude"),
        ([0.0, 1.0], [0.0, 95.0], "no latitude"),
        ([], [0.0, 1.0], "not one row"),
    ],
)
def test_coordinates_that_make_no_grid_are_refused(lon, lat, word):
    with pytest.raises(InvalidValue, match=word):
        RectilinearGrid.from_centers(lon, lat)


@pytest.mark.parametrize(
    ("units", "per_degree"),
    [
        ("arc_minute", 60),
        ("arcmin", 60),
        ("Arcminutes", 60),
        ("arc_second", 3600),
        ("arcsec", 3600),
        ("rad", np.pi / 180),
    ],
)
def test_angles_in_other_units_are_degrees_in_answers(units: str, per_degree: float) -> None:
    plain = fields.regional()
    other = plain.assign_coords(
        {name: (name, plain[name].values * per_degree, {"units": units}) for name in ("lon", "lat")}
    )
    box = BBox(3, 33, 21, 41)
    with LocalService({"a": plain, "b": other}) as service:
        one, two = (service.answer(DataQuery(Source(index, "sst", Date("201201")), box)) for index in "ab")
    assert np.allclose(one.lon, two.lon, rtol=1e-12)
    assert np.allclose(one.lat, two.lat, rtol=1e-12)
    assert np.array_equal(one.data, two.data, equal_nan=True)
