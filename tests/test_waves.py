"""Sentinel-1's wave mode: the physics by hand, the reader over known seas, what is refused, and models' spectra."""

from __future__ import annotations

import datetime as dt
import gc
import io
import math
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from same import assert_same

from datavore_widgets import errors
from datavore_widgets.client.http import HttpService
from datavore_widgets.client.sentinel1 import Datavoresentinel1
from datavore_widgets.protocol.colormap import colormap
from datavore_widgets.protocol.geometry import GLOBAL, BBox
from datavore_widgets.protocol.queries import (
    AcquisitionsQuery,
    CatalogQuery,
    FilesQuery,
    QuicklookQuery,
    SpectrumQuery,
    TimesQuery,
    parse_filters,
)
from datavore_widgets.protocol.times import Date, Lapse
from datavore_widgets.server.app import build_app
from datavore_widgets.server.run import serve_background
from datavore_widgets.service import files, wave_sample
from datavore_widgets.service.files import FileSource, MemorySource, OpenFiles
from datavore_widgets.service.local import LocalService
from datavore_widgets.service.wave_sample import Imagette, Swell, swell_energy
from datavore_widgets.service.waves import directions, names, ocn, spectra
from datavore_widgets.service.waves.models import Models, read_model
from datavore_widgets.service.waves.quicklook import draw
from datavore_widgets.service.waves.regrid import regrid

NOON = dt.datetime(2020, 6, 15, 12, 0, 0)
SEA = (Swell(2.4, 250.0, 70.0), Swell(1.3, 140.0, 200.0))


def read(made: Imagette):
    return ocn.read_spectrum(MemorySource(made.dataset()))


# --- the physics -----------------------------------------------------------------------------------------------------


def test_a_spectrum_integrated_by_hand():
    """E = 100 m⁴ in two bins at k = 0.02 and 0.04 rad/m, the grid of a factor 2, one direction of four (90° each).

    The limits of the bins are geometric means: 0.02/√2 … 0.02·√2 … 0.04·√2, so Δk is 0.02·(√2 - 1/√2) = 0.01414214
    and 0.02828427; Δφ is π/2. The variance is 100·(0.02·0.01414214 + 0.04·0.02828427)·π/2
    = 100·(0.000282843 + 0.001131371)·1.5707963 = 0.222144 m², and Hs = 4·√0.222144 = 1.885286 m.
    Without the k it would be 100·(0.01414214 + 0.02828427)·1.5707963 = 6.664 m³, and no height at all.
    """
    k, phi = np.array([0.02, 0.04]), np.array([0.0, 90, 180, 270])
    energy = np.zeros((2, 4))
    energy[:, 1] = 100.0
    assert spectra.significant_height(k, phi, energy) == pytest.approx(1.885286, abs=2e-6)
    # f = √(g·k)/2π: 0.0704848 and 0.0996805 Hz; E(f,θ) = E·k·8π²f/g = 100·0.02·8·9.8696044·0.0704848/9.80665 = 1.13499
    f = spectra.frequency(k)
    np.testing.assert_allclose(f, [0.0704848, 0.0996805], rtol=2e-6)
    density = spectra.frequency_spectrum(k, energy)[:, 1]
    np.testing.assert_allclose(density, [1.13499, 3.21026], rtol=1e-5)


def test_frequency_and_wavenumber_hold_the_same_variance():
    k = 2 * math.pi / np.geomspace(800, 30, 400)
    phi = np.arange(0, 360, 10.0)
    energy = swell_energy(Swell(3, 200, 40), k, phi)
    limits = np.sqrt(spectra.GRAVITY * spectra.edges(k)) / (2 * math.pi)
    cells = np.diff(limits)[:, None] * spectra.rings(phi)[None, :]
    by_frequency = 4 * math.sqrt((spectra.frequency_spectrum(k, energy) * cells).sum())
    assert by_frequency == pytest.approx(spectra.significant_height(k, phi, energy), rel=1e-4)


def test_the_cut_off_is_a_band_between_two_lines():
    k, phi = np.array([0.01, 0.05]), np.arange(0.0, 360, 10)
    inside = spectra.resolved(k, phi, 350.0, 200.0)  # |k_az| ≤ 0.0314 rad/m
    assert inside[0].all()
    across = directions.angle_between(phi, 350.0 + 90)
    # 0.05·cos(φ - heading) ≤ 0.0314: more than 51° off the flight, on either side.
    expected = np.minimum(across, 180 - across) < 90 - math.degrees(math.acos(2 * math.pi / 200 / 0.05))
    np.testing.assert_array_equal(inside[1], expected)
    assert inside[1].any()
    assert not inside[1].all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(2, 50), st.integers(2, 40), st.integers(1, 48))
def test_regridding_keeps_the_variance(seed, rows, columns, to_rows, to_columns):
    rng = np.random.default_rng(seed)
    limits = np.sort(rng.uniform(0.005, 0.3, rows + 1))
    phi, to_phi = np.unique(rng.uniform(0, 360, columns)), np.unique(rng.uniform(0, 360, to_columns))
    to_k = np.geomspace(*sorted(rng.uniform(0.004, 0.4, 2)), to_rows)
    variance = rng.random((rows, phi.size))
    energy, outside = regrid(variance, limits, rng.permutation(phi), to_k, to_phi)
    kept = (energy * spectra.measure(to_k, to_phi)).sum()
    assert kept + outside == pytest.approx(variance.sum(), rel=1e-9)
    assert outside > -1e-9
    # On an axis that reaches over all of the given one, nothing is lost, in any direction.
    everywhere, lost = regrid(variance, limits, rng.permutation(phi), np.geomspace(0.004, 0.4, 30), to_phi)
    assert lost == pytest.approx(0, abs=1e-9)
    assert (everywhere * spectra.measure(np.geomspace(0.004, 0.4, 30), to_phi)).sum() == pytest.approx(variance.sum())
    assert (energy >= -1e-12).all()


@pytest.mark.parametrize(
    ("degrees", "attrs", "heading", "expected", "says"),
    [
        (10.0, {"units": "degree clockwise from range", "long_name": "wind direction"}, 350.0, 90.0, "taken as from"),
        (10.0, {"units": "degrees clockwise from north", "long_name": "where the wind comes from"}, 350.0, 10.0, ""),
        (10.0, {"standard_name": "wind_from_direction"}, 0.0, 10.0, ""),
        (10.0, {"standard_name": "wind_to_direction"}, 0.0, 190.0, ""),
        (-10.0, {}, 0.0, 350.0, "taken as from"),
    ],
)
def test_winds_are_where_they_come_from(degrees, attrs, heading, expected, says):
    value, note = directions.wind_from(degrees, attrs, heading)
    assert value == pytest.approx(expected)
    assert note.endswith(says)
    assert bool(note) == bool(says)


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"units": "degrees clockwise from north", "long_name": "dominant wave direction"}, 30.0),
        ({"standard_name": "sea_surface_wave_to_direction"}, 30.0),
        ({"standard_name": "sea_surface_wave_from_direction"}, 210.0),
        ({"long_name": "direction where waves come from", "units": "degrees clockwise from north"}, 210.0),
    ],
)
def test_waves_are_where_they_go_to(attrs, expected):
    assert directions.wave_towards(30.0, attrs)[0] == expected


# --- from known seas and back ----------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    *(st.floats(0.5, 8) for _ in range(2)),
    *(st.floats(110, 400) for _ in range(2)),
    st.floats(0, 359.9),
    st.floats(100, 260),
)
def test_two_known_swells_are_told_apart(first, second, one, other, direction, apart):
    """100° and more apart: each is read back, and outlined where it was put, as far as a third of its peak."""
    swells = (Swell(first, one, direction, 15), Swell(second, other, direction + apart, 15))
    found = read(Imagette(NOON, 10, 20, swells, cutoff=20.0))
    assert found.hs == pytest.approx(math.hypot(first, second), rel=0.02)
    assert found.partition_ids.tolist() == [0, 1]
    for number, swell in enumerate(swells):
        assert found.partition_hs[number] == pytest.approx(swell.hs, rel=0.02)
        assert abs(math.log(found.partition_wavelength[number] / swell.wavelength)) <= math.log(800 / 30) / 29
        assert directions.angle_between(found.partition_direction[number], swell.direction) <= 10
        mine = swell_energy(swell, found.k, found.phi)
        rest = swell_energy(swells[1 - number], found.k, found.phi)
        assert (found.partitions[(mine > mine.max() / 3) & (mine > rest)] == number).all()
        assert (found.partitions[mine < mine.max() / 1e4] != number).all()


@settings(
    max_examples=25, deadline=None, derandomize=True, phases=(Phase.generate,)
)  # each is a picture: none is made smaller
@given(st.floats(0.5, 9), st.floats(110, 450), st.floats(0, 359.9), st.floats(0, 359.9), st.booleans())
def test_a_known_swell_lies_in_the_picture_where_it_goes_to(hs, wavelength, direction, heading, is_flat):
    """From the sea to pixels and back: 560 pixels across are ± 2π/75 rad/m, north is up.

    Over range and azimuth too: there the picture is turned by the heading.
    """
    swell = Swell(hs, wavelength, direction)
    data = Imagette(NOON, 10, 20, [swell], cutoff=20.0, heading=heading).dataset()
    if is_flat:
        data = data.drop_vars(["oswQualityCrossSpectraRe", "oswQualityCrossSpectraIm"])
    png, _ = draw("imaginary", ocn.read_spectrum(MemorySource(data)))
    with Image.open(io.BytesIO(png)) as page:
        square = np.asarray(page.convert("RGB"))[96 : 96 + 560, 24 : 24 + 560].astype(int)
    # The highest values have the last colour of the table; it is positive where the waves go to.
    strongest = colormap("balance")[255].astype(int)
    rows, columns = np.nonzero(np.abs(square - strongest).sum(axis=2) == 0)
    assert rows.size > 0
    scale = 2 * math.pi / 75 / 280
    east, north = (columns + 0.5 - 280).mean() * scale, (280 - rows - 0.5).mean() * scale
    assert abs(math.log(math.hypot(east, north) * wavelength / (2 * math.pi))) <= 1.5 * math.log(800 / 30) / 29
    assert directions.angle_between(math.degrees(math.atan2(east, north)), direction) <= 10


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.floats(0.3, 12), st.floats(90, 500), st.floats(0, 359.9), st.floats(10, 30), st.sampled_from(("2014", "2020"))
)
def test_a_known_swell_is_read_back(hs, wavelength, direction, spread, edition):
    made = Imagette(NOON, 10, 20, [Swell(hs, wavelength, direction, spread)], cutoff=20.0, edition=edition)
    found = read(made)
    assert found.hs == pytest.approx(hs, rel=0.02)
    assert found.partition_hs[0] == pytest.approx(hs, rel=0.02)
    bin_width = math.log(800 / 30) / 29
    top = spectra.peak(found.k, found.phi, found.energy)
    assert abs(math.log(top.wavelength / wavelength)) <= bin_width
    assert directions.angle_between(top.direction, direction) <= 10
    assert abs(math.log(found.partition_wavelength[0] / wavelength)) <= bin_width
    assert directions.angle_between(found.partition_direction[0], direction) <= 10
    assert found.partitions[np.unravel_index(np.argmax(found.energy), found.energy.shape)] == 0


def test_what_is_resolved_in_each_direction_and_how_bright_it_is():
    found = read(Imagette(NOON, 10, 20, SEA, heading=30.0, cutoff=200.0))
    assert found.nrcs == -6.5
    # Along the flight, at 30° and 210°, what the cut-off says; across it, at 120° and 300°, the shortest that there is.
    np.testing.assert_allclose(found.shortest[[3, 21, 12, 30, 9]], [200, 200, 30, 30, 100], rtol=1e-6)
    turned = (
        Imagette(NOON, 10, 20, SEA, heading=30.0, cutoff=200.0).dataset().isel(oswAngularBinSize=slice(None, None, -1))
    )
    np.testing.assert_array_equal(ocn.read_spectrum(MemorySource(turned)).shortest, found.shortest)
    data = Imagette(NOON, 10, 20, SEA).dataset()
    data["oswNrcs"][:] = -999.0
    without = ocn.read_spectrum(MemorySource(data.drop_vars("oswSpecRes")))
    assert math.isnan(without.nrcs)
    assert without.shortest is None


def test_cross_spectra_are_even_and_odd():
    found = read(Imagette(NOON, 10, 20, SEA))
    half = found.phi.size // 2
    np.testing.assert_allclose(found.cross_re, np.roll(found.cross_re, half, axis=1), atol=1e-6)
    np.testing.assert_allclose(found.cross_im, -np.roll(found.cross_im, half, axis=1), atol=1e-6)
    assert "the imaginary cross spectrum is positive where the waves go to" in found.notes
    turned = Imagette(NOON, 10, 20, SEA).dataset()
    turned["oswQualityCrossSpectraIm"] = -turned["oswQualityCrossSpectraIm"]
    notes = ocn.read_spectrum(MemorySource(turned)).notes
    assert "the imaginary cross spectrum is negative where the waves go to" in notes


def test_the_editions_tell_the_same_sea():
    old = read(Imagette(NOON, 10, 20, SEA, edition="2014", wind_from=240.0))
    new = read(Imagette(NOON, 10, 20, SEA, edition="2020", wind_from=240.0))
    assert old.wind_from == pytest.approx(240.0, abs=1e-3)
    assert new.wind_from == pytest.approx(240.0, abs=1e-3)
    np.testing.assert_array_equal(old.partitions, new.partitions)
    np.testing.assert_array_equal(old.partition_hs, new.partition_hs)
    assert (old.quality, new.quality) == (-1, 0)
    assert math.isnan(old.total_hs)
    assert new.total_hs == pytest.approx(math.hypot(2.4, 1.3), rel=1e-6)
    assert any("no total height" in note for note in old.notes)


def test_partitions_need_not_be_numbered_in_a_row():
    found = read(Imagette(NOON, 10, 20, [*SEA, Swell(0.8, 400, 300)], ids=(0, 1, 3), cutoff=60.0))
    assert found.partition_ids.tolist() == [0, 1, 3]
    assert set(np.unique(found.partitions)) == {-1, 0, 1, 3}
    np.testing.assert_allclose(found.partition_hs, [2.4, 1.3, 0.8], rtol=0.03)
    assert any("numbered 0, 1, 3" in note for note in found.notes)


@pytest.mark.parametrize("code", [-999.0, -1.0])
def test_missing_codes_are_missing(code):
    data = Imagette(NOON, 10, 20, SEA).dataset()
    for name in ("oswHs", "oswWl", "oswDirmet"):
        data[name][0, 0, 1] = code
    data["oswTotalHs"][:] = code
    data["oswWindSpeed"][:] = code
    found = ocn.read_spectrum(MemorySource(data))
    assert math.isnan(found.total_hs)
    assert math.isnan(found.wind_speed)
    assert np.isnan(found.partition_hs).tolist() == [False, True]


def test_a_direction_opposite_to_the_peak_is_told():
    data = Imagette(NOON, 10, 20, SEA).dataset()
    data["oswDirmet"] = (data["oswDirmet"] + 180).where(data["oswDirmet"] >= 0, data["oswDirmet"])
    notes = ocn.read_spectrum(MemorySource(data)).notes
    assert any("opposite to the spectrum's peak" in note for note in notes)


def test_padded_dimensions_mean_that_a_part_is_absent():
    whole = Imagette(NOON, 10, 20, SEA).dataset()
    flat = [name for name in whole if str(name).startswith(("oswCart", "oswKx", "oswKy", "oswLag"))]
    padded = whole.drop_vars([*flat, "oswLag"])
    for name in ("oswCartSpecRe", "oswCartSpecIm"):
        padded[name] = (("oswAzSize", "oswRaSize", "oswKyBinSize", "oswKxBinSize", "oswLag"), np.zeros((1, 1, 1, 1, 1)))
    padded["oswKx"], padded["oswKy"] = ("oswKxBinSize", [0.0]), ("oswKyBinSize", [0.0])
    found = ocn.read_spectrum(MemorySource(padded))
    assert found.cartesian is None
    assert any("no cartesian cross spectra" in note for note in found.notes)
    alone = whole.isel(oswWavenumberBinSize=slice(0, 1), oswAngularBinSize=slice(0, 1))
    with pytest.raises(errors.Unreadable, match="of size 1"):
        ocn.read_spectrum(MemorySource(alone))


def test_a_glance_sees_what_a_reading_sees(tmp_path):
    path = wave_sample.write_imagette(Imagette(NOON, 179.9, -20, SEA), tmp_path)
    files = OpenFiles()
    with FileSource(path, files).contents() as contents:
        whole = ocn._File(str(path), contents.variables, contents.attrs).row()
    assert ocn.read_row(path, files) == whole
    files.close()


def test_a_row_opens_its_file_once(tmp_path, monkeypatch):
    path = wave_sample.write_imagette(Imagette(NOON, 10, -20, SEA), tmp_path)
    opened = []
    before = h5py.File

    def counting(*args, **options):
        opened.append(args[0])
        return before(*args, **options)

    monkeypatch.setattr(h5py, "File", counting)
    ocn.read_row(path, OpenFiles())
    assert opened == [path]


@pytest.mark.parametrize("trick", ["external storage", "virtual", "external link", "soft link"])
def test_a_row_is_not_read_from_other_files(trick, tmp_path):
    path = wave_sample.write_imagette(Imagette(NOON, 10, -20, SEA), tmp_path)
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["oswHeading"] = np.array([[1.0]])
    with h5py.File(path, "a") as file:
        del file["oswHeading"]
        if trick == "external storage":
            file.create_dataset("oswHeading", (1, 1), "f8", external=[(str(secret), 0, 8)])
        elif trick == "virtual":
            layout = h5py.VirtualLayout((1, 1), "f8")
            layout[:] = h5py.VirtualSource(str(secret), "oswHeading", (1, 1))
            file.create_virtual_dataset("oswHeading", layout)
        elif trick == "external link":
            file["oswHeading"] = h5py.ExternalLink(str(secret), "/oswHeading")
        else:
            file["elsewhere"] = h5py.ExternalLink(str(secret), "/")
            file["oswHeading"] = h5py.SoftLink("/elsewhere/oswHeading")
    with pytest.raises(errors.Unreadable, match=r"is not opened: .*oswHeading"):
        ocn.read_row(path, OpenFiles())


# --- a service over files --------------------------------------------------------------------------------------------

SATELLITES = ("S1A", "S1B", "S1C", "S1D")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("waves")
    made = []
    for number, satellite in enumerate(SATELLITES):
        safe = root / f"{satellite}_WV_OCN__2SSV_20200615T120000.SAFE" / "measurement"
        safe.mkdir(parents=True)
        for step in range(3):
            item = Imagette(
                NOON + dt.timedelta(minutes=10 * number, seconds=15 * step),
                179.0 + step,
                -20.0 + 10 * number,
                SEA,
                satellite,
                "WV1" if step % 2 == 0 else "WV2",
                number=step + 1,
                edition="2014" if step == 1 else "2020",
            )
            made.append(item)
            path = wave_sample.write_imagette(item, safe)
            if step == 0:
                beside = path.with_name(path.stem + "-roughness.nc")
                wave_sample.roughness_dataset(item, 200.0).to_netcdf(beside, engine="h5netcdf")
    wave_sample.model_dataset(made).to_netcdf(root / "model.nc", engine="h5netcdf")
    broken = root / "broken"
    broken.mkdir()
    good = (root / "S1A_WV_OCN__2SSV_20200615T120000.SAFE" / "measurement").glob("*-001.nc").__next__()
    name = "s1a-wv1-ocn-vv-20200615t13000{}-20200615t130003-032844-00c9eb-00{}.nc"
    (broken / name.format(0, 1)).write_bytes(good.read_bytes()[:20_000])
    (broken / name.format(1, 2)).write_bytes(b"")
    (broken / name.format(2, 3)).write_text("not a file of that kind")
    xr.Dataset({"sst": ("x", [1.0])}).to_netcdf(broken / name.format(3, 4), engine="h5netcdf")
    return root


@pytest.fixture(scope="module")
def local(folder) -> Iterator[LocalService]:
    with LocalService(folder) as service:
        yield service


@pytest.fixture(scope="module")
def remote(local) -> Iterator[HttpService]:
    with serve_background(build_app(local)) as server, HttpService(server.url) as service:
        yield service


FIRST = Date("20200615120000")
EVERY = [
    (names.index_id(satellite), varname, Date(f"202006151{2 + number // 6}{10 * number % 60:02d}00"))
    for number, satellite in enumerate(SATELLITES)
    for varname in names.variables_of(satellite)
]
QUERIES = {
    **{f"{index} {varname}": QuicklookQuery(index, varname, date) for index, varname, date in EVERY},
    "acquisitions": AcquisitionsQuery("S1AWV.v3<"),
    "acquisitions of all": AcquisitionsQuery("all<", limit=5),
    "over the antimeridian": AcquisitionsQuery("all<", BBox(179.5, -30, -178, 30)),
    "acquisitions of a lapse": AcquisitionsQuery("all<", GLOBAL, Lapse(Date("202006151210"), Date("202006151210"))),
    "no acquisitions": AcquisitionsQuery("S1BWV.v3<", BBox(0, 0, 1, 1)),
    "spectrum": SpectrumQuery("S1AWV.v3<", FIRST),
    "spectrum of an old product": SpectrumQuery("S1AWV.v3<", Date("20200615120015")),
    "files": FilesQuery("all<", "sss"),
    "files of high seas": FilesQuery("all<", "sss", filters=parse_filters({"hs": {"min": 2.5}, "satellite": "S1C"})),
    "files of a variable": FilesQuery("S1AWV.v3<", "S1A_WV_OCN__2S_ww3"),
    "times": TimesQuery("S1AWV.v3<", "l1_roughness"),
}
WRONG = {
    "pairing": (QuicklookQuery("S1AWV.v3<", "S1B_WV_OCN__2S_ww3", FIRST), "'S1A_WV_OCN__2S_ww3'"),
    "variable": (QuicklookQuery("S1AWV.v3<", "l1_roughnes", FIRST), "'l1_roughness'"),
    "index": (SpectrumQuery("S1EWV.v3<", FIRST), "S1AWV.v3<"),
    "date": (QuicklookQuery("S1AWV.v3<", "l1_roughness", Date("20200615123000")), "12:00:30 Z"),
    "box": (SpectrumQuery("S1AWV.v3<", FIRST, BBox(0, 0, 1, 1)), "no acquisition of S1A"),
    "several": (SpectrumQuery("S1AWV.v3<", Date("20200615")), "3 times"),
    "no surface": (QuicklookQuery("S1AWV.v3<", "l1_roughness", Date("20200615120015")), "roughness"),
    "filter": (FilesQuery("all<", "sss", filters=parse_filters({"hss": 3})), "'hs'"),
}


def test_there_is_something_to_ask():
    assert len(EVERY) == 20


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_answers_are_equal_on_both_carriers(query, local, remote):
    assert_same(local.answer(query), remote.answer(query))


@pytest.mark.parametrize(("query", "says"), WRONG.values(), ids=WRONG)
def test_errors_are_equal_on_both_carriers(query, says, local, remote):
    with pytest.raises(errors.DatavoreError) as ours:
        local.answer(query)
    with pytest.raises(errors.DatavoreError) as theirs:
        remote.answer(query)
    assert type(ours.value) is type(theirs.value)
    assert str(ours.value) == str(theirs.value)
    assert says in str(ours.value)


@pytest.mark.parametrize(("index", "varname", "date"), EVERY)
def test_every_variable_is_a_picture_that_says_what_it_shows(index, varname, date, local):
    answer = local.answer(QuicklookQuery(index, varname, date))
    with Image.open(io.BytesIO(answer.png)) as picture:
        assert picture.size == (answer.width, answer.height)
        assert len(picture.getcolors(1 << 20)) > 20
    assert answer.satellite == index[:3]
    assert answer.time.label // 1000 == int(date.digits)
    assert (answer.mode, answer.units != "") == ("WV1", True)
    assert (answer.lon, answer.lat) == pytest.approx((179.0, -20.0 + 10 * SATELLITES.index(index[:3])))
    assert "synthetic" in answer.note


def test_the_client_asks_by_the_documented_names(local):
    client = Datavoresentinel1(local)
    image = client.getImage("S1BWV.v3<", "S1B_WV_OCN__2S_ww3", "20200615121000", bbox=[170, -40, -170, 40])
    assert image == local.answer(QuicklookQuery("S1BWV.v3<", "S1B_WV_OCN__2S_ww3", Date("20200615121000"))).png
    assert len(client.getFileList()) == 12
    assert len(client.getFileList("global", "20200615121000", "20200615121020", 0, "null", "null")) == 2
    with pytest.raises(errors.UnknownKeyword, match="varname"):
        client.getImage("S1BWV.v3<", varnam="l1_roughness", date="2020")


def test_a_condition_on_a_number_is_met_in_the_precision_of_the_column(local):
    assert len(local.answer(AcquisitionsQuery("all<"))) == 12
    height = next(h for h in local.answer(AcquisitionsQuery("all<")).hs.tolist() if h != round(h, 3))
    for asked in (height, float(str(np.float32(height)))):
        assert local.answer(FilesQuery("all<", "sss", filters=parse_filters({"hs": asked}))).files


def test_broken_and_foreign_files_are_flagged_and_the_others_served(local):
    problems = {Path(path).name[-6:-3]: reason for path, reason in local._store.library.problems.items()}
    assert set(problems) == {"001", "002", "003", "004"}
    assert "no level-2 OCN measurement" in problems["004"]
    assert len(local.answer(AcquisitionsQuery("all<"))) == 12


@pytest.mark.parametrize("spec", ["SAFE", "file", "glob", "another name"])
def test_products_are_opened_as_they_are_delivered(spec, folder, tmp_path):
    safe = next(folder.glob("S1C*.SAFE"))
    first = min((safe / "measurement").glob("s1c-*-001.nc"))
    if spec == "another name":  # what it is, it says itself
        copy = tmp_path / "swell.nc"
        copy.write_bytes(first.read_bytes())
    given_as = {"SAFE": safe, "file": first, "glob": f"{safe}/measurement/s1c-*.nc", "another name": tmp_path}[spec]
    with LocalService(given_as) as service:
        found = service.answer(AcquisitionsQuery("S1CWV.v3<"))
        assert len(found) == (3 if spec in ("SAFE", "glob") else 1)
        assert service.answer(SpectrumQuery("S1CWV.v3<", Date("20200615122000"))).satellite == "S1C"


def test_what_was_learned_is_not_looked_into_again(folder, local, monkeypatch):
    from datavore_widgets.service.waves import table

    looked = []
    monkeypatch.setattr(table, "read_row", lambda path, files: looked.append(path) or ocn.read_row(path, files))
    with LocalService(folder) as again:
        assert_same(again.answer(AcquisitionsQuery("all<")), local.answer(AcquisitionsQuery("all<")))
    assert {path.parent.name for path in looked} == {"broken"}


def test_the_catalogue_tells_wave_modes_apart(local):
    indexes = local.answer(CatalogQuery()).indexes
    assert {info.kind for info in indexes.values()} == {"wave"}
    assert list(indexes) == [names.index_id(satellite) for satellite in SATELLITES]
    assert indexes["S1AWV.v3<"].count == 3
    assert indexes["S1AWV.v3<"].bbox == BBox(179.0, -20.0, -179.0, -20.0)


def test_the_model_is_beside_with_its_distance(local):
    found = local.answer(SpectrumQuery("S1AWV.v3<", FIRST))
    model = found.model
    assert model.source == "model.nc"
    assert 0 < model.distance < 15
    assert model.hours == 0
    assert model.hs_inside < model.hs
    assert model.hs == pytest.approx(math.sqrt((1.08 * 2.4) ** 2 + (1.08 * 1.3) ** 2 + (0.021 * 64) ** 2), rel=0.03)


def test_the_surface_is_north_up(local, folder):
    found = local.answer(SpectrumQuery("S1AWV.v3<", FIRST))
    assert found.roughness_spacing == pytest.approx(200.0, rel=0.01)
    beside = next(folder.rglob("s1a*-001-roughness.nc"))
    with xr.open_dataset(beside, engine="h5netcdf") as data:
        row, column = 20, 70
        value = data.roughness.values[row, column]
        lon, lat = float(data.lon[row, column]), float(data.lat[row, column])
    metres = math.radians(1) * 6371008.8
    middle = (found.roughness.shape[0] - 1) / 2
    x = middle + (lon - found.lon) * math.cos(math.radians(found.lat)) * metres / found.roughness_spacing
    y = middle - (lat - found.lat) * metres / found.roughness_spacing
    near = found.roughness[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
    assert np.isclose(near, value).any()


@pytest.mark.parametrize("lost", [np.nan, 10.0])
def test_a_surface_whose_pixels_have_no_places_is_left_out(lost: float, tmp_path: Path) -> None:
    made = Imagette(NOON, 10, 20, list(SEA))
    path = wave_sample.write_imagette(made, tmp_path)
    surface = wave_sample.roughness_dataset(made, 1000.0)
    surface["lon"] = surface["lon"] * 0 + lost
    surface.to_netcdf(path.with_name(f"{path.stem}-roughness.nc"))
    with LocalService(tmp_path) as service:
        found = service.answer(SpectrumQuery("S1AWV.v3<", Date.parse(NOON)))
    assert found.roughness is None
    assert "missing, or all on one line" in " ".join(found.notes)


# --- models' spectra of real files ------------------------------------------------------------------------------------

MODELS = ("ww3file.nc", "ww3file.zarr", "swanfile.spec")


def as_wavespectra(path: Path) -> xr.Dataset:
    """The spectra of a file as wavespectra reads them, over time and site."""
    wavespectra = pytest.importorskip("wavespectra")
    if path.suffix == ".spec":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves the file open
            found = wavespectra.read_swan(str(path)).stack(site=("lat", "lon"))
            gc.collect()
        return found
    return wavespectra.read_ww3(str(path), **({"file_format": "zarr"} if path.suffix == ".zarr" else {})).load()


@pytest.mark.parametrize("name", MODELS)
def test_heights_of_real_spectra_are_those_of_wavespectra(name: str, shared_data: Path) -> None:
    """To 1 %, like with like: both without a tail, and both with one.

    With a tail, wavespectra takes the last bin whole (widths are numpy's gradient: at the end the step itself) and
    adds E·f/4 from its centre on, so that half a bin, E·Δf/2, counts twice; WAVEWATCH III itself and SWAN end on half a
    bin. That half is taken off here. With it, theirs is the higher one, by what the half bin is of the whole.
    """
    theirs = as_wavespectra(shared_data / name)
    bare, whole = (theirs.spec.hs(tail=tail).transpose("time", "site").values for tail in (False, True))
    last = theirs.efth.spec.oned().isel(freq=-1).transpose("time", "site").values
    twice = last * float(theirs.freq[-1] - theirs.freq[-2]) / 2
    model = read_model(FileSource(shared_data / name, OpenFiles()))
    cells = np.ndindex(model.lon.shape)
    ours = np.array([model.height(*cell) for cell in cells]).reshape(model.lon.shape)
    ours_bare = np.array([4 * math.sqrt(model.variance(*cell).sum()) for cell in np.ndindex(ours.shape)])
    sea = bare > 0  # under ice there are no waves
    assert sea.sum() > 4
    assert (ours[~sea] == 0).all()
    np.testing.assert_allclose(ours_bare.reshape(sea.shape)[sea], bare[sea], rtol=0.01)
    once = 4 * np.sqrt((whole / 4) ** 2 - twice)
    np.testing.assert_allclose(ours[sea], once[sea], rtol=0.01)
    assert (np.abs(ours[sea] / whole[sea] - 1) < 0.01 + (1 - once[sea] / whole[sea])).all()
    # So in swell, where the last bin holds next to nothing, the heights are simply wavespectra's own.
    swell = sea & (once > 0.997 * whole)
    assert swell.any()
    np.testing.assert_allclose(ours[swell], whole[swell], rtol=0.01)


@pytest.mark.parametrize("name", MODELS)
def test_periods_and_directions_of_real_spectra_are_those_of_wavespectra(name: str, shared_data: Path) -> None:
    """Periods to 0.1 %. Directions over wavespectra's widths of the bins to a thousandth of a degree; over ours to 1°.

    numpy's gradient makes the first bin 5 % wider than on a logarithmic axis, and the last one 5 % narrower. That turns
    the mean of low seas (Hs 0.3 m) with a tenth and more of their variance in the last bin by up to 2°.
    """
    theirs = as_wavespectra(shared_data / name)
    tp, dm = (values.transpose("time", "site").values for values in (theirs.spec.tp().load(), theirs.spec.dm()))
    model = read_model(FileSource(shared_data / name, OpenFiles()))
    widths, towards = np.gradient(model.f), np.deg2rad(model.theta)
    compared = 0
    for cell in np.ndindex(model.lon.shape):
        if not np.nansum(model.density[cell]):
            assert math.isnan(model.period(*cell))
            assert math.isnan(model.direction(*cell))
            continue
        weights = widths @ model.density[cell].astype(np.float64)
        alike = math.degrees(math.atan2(weights @ np.sin(towards), weights @ np.cos(towards)))
        assert directions.angle_between(alike, dm[cell] + 180.0) < 0.001
        bins = model.variance(*cell).sum(axis=1)
        allowed = 1.0 if bins[-1] < 0.1 * bins.sum() else 2.0
        assert directions.angle_between(model.direction(*cell), dm[cell] + 180.0) < allowed
        # wavespectra knows no peak at an end of the axis, and none of two equal ones: there it has none, or another.
        along = model.density[cell].sum(axis=1)
        if 0 < np.argmax(along) < along.size - 1 and math.isfinite(tp[cell]):
            compared += 1
            assert model.period(*cell) == pytest.approx(float(tp[cell]), rel=0.001)
    assert compared > 4


def small_model(standard_name: str, units: str, theta: list[float], density: np.ndarray) -> xr.Dataset:
    """A model's spectra at one place and time, over four directions and three frequencies."""
    told = {"standard_name": "sea_surface_wave_directional_variance_spectral_density", "units": units}
    return xr.Dataset(
        {
            "efth": (("time", "station", "frequency", "direction"), density[None, None], told),
            "longitude": ("station", [10.0], {"standard_name": "longitude", "units": "degrees_east"}),
            "latitude": ("station", [20.0], {"standard_name": "latitude", "units": "degrees_north"}),
        },
        {
            "time": ("time", [0], {"standard_name": "time", "units": "hours since 2020-06-15T12:00:00Z"}),
            "frequency": ("frequency", [0.08, 0.1, 0.125], {"standard_name": "sea_surface_wave_frequency"}),
            "direction": ("direction", theta, {"standard_name": standard_name, "units": "degree"}),
        },
    )


def test_a_model_is_read_by_its_own_word_of_from_and_to() -> None:
    """One sea, waves that go to the east (90°), written three ways: towards per radian, and from per degree."""
    density = np.zeros((3, 4))
    density[1, 1] = 2.0
    towards = small_model("sea_surface_wave_to_direction", "m2 s rad-1", [0.0, 90, 180, 270], density)
    come = small_model("sea_surface_wave_from_direction", "m2 s degree-1", [180.0, 270, 0, 90], np.deg2rad(1) * density)
    sources = [MemorySource(towards), MemorySource(come)]
    for source in sources:
        model = read_model(source)
        assert model.direction(0, 0) == pytest.approx(90.0)
        assert model.theta[np.argmax(model.density[0, 0].sum(axis=0))] == 90.0
        assert model.density.max() == pytest.approx(2.0)
        # The bin is 0.1·(√1.25 - √0.8) Hz wide and π/2 rad: m0 = 2·0.02236068·π/2 = 0.07024815 m².
        assert 4 * math.sqrt(model.variance(0, 0).sum()) == pytest.approx(4 * math.sqrt(0.07024815), rel=1e-6)
    # Beside an acquisition it lies where the radar sees waves that go to the east.
    found = read(Imagette(NOON, 10, 20, [Swell(2.0, 156.0, 90.0)]))
    for source in sources:
        beside, _ = Models([partial(read_model, source)]).nearest(found)
        assert beside is not None
        top = spectra.peak(found.k, found.phi, beside.energy)
        assert directions.angle_between(top.direction, 90.0) <= 45  # bins of 90°
        assert beside.direction == pytest.approx(90.0)
        # The parabola through 0, 2 and 0 at 0.08, 0.1 and 0.125 Hz has its top at 0.1025 Hz.
        assert beside.period == pytest.approx(1 / 0.1025, rel=1e-5)


def test_a_models_file_is_opened_when_it_is_compared_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    density = np.ones((3, 4))
    made = small_model("sea_surface_wave_to_direction", "m2 s rad-1", [0.0, 90, 180, 270], density)
    made.to_netcdf(tmp_path / "model.nc")
    made.isel(time=0, drop=True).to_netcdf(tmp_path / "timeless.nc")
    wave_sample.write_imagette(Imagette(NOON, 10, 20, SEA), tmp_path)
    with LocalService(tmp_path):
        pass  # it is looked into once, and remembered
    opened: list[str] = []
    real = files._open
    monkeypatch.setattr(files, "_open", lambda path, seen: (opened.append(path.name), real(path, seen))[1])
    asked = SpectrumQuery("S1AWV.v3<", Date(f"{NOON:%Y%m%d%H%M%S}"))
    with LocalService(tmp_path) as service:
        assert opened == []
        # What can be told without its values is told at once.
        [(path, reason)] = service._store.library.problems.items()
        assert (Path(path).name, "do not tell their time" in reason) == ("timeless.nc", True)
        beside = service.answer(asked).model
        assert beside is not None
        assert beside.source == "model.nc"
        assert "model.nc" in opened
    with LocalService(tmp_path) as service:
        # One whose values cannot be read is told beside what there is.
        (tmp_path / "model.nc").write_bytes(b"no longer")
        found = service.answer(asked)
        assert found.model is None
        assert any("model.nc" in note for note in found.notes)


def test_a_model_without_a_spectrum_yet_is_refused() -> None:
    made = small_model("sea_surface_wave_to_direction", "m2 s rad-1", [0.0, 90, 180, 270], np.zeros((3, 4)))
    with pytest.raises(errors.Unreadable, match="shape"):
        read_model(MemorySource(made.isel(time=slice(0, 0))))


def test_the_peak_period_is_the_top_of_a_parabola() -> None:
    """E(f) = 9 - (100·(f - 0.104))² m²/Hz in one direction of four, at 0.08, 0.1 and 0.125 Hz: the top is 0.104 Hz."""
    f = np.array([0.08, 0.1, 0.125])
    density = np.zeros((3, 4))
    density[:, 2] = 9 - (100 * (f - 0.104)) ** 2
    model = read_model(
        MemorySource(small_model("sea_surface_wave_to_direction", "m2 s rad-1", [0.0, 90, 180, 270], density))
    )
    assert model.period(0, 0) == pytest.approx(1 / 0.104, rel=1e-5)  # densities are float32
    density[2, 2] = 20.0  # a peak at the end has no parabola
    model = read_model(
        MemorySource(small_model("sea_surface_wave_to_direction", "m2 s rad-1", [0.0, 90, 180, 270], density))
    )
    assert model.period(0, 0) == pytest.approx(8.0)


@pytest.mark.parametrize("name", MODELS)
def test_a_real_model_stands_beside_an_acquisition(name: str, shared_data: Path, tmp_path: Path) -> None:
    model = read_model(FileSource(shared_data / name, OpenFiles()))
    time = model.labels.size - 1
    when = dt.datetime.strptime(str(model.labels[time])[:14], "%Y%m%d%H%M%S")
    lon, lat = float(model.lon[time, 0]), float(model.lat[time, 0])
    wave_sample.write_imagette(Imagette(when, lon, lat + 0.1, SEA), tmp_path)
    with LocalService([tmp_path, shared_data / name]) as service:
        assert not service._store.library.problems
        found = service.answer(SpectrumQuery("S1AWV.v3<", Date(f"{when:%Y%m%d%H%M%S}")))
        assert service.answer(QuicklookQuery("S1AWV.v3<", "S1A_WV_OCN__2S_ww3", Date(f"{when:%Y%m%d%H%M%S}"))).png
    beside = found.model
    assert beside is not None
    assert (beside.source, beside.hours) == (name, 0.0)
    assert beside.distance < 12  # 0.1° and less
    nearest = int(np.argmin(np.hypot(model.lon[time] - lon, model.lat[time] - lat - 0.1)))
    assert beside.hs == model.height(time, nearest)
    assert beside.period == model.period(time, nearest)
