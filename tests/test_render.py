"""Pictures against loops over pixels and cells that know nothing of tables or passes."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from datavore_widgets.errors import InvalidValue, TooLarge
from datavore_widgets.protocol.colormap import Norm, palette
from datavore_widgets.protocol.geometry import GLOBAL, MERCATOR_LIMIT, BBox
from datavore_widgets.protocol.queries import Canvas, Style
from datavore_widgets.service.grid import RectilinearGrid
from datavore_widgets.service.render import Picture, render
from datavore_widgets.service.resample import canvas_size, plan, window_of

# Values 0 … 254 have the levels 1 … 255.
PLAIN = Style("gray", -0.5, 254.5)


def levels(picture: Picture) -> np.ndarray:
    image = Image.open(io.BytesIO(picture.png))
    assert image.size == (picture.width, picture.height)
    return np.asarray(image).astype(int)


def draw(grid, values, canvas, style=PLAIN, kind="continuous", flags=()):
    return levels(render(grid, np.asanyarray(values), canvas, style, kind, flags))


# --- pixels and cells, one by one -------------------------------------------------------------------------------


def pixel_edges(canvas: Canvas, width: int, height: int):
    """West to east and north to south, by the formulas of the projections."""
    box = canvas.bbox
    lons = [box.west + box.width * i / width for i in range(width + 1)]
    if canvas.projection == "pc_world":
        return lons, [box.north - (box.north - box.south) * i / height for i in range(height + 1)]
    south, north = (
        math.log(math.tan(math.pi / 4 + math.radians(max(min(lat, MERCATOR_LIMIT), -MERCATOR_LIMIT)) / 2))
        for lat in (box.south, box.north)
    )
    ys = [north - (north - south) * i / height for i in range(height + 1)]
    return lons, [math.degrees(2 * math.atan(math.exp(y)) - math.pi / 2) for y in ys]


def center(canvas: Canvas, edges: list[float], i: int) -> float:
    if edges[0] > edges[-1] and canvas.projection == "mercator":
        a, b = (math.asinh(math.tan(math.radians(edge))) for edge in edges[i : i + 2])
        return math.degrees(math.atan(math.sinh((a + b) / 2)))
    return (edges[i] + edges[i + 1]) / 2


def overlap(low: float, high: float, edges, turn: float = 0.0) -> float:
    """Length that an interval shares with a cell, whichever way its longitudes are written."""
    cell = sorted(edges)
    return max(
        min(high, cell[1] + shift) - max(low, cell[0] + shift)
        for shift in ((-2 * turn, -turn, 0, turn, 2 * turn) if turn else (0,))
    )


def cell_at(place: float, edges, turn: float = 0.0) -> int:
    found = [i for i in range(len(edges) - 1) if overlap(place, place, edges[i : i + 2], turn) >= 0]
    return found[0] if found else -1


def away(a: float, b: float) -> float:
    return (a - b + 180) % 360 - 180


# --- grids of every kind -----------------------------------------------------------------------------------------


@st.composite
def grids(draw_, most=14):
    nx, ny = draw_(st.integers(2, most)), draw_(st.integers(2, most))
    cyclic = draw_(st.booleans())
    dlon = 360 / nx if cyclic else draw_(st.floats(0.5, 300 / nx))
    first = draw_(st.sampled_from([-180.0, 0.0, 20.5, -280.0, 0.37])) + dlon / 2
    dlat = draw_(st.floats(0.3, 170 / ny))
    south = draw_(st.floats(-88.0, 88.0 - ny * dlat))
    lon, lat = first + dlon * np.arange(nx), south + dlat * (np.arange(ny) + 0.5)
    if draw_(st.booleans()):
        lat = lat[::-1]
    if draw_(st.booleans()):
        lon = lon[::-1]
    if draw_(st.booleans()):
        lon = (lon + 180) % 360 - 180
        if not cyclic and (np.diff(np.unwrap(lon, period=360)) == 0).any():
            lon = lon + 0.01
    return RectilinearGrid.from_centers(lon, lat)


@st.composite
def boxes(draw_):
    west = draw_(st.floats(-200.0, 200.0))
    width = draw_(st.one_of(st.floats(1.0, 359.0), st.just(360.0)))
    east = west + width
    if draw_(st.booleans()) and width < 360 and east > 180:
        east -= 360
    south = draw_(st.floats(-84.0, 80.0))
    north = draw_(st.floats(south + 1.0, 84.9))
    return BBox(west, south, east, north)


projections = st.sampled_from(["pc_world", "mercator"])


# --- nearest ------------------------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=80)
@given(grid=grids(), box=boxes(), projection=projections, resolution=st.integers(1, 60))
def test_nearest_shows_the_cell_under_each_pixel(grid, box, projection, resolution):
    canvas = Canvas(box, resolution, projection, reduce="stride")
    values = np.arange(grid.lat.size * grid.lon.size, dtype=np.float32).reshape(grid.shape)
    shown = draw(grid, values, canvas)
    height, width = shown.shape
    lons, lats = pixel_edges(canvas, width, height)
    columns = [cell_at(center(canvas, lons, x), grid.lon_edges, 360) for x in range(width)]
    rows = [cell_at(center(canvas, lats, y), grid.lat_edges) for y in range(height)]
    for y in range(height):
        for x in range(width):
            if shown[y, x] == 0:
                assert columns[x] < 0 or rows[y] < 0
                continue
            row, column = divmod(shown[y, x] - 1, grid.lon.size)
            # Borders may move by a pixel, to show a cell that reaches in by less than half of one.
            dx, dy = lons[1] - lons[0], max(lats[y] - lats[y + 1], 1e-9)
            assert (
                column == columns[x]
                or overlap(lons[x] - dx, lons[x + 1] + dx, grid.lon_edges[column : column + 2], 360) > -1e-6
            )
            assert row == rows[y] or overlap(lats[y + 1] - dy, lats[y] + dy, grid.lat_edges[row : row + 2]) > -1e-6
    # Away from the edges nothing moves where pixels are small, but for a centre right on a border.
    dlon, dlat = (float(np.abs(np.diff(edges)).min()) for edges in (grid.lon_edges, grid.lat_edges))
    if lons[1] - lons[0] < dlon / 3 and max(-np.diff(lats)) < dlat / 3:
        clear_x = [np.abs(away(center(canvas, lons, x), grid.lon_edges)).min() > 1e-4 for x in range(width)]
        clear_y = [np.abs(center(canvas, lats, y) - grid.lat_edges).min() > 1e-4 for y in range(height)]
        inner = np.ix_(range(1, height - 1), range(1, width - 1))
        under = np.array([[r * grid.lon.size + c + 1 if min(r, c) >= 0 else 0 for c in columns] for r in rows])
        differ = (shown != under) & np.array(clear_y)[:, None] & np.array(clear_x)
        # A pixel that the grid ends in shows its last cell.
        assert not (differ & (under > 0))[inner].any()


@settings(derandomize=True, deadline=None, max_examples=80)
@given(grid=grids(), box=boxes(), projection=projections)
def test_every_cell_that_touches_the_box_is_painted(grid, box, projection):
    canvas = Canvas(box, None, projection)
    values = np.arange(grid.lat.size * grid.lon.size, dtype=np.float32).reshape(grid.shape)
    shown = draw(grid, values, canvas)
    if max(shown.shape) == 1024:
        return  # there are more cells than the default has pixels for
    bbox = plan(grid, canvas).bbox
    lon_touch = [
        i
        for i in range(grid.lon.size)
        if overlap(bbox.west, bbox.west + bbox.width, grid.lon_edges[i : i + 2], 360) > 1e-3
    ]
    lat_touch = [i for i in range(grid.lat.size) if overlap(bbox.south, bbox.north, grid.lat_edges[i : i + 2]) > 1e-3]
    expected = {row * grid.lon.size + column + 1 for row in lat_touch for column in lon_touch}
    assert expected <= set(np.unique(shown))


def one_degree(lon0=-180.0, lat0=-90.0, nx=360, ny=180, lat_down=False):
    lat = lat0 + 0.5 + np.arange(ny)
    return RectilinearGrid.from_centers(lon0 + 0.5 + np.arange(nx), lat[::-1] if lat_down else lat)


def test_slivers_at_the_edges_are_painted_by_construction():
    grid = one_degree()
    values = np.arange(360 * 180, dtype=np.float64).reshape(180, 360) % 251
    # 0.01 degree of a cell on every side.
    canvas = Canvas(BBox(9.99, 19.99, 15.01, 23.01))
    shown = draw(grid, values, canvas)
    assert shown.shape == (5, 9)
    for row, column in ((109, 189), (109, 195), (113, 189), (113, 195)):
        assert values[row, column] + 1 in shown
    assert shown[0, 0] == values[113, 189] + 1
    assert shown[-1, -1] == values[109, 195] + 1
    # And at any finer resolution.
    for resolution in (9, 12, 20, 333):
        fine = draw(grid, values, Canvas(canvas.bbox, resolution))
        assert fine[-1, 0] == values[109, 189] + 1
        assert fine[0, -1] == values[113, 195] + 1


def test_a_box_inside_one_cell_is_one_colour():
    grid = one_degree()
    values = np.arange(360 * 180, dtype=np.float64).reshape(180, 360) % 251
    shown = draw(grid, values, Canvas(BBox(10.2, 20.2, 10.6, 20.4)))
    assert set(shown.ravel()) == {values[110, 190] + 1}


@pytest.mark.parametrize("resample", [False, True])
def test_the_edges_of_the_picture_are_the_edges_of_the_box(resample):
    # Half of the box lies beyond a regional grid.
    grid = one_degree(0, 0, 10, 10)
    canvas = Canvas(BBox(-10, -10, 10, 10), 200, resample=resample)
    shown = draw(grid, np.full((10, 10), 5.0), canvas)
    assert (shown[:100, 100:] == 6).all()
    assert (shown[:, :100] == 0).all()
    assert (shown[100:] == 0).all()


def test_pixels_are_square_in_the_projection():
    grid = one_degree()
    assert canvas_size(grid, Canvas(BBox(0, 0, 40, 20), 400)) == (400, 200)
    assert canvas_size(grid, Canvas(BBox(0, 0, 20, 40), 400)) == (200, 400)
    assert canvas_size(grid, Canvas(BBox(170, 0, -170, 20), 100)) == (100, 100)
    assert canvas_size(grid, Canvas(BBox(0, 0, 300, 0.1), 100)) == (100, 1)
    assert canvas_size(grid, Canvas(GLOBAL, 500, "mercator")) == (500, 500)
    # 60 degrees north is 1.317 radians up: 75.46 degrees of longitude.
    assert canvas_size(grid, Canvas(BBox(0, 0, 90, 60), 900, "mercator")) == (900, 755)


def test_the_default_resolution_is_the_grids_own_at_most_1024():
    assert canvas_size(one_degree(), Canvas(GLOBAL)) == (360, 180)
    assert canvas_size(one_degree(), Canvas(BBox(0, 0, 50, 20))) == (50, 20)
    assert canvas_size(one_degree(), Canvas(BBox(0.5, 0, 50.5, 20))) == (51, 20)
    fine = RectilinearGrid.from_centers(np.arange(-180, 180, 0.1) + 0.05, np.arange(-90, 90, 0.1) + 0.05)
    assert canvas_size(fine, Canvas(GLOBAL)) == (1024, 512)
    # Gaussian rows are not quite as high as columns are wide.
    gaussian = RectilinearGrid.from_centers(np.arange(128) * 2.8125, np.linspace(-87.864, 87.864, 64))
    assert canvas_size(gaussian, Canvas(GLOBAL)) == (128, 64)
    # A regional grid in a larger box keeps the size of its cells.
    assert canvas_size(one_degree(0, 0, 10, 10), Canvas(BBox(-50, -50, 50, 50))) == (100, 100)
    # Cells lower than wide: enough pixels for the rows.
    low = RectilinearGrid.from_centers(np.arange(0.5, 40), np.arange(0.125, 20, 0.25))
    assert canvas_size(low, Canvas(BBox(0, 0, 40, 20))) == (160, 80)


def test_too_many_pixels_are_refused_before_anything_is_made():
    with pytest.raises(TooLarge, match="2048"):
        canvas_size(one_degree(), Canvas(BBox(0, 0, 10, 10), 2049))
    assert canvas_size(one_degree(), Canvas(BBox(0, 0, 10, 10), 2048)) == (2048, 2048)
    assert canvas_size(one_degree(), Canvas(BBox(0, 0, 300, 1), 30_000)) == (30_000, 100)


def test_mercator_tells_the_box_it_really_shows():
    picture = render(one_degree(), np.zeros((180, 360)), Canvas(GLOBAL, 64, "mercator"), PLAIN)
    assert picture.bbox == BBox(-180, -MERCATOR_LIMIT, 180, MERCATOR_LIMIT)
    assert (picture.width, picture.height, picture.projection) == (64, 64, "mercator")
    with pytest.raises(InvalidValue, match="Mercator"):
        render(one_degree(), np.zeros((180, 360)), Canvas(BBox(0, 86, 10, 90), 64, "mercator"), PLAIN)


def test_up_and_down_are_the_same_picture():
    rng = np.random.default_rng(5)
    values = rng.uniform(0, 254, (180, 360)).astype(np.float32)
    values[rng.uniform(size=values.shape) < 0.3] = np.nan
    for canvas in (
        Canvas(BBox(-30.3, -50, 70, 61), 333, "mercator"),
        Canvas(BBox(-30.3, -50, 70, 61), 333, resample=True),
        Canvas(GLOBAL, 50),
    ):
        expected = draw(one_degree(), values, canvas)
        np.testing.assert_array_equal(draw(one_degree(lat_down=True), values[::-1], canvas), expected)
        turned = RectilinearGrid.from_centers(np.arange(0.5, 360), np.arange(-89.5, 90))
        np.testing.assert_array_equal(draw(turned, np.roll(values, 180, axis=1), canvas), expected)
        mirrored = RectilinearGrid.from_centers(np.arange(-179.5, 180)[::-1], np.arange(-89.5, 90))
        np.testing.assert_array_equal(draw(mirrored, values[:, ::-1], canvas), expected)


THREE_COLUMNS = RectilinearGrid.from_centers([4.5, 13.5, 22.5], [6.5, 11.5, 16.5])


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    grid=grids(),
    box=boxes(),
    projection=projections,
    resolution=st.integers(1, 60),
    resample=st.booleans(),
    reduce=st.sampled_from(["mean", "stride"]),
    seed=st.integers(0, 9),
)
@example(THREE_COLUMNS, BBox(20, 0, 380, 37), "mercator", 50, True, "mean", 1)  # a whole turn that starts inside a cell
@example(THREE_COLUMNS, BBox(20, 0, 5, 37), "pc_world", 60, True, "mean", 1)  # one cell too short to be one
def test_the_window_of_a_picture_is_all_it_needs(grid, box, projection, resolution, resample, reduce, seed):
    canvas = Canvas(box, resolution, projection, resample, reduce)
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 254, grid.shape)
    values[rng.uniform(size=grid.shape) < 0.2] = np.nan
    cells = window_of(grid, canvas)
    rows, columns = cells.rows, cells.columns
    whole = plan(grid, canvas)
    if columns.size == 0 or rows.start == rows.stop:
        assert (draw(grid, values, canvas) == 0).all()
        return
    window = grid.window(rows, columns)
    if whole.method != plan(window, canvas).method:
        return  # a window of a few odd cells may have another typical cell
    part = draw(window, values[rows][:, columns], canvas)
    full = draw(grid, values, canvas)
    # A centre on the very edge of a pixel may be rounded to either side.
    assert (part != full).mean() < (0.02 if part.size > 200 else 0.35)
    assert np.median(np.abs(part - full)) == 0


# --- missing, infinite, colours ----------------------------------------------------------------------------------


@pytest.mark.parametrize("canvas", [Canvas(GLOBAL), Canvas(GLOBAL, 720, resample=True), Canvas(GLOBAL, 90)])
def test_missing_is_transparent_and_infinite_is_beyond_the_limits(canvas):
    values = np.full((180, 360), 100.0, dtype=np.float32)
    values[:, :90] = np.nan
    values[:, 180:270] = np.inf
    values[:, 270:] = -np.inf
    shown = draw(one_degree(), values, canvas)
    quarter = shown.shape[1] // 4
    middles = [shown[shown.shape[0] // 2, quarter * i + quarter // 2] for i in range(4)]
    assert middles == [0, 101, 255, 1]
    picture = Image.open(io.BytesIO(render(one_degree(), values, canvas, PLAIN).png)).convert("RGBA")
    assert picture.getpixel((0, 0)) == (0, 0, 0, 0)
    assert picture.getpixel((quarter + 4, 0))[3] == 255


@pytest.mark.parametrize("canvas", [Canvas(GLOBAL), Canvas(GLOBAL, 720, resample=True), Canvas(GLOBAL, 90)])
@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_infinite_values_are_never_transparent(canvas, infinite):
    values = np.full((180, 360), 100.0, dtype=np.float32)
    values[:, 180:] = infinite
    shown = draw(one_degree(), values, canvas)
    assert set(np.unique(shown)) == {101, 255 if infinite > 0 else 1}


def test_nothing_but_missing_is_a_transparent_picture():
    for canvas in (Canvas(GLOBAL), Canvas(GLOBAL, 720, resample=True), Canvas(GLOBAL, 90)):
        assert (draw(one_degree(), np.full((180, 360), np.nan), canvas) == 0).all()


def test_masked_integers():
    values = np.ma.masked_array(np.full((180, 360), 7, dtype=np.int16), mask=False)
    values[:, :180] = np.ma.masked
    shown = draw(one_degree(), values, Canvas(GLOBAL))
    assert (shown[:, :180] == 0).all()
    assert (shown[:, 180:] == 8).all()


@pytest.mark.parametrize("name", ["thermal", "s3pcpn", "jet_r"])
def test_a_known_value_has_the_colour_that_the_bar_shows(name):
    style = Style(name, 271.15, 303.15)
    norm = Norm(271.15, 303.15)
    for value in (270.0, 271.15, 285.3, 303.0, 310.0):
        picture = render(one_degree(), np.full((180, 360), value), Canvas(GLOBAL), style)
        color = Image.open(io.BytesIO(picture.png)).convert("RGBA").getpixel((100, 100))
        level = min(max(int((value - norm.vmin) // ((norm.vmax - norm.vmin) / 255)), 0), 254)
        assert color == tuple(palette(name)[level + 1])


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidValue, match=r"\(3, 4\)"):
        render(one_degree(), np.zeros((3, 4)), Canvas(GLOBAL), PLAIN)
    with pytest.raises(InvalidValue, match="both limits"):
        render(one_degree(), np.zeros((180, 360)), Canvas(GLOBAL), Style("gray", 0))
    with pytest.raises(InvalidValue, match="viridis"):
        render(one_degree(), np.zeros((180, 360)), Canvas(GLOBAL), Style("viridiss", 0, 1))


# --- bilinear -----------------------------------------------------------------------------------------------------


def bilinear_by_hand(grid, values, canvas, width, height):
    """Weights of the valid ones of the four cells around each pixel's centre."""
    lons, lats = pixel_edges(canvas, width, height)
    out = np.full((height, width), np.nan)

    def around(place, centers, edges, cyclic):
        own = cell_at(place, edges, 360 if centers is grid.lon else 0)
        if own < 0:
            return []
        apart = away if centers is grid.lon else lambda a, b: a - b
        d = apart(place, centers[own])
        neighbours = [own - 1, own + 1]
        if cyclic:
            neighbours = [n % len(centers) for n in neighbours]
        for n in neighbours:
            if 0 <= n < len(centers) and n != own and apart(centers[n], centers[own]) * d > 0:
                w = d / apart(centers[n], centers[own])
                return [(own, 1 - w), (n, w)]
        return [(own, 1.0)]

    for y in range(height):
        for x in range(width):
            rows = around(center(canvas, lats, y), grid.lat, grid.lat_edges, False)
            columns = around(center(canvas, lons, x), grid.lon, grid.lon_edges, grid.is_cyclic)
            if not rows or not columns or np.isnan(values[rows[0][0], columns[0][0]]):
                continue
            parts = [(values[r, c], wr * wc) for r, wr in rows for c, wc in columns if not np.isnan(values[r, c])]
            out[y, x] = sum(v * w for v, w in parts) / sum(w for _, w in parts)
    return out


@settings(derandomize=True, deadline=None, max_examples=80)
@given(
    grid=grids(most=10), box=boxes(), projection=projections, seed=st.integers(0, 99), holes=st.sampled_from([0, 0.3])
)
def test_bilinear_is_the_mean_of_the_valid_cells_around_weighted(grid, box, projection, seed, holes):
    canvas = Canvas(box, 40, projection, resample=True)
    if plan(grid, canvas).method != "bilinear":
        return
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 254, grid.shape).astype(np.float32)
    values[rng.uniform(size=grid.shape) < holes] = np.nan
    shown = draw(grid, values, canvas)
    expected = bilinear_by_hand(grid, values, canvas, shown.shape[1], shown.shape[0])
    # At the edges of the picture and of the grid, and for a centre on a border, the pixel's own cell may be another.
    painted, wanted = shown > 0, ~np.isnan(expected)
    both = painted & wanted
    wrong = np.abs(np.where(both, shown - 1 - expected, 0)) > 0.51
    edge = np.ones_like(both)
    edge[1:-1, 1:-1] = False
    if holes == 0:
        assert not (wrong & ~edge).any()
    assert wrong.mean() < 0.1 or min(both.shape) < 8
    assert (painted == wanted).mean() > 0.8 or min(both.shape) < 8


@pytest.mark.parametrize("projection", ["pc_world", "mercator"])
def test_bilinear_is_exact_on_a_linear_field(projection):
    grid = one_degree(0, 0, 60, 60)
    lon, lat = np.meshgrid(grid.lon, grid.lat)
    canvas = Canvas(BBox(10, 10, 50, 50), 500, projection, resample=True)
    shown = draw(grid, 2 * lon + lat, canvas)
    height, width = shown.shape
    lons, lats = pixel_edges(canvas, width, height)
    x = np.array([center(canvas, lons, i) for i in range(width)])
    y = np.array([center(canvas, lats, i) for i in range(height)])
    assert np.abs(shown - 1 - (2 * x + y[:, None])).max() <= 0.501


def test_bilinear_goes_over_the_seam_of_a_grid_round_the_earth():
    lon = np.arange(0, 360, 10.0)
    grid = RectilinearGrid.from_centers(lon, np.arange(-85, 90, 10.0))
    values = np.repeat(100 + 50 * np.cos(np.radians(lon))[None], grid.lat.size, axis=0)
    shown = draw(grid, values, Canvas(BBox(-20, -40, 20, 40), 200, resample=True))
    # Symmetric about Greenwich, without a step there.
    np.testing.assert_allclose(shown, shown[:, ::-1], atol=1)
    assert np.abs(np.diff(shown[100])).max() <= 1


def test_bilinear_holds_the_outer_half_cell_and_the_poles():
    grid = RectilinearGrid.from_centers(np.arange(5.0, 100, 10), np.arange(-85.0, 90, 10))
    values = np.repeat(10.0 * np.arange(10)[None], 18, axis=0) + 50
    shown = draw(grid, values, Canvas(BBox(0, -90, 100, 90), 360, resample=True))
    assert (shown > 0).all()
    assert (shown[:, :10] == 51).all()
    assert (shown[:, -10:] == 141).all()


def test_nothing_is_mixed_across_the_gap_of_a_regional_grid():
    # 20 … 340 degrees east, seen across Greenwich: two ends with 40 degrees of nothing between.
    lon = np.arange(22.0, 340, 4)
    grid = RectilinearGrid.from_centers(lon, np.arange(-8.0, 9, 4))
    values = np.where(lon < 180, 10.0, 200.0)[None].repeat(5, axis=0)
    canvas = Canvas(BBox(-60, -8, 60, 8), 240, resample=True)
    cells = window_of(grid, canvas)
    rows, columns = cells.rows, cells.columns
    shown = draw(grid.window(rows, columns), values[rows][:, columns], canvas)
    assert set(np.unique(shown)) == {0, 11, 201}
    assert (shown[:, 80:160] == 0).all()


def test_flags_and_directions_are_never_mixed():
    grid = one_degree(0, 0, 10, 10)
    values = np.tile([0.0, 200.0], (10, 5))
    canvas = Canvas(BBox(0, 0, 10, 10), 400, resample=True)
    assert set(np.unique(draw(grid, values, canvas, Style("tab10", 0, 200), "flags", [0, 200]))) == {1, 2}
    # 255 levels of 360 degrees.
    assert set(np.unique(draw(grid, values, canvas, Style("phase", 0, 360), "direction"))) == {1, 1 + 200 * 255 // 360}


# --- many cells to a pixel ---------------------------------------------------------------------------------------


def cells_by_hand(canvas, width, height, grid):
    """For each row and column of pixels, the cells with their centres inside, or else the cell under the centre."""
    lons, lats = pixel_edges(canvas, width, height)
    columns, rows = [], []
    for x in range(width):
        inside = [i for i in range(grid.lon.size) if lons[x] <= lons[x] + (grid.lon[i] - lons[x]) % 360 < lons[x + 1]]
        under = cell_at(center(canvas, lons, x), grid.lon_edges, 360)
        columns.append(inside or ([under] if under >= 0 else []))
    for y in range(height):
        inside = [
            i
            for i in range(grid.lat.size)
            if lats[y + 1] < grid.lat[i] <= lats[y] or grid.lat[i] == lats[-1] == lats[y + 1]
        ]
        under = cell_at(center(canvas, lats, y), grid.lat_edges)
        rows.append(inside or ([under] if under >= 0 else []))
    return rows, columns


crowded = pytest.mark.parametrize(
    ("grid", "canvas"),
    [
        (one_degree(), Canvas(GLOBAL, 50)),
        (one_degree(lat_down=True), Canvas(BBox(-33.3, -80.2, 77.7, 79.9), 23, "mercator")),
        (one_degree(0.0), Canvas(BBox(150.1, -60.03, -120.2, 70), 31)),
        (one_degree(0.0), Canvas(BBox(-180, -85, 180, 85), 40, "mercator")),
        (one_degree(-30, -20, 61, 47), Canvas(BBox(-60, -60, 60, 60), 19)),
        (
            RectilinearGrid.from_centers(np.arange(60)[::-1] + 0.25, np.arange(200) * 0.1),
            Canvas(BBox(0, 0, 60, 20), 60),
        ),
        (one_degree(), Canvas(BBox(-180, -85, 180, 85), 3)),
    ],
    ids=lambda value: f"{value.bbox.to_text()} {value.resolution}" if isinstance(value, Canvas) else str(value.shape),
)


@crowded
@pytest.mark.parametrize("holes", [0.0, 0.4, 0.995])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_pixel_of_many_cells_is_the_mean_of_the_valid_ones(grid, canvas, holes, kind):
    rng = np.random.default_rng(6)
    values = (rng.uniform(0, 254, grid.shape)).astype(kind)
    values[rng.uniform(size=grid.shape) < holes] = np.nan
    how = plan(grid, canvas)
    assert how.method == "blocks"
    means = how.means(values)
    rows, columns = cells_by_hand(canvas, how.width, how.height, grid)
    expected = np.full(means.shape, np.nan)
    for y, ys in enumerate(rows):
        for x, xs in enumerate(columns):
            cells = [float(values[j, i]) for j in ys for i in xs if not np.isnan(values[j, i])]
            if cells:
                expected[y, x] = math.fsum(cells) / len(cells)
    np.testing.assert_allclose(means, expected, rtol=2e-6 if kind == np.float32 else 1e-12)
    shown = draw(grid, values, canvas)
    np.testing.assert_array_equal(shown == 0, np.isnan(expected))
    found = shown > 0
    assert (np.abs(shown[found] - 1 - expected[found]) <= 0.51).all()


@crowded
def test_a_pixel_of_many_flags_is_their_mode_ties_the_smaller(grid, canvas):
    rng = np.random.default_rng(7)
    flags = [1, 2, 8, 128]
    values = np.ma.masked_array(rng.choice(flags, grid.shape), rng.uniform(size=grid.shape) < 0.5)
    shown = draw(grid, values, canvas, Style("tab10", 0, 1), "flags", flags)
    rows, columns = cells_by_hand(canvas, shown.shape[1], shown.shape[0], grid)
    for y, ys in enumerate(rows):
        for x, xs in enumerate(columns):
            cells = [int(values[j, i]) for j in ys for i in xs if not values.mask[j, i]]
            best = max(flags, key=lambda flag: (cells.count(flag), -flag))
            assert shown[y, x] == (flags.index(best) + 1 if cells else 0)


def test_directions_are_averaged_on_the_circle():
    grid = one_degree()
    values = np.tile([350.0, 20.0], (180, 180))
    shown = draw(grid, values, Canvas(GLOBAL, 90), Style("phase", 0, 360), "direction")
    # 5 degrees, not 185.
    assert set(np.unique(shown)) == {1 + 5 * 255 // 360}
    # The convention of the data does not matter.
    signed = draw(
        grid, np.where(values > 180, values - 360, values), Canvas(GLOBAL, 90), Style("phase", 0, 360), "direction"
    )
    np.testing.assert_array_equal(signed, shown)
    near = draw(grid, np.full((180, 360), -90.0), Canvas(GLOBAL), Style("phase", 0, 360), "direction")
    assert set(np.unique(near)) == {1 + 270 * 255 // 360}


def test_strides_show_single_cells():
    values = np.random.default_rng(8).integers(0, 2, (180, 360)) * 200.0
    assert set(np.unique(draw(one_degree(), values, Canvas(GLOBAL, 60, reduce="stride")))) == {1, 201}
    assert set(np.unique(draw(one_degree(), values, Canvas(GLOBAL, 60)))) - {1, 201}


def test_two_cells_to_a_pixel_are_not_yet_many():
    assert plan(one_degree(), Canvas(GLOBAL, 180)).method == "nearest"
    assert plan(one_degree(), Canvas(GLOBAL, 179)).method == "blocks"
    assert plan(one_degree(), Canvas(GLOBAL, 180, resample=True)).method == "bilinear"
    assert plan(one_degree(), Canvas(GLOBAL, 180, resample=True), "flags").method == "nearest"
    assert plan(one_degree(), Canvas(GLOBAL, 100, resample=True, reduce="stride")).method == "nearest"


def test_sums_of_many_large_values_do_not_drift():
    grid = RectilinearGrid.from_centers(np.arange(2000) * 0.01, np.arange(2000) * 0.01)
    rng = np.random.default_rng(9)
    values = (rng.normal(300, 0.1, grid.shape)).astype(np.float32)
    means = plan(grid, Canvas(BBox(0, 0, 19.9, 19.9), 4)).means(values)
    exact = plan(grid, Canvas(BBox(0, 0, 19.9, 19.9), 4)).means(values.astype(np.float64))
    np.testing.assert_allclose(means, exact, rtol=1e-7)


def test_a_plan_is_remembered_for_equal_cells():
    canvas = Canvas(BBox(0, 0, 33, 33), 77)
    assert plan(one_degree(), canvas) is plan(one_degree(), canvas)
    assert plan(one_degree(), canvas) is not plan(one_degree(0.0), canvas)
