"""Pictures of codes are those of their values."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_laps import packed, write

from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import Canvas, DataQuery, MapQuery, Source, Style
from datavore_widgets.protocol.times import Date
from datavore_widgets.service.grid import RectilinearGrid
from datavore_widgets.service.laps.codes import Coded, Codes
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.local import LocalService
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
