"""The compiled loops over prepared data find what numpy finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from test_laps import write

from datavore_widgets.service import compiled
from datavore_widgets.service.laps import build
from datavore_widgets.service.laps.blocks import covering
from datavore_widgets.service.laps.codes import Codes
from datavore_widgets.service.laps.loops import KERNELS
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.laps.segment import Segment
from datavore_widgets.service.laps.sums import Sums, sums_of

SHAPE = 14, 140, 270


def loops_for(kind: str) -> ModuleType:
    loops = compiled.wait(KERNELS, kind)
    assert loops is not None
    return loops


def segment_of(tmp_path: Path, values: np.ndarray, fill: object = None) -> Segment:
    [done] = prepare(write(tmp_path / "v.nc", values, fillvalue=fill), folder=tmp_path / "laps")
    [path] = done.folder.glob("*.laps")
    return Segment(path)


def summed(segment: Segment, steps: slice, parts: np.ndarray, loops: ModuleType | None) -> Sums:
    found = Sums.room(steps.stop - steps.start, segment.codes)
    for array in found.arrays:
        array[...] = 77  # what was in this memory before
    segment.per_step(steps, parts, found, 0, loops)
    return found


def values_of(dtype: str, gaps: bool, rng: np.random.Generator) -> tuple[np.ndarray, object]:
    """Values over the whole of a type, with a step, a region and places here and there where all is missing."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        values, fill = rng.normal(1e3, 30, SHAPE).astype(dtype), kind.type(np.nan)
    else:
        ends = np.iinfo(kind)
        values, fill = rng.integers(ends.min, ends.max, SHAPE, dtype=dtype, endpoint=True), kind.type(ends.max)
    if not gaps:
        return values, None
    values[:, 5:80, 10:90] = values[3] = fill
    values[rng.random(SHAPE) < 0.1] = fill
    return values, fill


@pytest.mark.parametrize("gaps", [True, False], ids=["with gaps", "without"])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "f4", "f8"])
def test_sums_of_boxes(tmp_path: Path, dtype: str, gaps: bool) -> None:
    rng = np.random.default_rng(31)
    segment = segment_of(tmp_path, *values_of(dtype, gaps, rng))
    assert segment.codes.dtype == np.dtype(dtype.replace("u", "i"))
    loops = loops_for(segment.codes.dtype.str[1:])
    known = len(loops.sum_box.signatures)
    ny, nx = SHAPE[1:]
    levels = set()
    for trial in range(40):
        top, left = int(rng.integers(0, ny)), int(rng.integers(0, nx))
        box = top, int(rng.integers(top, ny)) + 1, left, int(rng.integers(left, nx)) + 1
        if trial in (2, 3, 4):
            # What is missing everywhere; a cell; all.
            box = [(8, 70, 11, 80), (100, 101, 100, 101), (0, ny, 0, nx)][trial - 2]
        first = int(rng.integers(0, SHAPE[0]))
        steps = slice(first, int(rng.integers(first, SHAPE[0])) + 1)
        parts = np.array(list(covering(*box, (ny, nx))), dtype=np.int64)
        if trial == 1:
            parts = np.array([[3, 0, 2, 0, 3]])  # all of it, in the largest blocks
        levels |= {*parts[:, 0].tolist()}
        segment.touched = 0
        numpys = summed(segment, steps, parts, None)
        touched, segment.touched = segment.touched, 0
        ours = summed(segment, steps, parts, loops)
        assert segment.touched == touched
        for name in ("count", "low", "high") if dtype[0] == "f" else ("count", "total", "squares", "low", "high"):
            mine, theirs = getattr(ours, name), getattr(numpys, name)
            np.testing.assert_array_equal(mine, theirs, name)
            assert mine.dtype == theirs.dtype
        if dtype[0] == "f":
            # Sums in another order; about the origin, so that nothing cancels.
            np.testing.assert_allclose(ours.squares, numpys.squares, rtol=1e-12)
            scale = np.sqrt(numpys.squares * numpys.count)
            assert (np.abs(ours.total - numpys.total) <= 1e-12 * scale).all()
    assert levels == {0, 1, 2, 3}
    assert len(loops.sum_box.signatures) == known, "nothing is compiled while one waits"


def test_sums_of_many_cells_do_not_overflow(tmp_path: Path) -> None:
    values = np.full((2, 260, 300), 32767, dtype=np.int16)
    values[1] = -32768
    segment = segment_of(tmp_path, values)
    found = summed(segment, slice(0, 2), np.array([[0, 0, 260, 0, 300]]), loops_for("i2"))
    assert found.total.tolist() == [78_000 * 32767, 78_000 * -32768]
    assert found.squares.tolist() == [78_000 * 32767**2, 78_000 * 32768**2]
    assert found.low.tolist() == found.high.tolist() == [32767, -32768]


@pytest.mark.parametrize("gaps", [True, False], ids=["with gaps", "without"])
@pytest.mark.parametrize("dtype", ["i1", "i2"])
def test_sums_of_cells_of_large_and_of_small_codes(dtype: str, gaps: bool) -> None:
    # How many squares 32 bits hold depends on the codes: 64 cells of 8191 just do.
    rng = np.random.default_rng(33)
    kind, times = np.dtype(dtype), 37
    ends = np.iinfo(kind)
    codes = Codes(kind, kind, gaps)
    loops = loops_for(dtype)
    cells = np.zeros((700, times), dtype=kind)
    for first in range(0, 700, 50):
        bound = int(rng.choice([0, 1, 30, 127, 4000, 8191, 8192, 23170, 32767, 32768]))
        some = rng.integers(max(-bound, ends.min), min(bound, ends.max), (50, times), endpoint=True)
        some[rng.random((50, times)) < 0.3] = max(-bound, ends.min)
        cells[first : first + 50] = some
        if gaps and rng.random() < 0.5:
            cells[first : first + 50, rng.random(times) < 0.5] = ends.min
    for trial in range(60):
        first = int(rng.integers(0, 700))
        places = np.arange(first, int(rng.integers(first, 700)) + 1) * times
        found = Sums.room(times, codes)
        loops._sum_cells(cells.reshape(-1), places, *codes.how(0.0), *found.arrays)
        wanted = sums_of(cells[places // times], 0, codes, 0.0)
        for mine, theirs in zip(found.arrays, wanted.arrays, strict=True):
            np.testing.assert_array_equal(mine, theirs, str(trial))


def test_sums_do_not_overflow_where_land_lies_between() -> None:
    # Land is passed over, also where sums of 32 bits are due to be added up: after 1,023 times 64 cells.
    cells = np.full((2 * 1023 * 64, 2), 32767, dtype=np.int16)
    cells[1022 * 64 : 1023 * 64] = -32768
    kind = np.dtype("i2")
    codes = Codes(kind, kind, gaps=True)
    found = Sums.room(2, codes)
    places = np.arange(len(cells)) * 2
    loops_for("i2")._sum_cells(cells.reshape(-1), places, *codes.how(0.0), *found.arrays)
    count = len(cells) - 64
    assert found.count.tolist() == [count] * 2
    assert found.total.tolist() == [count * 32767] * 2
    assert found.squares.tolist() == [count * 32767**2] * 2


def test_the_first_box_has_the_loops_loaded_later_and_not_by_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "v.nc", np.arange(9000, dtype=np.int16).reshape(10, 30, 30))
    prepare(path, folder=tmp_path / "laps")
    code = f"""
import sys
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import SeriesQuery
from datavore_widgets.service import compiled
from datavore_widgets.service.local import LocalService
compiled._LATER = 1000
with LocalService({str(path)!r}, laps={str(tmp_path / "laps")!r}) as service:
    box = SeriesQuery("v", "v", BBox(-180, -90, 180, 90))
    first = service.answer(box)
    print({{"numba", "llvmlite"}} & {{*sys.modules}}, [*compiled._wishes])
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240).stdout
    assert told == f"set() [({KERNELS!r}, 'i2')]\n"


@pytest.mark.parametrize("gaps", [True, False], ids=["with gaps", "without"])
@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "f4", "f8"])
def test_what_is_prepared_is_the_same_to_the_last_byte(
    tmp_path: Path, dtype: str, gaps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, fill = values_of(dtype, gaps, np.random.default_rng(32))
    values = np.concatenate([values] * 10)[:, :45, :77]  # more than a span of steps, and blocks that are cut off
    path = write(tmp_path / "v.nc", values, fillvalue=fill)
    loops = loops_for(dtype.replace("u", "i"))
    known = len(loops.turn.signatures), len(loops.sum_box.signatures)
    turned = []
    real = build._Making._turned
    monkeypatch.setattr(build._Making, "_turned", lambda *how: (turned.append(how[4]), real(*how))[1])
    [ours] = prepare(path, folder=tmp_path / "ours", fields=True)
    assert sorted(turned) == [0, 8, 16, 24, 32, 40]
    monkeypatch.setattr(build, "loops_for", lambda *_, **__: None)
    [numpys] = prepare(path, folder=tmp_path / "numpys")
    for file in numpys.folder.glob("*.laps"):
        assert file.read_bytes() == (ours.folder / file.name).read_bytes()
    assert known == (len(loops.turn.signatures), len(loops.sum_box.signatures)), "nothing is compiled while one waits"


@pytest.mark.parametrize("dtype", ["i1", "i2"])
@pytest.mark.parametrize("scale", [None, np.float32(0.01), -0.25])
@pytest.mark.parametrize("divisor", [None, 100])
def test_moments_are_the_same_to_the_last_bit(dtype: str, scale: object, divisor: int | None) -> None:
    rng = np.random.default_rng(33)
    kind = np.dtype("f4")
    offset = None if scale is None else type(scale)(3.3)  # type: ignore[call-overload]
    codes = Codes(np.dtype(dtype), kind, True, 7, scale, offset, divisor)
    samples = rng.integers(codes.missing, codes.highest, (50, 400), dtype=dtype, endpoint=True)
    samples[rng.random(samples.shape) < 0.3] = codes.missing
    samples[:, 5:9] = codes.missing
    samples[1:, 20] = codes.missing
    sums = sums_of(samples, 0, codes, 0.0)
    ours, numpys = sums.moments(codes, 0.0, loops_for(dtype)), sums.moments(codes, 0.0)
    for name in ("count", "mean", "m2", "low", "high"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(numpys, name), name)
    assert ours.count[5] == 0
    values = codes.decode(samples).astype(np.float64)
    np.testing.assert_array_equal(ours.low, np.fmin.reduce(values, axis=0))
    np.testing.assert_array_equal(ours.high, np.fmax.reduce(values, axis=0))
