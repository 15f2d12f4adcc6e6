"""What was seen in a file is seen again without opening it, and nothing else than what is in it now."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fields
import numpy as np
import pytest
import xarray as xr

from datavore_widgets.protocol.queries import CatalogQuery
from datavore_widgets.service import files, header
from datavore_widgets.service.catalog import open_catalog
from datavore_widgets.service.laps.prepare import prepare
from datavore_widgets.service.local import LocalService

KINDS = ("netcdf4", "netcdf3", "zarr2", "zarr3")
GRIDS: dict[str, Callable[[], xr.Dataset]] = {
    "descending": fields.descending,
    "over the antimeridian": fields.over_antimeridian,
    "packed": fields.packed,
    "flags": fields.flags,
    "with depth": fields.with_depth,
    "360 days": fields.days_360,
    "no time": fields.no_time,
    "curvilinear": fields.curvilinear,
    "wind": fields.wind,
}


def write(dataset: xr.Dataset, path: Path, kind: str) -> Path:
    if kind.startswith("zarr"):
        dataset.to_zarr(path, mode="w", consolidated=False, zarr_format=int(kind[4:]))
    else:
        dataset.to_netcdf(path, format="NETCDF4" if kind == "netcdf4" else "NETCDF3_CLASSIC")
    return path


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were opened."""
    names: list[str] = []
    real = files._open
    monkeypatch.setattr(files, "_open", lambda path, fingerprint: (names.append(path.name), real(path, fingerprint))[1])
    return names


def seen(path: Path) -> tuple[Any, list[list[int]], list[Any]]:
    """All that a catalogue tells of a file, its times and its cells."""
    with open_catalog(path) as library:
        variables = [variable for index in library.indexes.values() for variable in index.variables.values()]
        told = library.info(), dict(library.problems)
        return told, [v.axis.labels.tolist() for v in variables], [(v.cells_key, v.dims, v.dtype) for v in variables]


@pytest.mark.parametrize("kind", ["netcdf4", "zarr3"])
@pytest.mark.parametrize("grid", GRIDS)
def test_what_is_known_is_found_without_opening(grid: str, kind: str, tmp_path: Path, openings: list[str]) -> None:
    path = write(GRIDS[grid](), tmp_path / "sea", kind)
    first = seen(path)
    assert openings == ["sea"]
    assert seen(path) == first
    assert openings == ["sea"]


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_read_from_the_file(kind: str, tmp_path: Path, openings: list[str]) -> None:
    path = write(fields.descending(), tmp_path / "sea", kind)
    seen(path)
    openings.clear()
    with open_catalog(path) as library:
        variable = library.indexes["sea"].variables["sst"]
        assert openings == []
        values = variable.read(0, (), slice(0, variable.grid.shape[0]), np.arange(variable.grid.shape[1]))
    assert openings == ["sea"]
    np.testing.assert_array_equal(values, fields.descending()["sst"].values[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_changed_is_opened(kind: str, tmp_path: Path, openings: list[str]) -> None:
    path = write(fields.descending(), tmp_path / "sea", kind)
    before = seen(path)
    changed = fields.descending()
    write(changed.assign_coords(time=changed.time + np.timedelta64(1, "D")), path, kind)
    after = seen(path)
    assert before[1] != after[1]
    assert openings == ["sea", "sea"]


def test_a_chunk_of_the_times_of_a_store_alone_is_enough_of_a_change(tmp_path: Path) -> None:
    """No metadata changes with it, nor the folder of the array."""
    sea, days = fields.descending(), {"units": "days since 2000-01-01"}
    later = sea.assign_coords(time=sea.time + np.timedelta64(1, "D"))
    sea.time.encoding, later.time.encoding = days, days
    path = write(sea, tmp_path / "sea", "zarr3")
    before = seen(path)
    write(later, tmp_path / "other", "zarr3")
    for chunk in (tmp_path / "other" / "time" / "c").iterdir():
        (path / "time" / "c" / chunk.name).write_bytes(chunk.read_bytes())
    assert [len(labels) for labels in seen(path)[1]] == [len(labels) for labels in before[1]]
    assert seen(path)[1] != before[1]


def test_one_file_of_a_product_is_looked_into_and_none_is_opened(tmp_path: Path, openings: list[str]) -> None:
    whole = fields.descending()
    for step in range(3):
        whole.isel(time=[step]).to_netcdf(tmp_path / f"day{step}.nc")
    first = seen(tmp_path)
    assert len(openings) == 3
    openings.clear()
    assert seen(tmp_path) == first
    assert openings == []
    # Another one takes the place of the one that is gone, once.
    (tmp_path / "day0.nc").unlink()
    assert [len(labels) for labels in seen(tmp_path)[1]] == [2]
    assert openings == ["day1.nc"]
    seen(tmp_path)
    assert openings == ["day1.nc"]


def test_what_cannot_be_written_down_is_opened_each_time(tmp_path: Path, openings: list[str]) -> None:
    sea = fields.descending()
    named = sea.assign(station=("lat", np.array([f"at {lat}" for lat in sea.lat.values], dtype=object)))
    path = write(named, tmp_path / "sea", "netcdf4")
    assert seen(path) == seen(path)
    assert openings == ["sea", "sea"]


def test_what_was_not_looked_at_before_sends_to_the_file(
    tmp_path: Path, openings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a next version may, which looks at more."""
    path = write(fields.packed(), tmp_path / "sea", "netcdf4")
    real = header._Noted.coded
    with monkeypatch.context() as patch:
        patch.setattr(header._Noted, "coded", lambda self: [*real(self)[:5], None])
        first = seen(path)
    assert seen(path) == first
    assert openings == ["sea", "sea"]


@pytest.mark.parametrize("coded", [b"", b"\xc1", b"\x80", b"\x81\xa5state\xc0"])
def test_a_damaged_header_is_none(coded: bytes, tmp_path: Path) -> None:
    path = write(fields.packed(), tmp_path / "sea", "netcdf4")
    assert header.noted_contents(path, files.fingerprint_of(path), coded) is None


def test_a_picture_of_prepared_data_loads_no_reader(tmp_path: Path) -> None:
    """What the first picture of a process waits for."""
    path = write(fields.descending(), tmp_path / "sea", "zarr3")
    prepare(path, folder=tmp_path / "laps", fields=True)
    with LocalService(path, laps=tmp_path / "laps") as service:
        assert service.answer(CatalogQuery()).indexes
    code = f"""
import sys
from datavore_widgets.protocol.geometry import BBox
from datavore_widgets.protocol.queries import Canvas, MapQuery, SeriesQuery, Source
from datavore_widgets.protocol.times import Date
from datavore_widgets.service.local import LocalService
with LocalService({str(path)!r}, laps={str(tmp_path / "laps")!r}) as service:
    world = BBox(-180, -80, 180, 80)
    axis = service._store.library.indexes["sea"].variables["sst"].axis
    source = Source("sea", "sst", Date(str(int(axis.labels[0]))[:14]))
    assert service.answer(MapQuery(source, Canvas(world, 64))).png.startswith(b"\\x89PNG")
    assert service.answer(SeriesQuery("sea", "sst", world)).values.size == len(axis)
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not {"xarray", "pandas", "zarr", "h5py", "dask", "scipy", "PIL"} & set(done.stdout.split())
