"""Our pictures beside cartopy's `pcolormesh` of the same swath and the same ORCA field: values at random places.

Both are drawn on plate carrée, in the same colours, from the file's own coordinates: the corners of ORCA's cells where
the file tells them, else the centres, between which matplotlib puts the corners. At 1,000 random places the colour of
each picture's pixel is taken back to a value.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray
from PIL import Image

from datavore_widgets.protocol.colormap import palette
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import Canvas, CatalogQuery, MapQuery, Source, Style
from datavore_widgets.protocol.times import Date
from datavore_widgets.service.local import LocalService

PLACES = 1000
COLOURS = "gray"  # each of its colours is there once


@dataclass(frozen=True)
class Field:
    """A field of a file, in pieces that `pcolormesh` can draw: longitudes and latitudes of centres or of corners."""

    path: Path
    varname: str
    pieces: tuple[tuple[NDArray[Any], NDArray[Any], NDArray[Any]], ...]

    @property
    def limits(self) -> tuple[float, float]:
        """Of the colours: a few values lie beyond them, and take the first and the last colour in both pictures."""
        low, high = np.nanquantile(np.concatenate([values.ravel() for _, _, values in self.pieces]), [0.02, 0.98])
        return float(low), float(high)

    def moved(self) -> Field:
        """Every value in the cell that is next along the rows."""
        return Field(
            self.path, self.varname, tuple((lon, lat, np.roll(values, 1, axis=1)) for lon, lat, values in self.pieces)
        )


def orca(path: Path, lon: str, lat: str) -> Field:
    """Sea surface temperature by the corners that the file tells of each cell, in bands of rows as they are."""
    with xr.open_dataset(path, decode_times=False) as data:
        corners = [data[data[axis].attrs["bounds"]].values.astype(float) for axis in (lon, lat)]
        values = data["tos"].values.squeeze().astype(float)
    # Of each cell: south-west, south-east, north-east, north-west, as both files have them; neighbours share them.
    lattice = []
    for told in corners:
        own = np.full((told.shape[0] + 1, told.shape[1] + 1), np.nan)
        own[:-1, :-1], own[:-1, -1], own[-1, -1], own[-1, :-1] = (
            told[..., 0],
            told[:, -1, 1],
            told[-1, -1, 2],
            told[-1, :, 3],
        )
        lattice.append(own)
    return Field(path, "tos", ((*lattice, values),))


def ascat(path: Path) -> Field:
    """Wind speeds of a scatterometer, by the centres: the swaths left and right of the track, which do not touch."""
    with xr.open_dataset(path, decode_times=False) as data:
        lon, lat, speed = (data[name].values.astype(float) for name in ("lon", "lat", "wind_speed"))
    # Between 359.9 and 0.1 matplotlib would put a corner at 180: longitudes go on beyond 360 here.
    for axis in (1, 0):
        lon = np.unwrap(lon, period=360, axis=axis)
    half = lon.shape[1] // 2
    return Field(
        path,
        "wind_speed",
        tuple((lon[:, side], lat[:, side], speed[:, side]) for side in (slice(0, half), slice(half, None))),
    )


def amsr2(path: Path) -> Field:
    """Temperatures of a radiometer, by the centres, of the rows that have all of theirs."""
    with xr.open_dataset(path, decode_times=False) as data:
        lon, lat, sst = (
            data[name].values.squeeze().astype(float) for name in ("lon", "lat", "sea_surface_temperature")
        )
    whole = np.flatnonzero(np.isfinite(lon + lat).all(axis=1))
    rows = max(np.split(whole, np.flatnonzero(np.diff(whole) != 1) + 1), key=len)
    return Field(path, "sea_surface_temperature", ((lon[rows], lat[rows], sst[rows]),))


NEMO = "nemo_1m_20150101-20150201_grid-T.nc"
CNRM = "tos_Omon_CNRM-CM6-1_ssp245_r1i1p1f2_gn_201501.nc"
ASCAT = "ascat_20150702_084200_metopa_45145_eps_o_250_2300_ovw.l2.nc"
AMSR2 = "SS_AMSR2-L2B_v08_r38622-v02.0-fv01.0.nc"
READ = {
    NEMO: lambda path: orca(path, "nav_lon", "nav_lat"),
    CNRM: lambda path: orca(path, "lon", "lat"),
    ASCAT: ascat,
    AMSR2: amsr2,
}
CASES = [
    (NEMO, BBox(-90, 10, -10, 60)),  # the Gulf Stream
    (NEMO, BBox(-100, 60, 40, 88)),  # where the grid has its northern poles
    (NEMO, BBox(150, -40, -150, 20)),  # over the antimeridian
    (CNRM, BBox(40, -60, 120, 20)),  # where its first and last columns repeat each other
    (ASCAT, BBox(-20, -40, 20, 0)),
    (ASCAT, BBox(160, -30, -160, 10)),
    (AMSR2, BBox(-68, -60, -36, -40)),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0][:12]} {case[1].to_text()}")
def case(request: pytest.FixtureRequest, shared_data: Path) -> Iterator[tuple[Field, BBox, LocalService]]:
    pytest.importorskip("cartopy")
    name, box = request.param
    with LocalService(shared_data / name) as service:
        yield READ[name](shared_data / name), box, service


def by_cartopy(field: Field, box: BBox, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture of `pcolormesh` on a map of cartopy: (height, width, 4)."""
    from cartopy.crs import PlateCarree
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    height, width = shape
    middle = box.west + box.width / 2
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="none")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), projection=PlateCarree(central_longitude=middle))
    axes.patch.set_visible(False)
    axes.spines["geo"].set_visible(False)
    colours = ListedColormap(palette(COLOURS)[1:] / 255.0)
    for lon, lat, values in field.pieces:
        axes.pcolormesh(
            lon,
            lat,
            np.ma.masked_invalid(values),
            transform=PlateCarree(),
            cmap=colours,
            vmin=field.limits[0],
            vmax=field.limits[1],
        )
    axes.set(xlim=(-box.width / 2, box.width / 2), ylim=(box.south, box.north), aspect="auto")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def by_us(field: Field, box: BBox, service: LocalService) -> NDArray[np.uint8]:
    ((index, info),) = service.answer(CatalogQuery()).indexes.items()
    picture = service.answer(
        MapQuery(
            Source(index, field.varname, Date.parse(info.last)),
            Canvas(box, 1000, reduce="stride"),
            Style(COLOURS, *field.limits),
        )
    )
    assert picture.bbox == box
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGBA"))


def levels_of(picture: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The level whose colour each pixel has, -1 where nothing is drawn."""
    keys = [colour @ np.array([1 << 16, 1 << 8, 1]) for colour in (picture[..., :3].astype(int), _table())]
    order = np.argsort(keys[1])
    place = order[np.searchsorted(keys[1][order], keys[0]).clip(max=len(order) - 1)]
    drawn = picture[..., 3] == 255
    assert (keys[1][place] == keys[0])[drawn].all(), "a colour that is none of the table's"
    return np.where(drawn, place, -1)


def _table() -> NDArray[np.int64]:
    table = palette(COLOURS)[1:, :3].astype(int)
    assert len(np.unique(table, axis=0)) == len(table)
    return table


def agreement(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """At 1,000 of the places where either has drawn: whether cartopy's picture has our value within a pixel of there.

    A value on the edge of two levels may be in either: float32 here, float64 there.
    """
    rows, columns = np.nonzero(((ours >= 0) | (theirs >= 0))[1:-1, 1:-1])
    some = np.random.default_rng(12).choice(rows.size, PLACES, replace=False)
    rows, columns = rows[some] + 1, columns[some] + 1
    mine = ours[rows, columns]
    near = np.stack([theirs[rows + y, columns + x] for y in (-1, 0, 1) for x in (-1, 0, 1)])
    same = (np.abs(near - mine) <= 1) & ((near < 0) == (mine < 0))
    return np.asarray(same.any(axis=0))


def test_both_pictures_show_the_same_values(case: tuple[Field, BBox, LocalService]) -> None:
    field, box, service = case
    ours = levels_of(by_us(field, box, service))
    theirs = levels_of(by_cartopy(field, box, ours.shape))
    assert (ours >= 0).mean() > 0.2, "a box with little in it"
    assert np.unique(ours).size > 100
    assert agreement(ours, theirs).mean() >= 0.99
    # The same with every value one cell farther: a cell's displacement is seen.
    moved = levels_of(by_cartopy(field.moved(), box, ours.shape))
    assert agreement(ours, moved).mean() < 0.95
