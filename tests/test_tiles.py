"""What is read of files and how: each chunk once, as estimated, shown as it comes, stopped when it is cancelled."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import fields
import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from datavore_widgets.errors import Cancelled
from datavore_widgets.protocol.answers import Series
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.job import Estimate, Job
from datavore_widgets.protocol.queries import Canvas, LapseMapQuery, SeriesQuery, Style
from datavore_widgets.protocol.times import CLIMATOLOGIES, Lapse
from datavore_widgets.service import tiles
from datavore_widgets.service.catalog import open_catalog
from datavore_widgets.service.cells import Cells
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.tiles import cuts, estimate_of, tiles_of

BOX = BBox(-100, -60, 100, 70)
"""Wraps over the seam of the data, which begin at 0 degrees."""

CHUNKS = [(1, 18, 36), (5, 7, 11), (60, 4, 4), (13, 18, 5), (7, 3, 36)]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each chunk of a variable's values is read from a Zarr store on disk."""
    found: Counter[str] = Counter()
    get = zarr.storage.LocalStore.get

    async def counted(self: Any, key: str, *args: Any, **how: Any) -> Any:
        value = await get(self, key, *args, **how)
        if value is not None and key.startswith("sst/") and key[-1].isdigit():
            found[key] += 1
        return value

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    return found


def stored(folder: Path, chunks: tuple[int, int, int], times: int = 60) -> Path:
    path = folder / "sea.zarr"
    dataset = fields.field(times=times)
    # Nothing but fill values is written nowhere, and so never read.
    dataset.to_zarr(path, zarr_format=2, consolidated=False, encoding={"sst": {"chunks": chunks}})
    return path


def noted(**on: Any) -> Job:
    job = Job(on.pop("progress", None))
    job.on_estimate, job.on_partial, job.every = on.get("estimate"), on.get("partial"), 0.0
    return job


# --- how they are cut ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(1, 40))
def test_cuts_go_from_edge_to_edge_and_are_as_long_as_they_may(lengths: list[int], most: int) -> None:
    edges = 3 + np.cumsum([0, *lengths])
    found = list(cuts(edges, most))
    assert [found[0].start, *(cut.stop for cut in found)] == sorted({3, *(cut.stop for cut in found)})
    assert found[-1].stop == edges[-1]
    assert all({cut.start, cut.stop} <= set(edges.tolist()) for cut in found)
    for cut, after in pairwise(found):
        following = edges[np.searchsorted(edges, after.start) + 1] - after.start
        assert cut.stop - cut.start + following > most, "one more would not have fitted"
    assert all(cut.stop - cut.start <= max(most, *lengths) for cut in found)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of 10, 20 and 30 times, each in chunks of (7, 5, 8)."""
    folder = tmp_path_factory.mktemp("archive")
    whole = fields.field(times=60)
    for first, stop in ((0, 10), (10, 30), (30, 60)):
        part = whole.isel(time=slice(first, stop))
        part.to_netcdf(folder / f"{first:02d}.nc", engine="h5netcdf", encoding={"sst": {"chunksizes": (7, 5, 8)}})
    return folder


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_tiles_cover_every_cell_once_and_no_chunk_twice(archive: Path, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, 59))
    steps = slice(first, data.draw(st.integers(first + 1, 60)))
    top, left = data.draw(st.integers(0, 17)), data.draw(st.integers(0, 35))
    columns = (left + np.arange(data.draw(st.integers(1, 36)))) % 36
    cells = Cells(slice(top, data.draw(st.integers(top + 1, 18))), columns)
    thinned = data.draw(st.booleans())
    if thinned:
        cells = cells.every(data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4)))
    most = data.draw(st.sampled_from([1, 900, 5000, 60_000, 10**7]))
    with open_catalog(archive) as library:
        variable = next(iter(library.indexes.values())).variables["sst"]
        runs = tiles_of(variable, steps, cells, most)
        met = np.zeros((60, *cells.shape), dtype=int)
        chunks: Counter[tuple[int, ...]] = Counter()
        for run in runs:
            for tile in run:
                part = cells.band(tile.rows, tile.columns)
                met[(tile.steps, *cells.inside(tile.rows, tile.columns))] += 1
                assert met[(tile.steps, *cells.inside(tile.rows, tile.columns))].shape[1:] == part.shape
                places = range(tile.steps.start, tile.steps.stop)
                times = {(int(variable.piece_of[step]), int(variable.place_of[step]) // 7) for step in places}
                rows = {row // 5 for row in range(*part.read_rows.indices(18))}
                across = {int(column) // 8 for column in part.read_columns}
                chunks.update((*when, row, column) for when in times for row in rows for column in across)
                assert part.count * len(places) * 8 <= max(most, 7 * 5 * 8 * 8), "no more than asked, or one chunk"
        assert (met[steps] == 1).all()
        assert met.sum() == met[steps].sum()
        wraps = bool((np.diff(columns) < 0).any())
        if not wraps:  # else a chunk at the seam may hold both ends of the box
            assert set(chunks.values()) == {1}
        assert estimate_of([variable], [steps], cells).chunks == len(chunks)


def test_a_chunk_that_memory_does_not_hold_is_cut(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "MOST_BYTES", 7 * 5 * 8 * 8 - 8)
    with open_catalog(archive) as library:
        variable = next(iter(library.indexes.values())).variables["sst"]
        runs = tiles_of(variable, slice(0, 60), Cells.whole((18, 36)), 600)
        assert max(run[0].steps.stop - run[0].steps.start for run in runs) == 1
        assert len(runs) == 60


# --- what is read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("aggregate", ["avg", "std", "area_avg", "median", "a map"])
def test_each_chunk_is_read_once_and_the_numbers_stay(
    chunks: tuple[int, int, int], aggregate: str, tmp_path: Path, reads: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(tmp_path, chunks)
    if aggregate == "a map":
        query: Any = LapseMapQuery("sea", "sst", Canvas(BOX), style=Style(vmin=0, vmax=40))
    else:
        query = SeriesQuery("sea", "sst", BOX, aggregate=aggregate)
    with LocalService(path, laps=tmp_path / "nowhere") as opened:
        reads.clear()
        whole = opened.answer(query)
        assert set(reads.values()) == {1}
        expected = set(reads)
    monkeypatch.setattr(tiles, "READ_BYTES", 8000)
    told: list[Estimate] = []
    with LocalService(path, laps=tmp_path / "nowhere") as opened:
        reads.clear()
        found = opened.answer(query, noted(estimate=told.append))
        assert opened.stats.blocks > 1
    assert set(reads) == expected
    # The box goes around: a chunk with both of its ends may be needed at two places.
    assert sum(reads.values()) <= len(expected) * (1 if chunks[2] in (36, 4) else 2)
    assert told[0].chunks == len(expected)
    assert told[0].nbytes >= opened.stats.bytes
    if isinstance(found, Series):
        np.testing.assert_allclose(found.values, whole.values, rtol=1e-13)
        np.testing.assert_array_equal(found.counts, whole.counts)
    else:
        assert found.png == whole.png


def test_the_estimate_is_the_bytes_of_the_chunks_and_then_their_time(tmp_path: Path, reads: Counter[str]) -> None:
    path = stored(tmp_path, (60, 9, 12), times=600)
    told: list[Estimate] = []
    with LocalService(path, laps=tmp_path / "nowhere") as opened, xr.open_zarr(path, consolidated=False) as dataset:
        corner = BBox(0, -89, 100, -30)
        opened.answer(SeriesQuery("sea", "sst", corner), noted(estimate=told.append))
        assert told[0] == Estimate(600 * 9 * 12 * dataset.sst.dtype.itemsize, 10)
        assert len(reads) == 10
        # Too little was read to tell how long it takes; of everything it is measured, and known the next time.
        assert told[-1].seconds is None
        opened.answer(SeriesQuery("sea", "sst", BBox(-180, -90, 180, 90)), noted(estimate=told.append))
        assert told[-1].seconds is not None
        assert told[-1].seconds > 0
        told.clear()
        opened.answer(SeriesQuery("sea", "sst", BBox(-180, -90, 180, 80)), noted(estimate=told.append))
        assert told[0].seconds is not None
        # What is remembered is not read again, and not told of.
        told.clear()
        opened.answer(SeriesQuery("sea", "sst", corner, aggregate="max"), noted(estimate=told.append))
        assert told == []


@pytest.mark.parametrize("groupby", [None, "yyyy", "yyyy-MM", "MM", "season"])
@pytest.mark.parametrize("aggregate", ["avg", "area_avg"])
def test_parts_of_a_series_are_its_beginning(
    groupby: str | None, aggregate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(tmp_path, (6, 9, 12))
    monkeypatch.setattr(tiles, "READ_BYTES", 1)
    parts: list[Series] = []
    base = (2012, 2016) if groupby in CLIMATOLOGIES else None
    query = SeriesQuery("sea", "sst", BOX, groupby=groupby, aggregate=aggregate, base=base, trend=base is None)
    with LocalService(path, laps=tmp_path / "nowhere") as opened:
        whole = opened.answer(query, noted(partial=parts.append))
        # The one that is whole is the answer.
        assert len(parts) == 9
        assert all(part.is_partial and part.trend is None for part in parts)
        assert not whole.is_partial
        for number, part in enumerate(parts, 1):
            last = f"{2012 + (6 * number - 1) // 12}{(6 * number - 1) % 12 + 1:02d}"
            alone = opened.answer(replace(query, lapse=Lapse.parse(f"201201,{last}"), trend=False))
            np.testing.assert_array_equal(part.labels, alone.labels)
            np.testing.assert_allclose(part.values, alone.values, rtol=1e-12)
            np.testing.assert_array_equal(part.counts, alone.counts)


def test_a_cancelled_series_reads_no_further_tile(
    tmp_path: Path, reads: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(tmp_path, (6, 18, 36))
    monkeypatch.setattr(tiles, "READ_BYTES", 1)
    job = Job(lambda done, _: job.cancel() if done >= 12 else None)
    with LocalService(path, laps=tmp_path / "nowhere") as opened:
        reads.clear()
        with pytest.raises(Cancelled):
            opened.answer(SeriesQuery("sea", "sst", BOX), job)
        assert sorted(reads.values()) == [1, 1]
