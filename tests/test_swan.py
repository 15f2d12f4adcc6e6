"""Spectra of SWAN: one file written by hand, what cannot be read, and damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datavore_widgets.errors import Unreadable
from datavore_widgets.protocol.geometry import Point
from datavore_widgets.protocol.queries import SeriesQuery, parse_filters
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.service.doctor import examine
from datavore_widgets.service.files import FileSource, OpenFiles
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.waves.models import Model, read_model

BY_HAND = """SWAN   1                                Swan standard spectral file, version
$   Data produced by SWAN version 41.45
TIME                                    time-dependent data
     1                                  time coding option
LONLAT                                  locations in spherical coordinates
     2                                  number of locations
  -20.5  45.25
  179.75  -10.0
RFREQ                                   relative frequencies in Hz
     2                                  number of frequencies
    0.1000
    0.2000
CDIR                                    spectral Cartesian directions in degr
     3                                  number of directions
    0.0
  120.0
  -90.0
QUANT
     1                                  number of quantities in table
VaDens                                  variance densities in m2/Hz/degr
m2/Hz/degr                              unit
   -0.9900E+02                          exception value
20200615.120000                         date and time
FACTOR
    0.50000000E-02
    2    4    6
$ a remark
    0  -99    8
ZERO
20200615.123000                         date and time
NODATA
FACTOR
    0.1E+01
    1    2    3    4
    5    6
"""


def written(folder: Path, text: str, name: str = "spectra.spec") -> Path:
    path = folder / name
    path.write_text(text, encoding="latin-1", newline="")
    return path


def read(path: Path) -> Model:
    files = OpenFiles()
    try:
        return read_model(FileSource(path, files))
    finally:
        files.close()


def test_a_file_written_by_hand(tmp_path: Path) -> None:
    model = read(written(tmp_path, BY_HAND))
    assert model.labels.tolist() == [20200615120000000, 20200615123000000]
    assert model.lon.tolist() == [[-20.5, 179.75]] * 2
    assert model.lat.tolist() == [[45.25, -10.0]] * 2
    np.testing.assert_allclose(model.f, [0.1, 0.2])
    # Anticlockwise from east, where they go to: to the east, to 120° from it, which is 330°, and to the south.
    assert model.theta.tolist() == [90.0, 330.0, 180.0]
    degree = np.pi / 180
    first, second = [[0.01, 0.02, 0.03], [0, np.nan, 0.04]], [[1.0, 2, 3], [4, 5, 6]]
    np.testing.assert_allclose(model.density[0, 0] * degree, first, rtol=1e-6)
    assert (model.density[0, 1] == 0).all()
    assert np.isnan(model.density[1, 0]).all()
    np.testing.assert_allclose(model.density[1, 1] * degree, second, rtol=1e-6)


def test_nautical_directions_are_where_waves_come_from(tmp_path: Path) -> None:
    model = read(written(tmp_path, BY_HAND.replace("CDIR ", "NDIR ")))
    assert model.theta.tolist() == [180.0, 300.0, 90.0]


def test_it_is_served_as_stations_and_looked_at(tmp_path: Path) -> None:
    path = written(tmp_path, BY_HAND)
    written(tmp_path, "a text of some other kind\n", "readme.txt")
    with LocalService(tmp_path) as service:
        series = service.answer(
            SeriesQuery(
                "spectra",
                "VaDens",
                Point(-20.5, 45.25),
                Lapse(Date("2020"), Date("2020")),
                filters=parse_filters({"frequency": 0.2, "direction": 180.0}),
            )
        )
        assert not service._store.library.problems
    np.testing.assert_allclose(series.values, [0.04, np.nan], rtol=1e-6)
    (told,) = examine(path)
    assert (told.state, told.format, told.times) == ("well", "SWAN spectra", 2)


def refused(old: str, new: str, says: str, name: str) -> object:
    return pytest.param(old, new, says, id=name)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        refused("TIME ", "NOTIME ", "without times", "stationary"),
        refused("     1                                  time coding", "  3   coding", "coding 3", "times in words"),
        refused("LONLAT", "LOCATIONS", "in metres", "places in metres"),
        refused("CDIR", "QUANT", "without directions", "one-dimensional"),
        refused("VaDens ", "EnDens ", "EnDens", "energy"),
        refused("m2/Hz/degr   ", "m2/Hz/rad   ", "m2/Hz/rad", "other units"),
        refused("     1                                  number of quant", "  3  number of quant", "3 quant", "three"),
        refused("    0.2000\n", "    0.0500\n", "do not ascend", "frequencies that fall"),
        refused("20200615.120000", "20201315.120000", "should be a time", "month 13"),
        refused("    2    4    6", "    2    x    6", "line 26 .*numbers alone", "a word among numbers"),
        refused("    5    6\n", "    5    6    7\n", "more than the 6", "too many"),
        refused("0.1E+01", "inf", "not finite", "an infinite factor"),
        refused("FACTOR\n    0.1E", "FACTR\n    0.1E", "FACTOR, ZERO or NODATA", "an unknown word"),
        refused("     3                ", "     3000000000000 ", "a count up to", "a count beyond all bounds"),
        refused("     3                ", "     60000000      ", "ends early|should hold", "more than there is"),
    ],
)
def test_what_is_not_read_is_refused_with_the_reason(old: str, new: str, says: str, tmp_path: Path) -> None:
    assert old in BY_HAND
    with pytest.raises(Unreadable, match=says):
        read(written(tmp_path, BY_HAND.replace(old, new, 1)))


def test_a_file_that_was_cut_short_is_never_read_as_other_numbers(tmp_path: Path) -> None:
    """Cut after each of its bytes: refused, or at the end of a time, where it is a shorter file."""
    whole = read(written(tmp_path, BY_HAND))
    shorter = 0
    for size in range(1, len(BY_HAND)):
        try:
            cut = read(written(tmp_path, BY_HAND[:size], f"{size}.spec"))
        except Unreadable:
            continue
        shorter += 1
        assert cut.labels.size == 1
        np.testing.assert_array_equal(cut.density[0], whole.density[0])
    assert shorter == 1
