"""Areas of curvilinear cells in a box, against thousands of pieces of each cell, and against the sphere itself."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from datavore_widgets.errors import NoData
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.service.areas import area_weights
from datavore_widgets.service.curvilinear import CurvilinearGrid

PIECES = 90


def rotation(rng: np.random.Generator) -> NDArray:
    """A random turn of the sphere."""
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return turned if np.linalg.det(turned) > 0 else -turned


def onto_pole(rng: np.random.Generator) -> NDArray:
    """A turn that brings the middle of a mesh, at 0 and 0 degrees, within some degrees of a pole."""
    tilt = np.radians(rng.choice([-1, 1]) * rng.uniform(84, 90))
    spin, turn = rng.uniform(0, 2 * np.pi, 2)

    def about(axis: int, angle: float) -> NDArray:
        i, j = [other for other in range(3) if other != axis]
        matrix = np.eye(3)
        matrix[[i, j], [i, j]] = np.cos(angle)
        matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
        return matrix

    return about(2, turn) @ about(1, tilt) @ about(0, spin)


def vectors(lon: NDArray, lat: NDArray) -> NDArray:
    a, b = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)])


def degrees(places: NDArray) -> tuple[NDArray, NDArray]:
    return np.degrees(np.arctan2(places[1], places[0])), np.degrees(np.arctan2(places[2], np.hypot(*places[:2])))


def mesh(turn: NDArray, x_edges: NDArray, y_edges: NDArray, *, told: bool = True) -> CurvilinearGrid:
    """Cells between edges of a turned grid; with their corners, or those that are found of the centres."""

    def placed(x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
        return degrees(np.tensordot(turn, vectors(x, y), axes=1))

    x, y = np.meshgrid((x_edges[1:] + x_edges[:-1]) / 2, (y_edges[1:] + y_edges[:-1]) / 2)
    if not told:
        return CurvilinearGrid.from_centers(*placed(x, y))
    corner_x = np.stack([x_edges[:-1], x_edges[1:], x_edges[1:], x_edges[:-1]], axis=-1)
    corner_y = np.stack([y_edges[:-1], y_edges[:-1], y_edges[1:], y_edges[1:]], axis=-1)
    corners = np.broadcast_arrays(corner_x[None], corner_y[:, None])
    return CurvilinearGrid.from_centers(*placed(x, y), *placed(*corners))


def inside(lon: NDArray, lat: NDArray, box: BBox) -> NDArray:
    across = np.ones(lon.shape, dtype=bool) if box.is_whole_turn else (lon - box.west) % 360 <= box.width
    return across & (lat >= box.south) & (lat <= box.north)


def by_pieces(corners: NDArray, box: BBox | None) -> NDArray:
    """Areas of spherical quadrilaterals (3, 4, n) in a box: of their pieces those whose middle lies in it.

    Places between corners in space, brought back to the sphere, are bounded by the great circles through the corners.
    """
    at = np.linspace(0, 1, PIECES + 1)
    u, v = at[:, None, None], at[None, :, None]
    a, b, c, d = (corners[:, k, None, None] for k in range(4))
    places = (1 - u) * ((1 - v) * a + v * b) + u * ((1 - v) * d + v * c)
    places = places / np.linalg.norm(places, axis=0)
    one = places[:, 1:, 1:] - places[:, :-1, :-1]
    other = places[:, 1:, :-1] - places[:, :-1, 1:]
    area = np.linalg.norm(np.cross(one, other, axis=0), axis=0) / 2
    if box is not None:
        middle = (places[:, 1:, 1:] + places[:, :-1, :-1] + places[:, 1:, :-1] + places[:, :-1, 1:]) / 4
        area = np.where(inside(*degrees(middle), box), area, 0.0)
    return area.sum(axis=(0, 1))


def box_near(grid: CurvilinearGrid, rng: np.random.Generator) -> BBox:
    """A box with an edge or a corner among the cells of a mesh, most often cutting some."""
    lon, lat = rng.choice(grid.lon.ravel()), rng.choice(grid.lat.ravel())
    wide, high = rng.uniform(1, 40), rng.uniform(1, 25)
    if max(abs(grid.lat.min()), abs(grid.lat.max())) > 80:
        wide = rng.uniform(20, 350)
    south, north = np.clip(sorted([lat - rng.uniform(0, 1) * high, lat + rng.uniform(0, 1) * high]), -90, 90)
    if rng.random() < 0.25:
        south, north = (south, 90.0) if lat > 0 else (-90.0, north)
    if rng.random() < 0.15:
        return BBox(-180, south, 180, north)
    west = lon - rng.uniform(0, 1) * wide
    return BBox((west + 180) % 360 - 180, south, (west + wide + 180) % 360 - 180, north)


@pytest.mark.parametrize("seed", range(36))
def test_each_cell_weighs_what_its_pieces_in_the_box_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turn = onto_pole(rng) if seed % 3 == 0 else rotation(rng)
    step = rng.uniform(0.3, 5.0)
    edges = [np.cumsum(np.r_[0, rng.uniform(0.6, 1.4, n) * step]) for n in (7, 6)]
    grid = mesh(turn, edges[0] - edges[0].mean(), edges[1] - edges[1].mean(), told=bool(seed % 2))
    corners = grid.corners.vectors(np.arange(grid.lon.size))
    corners = corners / np.linalg.norm(corners, axis=0)
    whole = by_pieces(corners, None)
    cuts = 0
    for _ in range(4):
        box = box_near(grid, rng)
        wanted = by_pieces(corners, box)
        there = np.zeros(grid.shape)
        try:
            cells, weights = area_weights(grid, box)
        except NoData:
            pass
        else:
            there[np.ix_(np.arange(cells.rows.start, cells.rows.stop), cells.columns)] = weights
        cuts += int(((wanted > 0.01 * whole) & (wanted < 0.99 * whole)).sum())
        # An edge through a cell takes pieces as wholes: some of the 90 along it, and they even out.
        assert (np.abs(there.ravel() - wanted) <= 4e-3 * whole).all(), (box, np.abs(there.ravel() - wanted).max())
        assert there.sum() == pytest.approx(wanted.sum(), abs=1e-3 * max(wanted.sum(), whole.max()))
    assert cuts or step < 1, "boxes are meant to cut cells"


@pytest.mark.parametrize("seed", range(12))
def test_cells_that_cover_the_sphere_cover_each_box_once(seed: int) -> None:
    """A turned globe, its first columns repeated at its end as ORCA has them: the parts in a box are the box."""
    rng = np.random.default_rng(100 + seed)
    turn = rotation(rng)
    x_edges = np.append(np.linspace(-180, 180, 41), [189.0, 198.0])
    y_edges = np.linspace(-90, 90, 25)
    grid = mesh(turn, x_edges, y_edges)
    _, weights = area_weights(grid, BBox(-180, -90, 180, 90))
    assert weights.sum() == pytest.approx(4 * np.pi, rel=1e-9)  # polygons between great circles leave no gap
    for _ in range(6):
        south, north = np.sort(rng.uniform(-90, 90, 2))
        if rng.random() < 0.3:
            north = 90.0
        box = BBox(rng.uniform(-180, 180), south, rng.uniform(-180, 180), north)
        _, weights = area_weights(grid, box)
        area = np.radians(box.width) * (np.sin(np.radians(north)) - np.sin(np.radians(south)))
        assert weights.sum() == pytest.approx(area, rel=1e-9, abs=1e-12), box


def test_a_box_without_an_area_takes_whole_cells() -> None:
    grid = mesh(rotation(np.random.default_rng(0)), np.linspace(-10, 10, 9), np.linspace(-8, 8, 7))
    lon, lat = float(grid.lon[3, 4]), float(grid.lat[3, 4])
    cells, weights = area_weights(grid, BBox(lon, lat, lon, lat))
    found = by_pieces(grid.corners.vectors(np.arange(grid.lon.size)), None).reshape(grid.shape)
    kept = weights[weights > 0]
    assert kept.size == cells.count
    assert kept[0] == pytest.approx(found[3, 4], rel=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_a_side_right_over_a_pole_or_a_corner_on_it(seed: int) -> None:
    """Four boxes around a pole have the cell's parts, which add up to it."""
    rng = np.random.default_rng(200 + seed)
    north = 90.0 if seed % 2 else -90.0
    start, far = rng.uniform(-180, 180), north - np.sign(north) * rng.uniform(0.3, 2) * rng.uniform(1, 1.05, 4)
    rings = {
        "over": (start + np.array([0, 80, 130, 180]), far),
        "on": (start + np.array([0, 40, 80, 20]), np.array([*far[:3], north])),
        "around": (start + np.array([0, 90, 180, 270]), far),
    }
    for what, (lon, lat) in rings.items():
        center = degrees(vectors(lon, lat).mean(axis=1))
        grid = CurvilinearGrid.from_centers(*([[[float(one)]] for one in center]), lon[None, None], lat[None, None])
        whole = by_pieces(vectors(lon, lat)[..., None], None)[0]
        parts = []
        for west in (-180, -90, 0, 90):
            box = BBox(west, 80 if north > 0 else -90, west + 90, 90 if north > 0 else -80)
            try:
                parts.append(area_weights(grid, box)[1].sum())
            except NoData:
                parts.append(0.0)
            wanted = by_pieces(vectors(lon, lat)[..., None], box)[0]
            assert parts[-1] == pytest.approx(wanted, abs=0.02 * whole), (what, west)
        assert sum(parts) == pytest.approx(area_weights(grid, BBox(-180, -90, 180, 90))[1].sum(), rel=1e-9), what
