"""Pictures of codes are those of their values, and compiled loops draw what numpy draws, to the last bit."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_laps import packed, write

from datavore_widgets.protocol.colormap import Norm
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import Canvas, DataQuery, MapQuery, Source, Style
from datavore_widgets.protocol.times import Date
from datavore_widgets.service import compiled, pixels, resample
from datavore_widgets.service.grid import RectilinearGrid
from datavore_widgets.service.laps.codes import Coded, Codes
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.pixels import Separable, Table
from datavore_widgets.service.render import render

NY, NX = 270, 300
STYLE = Style("inferno", -90.0, 220.0)

CANVASES = {
    "nearest": Canvas(BBox(-180, -80, 180, 80), 400, "mercator"),
    "bilinear": Canvas(BBox(-180, -80, 180, 80), 400, "mercator", resample=True),
    "means": Canvas(BBox(-180, -80, 180, 80), 60),
    "means over the seam": Canvas(BBox(100, -40, -100, 70), 60, "mercator"),
}
KINDS: dict[str, tuple[Codes, str, tuple[int, ...]]] = {
    "one float32": (Codes(np.dtype("i2"), np.dtype("f4"), True, 0, np.float32(0.01)), "continuous", ()),
    "float64 with an offset": (
        Codes(np.dtype("i2"), np.dtype("f8"), True, 1, np.float64(0.01), np.float64(20.0)),
        "continuous",
        (),
    ),
    "simple fractions": (Codes(np.dtype("i2"), np.dtype("f4"), True, -9000, None, None, 100), "continuous", ()),
    "never missing": (Codes(np.dtype("i2"), np.dtype("f4"), False, 0, np.float32(0.01)), "continuous", ()),
    "integers": (Codes(np.dtype("i1"), np.dtype("u1"), True, -128), "continuous", ()),
    "flags": (Codes(np.dtype("i1"), np.dtype("u1"), True, -128), "flags", tuple(range(250))),
    "directions": (Codes(np.dtype("i2"), np.dtype("f4"), True, 0, np.float32(0.01)), "direction", ()),
}


def drawn(picture: bytes) -> np.ndarray:
    """Levels, 0 for missing."""
    return np.asarray(Image.open(io.BytesIO(picture))).astype(int)


def grid() -> RectilinearGrid:
    lon, lat = (np.arange(NX) + 0.5) * 360 / NX, 90 - (np.arange(NY) + 0.5) * 180 / NY
    return RectilinearGrid.from_centers(lon, lat)


@pytest.mark.parametrize("offset", [0.0, -17.0])
@pytest.mark.parametrize("canvas", CANVASES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_codes_is_that_of_their_values(kind: str, canvas: str, offset: float) -> None:
    meaning, what, flags = KINDS[kind]
    rng = np.random.default_rng(5)
    limits = np.iinfo(meaning.dtype)
    codes = rng.integers(limits.min, limits.max + 1, (NY, NX)).astype(meaning.dtype)
    if meaning.gaps:
        codes[40:90, 100:250] = meaning.missing
        codes[rng.random(codes.shape) < 0.1] = meaning.missing
    coded = Coded(codes, meaning, meaning.value).plus(offset)
    style = Style("inferno", 0.0, 360.0) if what == "direction" else STYLE
    ours, theirs = (
        drawn(render(grid(), values, CANVASES[canvas], style, what, flags).png) for values in (coded, coded.values())
    )
    assert (ours > 0).mean() > 0.5
    if "means" in canvas and what == "continuous":
        # Integers are summed exactly, floats are not: what lies on the edge of a level may change sides.
        assert np.array_equal(ours == 0, theirs == 0)
        assert np.abs(ours - theirs).max() <= 1
        assert (ours != theirs).mean() < 2e-3
    else:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("size", [400, 60])
def test_pictures_of_prepared_data_are_those_of_the_files(size: int, tmp_path: Path) -> None:
    attrs: dict[str, Any] = {"scale_factor": np.float32(0.01), "add_offset": np.float32(1.5)}
    path = write(tmp_path / "v.nc", packed(7, (4, NY, NX)), fillvalue=np.int16(-32768), attrs=attrs)
    [done] = prepare(path, folder=tmp_path / "laps", fields=True)
    assert list(done.folder.glob("*.fields"))
    with LocalService(path, laps=done.folder.parent) as ready, LocalService(path, laps=tmp_path / "none") as plain:
        for bbox, offset in ((BBox(-180, -80, 180, 80), 0.0), (BBox(100, -40, -100, 70), 273.15)):
            source = Source("v", "v", Date("20000102"), offset=offset)
            query = MapQuery(source, Canvas(bbox, size, "mercator"), Style("inferno", -90.0 + offset, 220.0 + offset))
            one, other = ready.answer(query), plain.answer(query)
            assert (one.valid, one.total) == (other.valid, other.total)
            assert 0 < one.valid < one.total
            apart = np.abs(drawn(one.png) - drawn(other.png))
            assert apart.max() <= (1 if size == 60 else 0)
            assert (apart > 0).mean() < 2e-3
        assert ready.stats.fields == 1
        # The numbers behind a picture are those of the field that it was drawn from: nothing is read again.
        data = DataQuery(Source("v", "v", Date("20000102")), BBox(50, -60, -20, 70))
        np.testing.assert_array_equal(ready.answer(data).data, plain.answer(data).data)
        assert ready.stats.fields == 1
        # Codes take half of the memory.
        assert ready.stats.bytes == plain.stats.bytes / 2


# --- compiled loops ---------------------------------------------------------------------------------------------------


def some_grid(rng: np.random.Generator) -> RectilinearGrid:
    """Of some size, from the north or from the south, round the earth from anywhere or a part of it."""
    ny, nx = (int(size) for size in rng.integers(2, 90, 2))
    step = 360 / nx if rng.random() < 0.5 else rng.uniform(0.2, 360 / nx)
    lon = rng.choice([-180, 0, 20]) + (np.arange(nx) + 0.5) * step
    lat = (-90 + (np.arange(ny) + 0.5) * 180 / ny)[:: rng.choice([1, -1])]
    return RectilinearGrid.from_centers(lon[:: rng.choice([1, -1])], lat)


def some_values(rng: np.random.Generator, shape: tuple[int, int], dtype: str) -> tuple[np.ndarray, int | None]:
    """With holes, and infinite values now and then; and what is missing of integers."""
    if dtype.startswith("i"):
        limits = np.iinfo(dtype)
        values = rng.integers(limits.min, limits.max + 1, shape).astype(dtype)
        values[rng.random(shape) < rng.choice([0.0, 0.5])] = limits.min
        return values, int(limits.min) if rng.random() < 0.7 else None
    values = rng.normal(10, 8, shape).astype(dtype)
    values[rng.random(shape) < rng.choice([0.0, 0.2, 0.95])] = np.nan
    values[rng.random(shape) < rng.choice([0.0, 0.01])] = np.inf
    return values, None


def some_plan(rng: np.random.Generator, grid: RectilinearGrid, most: int) -> Separable:
    south = rng.uniform(-90, 80)
    north = rng.uniform(south + 5, 90)
    west, east = rng.uniform(-180, 180, 2)
    world = rng.random() < 0.4
    box = BBox(-180, -85, 180, 85) if world else BBox(west, south, east, north)
    size = int(rng.integers(1, most))
    found = resample.plan(grid, Canvas(box, size, "mercator" if rng.random() < 0.5 else "pc_world", resample=True))
    assert isinstance(found, Separable)
    return found


@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "i2"])
def test_compiled_loops_draw_the_same_to_the_last_bit(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    loops = compiled.wait(pixels.KERNELS, dtype)
    assert loops is not None
    rng = np.random.default_rng(11)
    asked: list[object] = []

    def both(draw: Any) -> tuple[np.ndarray, np.ndarray]:
        """What numpy draws alone, and what is drawn in two threads by the loops."""
        monkeypatch.setattr(pixels, "kernels", lambda *_: None)
        monkeypatch.setattr(pixels, "_SHARED", 1 << 62)
        plain = draw()
        monkeypatch.setattr(pixels, "kernels", lambda *_: (asked.append(_), loops)[1])
        monkeypatch.setattr(pixels, "_SHARED", 0)
        return plain, draw()

    monkeypatch.setattr(pixels, "_LOOPS", 0)
    table = Table(rng.integers(0, 256, 2 ** (8 * np.dtype(dtype).itemsize) if dtype[0] == "i" else 1).astype(np.uint8))
    levels, valid = Norm(-5.0, 25.0).indices, 0
    for _ in range(150):
        grid = some_grid(rng)
        values, missing = some_values(rng, grid.shape, dtype)
        # A part of a field lies in the memory of the whole.
        values = np.pad(values, 2, mode="edge")[2:-2, 2:-2]
        plan = some_plan(rng, grid, 40)
        one, other = both(lambda plan=plan, values=values, missing=missing: plan.means(values, missing))
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
        valid += int(np.count_nonzero(np.isfinite(one)))
        plan = some_plan(rng, grid, 200)
        if dtype.startswith("i"):
            one, other = both(lambda plan=plan, values=values: plan.nearest(values, table))
        else:
            one, other = both(lambda plan=plan, values=values: plan.bilinear(values, levels))
        np.testing.assert_array_equal(one, other)
    assert valid > 10_000
    # Very many cells to a pixel are left to numpy.
    assert len(asked) > (280 if dtype.startswith("i") else 130)


def test_few_cells_ask_for_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(pixels, "kernels", lambda *what: asked.append(what))
    for ny, nx in ((180, 360), (720, 1440)):
        lon, lat = (np.arange(nx) + 0.5) * 360 / nx, 90 - (np.arange(ny) + 0.5) * 180 / ny
        values = np.zeros((ny, nx), dtype=np.float32)
        render(RectilinearGrid.from_centers(lon, lat), values, CANVASES["means"], STYLE)
        assert asked == ([] if ny == 180 else [(pixels.KERNELS, "f4")])
