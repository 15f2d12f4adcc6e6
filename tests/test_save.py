"""`datavore save`: one picture, its numbers or a series, from the command line to a file, as the service answers it."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fields
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from datavore_widgets.client.chosen import chosen, saved
from datavore_widgets.errors import InvalidValue
from datavore_widgets.protocol.geometry import BBox, Point
from datavore_widgets.protocol.queries import (
    Canvas,
    LapseMapQuery,
    MapQuery,
    SeriesQuery,
    Source,
    Style,
    parse_filters,
)
from datavore_widgets.protocol.times import WHOLE_LAPSE, Date, Lapse
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service.local import LocalService


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "sea.nc"
    fields.field(times=40).to_netcdf(path, engine="h5netcdf")
    return path


@pytest.fixture(scope="module")
def service(data: Path) -> Iterator[LocalService]:
    with LocalService(data) as opened:
        yield opened


def say(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "datavore_widgets.cli", "save", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_picture_carries_what_is_true_of_it(data: Path, service: LocalService, tmp_path: Path) -> None:
    to = tmp_path / "a map.png"
    words = ("--box", "-60,10,80,60", "--date", "201203", "--width", "200", "--cmap", "viridis", "--vmax", "30")
    done = say("--to", to, data, *words)
    assert done.returncode == 0, done.stderr
    assert "time 2012-03-15T00:00:00Z" in done.stdout
    query = MapQuery(
        Source("sea", "sst", Date("201203")), Canvas(BBox(-60, 10, 80, 60), 200), Style("viridis", None, 30)
    )
    image = service.answer(query)
    with Image.open(to) as picture, Image.open(io.BytesIO(image.png)) as own:
        picture.load()
        assert np.array_equal(np.asarray(picture.convert("RGBA")), np.asarray(own.convert("RGBA")))
        told = picture.text
    assert told["datavore_time"] == "2012-03-15T00:00:00Z"
    assert BBox(*map(float, told["datavore_bbox"].split(","))) == image.bbox
    assert (float(told["datavore_vmin"]), float(told["datavore_vmax"])) == (image.vmin, 30.0)
    assert (told["datavore_units"], told["datavore_cells_valid"]) == (image.units, str(image.valid))
    assert [path.name for path in tmp_path.iterdir()] == ["a map.png"]


def test_numbers_are_those_of_the_files(data: Path, tmp_path: Path) -> None:
    with xr.open_dataset(data) as opened:
        sst = opened["sst"].sel(lon=slice(20, 80), lat=slice(10, 60)).load()
    words = ("--box", "20,10,80,60", "--lapse", "2012,2013", "--aggregate", "max")
    assert say("--to", tmp_path / "max.nc", data, *words).returncode == 0
    with xr.open_dataset(tmp_path / "max.nc", engine="scipy") as back:
        np.testing.assert_array_equal(back["sst"].values, sst.sel(time=slice("2012", "2013")).max("time").values)
        assert back["sst"].attrs["cell_methods"] == "time: maximum"
    done = say("--to", tmp_path / "series.csv", data, "--box", "20,10,80,60", "--groupby", "yyyy")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "series.csv").read_text().splitlines()))
    yearly = sst.astype("f8").groupby("time.year").mean(...)
    np.testing.assert_allclose([float(row["sst"]) for row in rows], yearly.values, rtol=1e-9)
    assert {row["aggregate"] for row in rows} == {"avg"}


def test_a_server_s_data_are_saved_alike(service: LocalService, tmp_path: Path) -> None:
    with serve_background(build_app(service)) as server:
        done = say("--to", tmp_path / "far.csv", server.url, "--date", "201203", "--box", "20,10,80,60")
    assert done.returncode == 0, done.stderr
    near, _ = saved(service, chosen(service, date="201203", box="20,10,80,60"), "csv")
    assert (tmp_path / "far.csv").read_bytes() == near


def test_nothing_is_overwritten_unless_it_is_asked_for(data: Path, tmp_path: Path) -> None:
    to = tmp_path / "there.csv"
    to.write_text("mine")
    done = say("--to", to, data)
    assert done.returncode == 2
    assert done.stderr.startswith("datavore: ")
    assert "--overwrite" in done.stderr
    assert to.read_text() == "mine"
    assert say("--to", to, data, "--overwrite").returncode == 0
    assert to.read_text().startswith("lon,lat,sst,")
    done = say("--to", tmp_path / "nowhere" / "a.png", data)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_left_out_is_what_there_is(service: LocalService) -> None:
    extent = service._store.library.info().indexes["sea"].bbox
    assert extent is not None
    last = Date.from_label(int(service._store.library.indexes["sea"].variables["sst"].axis.labels[-1]))
    assert chosen(service) == MapQuery(Source("sea", "sst", last), Canvas(extent))
    assert chosen(service, series=True) == SeriesQuery("sea", "sst", extent, WHOLE_LAPSE)
    assert chosen(service, point="[30, 20]") == SeriesQuery("sea", "sst", Point(30, 20))
    lapse = Lapse(Date("2012"), Date("2013"))
    assert chosen(service, lapse="2012,2013") == LapseMapQuery("sea", "sst", Canvas(extent), lapse)
    flat = LocalService({"flat": fields.no_time()})
    less = chosen(service, lapse="2012,2013", subtract="bias", filters='{"depth": 1}')
    assert less == LapseMapQuery(
        "sea", "sst", Canvas(extent), lapse, "avg", parse_filters({"depth": 1}), Style(), "bias"
    )
    query = chosen(flat)
    assert isinstance(query, MapQuery)
    assert query.source.date is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"index": "see"}, "sea"),
        ({"variable": "sts"}, "sst"),
        ({"box": "1,2,3"}, "1,2,3"),
        ({"box": "0,0,1,1", "point": "1,2"}, "not both"),
        ({"date": "2012", "lapse": "2012,2013"}, "not both"),
        ({"date": "2012", "series": True}, "lapse"),
        ({"point": "1,2,3,4"}, "longitude and a latitude"),
        ({"aggregate": "mean", "lapse": "2012,2013"}, "mean"),
        ({"filters": "{"}, "JSON"),
    ],
)
def test_words_that_do_not_go_together_are_refused(service: LocalService, words: dict[str, object], told: str) -> None:
    with pytest.raises((InvalidValue, LookupError), match=told):
        chosen(service, **words)


def test_of_several_one_has_to_be_named() -> None:
    with LocalService({"a": fields.field(), "b": fields.with_depth()}) as several:
        with pytest.raises(InvalidValue, match=r"which index\? There are a, b"):
            chosen(several)
        with pytest.raises(InvalidValue, match=r"which variable\? There are "):
            chosen(LocalService({"wind": fields.wind()}))


@pytest.mark.parametrize(("words", "ending"), [({"series": True}, "png"), ({}, "xls"), ({}, "")])
def test_other_kinds_of_files_are_refused(service: LocalService, words: dict[str, bool], ending: str) -> None:
    with pytest.raises(InvalidValue, match="nc or csv"):
        saved(service, chosen(service, **words), ending)
