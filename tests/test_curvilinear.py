"""Cells with places of their own: where they are found and drawn, against ways that are slow and independent."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.protocol.queries import Canvas
from datavore_widgets.service import corners, mosaic
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.corners import EstimatedCorners
from datavore_widgets.service.curvilinear import CurvilinearGrid
from datavore_widgets.service.mosaic import Mosaic
from datavore_widgets.service.resample import frame_of, plan
from datavore_widgets.service.sphere import degrees_of, distance, half_turn, longitudes_around, vectors_of

quick = settings(max_examples=40, deadline=None)


class Sheet:
    """A regular sheet of cells, sheared, turned and laid anywhere on the sphere: its cells can be worked out.

    Parameters
    ----------
    center : (float, float)
        Where the middle of the sheet lies.
    """

    def __init__(
        self, ny: int, nx: int, step: float, shear: float, turn: float, center: tuple[float, float], mirrored: bool
    ) -> None:
        self.shape = ny, nx
        self.step, self.shear, self.mirrored = step, shear, mirrored
        lon, lat = np.radians(center)
        up = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
        lift = np.array([[np.cos(lat), 0, -np.sin(lat)], [0, 1, 0], [np.sin(lat), 0, np.cos(lat)]])
        around = np.array([[np.cos(lon), -np.sin(lon), 0], [np.sin(lon), np.cos(lon), 0], [0, 0, 1]])
        self.rotation = around @ lift @ up

    def places(self, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        """Longitude and latitude of places in the sheet; (0, 0) is the outer corner of the first cell."""
        ny, nx = self.shape
        rows, columns = np.broadcast_arrays(rows, columns)
        y = (rows - ny / 2) * self.step * (-1 if self.mirrored else 1)
        x = (columns - nx / 2) * self.step + self.shear * y
        return degrees_of(np.tensordot(self.rotation, vectors_of(x, y), axes=1))

    def cells(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        """Rows and columns, with fractions, of places on the sphere."""
        ny, nx = self.shape
        x, y = degrees_of(np.tensordot(self.rotation.T, vectors_of(lon, lat), axes=1))
        columns = (x - self.shear * y) / self.step + nx / 2
        return y / self.step * (-1 if self.mirrored else 1) + ny / 2, columns

    def grid(self, told: bool = False) -> CurvilinearGrid:
        rows, columns = np.mgrid[: self.shape[0], : self.shape[1]]
        lon, lat = self.places(rows + 0.5, columns + 0.5)
        if not told:
            return CurvilinearGrid.from_centers(lon, lat)
        around = [self.places(rows + down, columns + right) for down, right in ((0, 0), (0, 1), (1, 1), (1, 0))]
        return CurvilinearGrid.from_centers(lon, lat, *(np.stack(pair, axis=-1) for pair in zip(*around, strict=True)))


@st.composite
def sheets(draw: st.DrawFn) -> Sheet:
    ny, nx = draw(st.integers(3, 12)), draw(st.integers(3, 12))
    step = draw(st.sampled_from([0.02, 0.25, 1.0, 3.0]))
    center = (
        draw(st.sampled_from([0.0, 179.95, -180.0, 360.0]) | st.floats(-180, 360)),
        draw(st.sampled_from([90.0, -90.0, 89.5, 0.0]) | st.floats(-90, 90)),
    )
    return Sheet(
        ny,
        nx,
        step,
        draw(st.sampled_from([0.0, 0.4, -0.4])),
        draw(st.floats(0, 2 * math.pi)),
        center,
        draw(st.booleans()),
    )


def around(sheet: Sheet, grid: CurvilinearGrid, projection: str, resolution: int) -> Canvas:
    """A canvas around a sheet, a little larger."""
    box = grid.bbox
    pad = sheet.step
    south, north = max(box.south - pad, -90.0), min(box.north + pad, 90.0)
    if projection == "mercator":
        south, north = max(south, -84.0), min(north, 84.0)
        assume(north - south > sheet.step)
    if box.is_whole_turn:
        return Canvas(BBox(-180, south, 180, north), resolution, projection)
    west = box.west - pad
    return Canvas(BBox(west, south, west + min(box.width + 2 * pad, 360.0), north), resolution, projection)


def on_pixels(canvas: Canvas, grid: CurvilinearGrid) -> tuple[NDArray, NDArray, NDArray]:
    """The cell that each pixel shows, and longitude and latitude of the pixels."""
    frame = frame_of(grid, canvas)
    shown = Mosaic.of(grid, frame, replace(canvas, reduce="stride")).shown
    lon, lat = np.meshgrid(frame.lons, frame.lats)
    return shown, lon, lat


@quick
@given(sheet=sheets(), projection=st.sampled_from(["pc_world", "mercator"]), told=st.booleans())
def test_every_pixel_shows_the_cell_that_it_lies_in(sheet: Sheet, projection: str, told: bool) -> None:
    grid = sheet.grid(told)
    shown, lon, lat = on_pixels(around(sheet, grid, projection, 90), grid)
    rows, columns = sheet.cells(lon, lat)
    ny, nx = sheet.shape
    # The sides of the sheet's cells are no great circles: off by this part of a cell in the largest ones.
    slack = 0.02 + 0.01 * sheet.step * max(ny, nx) / 10
    border = np.minimum(np.abs(rows - np.rint(rows)), np.abs(columns - np.rint(columns))) < slack
    inside = (rows > 0) & (rows < ny) & (columns > 0) & (columns < nx)
    expected = np.where(inside, np.floor(rows) * nx + np.floor(columns), -1)
    wrong = (shown != expected) & ~border
    assert not wrong.any(), (np.argwhere(wrong)[:3], shown[wrong][:3], expected[wrong][:3])
    # Not a hole where two cells meet.
    well_inside = (rows > slack) & (rows < ny - slack) & (columns > slack) & (columns < nx - slack)
    assert (shown[well_inside] >= 0).all()


@quick
@given(sheet=sheets(), seed=st.integers(0, 9))
def test_a_place_is_in_the_cell_that_a_picture_shows_there(sheet: Sheet, seed: int) -> None:
    grid = sheet.grid()
    shown, lon, lat = on_pixels(around(sheet, grid, "pc_world", 40), grid)
    for pixel in np.random.default_rng(seed).integers(0, shown.size, 12):
        found = grid.at(float(lon.flat[pixel]), float(lat.flat[pixel]))
        assert (-1 if found is None else found[0] * grid.shape[1] + found[1]) == shown.flat[pixel]


@st.composite
def boxes(draw: st.DrawFn, grid: CurvilinearGrid) -> BBox:
    """Boxes about a grid, in any convention, over the antimeridian too."""
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    cell = rng.integers(grid.lon.size)
    lon, lat = float(grid.lon.flat[cell]), float(grid.lat.flat[cell])
    width, height = grid.cell_size[0] * rng.uniform(0.2, 8), grid.cell_size[1] * rng.uniform(0.2, 8)
    width = min(width, 359.0)
    west = float(half_turn(lon - width * rng.uniform()))
    east = west + width
    south, north = max(lat - height * rng.uniform(), -90.0), min(lat + height * rng.uniform(), 90.0)
    if draw(st.booleans()) and east > 180:
        east -= 360.0
    return BBox(west, south, east, north) if not draw(st.booleans()) else BBox(-180, south, 180, north)


@quick
@given(data=st.data(), sheet=sheets(), gaps=st.booleans())
def test_the_cells_inside_a_box_are_those_of_a_mask(data: st.DataObject, sheet: Sheet, gaps: bool) -> None:
    whole = sheet.grid()
    lon, lat = whole.lon.copy(), whole.lat.copy()
    if gaps:
        lost = np.random.default_rng(0).uniform(size=lon.shape) < 0.2
        lost.flat[0] = False
        lon[lost], lat[lost] = np.nan, 1e20
    grid = CurvilinearGrid.from_centers(lon, lat)
    bbox = data.draw(boxes(whole))
    # A hair's breadth is neither in nor out.
    hair = np.abs(grid.lat - bbox.south) < 1e-5
    hair |= np.abs(grid.lat - bbox.north) < 1e-5
    for edge in (bbox.west, bbox.east):
        hair |= np.abs(half_turn(grid.lon - edge)) < 1e-5
    found = np.zeros(grid.shape, dtype=bool)
    cells = grid.inside(bbox)
    if cells.count:
        window = np.zeros((cells.rows.stop - cells.rows.start, cells.columns.size), dtype=bool)
        window[...] = True if cells.mask is None else cells.mask
        found[np.ix_(np.arange(cells.rows.start, cells.rows.stop), cells.columns)] = window
        assert window.any(axis=1)[[0, -1]].all()
        assert window.any(axis=0)[[0, -1]].all()
        lons, lats = grid.listed(cells)
        assert np.array_equal(np.sort(lons), np.sort(grid.lon[found]))
        assert lats.size == cells.count
    expected = bbox.contains(grid.lon, grid.lat) & np.isfinite(grid.lon)
    assert ((found == expected) | hair).all()


def meant(cells: Cells, shape: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, dtype=bool)
    if cells.columns.size:
        rows = np.arange(cells.rows.start, cells.rows.stop)
        mask[np.ix_(rows, cells.columns)] = True if cells.mask is None else cells.mask
    return mask


@quick
@given(data=st.data(), sheet=sheets())
def test_the_cells_touching_a_box_have_a_place_in_it(data: st.DataObject, sheet: Sheet) -> None:
    grid = sheet.grid(told=True)
    bbox = data.draw(boxes(grid))
    assume(bbox.width > 0 and bbox.height > 0)
    touching = meant(grid.touching(bbox), grid.shape)
    # Places all over each cell, a little off its border.
    across = np.linspace(0.03, 0.97, 12)
    rows, columns = np.mgrid[: sheet.shape[0], : sheet.shape[1]]
    lon, lat = sheet.places(rows[:, :, None, None] + across[:, None], columns[:, :, None, None] + across[None, :])
    reaches = bbox.contains(lon, lat).any(axis=(2, 3))
    assert not (reaches & ~touching).any()
    # Those that touch have a place in a box that is larger by a part of a cell.
    lons, lats = half_turn(lon - bbox.west - bbox.width / 2), lat
    pad = 0.2 * sheet.step
    wide = pad / np.maximum(np.cos(np.radians(np.minimum(np.abs(lats) + pad, 89.9))), 1e-3)
    near = (np.abs(lons) <= bbox.width / 2 + wide) & (lats >= bbox.south - pad) & (lats <= bbox.north + pad)
    # Those with a corner beyond 75 degrees, where these places do not quite reach, are taken by their extent.
    polar = np.abs(lat).max(axis=(2, 3)) > 75 - 0.1 * sheet.step
    assert not (touching & ~near.any(axis=(2, 3)) & ~polar).any()


@quick
@given(sheet=sheets())
def test_the_extent_holds_every_place_and_no_more(sheet: Sheet) -> None:
    grid = sheet.grid(told=True)
    rows, columns = np.mgrid[0 : sheet.shape[0] : 0.25, 0 : sheet.shape[1] : 0.25]
    lon, lat = sheet.places(rows, columns)
    assert grid.bbox.contains(lon, lat).mean() > 0.999
    pole = sheet.cells(np.array([0.0, 0.0]), np.array([90.0, -90.0]))
    for row, column, side in zip(*pole, (grid.bbox.north == 90, grid.bbox.south == -90), strict=True):
        if 0.1 < row < sheet.shape[0] - 0.1 and 0.1 < column < sheet.shape[1] - 0.1:
            assert grid.bbox.is_whole_turn
            assert side
    if not grid.bbox.is_whole_turn:
        west, width = longitudes_around(lon.ravel(), lon.ravel())
        assert grid.bbox.width <= width + 2.5 * grid.cell_size[0] + 0.3
        assert abs(float(half_turn(west - grid.bbox.west))) <= 2.5 * grid.cell_size[0] + 0.3
    assert grid.bbox.north <= lat.max() + sheet.step
    assert grid.bbox.south >= lat.min() - sheet.step


def test_runs_of_longitudes_are_put_in_the_shortest_one() -> None:
    assert longitudes_around(np.array([170.0, -175.0]), np.array([175.0, -170.0])) == pytest.approx((170, 20))
    assert longitudes_around(np.array([10.0]), np.array([10.0])) == pytest.approx((10, 0))
    assert longitudes_around(np.array([350.0, 5.0]), np.array([355.0, 15.0])) == pytest.approx((-10, 25))
    assert longitudes_around(np.arange(-180.0, 180), np.arange(-179.0, 181)) == (-180, 360)
    assert longitudes_around(np.array([-180.0]), np.array([180.0])) == (-180, 360)


# --- corners ---------------------------------------------------------------------------------------------------------


@quick
@given(sheet=sheets())
def test_corners_lie_half_way_between_centres(sheet: Sheet) -> None:
    ours, true = sheet.grid(), sheet.grid(told=True)
    cells = np.arange(ours.lon.size)
    away = distance(*ours.corners.degrees(cells), *true.corners.degrees(cells))
    assert away.max() < (0.02 + 0.01 * sheet.step) * np.radians(sheet.step) * 6.4e6


def swath(lines: int = 30, samples: int = 12, step: float = 0.25) -> tuple[NDArray, NDArray]:
    """A swath that rises to the right over 30 E, with equal steps in the sheet of its own."""
    sheet = Sheet(lines, samples, step, 0.0, math.pi / 6, (30.0, 20.0), False)
    rows, columns = np.mgrid[:lines, :samples]
    return sheet.places(rows + 0.5, columns + 0.5)


def test_nothing_is_drawn_in_the_gap_of_a_swath() -> None:
    sheet = Sheet(30, 30, 0.25, 0.0, math.pi / 6, (30.0, 20.0), False)
    rows, columns = np.mgrid[:30, :12]
    lon, lat = sheet.places(rows + 0.5, np.where(columns < 6, columns, columns + 18) + 0.5)
    grid = CurvilinearGrid.from_centers(lon, lat, is_swath=True)
    shown, lons, lats = on_pixels(Canvas(grid.bbox, 300), grid)
    along, across = sheet.cells(lons, lats)
    on_swath = (along > 0) & (along < 30) & (((across > 0) & (across < 6)) | ((across > 24) & (across < 30)))
    border = np.min([np.abs(across - edge) for edge in (0, 6, 24, 30)] + [np.abs(along), np.abs(along - 30)], axis=0)
    clear = border > 0.05
    assert np.array_equal((shown >= 0)[clear], on_swath[clear])


def test_samples_without_a_place_are_no_cells_and_do_not_smear() -> None:
    lon, lat = swath()
    lost = np.zeros(lon.shape, dtype=bool)
    lost[10:14, 3:7] = lost[20] = lost[:, 0] = True
    grid = CurvilinearGrid.from_centers(np.where(lost, np.nan, lon), np.where(lost, -999.0, lat), is_swath=True)
    whole = CurvilinearGrid.from_centers(lon, lat, is_swath=True)
    canvas = Canvas(whole.bbox, 200)
    shown, full = on_pixels(canvas, grid)[0], on_pixels(canvas, whole)[0]
    there = np.where(lost.ravel()[full], -1, full)
    there[full < 0] = -1
    # The same but for the bends of a border.
    assert (shown != there).mean() < 0.004
    assert not lost.ravel()[shown[shown >= 0]].any()
    assert grid.at(float(lon[12, 5]), float(lat[12, 5])) is None
    assert grid.inside(GLOBAL).count == (~lost).sum()


def test_a_sample_alone_is_drawn_as_a_square_like_the_others() -> None:
    lon, lat = swath()
    keep = np.zeros(lon.shape, dtype=bool)
    keep[:8] = keep[20, 5] = keep[25] = True
    grid = CurvilinearGrid.from_centers(np.where(keep, lon, np.nan), np.where(keep, lat, np.nan), is_swath=True)
    shown, lons, lats = on_pixels(Canvas(grid.bbox, 400), grid)
    lone = 20 * 12 + 5
    pixel = np.degrees(distance(lons[0, 0], lats[0, 0], lons[1, 0], lats[1, 0])) / 6_371_008.8
    area = (shown == lone).sum() * pixel**2 * np.cos(np.radians(lat[20, 5]))
    assert area == pytest.approx(0.25**2, rel=0.1)
    # A line alone is as wide as its samples are apart.
    assert (shown == 25 * 12 + 5).sum() * pixel**2 * np.cos(np.radians(lat[25, 5])) == pytest.approx(0.25**2, rel=0.1)


def test_told_corners_that_are_far_off_are_mended() -> None:
    sheet = Sheet(8, 9, 1.0, 0.0, 0.3, (10.0, 40.0), False)
    lon, lat = sheet.grid(told=True).corners.degrees(np.arange(72))
    lon, lat = lon.T.reshape(8, 9, 4).copy(), lat.T.reshape(8, 9, 4).copy()
    lon[3, 4], lat[3, 4], lat[5, 5, 2] = 0.0, 0.0, 1e20
    centers = sheet.grid()
    grid = CurvilinearGrid.from_centers(centers.lon, centers.lat, lon, lat)
    for row, column in ((3, 4), (5, 5)):
        place = sheet.places(np.array([row + 0.8]), np.array([column + 0.2]))
        assert grid.at(float(place[0][0]), float(place[1][0])) == (row, column)
    assert grid.at(0.0, 0.0) is None


def test_cells_at_one_place_count_once_and_the_inner_one_does() -> None:
    lon, lat = np.meshgrid(np.arange(-179.5, 180), np.arange(-30.0, 31.0, 2))
    # As ORCA: two columns at the end repeat the first, and the last row is folded.
    lon, lat = np.hstack([lon, lon[:, :2]]), np.hstack([lat, lat[:, :2]])
    lon, lat = np.vstack([lon, lon[-3][::-1]]), np.vstack([lat, lat[-3][::-1]])
    grid = CurvilinearGrid.from_centers(lon, lat)
    assert grid.valid.sum() == 360 * 31
    assert not grid.valid[-1].any()
    assert not grid.valid[:, 0].any()  # a copy of the last but one, which is farther from the edge
    assert grid.wrap == 2
    box = grid.inside(BBox(177, -10, -177, 10))
    assert box.count == 6 * 11
    shown = on_pixels(Canvas(GLOBAL, 720), grid)[0]
    covered = np.abs(np.linspace(89.75, -89.75, 360)) < 26.9
    assert (shown[covered] >= 0).all()


def test_coordinates_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidValue, match="shape"):
        CurvilinearGrid.from_centers(np.zeros((3, 4)), np.zeros((4, 3)))
    with pytest.raises(InvalidValue, match="place"):
        CurvilinearGrid.from_centers(np.full((3, 4), np.nan), np.zeros((3, 4)))


def test_the_same_cells_are_one_grid() -> None:
    lon, lat = swath()
    assert CurvilinearGrid.from_centers(lon, lat) is CurvilinearGrid.from_centers(lon.copy(), lat.copy())
    first = CurvilinearGrid.from_centers(lon, lat)
    assert first.key != CurvilinearGrid.from_centers(lon + 1e-3, lat).key
    canvas = Canvas(GLOBAL, 64)
    assert plan(first, canvas) is plan(first.part(Cells.whole(first.shape)), canvas)


@quick
@given(sheet=sheets(), seed=st.integers(0, 99))
def test_a_part_of_a_grid_is_drawn_as_the_whole(sheet: Sheet, seed: int) -> None:
    grid = sheet.grid()
    rng = np.random.default_rng(seed)
    ny, nx = grid.shape
    first, left = rng.integers(ny - 1), rng.integers(nx - 1)
    cells = Cells(slice(int(first), ny), np.arange(left, nx))
    canvas = around(sheet, grid, "pc_world", 50)
    (whole, lon, lat), part = on_pixels(canvas, grid), on_pixels(canvas, grid.part(cells))[0]
    rows, columns = np.divmod(whole, nx)
    inside = (whole >= 0) & (rows >= first) & (columns >= left)
    expected = np.where(inside, (rows - first) * (nx - left) + columns - left, -1)
    # On the very border of two cells a pixel is in both of them.
    along, across = sheet.cells(lon, lat)
    border = np.minimum(np.abs(along - np.rint(along)), np.abs(across - np.rint(across))) < 0.02 + 0.01 * sheet.step
    assert ((part == expected) | border).all()


def test_a_thinned_grid_covers_the_same_ground() -> None:
    sheet = Sheet(40, 40, 0.5, 0.2, 0.7, (179.0, -50.0), False)
    grid = sheet.grid()
    canvas = around(sheet, grid, "pc_world", 120)
    fine = on_pixels(canvas, grid)[0]
    coarse = on_pixels(canvas, grid.part(Cells.whole(grid.shape).every(2, 2)))[0]
    assert ((fine >= 0) != (coarse >= 0)).mean() < 0.05
    rows, columns = np.divmod(fine[(fine >= 0) & (coarse >= 0)], 40)
    thin_rows, thin_columns = np.divmod(coarse[(fine >= 0) & (coarse >= 0)], 20)
    assert (np.abs(thin_rows * 2 - rows) <= 1).all()
    assert (np.abs(thin_columns * 2 - columns) <= 1).all()


def uneven(rng: np.random.Generator, wide: float, lats: list[float]) -> tuple[NDArray, NDArray]:
    """Centres with steps of one to `wide`, some of them missing, about one of some latitudes."""
    sheet = Sheet(9, 9, 0.2, 0.4, rng.uniform(0, 6), (rng.uniform(-180, 180), rng.choice(lats)), False)
    rows, columns = (np.cumsum(rng.choice([1, 1, 1, 1, wide], size)) for size in (24, 15))
    lon, lat = sheet.places(rows[:, None], columns[None, :])
    lon[rng.uniform(size=lon.shape) < 0.05] = np.nan
    lat[np.isnan(lon)] = np.nan
    return lon, lat


@pytest.mark.parametrize("seed", range(12))
def test_corners_are_the_same_in_whatever_bands_they_are_worked_out(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    # Steps of which some are gaps, by those before and after.
    lon, lat = uneven(rng, 4.5, [0.0, 50.0, 88.0])
    wrap = (None, 0, 2)[seed % 3]
    whole = EstimatedCorners(lon, lat, wrap)
    cells = rng.permutation(np.flatnonzero(np.isfinite(lon)))
    vectors, degrees = whole.vectors(cells), whole.degrees(cells)
    monkeypatch.setattr(corners, "_BAND", 3 * lon.shape[1])
    for few in (1000, 1):
        monkeypatch.setattr(corners, "_FEW", few)
        banded = EstimatedCorners(lon, lat, wrap)
        # But for rounding: sines of many numbers at a time may be worked out another way.
        for found, expected in (
            (banded.vectors(cells), vectors),
            (banded.vectors(cells[:1]), vectors[..., :1]),
            (banded.degrees(cells), degrees),
        ):
            assert np.allclose(found, expected, rtol=0, atol=1e-11)
    center = vectors_of(lon.ravel()[cells], lat.ravel()[cells])
    away = np.sqrt(((vectors - center[:, None]) ** 2).sum(axis=0)).max()
    assert away <= 2 * np.sin(whole.reach / 2) * (1 + 1e-9)


# --- pictures --------------------------------------------------------------------------------------------------------


def levels(values: NDArray) -> NDArray[np.uint8]:
    return np.where(np.isnan(values), 0, np.nan_to_num(values)).astype(np.uint8)


def test_many_cells_in_a_pixel_are_averaged_and_counted() -> None:
    sheet = Sheet(60, 60, 0.1, 0.0, 0.4, (-30.0, 10.0), False)
    grid = sheet.grid()
    canvas = Canvas(BBox(-36, 4, -24, 16), 12)
    how = plan(grid, canvas)
    assert how.method == "blocks"
    values = np.random.default_rng(0).uniform(10, 200, grid.shape)
    values[np.random.default_rng(1).uniform(size=grid.shape) < 0.3] = np.nan
    means, modes = how.means(values), how.modes(levels(np.where(np.isnan(values), np.nan, np.rint(values / 50) + 1)))
    columns, rows = np.floor(grid.lon + 36).astype(int), np.floor(16 - grid.lat).astype(int)
    for y, x in np.ndindex(12, 12):
        own = values[(rows == y) & (columns == x)]
        if own.size == 0:
            shown = how.shown[y, x]
            expected = values.flat[shown] if shown >= 0 else np.nan
            assert means[y, x] == expected or (np.isnan(means[y, x]) and np.isnan(expected))
            continue
        own = own[~np.isnan(own)]
        assert means[y, x] == pytest.approx(own.mean(), rel=1e-12) if own.size else np.isnan(means[y, x])
        counts = np.bincount((np.rint(own / 50) + 1).astype(int), minlength=1)
        assert modes[y, x] == (counts.argmax() if own.size else 0)
    assert plan(grid, Canvas(canvas.bbox, 12, reduce="stride")).method == "nearest"
    assert plan(grid, Canvas(canvas.bbox, 400)).method == "nearest"


@pytest.mark.parametrize("projection", ["pc_world", "mercator"])
@pytest.mark.parametrize("seed", range(8))
def test_pixels_of_many_cells_are_the_same_as_if_every_cell_were_painted(seed: int, projection: str) -> None:
    lon, lat = uneven(np.random.default_rng(seed), 2.9, [0.0, 30.0])
    grid = CurvilinearGrid.from_centers(lon, lat, is_swath=seed % 2 == 0)
    box = grid.bbox
    # Some pixels of the larger cells hold no centre of any.
    canvas = Canvas(
        BBox(box.west, max(box.south, -84), box.east, min(box.north, 84)),
        round(max(box.width, box.height) / 0.55),
        projection,
    )
    how = Mosaic.of(grid, frame_of(grid, canvas), canvas)
    painted = on_pixels(canvas, grid)[0].ravel()
    assert how.method == "blocks"
    frame = frame_of(grid, canvas)
    inside, columns, rows = mosaic._seen(grid, frame)
    places = rows * frame.width + columns
    alone = np.setdiff1d(np.flatnonzero(painted >= 0), places)
    expected = sorted(zip([*places, *alone], [*inside, *painted[alone]], strict=True))
    assert sorted(zip(how.places.tolist(), how.members.tolist(), strict=True)) == expected


@quick
@given(sheet=sheets(), metres=st.sampled_from([0.3, 0.6, 2.0]), method=st.sampled_from(["pcolormesh", "scatter"]))
def test_samples_reach_as_far_as_they_are_told(sheet: Sheet, metres: float, method: str) -> None:
    plain = sheet.grid()
    grid = CurvilinearGrid.from_centers(plain.lon, plain.lat, is_swath=True)
    radius = metres * np.radians(sheet.step) * 6_371_008.8
    canvas = around(sheet, grid, "pc_world", 60)
    canvas = Canvas(canvas.bbox, 60, radius=radius, plot_method=method)
    shown, lon, lat = on_pixels(canvas, grid)
    away = distance(lon[..., None], lat[..., None], grid.lon.ravel(), grid.lat.ravel())
    cells = on_pixels(Canvas(canvas.bbox, 60), grid)[0]
    if method == "scatter":
        hair = np.abs(away.min(axis=-1) - radius) < 1e-4 * radius
        expected = np.where(away.min(axis=-1) <= radius, away.argmin(axis=-1), -1)
        tie = np.diff(np.sort(away, axis=-1)[..., :2], axis=-1)[..., 0] < 1e-6 * radius
    else:
        own = np.take_along_axis(away, np.maximum(cells, 0)[..., None], axis=-1)[..., 0]
        hair, tie = np.abs(own - radius) < 1e-4 * radius, np.zeros(shown.shape, dtype=bool)
        expected = np.where((cells >= 0) & (own <= radius), cells, -1)
    assert ((shown == expected) | hair | tie).all()


def test_a_model_grid_has_cells_whatever_reach_is_asked_for() -> None:
    sheet = Sheet(10, 10, 1.0, 0.0, 0.4, (-30.0, 10.0), False)
    canvas = around(sheet, sheet.grid(), "pc_world", 60)
    reaching = Canvas(canvas.bbox, 60, radius=1000.0, plot_method="scatter")
    assert np.array_equal(on_pixels(canvas, sheet.grid())[0], on_pixels(reaching, sheet.grid())[0])
